/**
 * Requests that filters make themselves, through the clusters of the proxy. One request, one whole answer; both are
 * bounded.
 */
import type { Fields } from "../http/fields.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";

/** Receives the answer, exactly once, unless `cancel` came first; never before `send` returned. */
export interface CalloutSink {
  /**
   * The whole answer: the upstream's, or one that says what went wrong (503 with Envoy's text if it could not be
   * reached or went away, 504 after the time-out). The arguments are valid until this returns.
   */
  onAnswer(head: ResponseHead, body: Uint8Array, trailers: Fields | null): void;
}

/** A request under way. */
export interface Callout {
  /** Gives it up; the sink hears nothing. Idempotent. */
  cancel(): void;
}

/** Why nothing was sent. */
export const NoSuchCluster = 1;
/** The cluster has nobody who could be asked. */
export const NotSent = 2;
export type CalloutRefusal = typeof NoSuchCluster | typeof NotSent;

export interface Callouts {
  /** True if there is a cluster of that name. */
  has(cluster: string): boolean;
  /**
   * Sends a request: `head` has method, path, authority and fields, and belongs to the callout from now on; so does
   * `body`. `timeout` in ms, 0 = none.
   */
  send(
    cluster: string,
    head: RequestHead,
    body: Uint8Array,
    timeout: number,
    sink: CalloutSink,
  ): Callout | CalloutRefusal;
}
