/** Placeholder for the first hour: the signatures stand, the engine follows. */

/** A compiled regular expression in RE2 syntax on byte strings. */
export interface Regex {
  readonly source: string;
  /** Bytes that every match begins with, "" if none are certain. */
  readonly literalPrefix: string;
  /** True if the whole text matches. Time is linear in the text. */
  fullMatch(text: string): boolean;
  /** True if any part of the text matches. */
  search(text: string): boolean;
  /** Replaces every match; `\0` … `\9` in the substitution are the groups, `\\` a backslash. */
  replaceAll(text: string, substitution: string): string;
}

/** Compiles a pattern; `regex` is null if `error` is not "". */
export function compileRegex(_pattern: string): { readonly regex: Regex | null; readonly error: string } {
  return { regex: null, error: "the regular expression engine is not there yet" };
}

/** "" if `substitution` refers only to groups that the pattern has. */
export function checkSubstitution(_regex: Regex, _substitution: string): string {
  return "";
}
