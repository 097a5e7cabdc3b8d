/**
 * Envoy's `HeaderMatcher`. It sees all values of a header joined with "," (row L16: a decision on the first value
 * only is a hole), and pseudo headers through the head.
 */
import type { HeaderMatcher as HeaderMatcherConfig } from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import { compileStringMatcher, type StringMatcher } from "./string-matcher.ts";

/** Anything with headers: `RequestHead`, `ResponseHead`. */
export interface HeaderSource {
  /** The joined value of a lower-case name, or null. */
  get(name: string): string | null;
}

const STRING = 0;
const RANGE = 1;
const PRESENT = 2;

export class HeaderMatcher {
  readonly name: string;
  private readonly kind: number;
  private readonly string: StringMatcher | null;
  /** For RANGE: `[start, end)`. */
  private readonly start: number;
  private readonly end: number;
  private readonly present: boolean;
  private readonly invert: boolean;
  private readonly missingIsEmpty: boolean;

  /** Use `compileHeaderMatcher`. */
  constructor(config: HeaderMatcherConfig, string: StringMatcher | null) {
    const test = config.test;
    this.name = config.name;
    this.kind = test.kind === "string" ? STRING : test.kind === "range" ? RANGE : PRESENT;
    this.string = string;
    this.start = test.kind === "range" ? test.start : 0;
    this.end = test.kind === "range" ? test.end : 0;
    this.present = test.kind === "present" ? test.present : true;
    this.invert = config.invert;
    this.missingIsEmpty = config.treatMissingAsEmpty;
  }

  matches(source: HeaderSource): boolean {
    let value = source.get(this.name);
    if (this.kind === PRESENT) {
      const there = value !== null || this.missingIsEmpty;
      return (there === this.present) !== this.invert;
    }
    if (value === null) {
      // Without a value there is nothing to compare: the rule fails, inverted or not.
      if (!this.missingIsEmpty) return false;
      value = "";
    }
    if (this.kind === STRING) return (this.string as StringMatcher).matches(value) !== this.invert;
    return this.inRange(value) !== this.invert;
  }

  private inRange(value: string): boolean {
    const number = parseInteger(value);
    return number >= this.start && number < this.end;
  }
}

/** A decimal integer with an optional sign, or NaN. */
function parseInteger(text: string): number {
  let i = 0;
  const sign = text.charCodeAt(0);
  if (sign === 0x2d || sign === 0x2b) i = 1;
  if (i === text.length || text.length - i > 15) return Number.NaN;
  let value = 0;
  for (; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return sign === 0x2d ? -value : value;
}

/** Compiles a matcher; what is wrong goes to `faults` under `path`. */
export function compileHeaderMatcher(
  config: HeaderMatcherConfig,
  path: string,
  faults: ConfigFault[],
): HeaderMatcher {
  const string =
    config.test.kind === "string"
      ? compileStringMatcher(config.test.match, `${path}.string_match`, faults)
      : null;
  return new HeaderMatcher(config, string);
}

/** True if every matcher agrees. */
export function allHeadersMatch(matchers: readonly HeaderMatcher[], source: HeaderSource): boolean {
  for (let i = 0; i < matchers.length; i++) if (!matchers[i].matches(source)) return false;
  return true;
}
