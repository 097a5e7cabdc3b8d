/**
 * What the peer has told us about itself (RFC 9113 6.5.2, RFC 8441 3). Values are checked as they come, and hold from
 * the end of their frame on: a frame that says the same setting a thousand times costs no more than one that says it
 * once.
 */
import {
  DEFAULT_FRAME,
  DEFAULT_WINDOW,
  EnableConnectProtocol,
  EnablePush,
  FlowControlError,
  HeaderTableSize,
  InitialWindowSize,
  LARGEST_FRAME,
  LARGEST_WINDOW,
  MaxConcurrentStreams,
  MaxFrameSize,
  NoError,
  ProtocolError,
} from "./frames.ts";
import type { HpackEncoder } from "./hpack/encoder.ts";

export class PeerSettings {
  /** Streams of ours that it bears at once. */
  maxStreams = Number.POSITIVE_INFINITY;
  /** It takes CONNECT with a protocol (RFC 8441). */
  connectProtocol = false;
  /** What we may send in a new stream, bytes. */
  streamWindow = DEFAULT_WINDOW;
  /** Of our encoder's table, the lowest limit that the frame under way has named, and the last, bytes; -1: none. */
  private lowestTable = -1;
  private table = -1;
  private readonly mayPush: boolean;

  /** `mayPush`: it is a client, and clients may say that they take pushes (8.4). */
  constructor(mayPush: boolean) {
    this.mayPush = mayPush;
  }

  /** Takes one value; returns the error code of what is wrong with it, or `NoError`. Unknown ones mean nothing. */
  set(id: number, value: number): number {
    switch (id) {
      case HeaderTableSize:
        this.table = value;
        this.lowestTable = this.lowestTable < 0 ? value : Math.min(this.lowestTable, value);
        return NoError;
      case EnablePush:
        return value > 1 || (value === 1 && !this.mayPush) ? ProtocolError : NoError;
      case MaxConcurrentStreams:
        this.maxStreams = value;
        return NoError;
      case InitialWindowSize:
        if (value > LARGEST_WINDOW) return FlowControlError;
        this.streamWindow = value;
        return NoError;
      case MaxFrameSize:
        return value < DEFAULT_FRAME || value > LARGEST_FRAME ? ProtocolError : NoError;
      case EnableConnectProtocol:
        if (value > 1 || (value === 0 && this.connectProtocol)) return ProtocolError;
        this.connectProtocol = value === 1;
        return NoError;
      default:
        return NoError;
    }
  }

  /** A frame of them is complete: tells our encoder what it has to know. */
  limit(encoder: HpackEncoder): void {
    if (this.table < 0) return;
    encoder.limit(this.lowestTable);
    encoder.limit(this.table);
    this.table = -1;
    this.lowestTable = -1;
  }
}
