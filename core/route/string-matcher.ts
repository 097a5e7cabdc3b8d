/**
 * Envoy's `StringMatcher` on byte strings: exact, prefix, suffix, contains, each with or without ASCII case, and
 * regular expressions, which match the whole text.
 */
import { lowerCase } from "../bytes/ascii.ts";
import type { StringMatch } from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import { compileRegex, type Regex } from "./regex.ts";

const EXACT = 0;
const PREFIX = 1;
const SUFFIX = 2;
const CONTAINS = 3;
const REGEX = 4;
const KINDS = { exact: EXACT, prefix: PREFIX, suffix: SUFFIX, contains: CONTAINS } as const;

export class StringMatcher {
  private readonly kind: number;
  private readonly text: string;
  private readonly ignoreCase: boolean;
  private readonly regex: Regex | null;

  /** Use `compileStringMatcher`. */
  constructor(kind: number, text: string, ignoreCase: boolean, regex: Regex | null) {
    this.kind = kind;
    this.text = ignoreCase ? lowerCase(text) : text;
    this.ignoreCase = ignoreCase;
    this.regex = regex;
  }

  matches(value: string): boolean {
    const text = this.text;
    if (this.kind === REGEX) return (this.regex as Regex).fullMatch(value);
    if (value.length < text.length) return false;
    const subject = this.ignoreCase ? lowerCase(value) : value;
    switch (this.kind) {
      case EXACT:
        return subject === text;
      case PREFIX:
        return subject.startsWith(text);
      case SUFFIX:
        return subject.endsWith(text);
      default:
        return subject.includes(text);
    }
  }
}

/** Compiles a matcher; what is wrong goes to `faults` under `path`, and the result then never matches. */
export function compileStringMatcher(match: StringMatch, path: string, faults: ConfigFault[]): StringMatcher {
  if (match.kind !== "regex") return new StringMatcher(KINDS[match.kind], match.text, match.ignoreCase, null);
  const { regex, error } = compileRegex(match.regex);
  if (regex === null) {
    faults.push({ path: `${path}.safe_regex.regex`, message: error });
    return NEVER;
  }
  return new StringMatcher(REGEX, "", false, regex);
}

const NEVER = new StringMatcher(EXACT, "\u0000 never", false, null);
