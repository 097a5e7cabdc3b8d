/** What routes ask about a request beside its head. */
import type { TlsView } from "../http/stream-info.ts";
import type { Runtime } from "./runtime-fraction.ts";

/** Those of one request; a stream is its own. */
export interface Circumstances {
  /** A non-negative integer, the same for all decisions about one request. */
  readonly random: number;
  readonly runtime: Runtime;
  /** Null = the request came in plain text. */
  readonly downstreamTls: TlsView | null;
}
