/** What a reader of frames says of them (RFC 9113 section 6), to whoever knows what streams there are. */

/** Hears of what is read. Every method may end the reading by `FrameReader.stop`. */
export interface FrameSink {
  /** A piece of a body. `last`: with it a frame is complete that ends the stream. */
  onData(stream: number, bytes: Uint8Array, start: number, end: number, last: boolean): void;
  /** A DATA frame is complete: `length` bytes of it count against the windows; `empty`: all of that was padding. */
  onDataEnd(stream: number, length: number, endStream: boolean, empty: boolean): void;
  /** A whole header block, the sink's until it returns. */
  onBlock(stream: number, bytes: Uint8Array, start: number, end: number, endStream: boolean): void;
  /** A frame that means nothing to us: PRIORITY, which asks for nothing any more, or one of an unknown type. */
  onIgnored(): void;
  onReset(stream: number, code: number): void;
  onSetting(id: number, value: number): void;
  /** After the last of its `onSetting`, of which an acknowledgement has none. */
  onSettings(ack: boolean): void;
  /** The eight bytes are at `start`. */
  onPing(ack: boolean, bytes: Uint8Array, start: number): void;
  /** `debug` is a byte string, cut where it is long. */
  onGoAway(lastStream: number, code: number, debug: string): void;
  onWindowUpdate(stream: number, increment: number): void;
  /** Something is wrong with a stream only. */
  onStreamFault(stream: number, code: number, why: string): void;
  /** Something is wrong with the connection: nothing more is read. */
  onFault(code: number, why: string): void;
}
