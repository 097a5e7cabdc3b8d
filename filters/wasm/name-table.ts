/**
 * Texts that guests say again and again (header names and values, property paths) as strings: compared with what was
 * said before, so that none is made, or judged, twice. Bounded; a new text takes the place of an old one.
 */
import { LOWER, latin1, lowerCase } from "../../core/bytes/ascii.ts";
import type { GuestMemory } from "./guest-memory.ts";

/** Places, and words of four bytes for each. */
const SLOTS = 256;
const WORDS = 16;
/** Longer ones are made each time, bytes. */
const MAX_LENGTH = 4 * WORDS;

export class NameTable {
  /** What the text that `get` gave last was judged to be. */
  tag = 0;
  private readonly texts: string[] = new Array<string>(SLOTS).fill("");
  private readonly tags = new Int32Array(SLOTS);
  /** The texts as they lie in a guest's memory, the last word with what is left. */
  private readonly words = new Int32Array(SLOTS * WORDS);
  private readonly fold: boolean;
  private readonly judge: (text: string) => number;

  /** `fold`: texts come out in lower case. `judge` makes a text's tag; one below 0 is not kept. */
  constructor(fold: boolean, judge: (text: string) => number) {
    this.fold = fold;
    this.judge = judge;
  }

  /** What the guest has at `[start, end)`, which `memory.has` has just checked, as a byte string. */
  get(memory: GuestMemory, start: number, end: number): string {
    const { bytes } = memory;
    const length = end - start;
    if (length === 0 || length > MAX_LENGTH) return this.make(bytes, start, end);
    const { words: guest } = memory;
    const slot =
      (length * 7 + bytes[start] * 31 + bytes[start + (length >> 1)] * 131 + bytes[end - 1] * 17) &
      (SLOTS - 1);
    const text = this.texts[slot];
    if (text.length === length) {
      const { words } = this;
      const whole = end - 3;
      let place = slot * WORDS;
      let at = start;
      while (at < whole && guest.getInt32(at, true) === words[place]) {
        at += 4;
        place++;
      }
      if (at >= whole && (at === end || lastWord(bytes, at, end) === words[place])) {
        this.tag = this.tags[slot];
        return text;
      }
    }
    return this.take(memory, slot, start, end);
  }

  /** Makes a text and keeps it. */
  private take(memory: GuestMemory, slot: number, start: number, end: number): string {
    const { bytes } = memory;
    const text = this.make(bytes, start, end);
    // What comes in another case than it is kept in would never be found.
    if (this.tag < 0 || (this.fold && !isLower(bytes, start, end))) return text;
    this.texts[slot] = text;
    this.tags[slot] = this.tag;
    let place = slot * WORDS;
    for (let at = start; at < end; at += 4) {
      this.words[place++] = at + 4 <= end ? memory.words.getInt32(at, true) : lastWord(bytes, at, end);
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

/** One to three bytes. */
function lastWord(bytes: Uint8Array, at: number, end: number): number {
  let word = bytes[at];
  if (at + 1 < end) word |= bytes[at + 1] << 8;
  if (at + 2 < end) word |= bytes[at + 2] << 16;
  return word;
}

function isLower(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (LOWER[bytes[i]] !== bytes[i]) return false;
  return true;
}
