/**
 * One stream of a session (RFC 9113 section 5): its state, the windows of its two directions, and what waits for the
 * peer's window. What is said in it is for who extends it.
 *
 * Laws: a body is as long as was declared (8.1.1), and no byte beyond that is handed on. The peer gets credit back for
 * what has left the proxy, not for what came in. After END_STREAM or a reset nothing is sent; at most one reset is.
 *
 *   open ─┬─ localEnded ──┬─▶ closed
 *         ├─ remoteEnded ─┤
 *         └─ a reset, by either side, or the end of the session
 */
import { ByteQueue } from "../bytes/byte-queue.ts";
import type { Fields } from "../http/fields.ts";
import { ProtocolError, StreamClosed } from "./frames.ts";
import type { Session } from "./session.ts";

/** With more than this waiting for the peer no more should be sent, bytes; and with so many pieces. */
const MOST_WAITING = 64 * 1024;
const MOST_PIECES = 1024;
/** With more than this waiting in all streams of a connection, nothing more should be sent where anything waits, bytes. */
const MOST_WAITING_IN_ALL = 4 * 1024 * 1024;

export abstract class SessionStream {
  /** Its number, 0 before it is opened. */
  id = 0;
  /** It is over, or has not begun. */
  closed = true;
  /** When it was opened, ms. */
  opened = 0;
  /** We have sent END_STREAM. */
  localEnded = false;
  /** The peer has. */
  remoteEnded = false;
  /** What the peer allows us to send, bytes; its settings can make it negative (6.9.2). */
  sendWindow = 0;
  /** More waits for the peer than is good: no more should be sent until `onDrain`. */
  blocked = false;
  /** It is among those that the session sends for when it can. Only the session changes it. */
  waiting = false;
  /** What waits; null before anything did. */
  queue: ByteQueue | null = null;
  protected readonly session: Session;
  /** What the peer may still send, bytes. */
  private receiveWindow = 0;
  /** Bytes that came and have not left. */
  private held = 0;
  /** Bytes that have left, and were not given back yet. */
  private credit = 0;
  private holding = false;
  /** Declared length of the body that comes, -1 if there is none; and what has come of it. */
  private declared = -1;
  private received = 0;
  /** Behind what waits the stream ends, with these trailers if there are any. */
  private ending = false;
  private trailers: Fields | null = null;

  constructor(session: Session) {
    this.session = session;
  }

  /** So many bytes of a body `onBody` would pass on at once, and keep nothing of them. */
  protected abstract readonly passing: number;
  /** A piece of the body, never empty. */
  protected abstract onBody(bytes: Uint8Array, start: number, end: number): void;
  /** The peer's side is complete. */
  protected abstract onEnd(trailers: Fields | null): void;
  /** It is over before it was complete: the peer has reset it, has gone, or has broken a rule (`broken`). */
  protected abstract onReset(code: number, broken: string): void;
  /** Enough waits for the peer. */
  protected abstract onBlocked(): void;
  protected abstract onDrain(): void;

  /** It begins. Called by the session. */
  open(id: number, now: number, sendWindow: number, receiveWindow: number): void {
    this.id = id;
    this.opened = now;
    this.closed = false;
    this.localEnded = false;
    this.remoteEnded = false;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.blocked = false;
    this.held = 0;
    this.credit = 0;
    this.holding = false;
    this.declared = -1;
    this.received = 0;
    this.ending = false;
    this.trailers = null;
  }

  /** The final head of what the peer sends is here: bodies and trailers may follow. */
  abstract readonly hasHead: boolean;

  // ── Receiving ─────────────────────────────────────────────────────────────────────────────────────────────

  /** The head of what the peer sends declares this length, -1 for none. */
  declare(length: number): void {
    this.declared = length;
  }

  /** Why a piece of the body must not be there, as an error code, or 0. `last`: the stream ends behind it. */
  receive(bytes: Uint8Array, start: number, end: number, last: boolean): number {
    if (this.remoteEnded) return StreamClosed;
    if (!this.hasHead) return ProtocolError;
    this.received += end - start;
    if (this.declared >= 0 && this.received > this.declared) return ProtocolError;
    const { session } = this;
    const whole = last && (this.declared < 0 || this.received === this.declared);
    if (session.borrowed && this.passing < end - start) {
      session.owner.copied.copiedBytes += end - start;
      this.handOn(bytes.slice(start, end), 0, end - start, whole);
    } else this.handOn(bytes, start, end, whole);
    return 0;
  }

