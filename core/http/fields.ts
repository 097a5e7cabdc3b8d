/**
 * A header (or trailer) section. Fields that came from the wire are kept as offsets into the chunk they were
 * parsed from and become strings only when somebody asks; fields that were set here are strings. One object
 * serves many messages: `clear()` starts the next.
 *
 * Laws: names and values were validated before they got here (by a codec, or by `isFieldName`/`isFieldValue`
 * for text made from configuration); names compare without ASCII case; order of the wire is kept; a removed
 * field leaves a hole that iteration skips.
 */
import { IS_FIELD_VALUE, isToken, LOWER, latin1, lowerCase } from "../bytes/ascii.ts";
import { idOf, idOfBytes, nameOf } from "./names.ts";

const NO_BYTES = new Uint8Array(0);
const HOLE = 255;

export class Fields {
  /** The bytes that wire fields point into. Owned by this section until `clear()`. */
  bytes: Uint8Array = NO_BYTES;
  /** Slots in use, holes included: iterate `for (i = 0; i < slots; i++) if (live(i))`. */
  slots = 0;
  /** Fields that are there. */
  count = 0;
  /** Names whose values their sender wants to be kept out of every HPACK table (RFC 7541 6.2.3); null: none. */
  secrets: Set<string> | null = null;
  /** Known id per slot, 0 = another name, 255 = hole. */
  readonly ids: number[] = [];
  /** nameStart, nameEnd, valueStart, valueEnd per slot; -1 where the text below is all there is. */
  readonly spans: number[] = [];
  private names: (string | null)[] = [];
  private values: (string | null)[] = [];
  /** Bit `id & 31` of word `id >> 5` is set if a field with that known id may be there. */
  private seen0 = 0;
  private seen1 = 0;

  /** Forgets everything, memory included, but keeps its capacity. */
  clear(): void {
    this.bytes = NO_BYTES;
    for (let i = 0; i < this.slots; i++) {
      this.names[i] = null;
      this.values[i] = null;
    }
    this.slots = 0;
    this.count = 0;
    this.secrets = null;
    this.seen0 = 0;
    this.seen1 = 0;
  }

  /** The same fields in an object of their own, which refers to no chunk. */
  copy(): Fields {
    const copy = new Fields();
    this.forEach((name, value) => {
      copy.add(name, value);
    });
    copy.secrets = this.secrets;
    return copy;
  }

  /** Appends a field of the wire. The four offsets point into `bytes`; returns its known id. */
  push(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): number {
    const slot = this.grow();
    const id = idOfBytes(this.bytes, nameStart, nameEnd);
    this.ids[slot] = id;
    const at = slot << 2;
    this.spans[at] = nameStart;
    this.spans[at + 1] = nameEnd;
    this.spans[at + 2] = valueStart;
    this.spans[at + 3] = valueEnd;
    this.mark(id);
    return id;
  }

  /** Appends a field, keeping those of the same name. `name` is lower case; both are valid byte strings. */
  add(name: string, value: string): void {
    this.addNamed(idOf(name), name, value);
  }

  /** `add` by known id. */
  addId(id: number, value: string): void {
    this.addNamed(id, nameOf(id), value);
  }

  /** `add` for who has looked up the name's id (0: it is none that the proxy knows). */
  addNamed(id: number, name: string, value: string): void {
    const slot = this.grow();
    this.ids[slot] = id;
    this.spans[slot << 2] = -1;
    this.spans[(slot << 2) + 2] = -1;
    this.names[slot] = name;
    this.values[slot] = value;
    this.mark(id);
  }

  /** Replaces every field of that name by one, at the place of the first. `name` is lower case. */
  set(name: string, value: string): void {
    this.setNamed(idOf(name), name, value);
  }

  /** `set` by known id. */
  setId(id: number, value: string): void {
    this.setNamed(id, nameOf(id), value);
  }

