/** JSON as a document has it, with byte strings in the place of its texts: what the proxy works with. */
import { utf8ByteString } from "../bytes/ascii.ts";
import type { Json } from "./model.ts";

/** `json` with its keys and texts in UTF-8, one character for a byte. */
export function byteStrings(json: Json): Json {
  if (typeof json === "string") return utf8ByteString(json);
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return (json as readonly Json[]).map(byteStrings);
  const entries = Object.entries(json as { readonly [key: string]: Json });
  return Object.fromEntries(entries.map(([key, value]) => [utf8ByteString(key), byteStrings(value)]));
}
