/** How to start each runtime, as npm installed it. */
import { join } from "node:path";

const BIN = join(import.meta.dir, "../../node_modules/.bin");

/** Command lines that take a script and its arguments. */
export const COMMANDS = {
  bun: [join(BIN, "bun")],
  node: [join(BIN, "node")],
  // --unstable-net: sharing a port. -A includes --allow-ffi: RST.
  deno: [join(BIN, "deno"), "run", "-A", "--unstable-net"],
} as const;
