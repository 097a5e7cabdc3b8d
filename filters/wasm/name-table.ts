/**
 * Names that guests say again and again (header names, property paths) as strings: compared with what was said
 * before, so that none is made twice. Bounded; a new name takes the place of an old one.
 */
import { LOWER, latin1, lowerCase } from "../../core/bytes/ascii.ts";
import { idOfBytes, nameOf } from "../../core/http/names.ts";

const SLOTS = 256;
/** Longer ones are made each time, bytes. */
const MAX_LENGTH = 128;

export class NameTable {
  private readonly texts: string[] = new Array<string>(SLOTS).fill("");
  private readonly fold: boolean;

  /** `fold`: names are header names, and come out in lower case. */
  constructor(fold: boolean) {
    this.fold = fold;
  }

  /** `bytes[start, end)` as a byte string. */
  get(bytes: Uint8Array, start: number, end: number): string {
    const length = end - start;
    if (this.fold) {
      const id = idOfBytes(bytes, start, end);
      if (id !== 0) return nameOf(id);
    }
    if (length === 0 || length > MAX_LENGTH) return this.make(bytes, start, end);
    const slot =
      (length * 7 + bytes[start] * 31 + bytes[start + (length >> 1)] * 131 + bytes[end - 1] * 17) &
      (SLOTS - 1);
    const known = this.texts[slot];
    if (known.length === length) {
      let i = 0;
      if (this.fold) while (i < length && LOWER[bytes[start + i]] === known.charCodeAt(i)) i++;
      else while (i < length && bytes[start + i] === known.charCodeAt(i)) i++;
      if (i === length) return known;
    }
    const made = this.make(bytes, start, end);
    this.texts[slot] = made;
    return made;
  }

  private make(bytes: Uint8Array, start: number, end: number): string {
    const text = latin1(bytes, start, end);
    return this.fold ? lowerCase(text) : text;
  }
}
