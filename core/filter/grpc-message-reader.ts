/**
 * Parts the body of a gRPC answer into messages: a flag, a length of four bytes, the message. It holds what has come of
 * one message, no more.
 *
 * Laws: a message is shown once it is whole. After a fault, or once the owner has stopped it, nothing more is read. An
 * empty message may say that it is compressed, another may not (Envoy).
 */
import { Body } from "./body.ts";

const PREFIX = 5;
const COMPRESSED = 1;

/** What is wrong, as gRPC statuses. */
export const Sound = 0;
export const TooLong = 8;
export const Malformed = 13;
export type MessageFault = typeof Sound | typeof TooLong | typeof Malformed;

export interface MessageOwner {
  /** A whole message, valid until this returns. */
  onMessage(message: Body): void;
  /** So many more (or, below 0, fewer) bytes are held here; false if that is too much. */
  onHeld(bytes: number): boolean;
}

export class MessageReader {
  private readonly owner: MessageOwner;
  private readonly maxLength: number;
  private readonly message = new Body();
  /** Bytes of the prefix that have come, and what they say so far. */
  private prefix = 0;
  private flag = 0;
  private length = 0;
  private stopped = false;
  private showing = false;

  /** `maxLength` in bytes. */
  constructor(owner: MessageOwner, maxLength: number) {
    this.owner = owner;
    this.maxLength = maxLength;
  }

  /** Reads `bytes[start, end)`, which may be kept. */
  read(bytes: Uint8Array, start: number, end: number): MessageFault {
    let at = start;
    while (!this.stopped && (at < end || this.isWhole)) {
      if (this.prefix < PREFIX) {
        this.readPrefix(bytes[at++]);
        if (this.prefix < PREFIX) continue;
        const fault = this.judgePrefix();
        if (fault !== Sound) {
          this.stop();
          return fault;
        }
      }
      const size = Math.min(end - at, this.length - this.message.size);
      if (size > 0) {
        this.message.push(bytes, at, at + size);
        at += size;
        if (!this.owner.onHeld(size)) {
          this.stop();
          return TooLong;
        }
      }
      if (this.isWhole) this.show();
    }
    return Sound;
  }

  private get isWhole(): boolean {
    return this.prefix === PREFIX && this.message.size === this.length;
  }

  private readPrefix(byte: number): void {
    if (this.prefix++ === 0) {
      this.flag = byte;
      this.length = 0;
    } else this.length = this.length * 256 + byte;
  }

  private judgePrefix(): MessageFault {
    if (this.flag > COMPRESSED || (this.flag === COMPRESSED && this.length > 0)) return Malformed;
    return this.length > this.maxLength ? TooLong : Sound;
  }

  private show(): void {
    const { message, length } = this;
    this.prefix = 0;
    this.showing = true;
    this.owner.onMessage(message);
    this.showing = false;
    message.clear();
    this.owner.onHeld(-length);
  }

  /** Nothing more is read; what is held is let go, a message that is being shown afterwards. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    if (this.showing) return;
    const { size } = this.message;
    this.message.clear();
    if (size > 0) this.owner.onHeld(-size);
  }
}

/** A message with its prefix, not compressed. */
export function framedMessage(message: Uint8Array): Uint8Array {
  const { length } = message;
  const out = new Uint8Array(PREFIX + length);
  out[1] = length >>> 24;
  out[2] = length >>> 16;
  out[3] = length >>> 8;
  out[4] = length;
  out.set(message, PREFIX);
  return out;
}
