/**
 * Sets of characters as sorted, disjoint ranges `[low0, high0, low1, high1, …]`. A character is a Unicode code
 * point, or `INVALID` for a byte that is not part of well-formed UTF-8: complements contain it, so that "." and
 * "[^a]" match every byte there is (a matcher that gives up on bad UTF-8 fails open: CVE-2026-73552).
 */

/** Stands for any byte that is not part of well-formed UTF-8. */
export const INVALID = 0x110000;

export type CharSet = readonly number[];

/** The ranges given in any order, merged. */
export function charSet(ranges: readonly number[]): CharSet {
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i], ranges[i + 1]]);
  pairs.sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [low, high] of pairs) {
    const last = out.length - 1;
    if (last > 0 && low <= out[last] + 1) out[last] = Math.max(out[last], high);
    else out.push(low, high);
  }
  return out;
}

/** Everything that is not in `set`, `INVALID` included. */
export function complement(set: CharSet): CharSet {
  const out: number[] = [];
  let next = 0;
  for (let i = 0; i < set.length; i += 2) {
    if (set[i] > next) out.push(next, set[i] - 1);
    next = set[i + 1] + 1;
  }
  if (next <= INVALID) out.push(next, INVALID);
  return out;
}

/** `set` with both cases of every ASCII letter in it. */
export function foldCase(set: CharSet): CharSet {
  const out = [...set];
  for (let i = 0; i < set.length; i += 2) {
    addShifted(out, set[i], set[i + 1], 0x41, 0x5a, 32);
    addShifted(out, set[i], set[i + 1], 0x61, 0x7a, -32);
  }
  return charSet(out);
}

function addShifted(out: number[], low: number, high: number, first: number, last: number, by: number): void {
  const from = Math.max(low, first);
  const to = Math.min(high, last);
  if (from <= to) out.push(from + by, to + by);
}

export const DIGITS: CharSet = [0x30, 0x39];
export const WORD: CharSet = charSet([0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]);
/** RE2's `\s`: no vertical tab. */
export const SPACE: CharSet = charSet([0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20]);

/** `[[:name:]]`. */
export const POSIX: { readonly [name: string]: CharSet } = {
  alnum: charSet([0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a]),
  alpha: charSet([0x41, 0x5a, 0x61, 0x7a]),
  ascii: [0x00, 0x7f],
  blank: charSet([0x09, 0x09, 0x20, 0x20]),
  cntrl: charSet([0x00, 0x1f, 0x7f, 0x7f]),
  digit: DIGITS,
  graph: [0x21, 0x7e],
  lower: [0x61, 0x7a],
  print: [0x20, 0x7e],
  punct: charSet([0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e]),
  space: charSet([0x09, 0x0d, 0x20, 0x20]),
  upper: [0x41, 0x5a],
  word: WORD,
  xdigit: charSet([0x30, 0x39, 0x41, 0x46, 0x61, 0x66]),
};

/** `\\d` and its kin. */
export const PERL: { readonly [ch: string]: CharSet | undefined } = {
  d: DIGITS,
  D: complement(DIGITS),
  s: SPACE,
  S: complement(SPACE),
  w: WORD,
  W: complement(WORD),
};
