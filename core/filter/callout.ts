/**
 * Requests that filters make themselves, through the clusters of the proxy: one request and its whole answer, both
 * bounded, or a call whose request is sent, and whose answer is heard, piece by piece.
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
  /** So many more bytes of the answer's body are held for it; false if that is too much, as if it were too long. */
  mayHold?(bytes: number): boolean;
}

/** A request under way. */
export interface Callout {
  /** Gives it up; the sink hears nothing. Idempotent. */
  cancel(): void;
}

/** Why there is no answer, in the words in which Envoy would have answered itself. */
export interface CallFailure {
  /** HTTP status. */
  readonly status: number;
  readonly body: string;
  /** Envoy's response code details. */
  readonly details: string;
}

/**
 * Hears a call: a head, a body in pieces, an end; or at any point a failure. Nothing before `open` returned, nothing
 * after an end, a failure or `cancel`. Heads and trailers are valid until the call returns; bytes stay.
 */
export interface CallSink {
  /** `endOfStream`: an end without trailers follows at once. */
  onHead(head: ResponseHead, endOfStream: boolean): void;
  onBody(bytes: Uint8Array, start: number, end: number): void;
  onEnd(trailers: Fields | null): void;
  /** No whole answer will come; null if it had begun. */
  onFailure(failure: CallFailure | null): void;
  /** So many more bytes of the request wait no longer: the upstream's connection took them. */
  onSent(bytes: number): void;
}

/** A call under way. What `send` is given is kept until `onSent`: whoever sends bounds it. */
export interface CallStream extends Callout {
  /** A piece of the request's body, which belongs to the call from now on. */
  send(bytes: Uint8Array): void;
  /** The request is complete. Idempotent; nothing is sent after it. */
  end(): void;
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
  /**
   * Begins a call whose request has a body of unknown length; `head` as above. `timeout` is for all of it, ms, 0 = none.
   */
  open(cluster: string, head: RequestHead, timeout: number, sink: CallSink): CallStream | CalloutRefusal;
}
