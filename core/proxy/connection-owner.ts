/** A listener and the connections that it accepted, as they know each other. */
import type { Member } from "../io/roster.ts";
import type { Http1Downstream } from "./http1-downstream.ts";

/** What a downstream connection (HTTP or TCP) knows of the listener that accepted it. */
export interface ConnectionOwner {
  /** True while the listener or the process drains: answers say `connection: close`. */
  readonly draining: boolean;
  /** True if idle connections are not waited for. */
  readonly closesIdle: boolean;
  /** A connection turned out to speak HTTP/2: somebody else goes on with its socket, from these bytes on. */
  speaksHttp2(connection: Http1Downstream, bytes: Uint8Array): void;
  /** The last call about a connection. */
  connectionClosed(connection: DrainableConnection): void;
}

/** A connection, either way, that is asked now and then how much waits in it. */
export interface Buffering {
  /** Adds it to the gauges `…_bytes_buffered`. */
  addBuffered(): void;
}

/** A connection to an upstream, on the roster of its worker. */
export interface UpstreamBuffering extends Member, Buffering {}

/** A connection that its listener can ask to finish. */
export interface DrainableConnection extends Member, Buffering {
  /** When it was accepted, ms. */
  readonly accepted: number;
  /** Close if idle, else after what is under way. */
  drain(): void;
  /** The listener goes: whoever can end so that no request is lost on the way begins to. */
  retire?(): void;
}
