/**
 * Checks that the translation needs but other parts of the house own: regular expressions and `%…%` formats
 * (core/route), the configuration of HTTP filters (filters/). They are handed in, so that this folder does not
 * depend on its neighbours. A check that is not given passes everything.
 */
import type { ConfigFault } from "../config/config-fault.ts";
import type { Json } from "../config/model.ts";

/** Judges a filter's configuration (proto field names, without `@type`); paths are relative to it. */
export type FilterCheck = (config: Json) => readonly ConfigFault[];

/** What to ask while translating. */
export interface Checks {
  /** "" or why the RE2 pattern is refused. */
  readonly checkRegex?: (pattern: string) => string;
  /** "" or why the `%…%` format is refused. */
  readonly checkFormat?: (format: string) => string;
  /** HTTP filters that ship besides the router: message name without "type.googleapis.com/" → its check. */
  readonly httpFilters?: ReadonlyMap<string, FilterCheck>;
}
