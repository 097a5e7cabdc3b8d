/**
 * Envoy's `HeaderMatcher`. A header that is there several times matches if any of its lines does, and with
 * `invert_match` if none does (row L16: a decision on the first or on the joined value is a hole; Envoy 1.40
 * does the same). "host" is the authority; pseudo headers are answered by the head.
 */
import type { HeaderMatcher as HeaderMatcherConfig } from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { compileStringMatcher, type StringMatcher } from "./string-matcher.ts";

/** Anything with headers: `RequestHead`, `ResponseHead`. */
export interface HeaderSource {
  readonly fields: Fields;
  /** The value of a pseudo header, or null. */
  get(name: string): string | null;
}

const STRING = 0;
const RANGE = 1;
const PRESENT = 2;

export class HeaderMatcher {
  /** Lower case. */
  readonly name: string;
  private readonly pseudo: boolean;
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
    this.name = config.name === "host" ? ":authority" : config.name;
    this.pseudo = this.name.startsWith(":");
    this.kind = test.kind === "string" ? STRING : test.kind === "range" ? RANGE : PRESENT;
    this.string = string;
    this.start = test.kind === "range" ? test.start : 0;
    this.end = test.kind === "range" ? test.end : 0;
    this.present = test.kind === "present" ? test.present : true;
    this.invert = config.invert;
    this.missingIsEmpty = config.treatMissingAsEmpty;
  }

  matches(source: HeaderSource): boolean {
    if (this.pseudo) {
      const value = source.get(this.name);
      return value === null ? this.withoutValue() : this.ends(this.test(value));
    }
    const { fields } = source;
    let slot = fields.slotOf(this.name, 0);
    if (slot < 0) return this.withoutValue();
    if (this.kind === PRESENT) return this.ends(true);
    do {
      if (this.test(fields.valueAt(slot))) return !this.invert;
      slot = fields.slotOf(this.name, slot + 1);
    } while (slot >= 0);
    return this.invert;
  }

  private withoutValue(): boolean {
    if (this.missingIsEmpty) return this.ends(this.test(""));
    // There is nothing to compare: the rule fails, inverted or not.
    return this.kind === PRESENT && this.ends(false);
  }

  /** The verdict, from whether a value passed (or, for PRESENT, is there). */
  private ends(passed: boolean): boolean {
    return (this.kind === PRESENT ? passed === this.present : passed) !== this.invert;
  }

  private test(value: string): boolean {
    if (this.kind === STRING) return (this.string as StringMatcher).matches(value);
    return this.kind === PRESENT || this.inRange(value);
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