  /** `set` for who has looked up the name's id. */
  setNamed(id: number, name: string, value: string): void {
    const first = this.slotOfNamed(id, name, 0);
    if (first < 0) {
      this.addNamed(id, name, value);
      return;
    }
    this.setValueAt(first, value);
    for (let i = first + 1; i < this.slots; i++) {
      if (this.ids[i] === id && (id !== 0 || this.isNamed(i, name))) this.drop(i);
    }
  }

  /** Removes every field of that (lower-case) name; true if there was one. */
  remove(name: string): boolean {
    return this.removeNamed(idOf(name), name);
  }

  /** `remove` for who has looked up the name's id. */
  removeNamed(id: number, name: string): boolean {
    if (id !== 0) return this.removeId(id);
    let found = false;
    for (let i = 0; i < this.slots; i++) {
      if (this.ids[i] === 0 && this.isNamed(i, name)) {
        this.drop(i);
        found = true;
      }
    }
    return found;
  }

  /** `remove` by known id. */
  removeId(id: number): boolean {
    if (!this.hasId(id)) return false;
    for (let i = 0; i < this.slots; i++) if (this.ids[i] === id) this.drop(i);
    if (id < 32) this.seen0 &= ~(1 << id);
    else this.seen1 &= ~(1 << (id - 32));
    return true;
  }

  /** Makes a hole at `slot`. */
  drop(slot: number): void {
    this.ids[slot] = HOLE;
    this.names[slot] = null;
    this.values[slot] = null;
    this.count--;
  }

  hasId(id: number): boolean {
    return this.mayHaveId(id) && this.slotOfId(id, 0) >= 0;
  }

  has(name: string): boolean {
    const id = idOf(name);
    return id === 0 ? this.slotOf(name, 0) >= 0 : this.hasId(id);
  }

  /** All values of that (lower-case) name joined with ",", or null. Formats and matchers look at the lines, not at this. */
  get(name: string): string | null {
    const id = idOf(name);
    if (id !== 0) return this.getId(id);
    let slot = this.slotOf(name, 0);
    if (slot < 0) return null;
    let text = this.valueAt(slot);
    for (;;) {
      slot = this.slotOf(name, slot + 1);
      if (slot < 0) return text;
      text = `${text},${this.valueAt(slot)}`;
    }
  }

  /** `get` by known id. */
  getId(id: number): string | null {
    if (!this.hasId(id)) return null;
    let slot = this.slotOfId(id, 0);
    let text = this.valueAt(slot);
    for (;;) {
      slot = this.slotOfId(id, slot + 1);
      if (slot < 0) return text;
      text = `${text},${this.valueAt(slot)}`;
    }
  }

  /** The first slot at or after `from` with that known id, or -1. */
  slotOfId(id: number, from: number): number {
    for (let i = from; i < this.slots; i++) if (this.ids[i] === id) return i;
    return -1;
  }

  /** The first slot at or after `from` with that lower-case name, or -1. */
  slotOf(name: string, from: number): number {
    return this.slotOfNamed(idOf(name), name, from);
  }

  /** `slotOf` for who has looked up the name's id. */
  slotOfNamed(id: number, name: string, from: number): number {
    if (id !== 0) return this.mayHaveId(id) ? this.slotOfId(id, from) : -1;
    for (let i = from; i < this.slots; i++) if (this.ids[i] === 0 && this.isNamed(i, name)) return i;
    return -1;
  }

  live(slot: number): boolean {
    return this.ids[slot] !== HOLE;
  }

  /** Lower-case name at a live slot. */
  nameAt(slot: number): string {
    const id = this.ids[slot];
    if (id !== 0) return nameOf(id);
    let name = this.names[slot];
    if (name === null) {
      const at = slot << 2;
      name = lowerCase(latin1(this.bytes, this.spans[at], this.spans[at + 1]));
      this.names[slot] = name;
    }
    return name;
  }

  /** Value at a live slot, as a byte string without surrounding OWS. */
  valueAt(slot: number): string {
    let value = this.values[slot];
    if (value === null) {
      const at = slot << 2;
      value = latin1(this.bytes, this.spans[at + 2], this.spans[at + 3]);
      this.values[slot] = value;
    }
    return value;
  }

