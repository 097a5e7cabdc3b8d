/**
 * Texts that guests say again and again (header names and values, property paths) as strings: compared with what was
 * said before, so that none is made, or judged, twice. Bounded; a new text takes the place of an old one.
 */
import { LOWER, latin1, lowerCase, toBytes } from "../../core/bytes/ascii.ts";
import type { GuestMemory } from "./guest-memory.ts";

const SLOTS = 256;
/** Longer ones are made each time, bytes. */
const MAX_LENGTH = 128;

/** A text, and its bytes as they lie in a guest's memory: four to a word, and what is left behind the last one. */
interface Entry {
  readonly text: string;
  readonly tag: number;
  readonly words: Int32Array;
  readonly rest: Uint8Array;
}

export class NameTable {
  /** What the text that `get` gave last was judged to be. */
  tag = 0;
  private readonly entries: (Entry | null)[] = new Array<Entry | null>(SLOTS).fill(null);
  private readonly fold: boolean;
  private readonly judge: (text: string) => number;

  /** `fold`: texts come out in lower case. `judge` makes a text's tag; one below 0 is not kept. */
  constructor(fold: boolean, judge: (text: string) => number) {
    this.fold = fold;
    this.judge = judge;
  }

  /** What the guest has at `[start, end)`, which was checked, as a byte string. */
  get(memory: GuestMemory, start: number, end: number): string {
    const bytes = memory.view();
    const length = end - start;
    if (length === 0 || length > MAX_LENGTH) return this.make(bytes, start, end);
    const slot =
      (length * 7 + bytes[start] * 31 + bytes[start + (length >> 1)] * 131 + bytes[end - 1] * 17) &
      (SLOTS - 1);
    const known = this.entries[slot];
    if (known !== null && isAt(known, memory, bytes, start, length)) {
      this.tag = known.tag;
      return known.text;
    }
    const text = this.make(bytes, start, end);
    // What comes in another case than it is kept in would never be found.
    if (this.tag >= 0 && (!this.fold || isLower(bytes, start, end))) {
      this.entries[slot] = entry(text, this.tag);
    }
    return text;
  }

  private make(bytes: Uint8Array, start: number, end: number): string {
    const text = latin1(bytes, start, end);
    const made = this.fold ? lowerCase(text) : text;
    this.tag = this.judge(made);
    return made;
  }
}

function isAt(known: Entry, memory: GuestMemory, bytes: Uint8Array, start: number, length: number): boolean {
  if (known.text.length !== length) return false;
  const { words, rest } = known;
  let at = start;
  for (let i = 0; i < words.length; i++, at += 4) {
    if (memory.words.getInt32(at, true) !== words[i]) return false;
  }
  for (let i = 0; i < rest.length; i++) if (bytes[at + i] !== rest[i]) return false;
  return true;
}

function isLower(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (LOWER[bytes[i]] !== bytes[i]) return false;
  return true;
}

function entry(text: string, tag: number): Entry {
  const bytes = toBytes(text);
  const view = new DataView(bytes.buffer);
  const words = Int32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getInt32(4 * i, true));
  return { text, tag, words, rest: bytes.slice(words.length * 4) };
}
