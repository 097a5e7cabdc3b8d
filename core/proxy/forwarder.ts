/** Who brings the answer to a request: the router, or the end of a CONNECT. */
import type { Fields } from "../http/fields.ts";

export interface Forwarder {
  /** Sends the request on its way. The stream knows us by now. */
  start(): void;
  /** So many bytes `onData` would write to the upstream at once, and keep nothing of them. */
  readonly passing: number;
  /** A piece of the body (or of what a tunnel carries). */
  onData(bytes: Uint8Array, start: number, end: number): void;
  /** The request is complete; in a tunnel: the client sent FIN. */
  onEnd(trailers: Fields | null): void;
  /** Gives everything up. Idempotent; nothing is heard afterwards. */
  stop(): void;
  /** The client takes no more. */
  pauseUpstream(): void;
  resumeUpstream(): void;
  onRouteTimeout(): void;
  /** The timer of a try, or of the time between two. */
  onTryTimer(): void;
}
