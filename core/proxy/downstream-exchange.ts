/**
 * One request and its answer as its client's connection carries them: what a stream asks of that connection, whatever
 * version of HTTP it speaks. A connection of HTTP/1 is its own exchange, one after the other; of HTTP/2 each stream is
 * one.
 */
import type { Fields } from "../http/fields.ts";
import type { Framing } from "../http/framing.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import type { Socket } from "../io/socket.ts";
import type { ConnectionManager } from "./connection-manager.ts";
import type { Pressure } from "./pressure.ts";
import type { Services } from "./services.ts";
import type { StreamTimers } from "./stream-timers.ts";

/** What is known of a request when its head is complete. */
export interface RequestMessage {
  readonly head: RequestHead;
  readonly framing: Framing;
  /** Declared length when `framing` is by length. */
  readonly contentLength: number;
  /** Bytes of the head as it came. */
  readonly headBytes: number;
  /** Its target was a whole URI (HTTP/1 only). */
  readonly absoluteForm: boolean;
}

export interface DownstreamExchange {
  readonly manager: ConnectionManager;
  readonly services: Services;
  /** Number of the connection, for logs. */
  readonly connectionId: number;
  /** The connection, for its addresses. */
  readonly socket: Socket;
  /** What the network filters on the connection know, null if there are none. */
  readonly networkInfo: StreamInfo | null;
  readonly http2: boolean;
  readonly message: RequestMessage;
  /** The protocol that an extended CONNECT asks for (RFC 8441), or "". */
  readonly protocol: string;
  /** When the first byte of the request was read, ms. */
  readonly requestStarted: number;
  /** The deadlines of the stream. */
  readonly timers: StreamTimers;
  /** Reading of the request, paused for one reason or another. */
  readonly pressure: Pressure;
  /** For an answer made here. */
  readonly localHead: ResponseHead;
  /** Nothing of the request is read any more once its answer is complete. */
  readonly endsWithAnswer: boolean;
  /** The client does not take what we write. */
  readonly blocked: boolean;
  /** So many bytes that are written next go straight to the client's socket. */
  readonly direct: number;
  /** The client may have left, and nothing would show it. */
  readonly mayBeGone: boolean;
  /** Trailers go on, either way. */
  readonly passesTrailers: boolean;

  /** The answer is the last one on its connection, where that is a matter of one answer after the other. */
  closeAfter(): void;
  /** The client said that this request is its last one. */
  clientCloses(): void;
  /** An interim response. */
  writeInformational(head: ResponseHead): void;
  /**
   * The head of the answer. `framing` and `length` (-1 = unknown) say how the source delimits the body; `toHead`
   * that there is none although the head may declare one; `upgrade` is the protocol that is switched to, or "". Returns
   * the bytes written.
   */
  writeHead(
    head: ResponseHead,
    framing: Framing,
    length: number,
    endOfStream: boolean,
    toHead: boolean,
    upgrade: string,
  ): number;
  writeBody(bytes: Uint8Array, start: number, end: number): void;
  /** The answer is complete; in a tunnel, the upstream sent FIN. */
  writeEnd(trailers: Fields | null): void;
  /** What follows the request is not HTTP. */
  enterTunnel(): void;
  /** The upstream has ended a tunnel, and so have we. */
  tunnelEnded(): void;
  /** The stream is over and was logged. `clean`: request and answer are complete. */
  streamDone(clean: boolean): void;
  /** The stream is over and was logged, but its answer cannot be completed. */
  abort(): void;
  /** Silence since the client's FIN, and no time-out is configured. */
  onHalfClosedIdle(): void;
}