  /** Length of the name at a live slot. */
  nameLengthAt(slot: number): number {
    const at = slot << 2;
    const start = this.spans[at];
    return start < 0 ? this.nameAt(slot).length : this.spans[at + 1] - start;
  }

  /** Length of the value at a live slot. */
  valueLengthAt(slot: number): number {
    const at = slot << 2;
    const start = this.spans[at + 2];
    return start < 0 ? (this.values[slot] as string).length : this.spans[at + 3] - start;
  }

  /** Writes the lower-case name at a live slot to `into` at `to`, where there is room. */
  copyNameAt(slot: number, into: Uint8Array, to: number): void {
    const at = slot << 2;
    const start = this.spans[at];
    if (start < 0) copyText(this.nameAt(slot), into, to);
    else for (let i = start; i < this.spans[at + 1]; i++) into[to + i - start] = LOWER[this.bytes[i]];
  }

  /** Writes the value at a live slot to `into` at `to`, where there is room. */
  copyValueAt(slot: number, into: Uint8Array, to: number): void {
    const at = slot << 2;
    const start = this.spans[at + 2];
    const end = this.spans[at + 3];
    if (start < 0) copyText(this.values[slot] as string, into, to);
    else if (end - start > 32) into.set(this.bytes.subarray(start, end), to);
    else for (let i = start; i < end; i++) into[to + i - start] = this.bytes[i];
  }

  /** Replaces the value at a live slot. */
  setValueAt(slot: number, value: string): void {
    this.values[slot] = value;
    this.spans[(slot << 2) + 2] = -1;
  }

  /** Calls `visit` for each field in order. For cold paths: logs, dumps, filters that list headers. */
  forEach(visit: (name: string, value: string) => void): void {
    for (let i = 0; i < this.slots; i++) if (this.live(i)) visit(this.nameAt(i), this.valueAt(i));
  }

  /** True if a field that is not known, at a live slot, has that lower-case name; makes no string of it. */
  private isNamed(slot: number, name: string): boolean {
    const at = slot << 2;
    const start = this.spans[at];
    if (start < 0) return this.names[slot] === name;
    return equalNames(this.bytes, start, this.spans[at + 1], name);
  }

  /** False if there is none for sure: the bit may be stale after `drop`. */
  private mayHaveId(id: number): boolean {
    return (id < 32 ? this.seen0 & (1 << id) : this.seen1 & (1 << (id - 32))) !== 0;
  }

  private mark(id: number): void {
    if (id < 32) this.seen0 |= 1 << id;
    else this.seen1 |= 1 << (id - 32);
  }

  private grow(): number {
    const slot = this.slots++;
    this.count++;
    if (slot === this.ids.length) {
      this.ids.push(0);
      this.spans.push(-1, -1, -1, -1);
      this.names.push(null);
      this.values.push(null);
    }
    return slot;
  }
}

function copyText(text: string, into: Uint8Array, to: number): void {
  for (let i = 0; i < text.length; i++) into[to + i] = text.charCodeAt(i);
}

/** True if `text` is a token and may be used as a field name (RFC 9110 5.1). */
export function isFieldName(text: string): boolean {
  return isToken(text);
}

/** True for a field name, and for one behind a colon: what stands for a part of the start line (`:path`). */
export function isHeaderName(text: string): boolean {
  return isToken(text.charCodeAt(0) === 0x3a ? text.slice(1) : text);
}

/** True if `text` may be sent as a field value: bytes of RFC 9110 5.5, no CR, LF, NUL or other control. */
export function isFieldValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff || IS_FIELD_VALUE[code] === 0) return false;
  }
  return true;
}

/** True if the two names are equal without ASCII case. */
export function equalNames(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (LOWER[bytes[start + i]] !== name.charCodeAt(i)) return false;
  return true;
}
