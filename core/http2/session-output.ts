/**
 * What a session says beside bodies, on its way to the connection, and the account of what the peer has not read of it.
 *
 * Laws: what a peer makes us answer is bounded by `MOST_OWED`. So is, by `MOST_UNREAD` and what one chunk asks for, all
 * that we say to a peer that does not read: it is not read from any more until it does.
 */
import type { Slab } from "../bytes/slab.ts";
import { FrameWriter } from "./frame-writer.ts";

/** Most bytes of answers to frames that wait for a peer that does not read. */
const MOST_OWED = 64 * 1024;
/** With more than this waiting for it, heads of answers included, a peer is not heard, bytes. */
const MOST_UNREAD = 256 * 1024;

/** The connection. */
export interface OutputOwner {
  /** Sends bytes that never change afterwards. */
  write(bytes: Uint8Array, start: number, end: number): void;
  /** The peer does not read what it asks for (`full`): nothing more should be read from it; or it does again. */
  onFull(full: boolean): void;
}

export class SessionOutput {
  readonly writer: FrameWriter;
  /** The kernel takes no more. */
  stalled = false;
  private readonly owner: OutputOwner;
  /** Written since the kernel took no more, bodies aside; and of it, what the peer's own frames made us say. */
  private unread = 0;
  private owed = 0;
  private full = false;
  /** The same in pieces, each a frame or a head. */
  waiting = 0;
  waitingAnswers = 0;

  /** `table`: the most that we use of the peer's HPACK table, bytes. */
  constructor(owner: OutputOwner, slab: Slab, table: number) {
    this.owner = owner;
    this.writer = new FrameWriter(slab, table);
  }

  /** Hands on what the writer holds; returns its bytes. */
  flush(): number {
    const { bytes, start, end } = this.writer;
    this.owner.write(bytes, start, end);
    if (!this.stalled) return end - start;
    this.unread += end - start;
    this.waiting++;
    if (this.unread > MOST_UNREAD && !this.full) {
      this.full = true;
      this.owner.onFull(true);
    }
    return end - start;
  }

  /** The same for what a peer made us write; false if it is more than a peer may make that does not read. */
  flushAnswer(): boolean {
    const length = this.flush();
    if (this.stalled) {
      this.owed += length;
      this.waitingAnswers++;
    }
    return this.owed <= MOST_OWED;
  }

  /** The kernel takes more again. */
  drained(): void {
    this.stalled = false;
    this.unread = 0;
    this.owed = 0;
    this.waiting = 0;
    this.waitingAnswers = 0;
    if (!this.full) return;
    this.full = false;
    this.owner.onFull(false);
  }
}