  private handOn(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (!last) {
      this.onBody(bytes, start, end);
      return;
    }
    const { bodyEnd } = this.session.owner;
    bodyEnd.mark(bytes, end);
    try {
      this.onBody(bytes, start, end);
    } finally {
      // Whatever it throws: the next bytes may lie in the same memory.
      bodyEnd.clear();
    }
  }

  /** A DATA frame of `length` bytes is complete; false if the peer was not allowed so much. */
  charge(length: number): boolean {
    this.receiveWindow -= length;
    this.held += length;
    if (this.receiveWindow < 0) return false;
    if (!this.holding) this.giveBack();
    return true;
  }

  /** What the peer may still send, bytes. */
  get mayCome(): number {
    return Math.max(0, this.receiveWindow);
  }

  /** The peer ends its side. False if it has sent less than it declared. */
  endReceiving(trailers: Fields | null): boolean {
    if (this.declared >= 0 && this.received !== this.declared) return false;
    this.remoteEnded = true;
    this.onEnd(trailers);
    return true;
  }

  /** What comes does not leave for now: the peer gets no credit for it. */
  hold(): void {
    this.holding = true;
  }

  /** What came has left. */
  letGo(): void {
    this.holding = false;
    this.giveBack();
  }

  private giveBack(): void {
    const { session, held } = this;
    if (held === 0) return;
    this.held = 0;
    session.returnCredit(held);
    if (this.closed || this.remoteEnded) return;
    this.credit += held;
    if (this.credit < session.streamWindow >> 1) return;
    session.writeWindowUpdate(this.id, this.credit);
    this.receiveWindow += this.credit;
    this.credit = 0;
  }

  // ── Sending ───────────────────────────────────────────────────────────────────────────────────────────────

  /** So many bytes would be sent at once, and not wait for anybody. */
  get direct(): number {
    if (this.closed || this.localEnded || (this.queue !== null && this.queue.bytes > 0)) return 0;
    return Math.min(this.sendWindow, this.session.direct);
  }

  /** Sends a piece of the body now, or as soon as the peer allows. `last`: it is the last, and there are no trailers. */
  send(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.closed || this.localEnded) return;
    let at = start;
    if (this.queue === null || this.queue.bytes === 0)
      at = this.session.bodies.sendNow(this, bytes, start, end, last);
    if (at === end) return;
    this.queue ??= new ByteQueue();
    this.queue.push(bytes, at, end);
    this.ending = last;
    const { bodies } = this.session;
    bodies.held += end - at;
    bodies.wait(this);
    if (this.blocked) return;
    const enough = this.queue.bytes >= MOST_WAITING || this.queue.pieces >= MOST_PIECES;
    if (!enough && bodies.held < MOST_WAITING_IN_ALL) return;
    this.blocked = true;
    this.onBlocked();
  }

  /** Ends our side, behind what waits. */
  end(trailers: Fields | null): void {
    if (this.closed || this.localEnded || this.ending) return;
    if (this.queue !== null && this.queue.bytes > 0) {
      this.ending = true;
      this.trailers = trailers;
    } else this.session.sendEnd(this, trailers);
  }

  /** Nothing comes behind what waits but END_STREAM itself. */
  get endsWithData(): boolean {
    return this.ending && this.trailers === null;
  }

  /** Some of what waits may be sent, as far as its own window goes. */
  get mayFlow(): boolean {
    return !this.closed && this.sendWindow > 0 && this.queue !== null && this.queue.bytes > 0;
  }

  /** What waited has left. */
  drained(): void {
    if (this.ending && !this.localEnded) this.session.sendEnd(this, this.trailers);
    if (!this.blocked) return;
    this.blocked = false;
    if (!this.closed) this.onDrain();
  }

  /** Cuts it short: the peer is told, and nothing is heard of it any more. */
  reset(code: number): void {
    if (!this.closed) this.session.reset(this, code);
  }

  // ── The session's side ────────────────────────────────────────────────────────────────────────────────────

  /** We have sent END_STREAM, and the peer has not. */
  ended(): void {}

  /** It is over; what it holds goes back to the connection's window, and what waits is forgotten. */
  close(): void {
    this.closed = true;
    if (this.queue !== null && this.queue.bytes > 0) {
      this.session.bodies.held -= this.queue.bytes;
      this.queue.clear();
    }
    const { held } = this;
    this.held = 0;
    if (held > 0) this.session.returnCredit(held);
  }

  /** It is over before its time: whoever extends it is told. */
  cut(code: number, broken: string): void {
    this.close();
    this.onReset(code, broken);
  }
}
