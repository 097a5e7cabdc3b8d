/**
 * The SDK's pure functions, exported one by one for tests that call them through `@assemblyscript/loader`. Bytes
 * come and go as strings with one character per byte.
 */
import { allocate, beginCallback, extend } from "../sdk/arena";
import { bytesSinceCollection, collectGarbage } from "../sdk/compiler-hooks";
import { HttpContext } from "../sdk/context";
import { ContextTable } from "../sdk/context-table";
import { JsonDocument } from "../sdk/json-document";
import { JsonKind, JsonNode } from "../sdk/json-node";
import { Pairs, PairsWriter } from "../sdk/pairs";
import { Bytes, Slice } from "../sdk/slice";
import { isUtf8 } from "../sdk/utf8";
import { Writer } from "../sdk/writer";

function bytes(text: string): Slice {
  return Slice.fromLatin1(text);
}

// Slices

export function equals(a: string, b: string): bool {
  return bytes(a).equals(bytes(b));
}

export function equalsIgnoreCase(a: string, b: string): bool {
  return bytes(a).equalsIgnoreCase(bytes(b));
}

export function startsWith(a: string, b: string): bool {
  return bytes(a).startsWith(bytes(b));
}

export function startsWithIgnoreCase(a: string, b: string): bool {
  return bytes(a).startsWithIgnoreCase(bytes(b));
}

export function endsWith(a: string, b: string): bool {
  return bytes(a).endsWith(bytes(b));
}

export function endsWithIgnoreCase(a: string, b: string): bool {
  return bytes(a).endsWithIgnoreCase(bytes(b));
}

export function indexOf(a: string, b: string, from: i32): i32 {
  return bytes(a).indexOf(bytes(b), from);
}

export function indexOfIgnoreCase(a: string, b: string, from: i32): i32 {
  return bytes(a).indexOfIgnoreCase(bytes(b), from);
}

export function indexOfByte(a: string, byte: u8, from: i32): i32 {
  return bytes(a).indexOfByte(byte, from);
}

export function lastIndexOfByte(a: string, byte: u8): i32 {
  return bytes(a).lastIndexOfByte(byte);
}

export function slice(a: string, start: i32, end: i32): string {
  return bytes(a).slice(start, end).toLatin1();
}

export function trim(a: string): string {
  return bytes(a).trim().toLatin1();
}

export function toLowerCase(a: string): string {
  return bytes(a).toLowerCase().toLatin1();
}

export function toDecimal(a: string): i64 {
  return bytes(a).toDecimal();
}

export function hash(a: string, seed: u32): u32 {
  return bytes(a).hashWithSeed(seed);
}

/** By way of every kind of place that bytes can be in. */
export function roundTrip(a: string): string {
  return bytes(a).keep().view.slice(0).keep().view.toLatin1();
}

export function encode(text: string): string {
  return Slice.from(text).toLatin1();
}

export function encodeConstant(text: string): string {
  return Slice.of(text).toLatin1();
}

export function encodeKept(text: string): string {
  return Bytes.of(text).view.toLatin1();
}

export function decode(a: string): string {
  return bytes(a).toString();
}

export function isWellFormed(a: string): bool {
  return isUtf8(bytes(a));
}

// Writers

/** Writes parts, each with another method, into a writer that begins with this capacity. */
export function compose(capacity: i32, part: string, times: i32, number: i64): string {
  const writer = Writer.create(capacity);
  for (let i = 0; i < times; i++) writer.write(bytes(part)).writeByte(0x2c);
  return writer.writeInteger(number).writeString(part).bytes.toLatin1();
}

// Pairs

/** Names and values by turns. */
export function readPairs(a: string): string[] {
  const list: string[] = [];
  const pairs = Pairs.over(bytes(a));
  while (pairs.next()) {
    list.push(pairs.name.toLatin1());
    list.push(pairs.value.toLatin1());
  }
  return list;
}

export function readPairsOf(a: string, name: string): string[] {
  const list: string[] = [];
  const pairs = Pairs.over(bytes(a));
  const wanted = bytes(name);
  while (pairs.nextOf(wanted)) list.push(pairs.value.toLatin1());
  return list;
}

export function writePairs(list: string[]): string {
  const writer = PairsWriter.create();
  for (let i = 0; i < list.length; i += 2) writer.add(bytes(list[i]), bytes(list[i + 1]));
  return writer.finish().toLatin1();
}

// JSON

