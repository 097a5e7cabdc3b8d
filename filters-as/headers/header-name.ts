/**
 * Names of header fields as a configuration may write them (RFC 9110, 5.1: a token), and which of them may be
 * changed. The framing of a message and its pseudo-headers belong to the proxy: a filter that could change them
 * could smuggle requests.
 */
import { Bytes, JsonNode, lower, Slice } from "../sdk/sdk";

const MARKS = Slice.of("!#$%&'*+-.^_`|~");
const FRAMING: string[] = ["content-length", "transfer-encoding", "connection", "upgrade", "host"];

/** The name in lower case; a fault of `node` if it is none. Pseudo-headers may only be read. */
export function readName(node: JsonNode): Bytes {
  const written = node.asBytes();
  if (node.isString && !isName(written.view)) node.fault("must be the name of a header");
  return written.view.toLowerCase().keep();
}

/** The name of a header that is to be changed. */
export function readTarget(node: JsonNode): Bytes {
  const name = readName(node);
  if (name.length === 0) return name;
  if (name.view.at(0) === 0x3a) node.fault("pseudo-headers cannot be changed");
  else if (FRAMING.includes(name.toString())) node.fault("headers that frame the message cannot be changed");
  return name;
}

/** True for a token, or a token behind a colon. */
export function isName(name: Slice): bool {
  const start = name.length > 1 && name.at(0) === 0x3a ? 1 : 0;
  for (let i = start; i < name.length; i++) if (!isTokenByte(name.at(i))) return false;
  return name.length > start;
}

/** RFC 9110, 5.6.2. */
function isTokenByte(byte: u8): bool {
  const letter = <u32>lower(byte) - 0x61;
  return letter < 26 || <u32>byte - 0x30 < 10 || MARKS.indexOfByte(byte) >= 0;
}

/** True if a field's value may hold all these bytes: no control characters but tab (RFC 9110, 5.5). */
export function isValue(value: Slice): bool {
  for (let i = 0; i < value.length; i++) {
    const byte = value.at(i);
    if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) return false;
  }
  return true;
}
