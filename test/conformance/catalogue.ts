/** All vectors. A row that the catalogue names and nobody tests fails here, at load. */
import type { Vector } from "./vector.ts";
import { chunks } from "./vectors/chunks.ts";
import { framing } from "./vectors/framing.ts";
import { hopByHop } from "./vectors/hop-by-hop.ts";
import { interimAndTunnels } from "./vectors/interim-and-tunnels.ts";
import { localReplies } from "./vectors/local-replies.ts";
import { namedAttacks } from "./vectors/named-attacks.ts";
import { persistence } from "./vectors/persistence.ts";
import { startLines } from "./vectors/start-lines.ts";
import { targets } from "./vectors/targets.ts";

/** Every row of the HTTP/1.1 catalogue but H6 (via: an option, see test/oracle) and H10 (PROXY protocol: not here yet). */
export const ROWS: readonly string[] = [
  ...Array.from({ length: 16 }, (_, i) => `L${i + 1}`),
  ...Array.from({ length: 14 }, (_, i) => `F${i + 1}`),
  ...Array.from({ length: 8 }, (_, i) => `C${i + 1}`),
  ...["H1", "H2", "H3", "H4", "H5", "H7", "H8", "H9"],
  ...Array.from({ length: 6 }, (_, i) => `R${i + 1}`),
  ...Array.from({ length: 6 }, (_, i) => `E${i + 1}`),
  ...Array.from({ length: 4 }, (_, i) => `K${i + 1}`),
  ...["T", "M"],
];

export const catalogue: readonly Vector[] = [
  ...startLines,
  ...framing,
  ...chunks,
  ...hopByHop,
  ...targets,
  ...interimAndTunnels,
  ...persistence,
  ...localReplies,
  ...namedAttacks,
];
