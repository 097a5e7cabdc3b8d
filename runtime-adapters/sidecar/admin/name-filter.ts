/** The regular expressions of admin queries, on the engine that routes use: no pattern takes exponential time. */
import { utf8ByteString } from "../../../core/bytes/ascii.ts";
import { compileRegex } from "../../../core/route/regex.ts";

/** Judges a name. */
export type NameFilter = (name: string) => boolean;

function compile(expression: string, pattern: string): NameFilter | null | string {
  if (expression === "") return null;
  // Alone first: in parentheses a stray one would find a partner.
  const { error } = compileRegex(expression);
  if (error !== "") return error;
  const { regex, error: tooLarge } = compileRegex(pattern);
  return regex === null ? tooLarge : (name) => regex.fullMatch(utf8ByteString(name));
}

/** Accepts names that contain a match; null for "" (all); a text if the expression is refused. */
export function containsFilter(expression: string): NameFilter | null | string {
  return compile(expression, `(?s:.*)(?:${expression})(?s:.*)`);
}

/** Accepts names that match as a whole; null for "" (all); a text if the expression is refused. */
export function wholeFilter(expression: string): NameFilter | null | string {
  return compile(expression, expression);
}
