/**
 * Values of configuration as Envoy gives them to guests (proxy-wasm.md 1.5): texts as they are, numbers and truth
 * values as they lie in memory, maps and lists as pairs, whole messages in protobuf. All are byte strings.
 */
import type { Json, Locality, Metadata, Node } from "../../core/config/model.ts";

/** A map or list without entries. */
export const NO_PAIRS = "\0\0\0\0";

type JsonMap = { readonly [key: string]: Json };

function u32(n: number): string {
  return String.fromCharCode(n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24);
}

const scratch = new DataView(new ArrayBuffer(8));

function double(value: number): string {
  scratch.setFloat64(0, value, true);
  return u32(scratch.getUint32(0, true)) + u32(scratch.getUint32(4, true));
}

/** Names and values in the ABI's form; both lists are of one length. */
export function encodePairs(names: readonly string[], values: readonly string[]): string {
  let sizes = u32(names.length);
  let texts = "";
  names.forEach((name, i) => {
    sizes += u32(name.length) + u32(values[i].length);
    texts += `${name}\0${values[i]}\0`;
  });
  return sizes + texts;
}

/** A value of a `google.protobuf.Struct`; undefined if it has no form: a null, or what holds one. */
export function encodeJson(json: Json): string | undefined {
  if (typeof json === "string") return json;
  if (typeof json === "number") return double(json);
  if (typeof json === "boolean") return json ? "\x01" : "\0";
  if (json === null) return undefined;
  const isList = Array.isArray(json);
  const values = (isList ? json : Object.values(json)).map(encodeJson);
  if (values.includes(undefined)) return undefined;
  const texts = values as string[];
  return isList ? encodePairs(texts, Array(texts.length).fill("")) : encodePairs(Object.keys(json), texts);
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────

function varint(n: number): string {
  let out = "";
  let left = n;
  for (; left > 127; left >>>= 7) out += String.fromCharCode((left & 127) | 128);
  return out + String.fromCharCode(left);
}

/** A field of text, bytes or a message. */
function field(number: number, content: string): string {
  return varint((number << 3) | 2) + varint(content.length) + content;
}

/** The same, left out if it is empty. */
function optional(number: number, content: string): string {
  return content === "" ? "" : field(number, content);
}

/** google.protobuf.Value. */
function valueMessage(json: Json): string {
  if (json === null) return "\x08\0";
  if (typeof json === "number") return `\x11${double(json)}`;
  if (typeof json === "string") return field(3, json);
  if (typeof json === "boolean") return json ? "\x20\x01" : "\x20\0";
  if (!Array.isArray(json)) return field(5, structMessage(json as JsonMap));
  return field(6, json.map((entry) => field(1, valueMessage(entry))).join(""));
}

/** google.protobuf.Struct. */
function structMessage(map: JsonMap): string {
  const entries = Object.entries(map);
  return entries.map(([key, value]) => field(1, field(1, key) + field(2, valueMessage(value)))).join("");
}

/** envoy.config.core.v3.Metadata. */
export function encodeMetadata(metadata: Metadata): string {
  const entries = Object.entries(metadata);
  return entries
    .map(([namespace, values]) => field(1, field(1, namespace) + field(2, structMessage(values as JsonMap))))
    .join("");
}

/** envoy.config.core.v3.Locality. */
export function encodeLocality({ region, zone, subZone }: Locality): string {
  return optional(1, region) + optional(2, zone) + optional(3, subZone);
}

/** envoy.config.core.v3.Node, as far as we know it. */
export function encodeNode(node: Node, agent: string): string {
  return (
    optional(1, node.id) +
    optional(2, node.cluster) +
    optional(3, structMessage(node.metadata as JsonMap)) +
    optional(4, encodeLocality(node.locality)) +
    optional(6, agent)
  );
}
