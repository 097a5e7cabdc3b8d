/** What a connection's state consists of, see connection.ts: numbers, and what is kept on the way to TLS. */
import type { ByteQueue } from "../core/bytes/byte-queue.ts";
import type { SocketHandler } from "../core/io/socket.ts";
import type { TlsContext } from "../core/io/tls.ts";

export const Dialling = 0;
export const Open = 1;
export const Closed = 2;

export const Plain = 0;
export const Starting = 1;
export const Shaking = 2;
export const Secured = 3;

/** What the core asked for, as bits; each takes effect in `flush`. */
export const WantDial = 1;
export const WantEnd = 2;
export const WantClose = 4;
export const WantReset = 8;
export const WantPause = 16;
export const WantFinish = 32;
/** After these the core hears nothing but `onClose`. */
export const Leaving = WantClose | WantReset;
/** After these nothing can be written. */
export const NoWrite = WantEnd | Leaving;

/** The reason when the core itself threw: "software caused connection abort". */
export const ABANDONED = "ECONNABORTED";
/** The reason when the peer went away in the middle of a handshake. */
export const CUT_SHORT = "UNEXPECTED_EOF";

/** What `secure` was asked for, until it begins. */
export interface Start {
  readonly context: TlsContext;
  readonly serverName: string;
  unread: Uint8Array;
  /** What was written since. */
  readonly held: ByteQueue;
}

/** The handler of a connection that has none (yet, or any more). */
export const SILENT: SocketHandler = Object.freeze({
  onConnect() {},
  onData() {},
  onEnd() {},
  onBlocked() {},
  onDrain() {},
  onClose() {},
});
