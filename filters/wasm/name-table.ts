/**
 * Texts that guests say again and again (header names and values, property paths) as strings: compared with what was
 * said before, so that none is made, or checked, twice. Bounded; a new text takes the place of an old one.
 */
import { LOWER, latin1, lowerCase, toBytes } from "../../core/bytes/ascii.ts";

const SLOTS = 256;
/** Longer ones are made each time, bytes. */
const MAX_LENGTH = 128;

const NOTHING = new Uint8Array(0);

export class NameTable {
  /** The text that `get` gave last passed the check. */
  sound = true;
  private readonly texts: string[] = new Array<string>(SLOTS).fill("");
  /** The same as bytes: what a guest says is compared with these. */
  private readonly codes: Uint8Array[] = new Array<Uint8Array>(SLOTS).fill(NOTHING);
  private readonly fold: boolean;
  private readonly check: (text: string) => boolean;

  /** `fold`: texts come out in lower case. `check` says which are `sound`; the others are not kept. */
  constructor(fold: boolean, check: (text: string) => boolean) {
    this.fold = fold;
    this.check = check;
  }

  /** `bytes[start, end)` as a byte string. */
  get(bytes: Uint8Array, start: number, end: number): string {
    const length = end - start;
    if (length === 0 || length > MAX_LENGTH) return this.make(bytes, start, end);
    const slot =
      (length * 7 + bytes[start] * 31 + bytes[start + (length >> 1)] * 131 + bytes[end - 1] * 17) &
      (SLOTS - 1);
    const known = this.codes[slot];
    if (known.length === length) {
      let i = 0;
      if (this.fold) while (i < length && LOWER[bytes[start + i]] === known[i]) i++;
      else while (i < length && bytes[start + i] === known[i]) i++;
      if (i === length) {
        this.sound = true;
        return this.texts[slot];
      }
    }
    const made = this.make(bytes, start, end);
    if (this.sound) {
      this.texts[slot] = made;
      this.codes[slot] = toBytes(made);
    }
    return made;
  }

  private make(bytes: Uint8Array, start: number, end: number): string {
    const text = latin1(bytes, start, end);
    const made = this.fold ? lowerCase(text) : text;
    this.sound = this.check(made);
    return made;
  }
}
