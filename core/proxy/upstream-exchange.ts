/**
 * One request and its answer as a connection to an endpoint carries them, whatever version of HTTP it speaks: what an
 * attempt asks of it, and what it hears.
 */
import type { ResetReason } from "../cluster/reset-reason.ts";
import type { Fault } from "../errors.ts";
import type { BodySink } from "../filter/body.ts";
import type { Fields } from "../http/fields.ts";
import type { Framing } from "../http/framing.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import type { Address } from "../io/socket.ts";

/** The attempt that is carried; implemented by the router's side. */
export interface AttemptSink {
  /** An interim (1xx, not 101) response. */
  onUpstreamInformational(head: ResponseHead): void;
  /** The final head (or 101). `endOfStream` if no body follows. */
  onUpstreamHead(head: ResponseHead, framing: Framing, contentLength: number, endOfStream: boolean): void;
  /** So many bytes `onUpstreamBody` would write to the client at once, and keep nothing of them. */
  readonly passing: number;
  onUpstreamBody(bytes: Uint8Array, start: number, end: number): void;
  /** The response is complete, with these trailers, if any; in a tunnel: the upstream sent FIN. */
  onUpstreamEnd(trailers: Fields | null): void;
  /** No (complete) response will come. `detail` is an errno or a codec code. */
  onUpstreamReset(reason: ResetReason, detail: string, fault: Fault | null): void;
  onUpstreamBlocked(): void;
  onUpstreamDrain(): void;
}

export interface UpstreamExchange extends BodySink {
  /** Where it goes; its endpoint may have moved on since (LOGICAL_DNS). */
  readonly address: Address;
  /** Our end of it. */
  readonly local: Address | null;
  /** It ended without a byte for this request, of which the peer most likely knows nothing: its idle close crossed it. */
  readonly stale: boolean;
  /** So many bytes that are written next go straight to the peer's socket. */
  readonly direct: number;
  /** Both sides of a tunnel have ended: it is no failure, and what is queued is still sent. */
  readonly tunnelOver: boolean;
  /** Trailers of the answer go on. */
  readonly passesTrailers: boolean;

  /** Takes it for one request. */
  assign(attempt: AttemptSink): void;
  /** `upgrade`: the protocol to switch to, or ""; `te`: trailers are welcome. */
  sendHead(head: RequestHead, framing: Framing, contentLength: number, upgrade: string, te: boolean): void;
  sendBody(bytes: Uint8Array, start: number, end: number): void;
  /** The request is complete; in a tunnel: the client sent FIN. */
  sendEnd(trailers: Fields | null): void;
  /** The attempt gives up: an unfinished exchange is cut. */
  abort(): void;
  pauseReading(): void;
  resumeReading(): void;
}
