/**
 * Reads header blocks (RFC 7541). A block is handed over whole; its fields go to a sink, one by one.
 *
 * It does not know what a field may be, nor how many: the sink says when it has enough, and from there on fields are no
 * longer made, while the table goes on as the peer believes it to be. Strings are byte strings and are not checked.
 *
 * Laws: work and memory are bounded by the length of the block and the size of the table, except for what the sink asks
 * for by index: it is to count before it keeps. A block that is not well coded ends the connection (4.3.3 of RFC 9113:
 * COMPRESSION_ERROR), because the table cannot be trusted any more.
 */
import { latin1 } from "../../bytes/ascii.ts";
import { idOf, idOfBytes, nameOf } from "../../http/names.ts";
import { DynamicTable, ENTRY_OVERHEAD } from "./dynamic-table.ts";
import { mostDecoded, prepareHuffman, readHuffman } from "./huffman.ts";
import { STATIC_COUNT, STATIC_IDS, STATIC_NAMES, STATIC_VALUES } from "./static-table.ts";

/** Takes fields in order. */
export interface FieldSink {
  /**
   * `id` is the name's known id, 0 for others. `secret`: its sender wants it to be kept out of every table, also by
   * who passes it on (RFC 7541 7.1.3). False: no more of them, please.
   */
  onField(id: number, name: string, value: string, secret: boolean): boolean;
}

/** No integer of a block is larger: an index, a length or a size that could mean anything is far below. */
const MOST = 0x0fffffff;

const NO_BYTES = new Uint8Array(0);
/** Room for decoded text that is kept between strings, bytes. */
const KEPT_ROOM = 4096;

export class HpackDecoder {
  private readonly table: DynamicTable;
  /** What we have allowed the peer's table to be, bytes. */
  private allowed: number;
  private sink: FieldSink | null = null;
  private bytes: Uint8Array = NO_BYTES;
  private at = 0;
  private end = 0;
  /** The next block has to begin with a size that we allow (RFC 9113 4.3.1). */
  private mustShrink = false;
  /** Something was wrong with the block. */
  private bad = false;
  /** Of the string that was read last, unless it is text already. */
  private room: Uint8Array = NO_BYTES;

  /** `allowed`: SETTINGS_HEADER_TABLE_SIZE as the peer knows it, bytes. */
  constructor(allowed: number) {
    prepareHuffman();
    this.allowed = allowed;
    this.table = new DynamicTable(allowed);
  }

  /** Our SETTINGS_HEADER_TABLE_SIZE was acknowledged: the peer keeps to it from here on. */
  allow(size: number): void {
    this.allowed = size;
    this.mustShrink = this.table.limit > size;
  }

  /** Reads the block `bytes[start, end)`; false if it is not well coded. */
  decode(bytes: Uint8Array, start: number, end: number, sink: FieldSink): boolean {
    this.sink = sink;
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.bad = false;
    let begun = false;
    while (this.at < end && !this.bad) {
      const first = bytes[this.at];
      if (this.mustShrink && first >> 5 !== 1) this.bad = true;
      else if ((first & 0x80) !== 0) this.indexed();
      else if ((first & 0x40) !== 0) this.literal(6, true, false);
      else if ((first & 0x20) !== 0) {
        // Only in front of the fields (4.2).
        if (begun) this.bad = true;
        else this.sizeUpdate();
        continue;
      } else this.literal(4, false, (first & 0x10) !== 0);
      begun = true;
    }
    this.sink = null;
    this.bytes = NO_BYTES;
    if (this.room.length > KEPT_ROOM) this.room = NO_BYTES;
    return !this.bad;
  }

  private indexed(): void {
    const index = this.integer(7);
    if (index <= 0) this.bad = true;
    else if (index <= STATIC_COUNT)
      this.give(STATIC_IDS[index], STATIC_NAMES[index], STATIC_VALUES[index], false);
    else {
      const { table } = this;
      const number = table.last - (index - STATIC_COUNT - 1);
      if (!table.has(number)) this.bad = true;
      else this.give(table.idOf(number), table.nameOf(number), table.valueOf(number), false);
    }
  }

  /** A literal whose index has so many bits; `kept`: it goes into the table. */
  private literal(prefix: number, kept: boolean, secret: boolean): void {
    const index = this.integer(prefix);
    let id = 0;
    let name = "";
    if (index < 0) return;
    if (index === 0) {
      name = this.string(true);
      id = idOf(name);
    } else if (index <= STATIC_COUNT) {
      id = STATIC_IDS[index];
      name = STATIC_NAMES[index];
    } else {
      const { table } = this;
      const number = table.last - (index - STATIC_COUNT - 1);
      if (!table.has(number)) {
        this.bad = true;
        return;
      }
      id = table.idOf(number);
      name = table.nameOf(number);
    }
    if (this.bad) return;
    const value = this.string(false);
    if (this.bad) return;
    if (kept) this.table.add(id, name, value);
    this.give(id, name, value, secret);
  }

  private sizeUpdate(): void {
    const size = this.integer(5);
    if (size < 0 || size > this.allowed) this.bad = true;
    else {
      this.table.resize(size);
      this.mustShrink = false;
    }
  }

  private give(id: number, name: string, value: string, secret: boolean): void {
    if (this.sink !== null && !this.sink.onField(id, name, value, secret)) this.sink = null;
  }

  /** An integer whose first byte has `prefix` bits of it (5.1); -1 and `bad` if it is cut off or too large. */
  private integer(prefix: number): number {
    const { bytes, end } = this;
    const most = (1 << prefix) - 1;
    let value = bytes[this.at++] & most;
    if (value < most) return value;
    for (let shift = 0; this.at < end && shift <= 21; shift += 7) {
      const byte = bytes[this.at++];
      value += (byte & 0x7f) << shift;
      if (byte < 0x80 && value <= MOST) return value;
      if (byte < 0x80) break;
    }
    this.bad = true;
    return -1;
  }

  /** A string (5.2); "" and `bad` if it is cut off or not well coded. A name that is known is not made anew. */
  private string(isName: boolean): string {
    if (this.at >= this.end) {
      this.bad = true;
      return "";
    }
    const coded = (this.bytes[this.at] & 0x80) !== 0;
    const length = this.integer(7);
    const start = this.at;
    if (length < 0 || length > this.end - start) {
      this.bad = true;
      return "";
    }
    this.at = start + length;
    if (!coded) return text(this.bytes, start, this.at, isName);
    const most = mostDecoded(length);
    if (this.room.length < most) this.room = new Uint8Array(Math.max(most, 256));
    const end = readHuffman(this.bytes, start, this.at, this.room, 0);
    if (end < 0) {
      this.bad = true;
      return "";
    }
    return text(this.room, 0, end, isName);
  }
}

function text(bytes: Uint8Array, start: number, end: number, isName: boolean): string {
  const id = isName ? idOfBytes(bytes, start, end) : 0;
  // An upper-case letter, which HTTP/2 forbids, must stay to be seen.
  return id !== 0 && isExactly(bytes, start, nameOf(id)) ? nameOf(id) : latin1(bytes, start, end);
}

function isExactly(bytes: Uint8Array, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name.charCodeAt(i)) return false;
  return true;
}

/** What a list of fields counts against SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 6.5.2), bytes, for one field. */
export function fieldSize(name: string, value: string): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}