/** Read and written again; what is wrong with it, line by line, behind a "!". */
export function echoJson(text: string): string {
  const document = JsonDocument.parse(bytes(text));
  const root = document.root;
  if (root === null) return `!${document.faults.join("\n")}`;
  const out = Writer.create();
  write(root, out);
  return out.bytes.toLatin1();
}

function write(node: JsonNode, out: Writer): void {
  switch (node.kind) {
    case JsonKind.Object:
      out.writeByte(0x7b);
      for (let i = 0; i < node.length; i++) {
        if (i > 0) out.writeByte(0x2c);
        writeText(node.at(i).key!, out);
        out.writeByte(0x3a);
        write(node.at(i), out);
      }
      out.writeByte(0x7d);
      return;
    case JsonKind.Array:
      out.writeByte(0x5b);
      for (let i = 0; i < node.length; i++) {
        if (i > 0) out.writeByte(0x2c);
        write(node.at(i), out);
      }
      out.writeByte(0x5d);
      return;
    case JsonKind.String:
      writeText(node.asBytes(), out);
      return;
    case JsonKind.Number:
      if (node.isInteger) out.writeInteger(node.integer);
      else out.writeString(node.asNumber().toString());
      return;
    case JsonKind.Bool:
      out.writeString(node.asBool() ? "true" : "false");
      return;
    default:
      out.writeString("null");
  }
}

function writeText(text: Bytes, out: Writer): void {
  out.writeByte(0x22);
  for (let i = 0; i < text.length; i++) {
    const byte = text.view.at(i);
    if (byte === 0x22 || byte === 0x5c) out.writeByte(0x5c).writeByte(byte);
    else if (byte >= 0x20) out.writeByte(byte);
    else
      out
        .writeString("\\u00")
        .writeByte(0x30 + (byte >> 4))
        .writeByte(<u8>"0123456789abcdef".charCodeAt(byte & 15));
  }
  out.writeByte(0x22);
}

/** The number that a text is. */
export function readNumber(text: string): f64 {
  const root = JsonDocument.parse(bytes(text)).root;
  return root === null ? NaN : root.asNumber();
}

/** One field of each kind, and what came of them. */
export function readFields(text: string): string {
  const document = JsonDocument.parse(bytes(text));
  const root = document.root;
  if (root === null) return document.faults.join("\n");
  const bools = root.getBool("bool", true);
  const names = root.getStrings("strings");
  const values = [
    root.getString("string", "-"),
    bools ? "true" : "false",
    root.getInteger("integer", -1, 0, 1000).toString(),
    root.getNumber("number", -1).toString(),
    root.getChoice("choice", ["red", "blue"], -1).toString(),
    root.getDuration("duration", -1).toString(),
    names.length.toString(),
  ];
  const object = root.getObject("object");
  if (object !== null) {
    const id = object.require("id");
    values.push(id === null ? "-" : id.asInteger().toString());
  }
  const free = root.get("free");
  if (free !== null) {
    for (let i = 0; i < free.length; i++)
      values.push(`${free.at(i).key!.toString()}=${free.at(i).asString()}`);
  }
  return document.finish() ? values.join(" ") : document.faults.join("\n");
}

export function parseLimited(text: string, maxBytes: i32, maxDepth: i32): string {
  return JsonDocument.parse(bytes(text), maxBytes, maxDepth).faults.join("\n");
}

// The table of contexts

class Entry extends HttpContext {}

const table = new ContextTable();

export function tableSet(id: u32): void {
  const entry = new Entry();
  entry.id = id;
  table.set(id, entry);
}

export function tableRemove(id: u32): void {
  table.remove(id);
}

/** The number that the entry has, 0 if there is none. */
export function tableGet(id: u32): u32 {
  const entry = table.get(id);
  return entry === null ? 0 : entry.id;
}

export function tableSize(): i32 {
  return table.size;
}

// The arena

export function begin(): void {
  beginCallback();
}

export function take(size: usize): usize {
  return allocate(size);
}

export function takeSlice(length: i32): i32 {
  return Slice.allocate(length).length;
}

export function lengthen(at: usize, size: usize, wanted: usize): usize {
  return extend(at, size, wanted);
}

// Garbage

export function makeGarbage(count: i32): void {
  for (let i = 0; i < count; i++) new Entry();
}

export function garbage(): usize {
  return bytesSinceCollection();
}

export function collect(): void {
  collectGarbage();
}

/** For whoever makes arrays of strings from outside. */
export const stringArrayId: u32 = idof<string[]>();
