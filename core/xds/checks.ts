/**
 * What the translation needs and other parts of the house own: regular expressions and `%…%` formats
 * (core/route), the configuration of HTTP filters (filters/), files. It is handed in, so that this folder does
 * not depend on its neighbours. A text check that is not given passes everything.
 */
import type { ConfigFault } from "../config/config-fault.ts";
import type { Json } from "../config/model.ts";

/** Judges a filter's configuration (without `@type`); paths are relative to it. */
export type FilterCheck = (config: Json) => readonly ConfigFault[];

/** What to ask while translating. */
export interface Checks {
  /** "" or why the RE2 pattern (a byte string) is refused. */
  readonly checkRegex?: (pattern: string) => string;
  /** "" or why the `%…%` format (a byte string) is refused. */
  readonly checkFormat?: (format: string) => string;
  /** "" or why a value of the layered runtime is refused. */
  readonly checkRuntime?: (key: string, value: string | number | boolean) => string;
  /**
   * HTTP filters that ship: message name without "type.googleapis.com/" → its check. The router is always
   * known; give its name here to allow more of its options than none.
   */
  readonly httpFilters?: ReadonlyMap<string, FilterCheck>;
  /** Network filters that ship and may stand before the last: as above. */
  readonly networkFilters?: ReadonlyMap<string, FilterCheck>;
  /** Content of a file as a byte string, or null; without it `filename` is not implemented. */
  readonly readFile?: (path: string) => string | null;
  /** Value of an environment variable as a byte string, or null; without it that is not implemented. */
  readonly readEnvironment?: (name: string) => string | null;
  /** Unix time in ms; without it no certificate has expired. */
  readonly now?: () => number;
  /**
   * "" or why the private key (PEM) is none, or not that of the certificate (DER); never quotes the key. Without it
   * every key fits.
   */
  readonly checkKeyPair?: (certificate: Uint8Array, privateKey: string, password: string) => string;
  /**
   * Clusters that inline routes may name, for `validate_clusters`; without it the names are not checked.
   * `readBootstrap` fills it in from the document's own clusters.
   */
  readonly clusters?: ReadonlySet<string>;
}
