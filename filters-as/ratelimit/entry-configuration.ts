/** Reads the entries of descriptors: one field of each says what it is about, and that field's value what is demanded. */
import { readAddress } from "../sdk/ip-address";
import { Bytes, JsonNode, Slice } from "../sdk/sdk";
import { isV4, mask, V4_OFFSET } from "./address";
import { Block, Entry } from "./entry";
import { HEADER, METHOD, PATH, RequestValue, SOURCE_ADDRESS, SOURCE_IDENTITY } from "./request-value";

const KINDS = ["header", "path", "method", "source_identity", "source_address"];
const KIND_VALUES: i32[] = [HEADER, PATH, METHOD, SOURCE_IDENTITY, SOURCE_ADDRESS];
const FIXED = "fixed";
const MAX_MATCHES: i32 = 1000;

/** Null if it is faulty beyond use. Values that it needs and that are not in `values` yet are added there. */
export function readEntry(node: JsonNode, values: RequestValue[]): Entry | null {
  if (!node.isObject || node.length !== 1) {
    // What of it would be known is not to be called unknown besides.
    for (let i = 0; i < node.length; i++) node.at(i);
    node.fault(`must be an object with one field: "${KINDS.join('", "')}" or "${FIXED}"`);
    return null;
  }
  const fixed = node.get(FIXED);
  if (fixed !== null) {
    const name = fixed.asString();
    if (fixed.isString && name.length === 0) fixed.fault("must not be empty");
    return new Entry(null, name);
  }
  for (let i = 0; i < KINDS.length; i++) {
    const child = node.get(KINDS[i]);
    if (child === null) continue;
    if (!child.isObject) {
      child.fault("must be an object");
      return null;
    }
    return readDemand(child, KIND_VALUES[i], values);
  }
  // The field is unknown, which is noted at the end.
  return null;
}

/** The value of that kind, made if it is not there yet. */
export function findValue(values: RequestValue[], kind: i32, header: string): RequestValue {
  for (let i = 0; i < values.length; i++) {
    if (values[i].kind === kind && values[i].header === header) return values[i];
  }
  const value = new RequestValue(kind, header);
  values.push(value);
  return value;
}

function readDemand(node: JsonNode, kind: i32, values: RequestValue[]): Entry {
  let header = "";
  if (kind === HEADER) {
    const name = node.require("name");
    if (name !== null) header = readHeaderName(name);
  }
  const entry = new Entry(findValue(values, kind, header));
  let demands = 0;
  if (kind === SOURCE_ADDRESS) {
    readBlocks(node, entry);
    demands = entry.blocks.length;
  } else {
    entry.exact = readTexts(node, "exact");
    entry.prefixes = readTexts(node, "prefix");
    demands = entry.exact.length + entry.prefixes.length;
  }
  if (demands > MAX_MATCHES) node.fault(`lists more than ${MAX_MATCHES} values`);
  entry.distinct = node.getBool("distinct", demands === 0);
  if (kind === SOURCE_ADDRESS) {
    entry.v4Bits = readBits(node, "v4_prefix", 32, entry.distinct);
    entry.v6Bits = readBits(node, "v6_prefix", 128, entry.distinct);
    if (node.get("v6_prefix") === null) entry.v6Bits = 64;
  }
  return entry;
}

function readBits(node: JsonNode, name: string, most: i32, isDistinct: bool): i32 {
  const child = node.get(name);
  if (child === null) return most;
  if (!isDistinct) child.fault("is of no use without distinct");
  return <i32>child.asInteger(1, most);
}

/** A string or an array of strings, none of them empty. */
function readTexts(node: JsonNode, name: string): Bytes[] {
  const texts: Bytes[] = [];
  const child = node.get(name);
  if (child === null) return texts;
  if (!child.isArray) {
    readText(child, texts);
    return texts;
  }
  const children = child.asArray();
  if (children.length === 0) child.fault("must not be empty");
  for (let i = 0; i < children.length; i++) readText(children[i], texts);
  return texts;
}

function readText(node: JsonNode, into: Bytes[]): void {
  const text = node.asBytes();
  if (node.isString && text.length === 0) node.fault("must not be empty");
  into.push(text);
}

function readHeaderName(node: JsonNode): string {
  const bytes = node.asBytes();
  if (node.isString && !isHeaderName(bytes.view)) node.fault("must be the name of a header");
  return bytes.toString().toLowerCase();
}

/** A token (RFC 9110, 5.6.2), or one behind a colon. */
export function isHeaderName(name: Slice): bool {
  const start = name.length > 1 && name.at(0) === 0x3a ? 1 : 0;
  for (let i = start; i < name.length; i++) {
    const byte = <u32>name.at(i);
    if ((byte | 0x20) - 0x61 < 26 || byte - 0x30 < 10) continue;
    if (TOKEN_MARKS.indexOf(String.fromCharCode(byte)) < 0) return false;
  }
  return name.length > 0;
}

const TOKEN_MARKS = "!#$%&'*+-.^_`|~";

function readBlocks(node: JsonNode, entry: Entry): void {
  const child = node.get("blocks");
  if (child === null) return;
  const blocks = child.asArray();
  if (child.isArray && blocks.length === 0) child.fault("must not be empty");
  for (let i = 0; i < blocks.length; i++) {
    const block = readBlock(blocks[i].asBytes().view);
    if (block !== null) entry.blocks.push(block);
    else if (blocks[i].isString) blocks[i].fault('must be an address or a block such as "10.0.0.0/8"');
  }
}

function readBlock(text: Slice): Block | null {
  const slash = text.indexOfByte(0x2f);
  const bytes = Bytes.allocate(16);
  const address = bytes.view.ptr;
  if (!readAddress(text.ptr, slash < 0 ? text.length : slash, address)) return null;
  // Of the address as it was written: ::ffff:10.0.0.0/104 is a block of IPv6 addresses to whoever wrote it.
  const isShort = isV4(address) && text.indexOfByte(0x3a) < 0;
  const most = isShort ? 32 : 128;
  const bits = slash < 0 ? most : text.slice(slash + 1).toDecimal();
  if (bits < 0 || bits > most) return null;
  const all = <i32>bits + (isShort ? V4_OFFSET : 0);
  mask(address, all);
  return new Block(bytes, all);
}
