/**
 * Writes header blocks (RFC 7541). What is likely to be said again goes into the peer's table, coded by Huffman, once;
 * what is said once is written as it is, which is cheaper for both sides; secrets are kept out of every table.
 *
 * Laws: our table is at most as large as we were told, whatever the peer allows, so that a peer cannot make us keep more. A peer that
 * lowers its limit is told that it was obeyed at the beginning of the next block, the lowest limit first if it changed
 * several times (RFC 7541 4.2). Names are lower case; names and values are byte strings that were validated.
 */
import type { Slab } from "../../bytes/slab.ts";
import { KNOWN_COUNT, known, nameOf } from "../../http/names.ts";
import { DynamicTable, ENTRY_OVERHEAD } from "./dynamic-table.ts";
import { huffmanLength, prepareHuffman, writeHuffman } from "./huffman.ts";
import { STATIC_COUNT, STATIC_INDEX, STATIC_NAMES, STATIC_VALUES } from "./static-table.ts";

/** SETTINGS_HEADER_TABLE_SIZE of a peer that says nothing, bytes. */
const DEFAULT_TABLE = 4096;

/** How a literal is written: into the table, beside it, or so that nobody ever puts it into one (6.2). */
const INDEXED = 0x40;
const PLAIN = 0;
const NEVER = 0x10;

/** Names whose values are another time others. */
const PASSING: ReadonlySet<string> = new Set([
  ":path",
  "age",
  "content-length",
  "content-range",
  "etag",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "last-modified",
  "location",
  "range",
  "set-cookie",
  "traceparent",
  "x-b3-spanid",
  "x-b3-traceid",
  "x-request-id",
]);
/** Names whose values open doors. */
const SECRET: ReadonlySet<string> = new Set(["authorization", "proxy-authorization"]);
/** A cookie that is shorter can be guessed bit by bit by who sees the sizes of blocks (7.1.3). */
const GUESSABLE_COOKIE = 20;
const COOKIE = known("cookie");

/** By known id: the lowest static index, or 0. */
const STATIC_BY_ID = Uint8Array.from({ length: KNOWN_COUNT }, (_, id) => STATIC_INDEX.get(nameOf(id)) ?? 0);

/** Places where a field of the table may be found again: few, because every connection has them. */
const PLACES = 64;

export class HpackEncoder {
  private readonly table = new DynamicTable(DEFAULT_TABLE);
  /** Numbers of fields in the table by their names and values, behind them by their names; often stale. */
  private readonly numbers = new Uint32Array(2 * PLACES);
  /** The lowest limit since the last block, and the one that holds; -1: nothing has changed. */
  private lowest = -1;
  private readonly out: Slab;

  private readonly most: number;

  /** Writes to `out`, between its `begin` and its next one. `most`: bytes of the peer's table that are used. */
  constructor(out: Slab, most: number = DEFAULT_TABLE) {
    prepareHuffman();
    this.out = out;
    this.most = most;
    this.limit(DEFAULT_TABLE);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, bytes. */
  limit(size: number): void {
    const limit = Math.min(size, this.most);
    if (limit === this.table.limit && this.lowest < 0) return;
    this.lowest = this.lowest < 0 ? Math.min(limit, this.table.limit) : Math.min(limit, this.lowest);
    this.table.resize(this.lowest);
    this.table.resize(limit);
  }

  /** To be said before the fields of a block. */
  beginBlock(): void {
    if (this.lowest < 0) return;
    const { limit } = this.table;
    if (this.lowest < limit) this.integer(0x20, 5, this.lowest);
    this.integer(0x20, 5, limit);
    this.lowest = -1;
  }

  /** Writes a field; `id` is the name's known id, 0 for others; `secret`: its sender has marked it so. */
  field(id: number, name: string, value: string, secret: boolean): void {
    const fixed = id !== 0 ? STATIC_BY_ID[id] : (STATIC_INDEX.get(name) ?? 0);
    if (secret || SECRET.has(name) || (id === COOKIE && value.length < GUESSABLE_COOKIE)) {
      this.literal(NEVER, 4, fixed, name, value);
      return;
    }
    for (let i = fixed; i !== 0 && i <= STATIC_COUNT && STATIC_NAMES[i] === name; i++) {
      if (STATIC_VALUES[i] === value && value !== "") {
        this.integer(0x80, 7, i);
        return;
      }
    }
    const { table } = this;
    if (PASSING.has(name) || name.length + value.length + ENTRY_OVERHEAD > table.limit >> 1) {
      this.literal(PLAIN, 4, fixed !== 0 ? fixed : this.nameIndex(name), name, value);
      return;
    }
    const place = placeOf(name, value);
    const number = this.numbers[place];
    if (number > 0 && table.has(number) && table.valueOf(number) === value && table.nameOf(number) === name) {
      this.integer(0x80, 7, this.indexOf(number));
      return;
    }
    this.literal(INDEXED, 6, fixed !== 0 ? fixed : this.nameIndex(name), name, value);
    table.add(id, name, value);
    this.numbers[place] = table.last;
    this.numbers[PLACES + placeOf(name, "")] = table.last;
  }

  private indexOf(number: number): number {
    return STATIC_COUNT + 1 + this.table.last - number;
  }

  /** The index of a field in the table with that name, or 0. */
  private nameIndex(name: string): number {
    const { table } = this;
    const number = this.numbers[PLACES + placeOf(name, "")];
    return number > 0 && table.has(number) && table.nameOf(number) === name ? this.indexOf(number) : 0;
  }

  private literal(form: number, prefix: number, index: number, name: string, value: string): void {
    const coded = form === INDEXED;
    this.integer(form, prefix, index);
    if (index === 0) this.string(name, coded);
    this.string(value, coded);
  }

  private string(text: string, coded: boolean): void {
    const { out } = this;
    const { length } = text;
    const short = coded ? huffmanLength(text) : length;
    if (short < length) {
      this.integer(0x80, 7, short);
      out.room(short);
      out.end = writeHuffman(text, out.bytes, out.end);
      return;
    }
    this.integer(0, 7, length);
    out.room(length);
    const { bytes, end } = out;
    for (let i = 0; i < length; i++) bytes[end + i] = text.charCodeAt(i);
    out.end = end + length;
  }

  /** An integer behind the bits of `form` (5.1). */
  private integer(form: number, prefix: number, value: number): void {
    const { out } = this;
    out.room(6);
    const { bytes } = out;
    const most = (1 << prefix) - 1;
    if (value < most) {
      bytes[out.end++] = form | value;
      return;
    }
    bytes[out.end++] = form | most;
    let rest = value - most;
    for (; rest >= 0x80; rest >>>= 7) bytes[out.end++] = (rest & 0x7f) | 0x80;
    bytes[out.end++] = rest;
  }
}

function placeOf(name: string, value: string): number {
  const v = value.length;
  return (
    (name.length * 7 +
      name.charCodeAt(name.length - 1) * 31 +
      name.charCodeAt(name.length >> 1) * 17 +
      v * 13 +
      (v === 0 ? 0 : value.charCodeAt(v - 1) * 41 + value.charCodeAt(v >> 1) * 5)) &
    (PLACES - 1)
  );
}
