/** Who this proxy is, as filters see it. */
import { byteStrings } from "./byte-strings.ts";
import type { Node } from "./model.ts";

/** A proxy of which nothing was said. */
export const NO_NODE: Node = {
  id: "",
  cluster: "",
  locality: { region: "", zone: "", subZone: "" },
  metadata: {},
};

/** The same with byte strings in its metadata. */
export function nodeInBytes(node: Node): Node {
  return { ...node, metadata: byteStrings(node.metadata) };
}
