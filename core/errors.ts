/**
 * What can go wrong with a peer, as data. Hostile input never throws: a codec or the engine reports a `Fault`,
 * and everything that follows (the local reply, the log line, the counters, whether to retry) is read off it.
 * `details` and `flag` are Envoy's words, so that what operators know carries over.
 */

/** Which peer is to blame. */
export type Side = "downstream" | "upstream" | "local";

/** Envoy's response flags, short form, in the order of Envoy's own list. */
// biome-ignore format: one table
export type ResponseFlag =
  | "LH" | "UH" | "UT" | "LR" | "UR" | "UF" | "UC" | "UO" | "NR" | "DI" | "FI" | "RL" | "UAEX" | "RLSE"
  | "DC" | "URX" | "SI" | "IH" | "DPE" | "UMSDR" | "RFCF" | "NFCF" | "DT" | "UPE" | "NC" | "OM" | "DF"
  | "DO" | "DR" | "UDO";

export interface Fault {
  /** Stable name for tests and counters, e.g. "http1.bad_chunk_size". */
  readonly code: string;
  readonly side: Side;
  /** True if the same request may be sent again: not one byte of it can have had an effect. */
  readonly retry: boolean;
  /** The status of the local reply, if one can still be sent. */
  readonly status: number;
  /** Envoy's response code details, `_` for spaces. */
  readonly details: string;
  /** Response flag, or "" where Envoy sets none. */
  readonly flag: ResponseFlag | "";
}

/** Makes an immutable fault; called once per cause, at module load. */
export function fault(
  code: string,
  side: Side,
  status: number,
  details: string,
  flag: ResponseFlag | "",
  retry = false,
): Fault {
  return Object.freeze({ code, side, retry, status, details, flag });
}

/** One thing wrong in a configuration: where (a path into the resource, field names as in Envoy's API) and what. */
export interface ConfigFault {
  /** E.g. "virtual_hosts[0].routes[3].match.safe_regex.regex". */
  readonly path: string;
  readonly message: string;
}
