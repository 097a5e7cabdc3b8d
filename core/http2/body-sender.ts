/**
 * Sends the bodies of a connection's streams as its windows and the kernel allow (RFC 9113 5.2, 6.9): at once if
 * nothing waits, else a frame of each stream in turn.
 *
 * Laws: no byte beyond the window of its stream or of the connection; every frame header is written with the length of
 * what follows it at once. A stream whose own window is closed takes no turn of the others.
 */
import { DEFAULT_FRAME, DEFAULT_WINDOW } from "./frames.ts";
import type { SessionOutput } from "./session-output.ts";
import type { SessionStream } from "./session-stream.ts";

/** What sending means to the session. */
export interface BodyOwner {
  write(bytes: Uint8Array, start: number, end: number): void;
}

/** Who keeps the streams. */
export interface BodySession {
  /** A DATA frame is out. */
  worked(): void;
  /** END_STREAM was sent. */
  localEnd(stream: SessionStream): void;
}

export class BodySender {
  /** What the peer allows us to send in all streams, bytes. */
  window = DEFAULT_WINDOW;
  /** Bytes of all bodies that wait for a window or for the kernel. */
  held = 0;
  private readonly session: BodySession;
  private readonly owner: BodyOwner;
  private readonly output: SessionOutput;
  /** Streams whose bodies wait, in turn. */
  private readonly waiting: SessionStream[] = [];

  constructor(session: BodySession, owner: BodyOwner, output: SessionOutput) {
    this.session = session;
    this.owner = owner;
    this.output = output;
  }

  /** Nothing is sent any more. */
  stop(): void {
    this.waiting.length = 0;
  }

  /**
   * Sends of a body what the windows allow, and returns where it stopped. `last`: with the last byte our side ends.
   */
  sendNow(stream: SessionStream, bytes: Uint8Array, start: number, end: number, last: boolean): number {
    let at = start;
    while (at < end && !this.output.stalled) {
      const length = Math.min(end - at, DEFAULT_FRAME, stream.sendWindow, this.window);
      if (length <= 0) break;
      const ends = last && at + length === end;
      this.header(stream, length, ends);
      this.owner.write(bytes, at, at + length);
      at += length;
      if (ends) this.session.localEnd(stream);
    }
    return at;
  }

  /** A stream's body waits for a window or for the kernel. */
  wait(stream: SessionStream): void {
    if (stream.waiting || !stream.mayFlow) return;
    stream.waiting = true;
    this.waiting.push(stream);
  }

  /** Sends of what waits as much as can be, a frame of each stream in turn. */
  pump(): void {
    const { waiting } = this;
    while (waiting.length > 0 && !this.output.stalled && this.window > 0) {
      const stream = waiting.shift() as SessionStream;
      if (stream.mayFlow) this.sendFrame(stream);
      if (stream.mayFlow) waiting.push(stream);
      else {
        // It comes back when its own window opens, so that the turn of the others is not longer for it.
        stream.waiting = false;
        if (!stream.closed && stream.queue?.bytes === 0) stream.drained();
      }
    }
  }

  /** One DATA frame of what waits in a stream. */
  private sendFrame(stream: SessionStream): void {
    const queue = stream.queue as NonNullable<SessionStream["queue"]>;
    const length = Math.min(queue.bytes, DEFAULT_FRAME, stream.sendWindow, this.window);
    const ends = stream.endsWithData && length === queue.bytes;
    this.header(stream, length, ends);
    for (let left = length, i = queue.first; left > 0; i++) {
      const start = queue.starts[i];
      const piece = Math.min(left, queue.ends[i] - start);
      this.owner.write(queue.chunks[i], start, start + piece);
      left -= piece;
    }
    queue.consume(length);
    this.held -= length;
    if (ends) this.session.localEnd(stream);
  }

  /** The header of a DATA frame whose `length` bytes follow at once. */
  private header(stream: SessionStream, length: number, ends: boolean): void {
    const { writer } = this.output;
    writer.data(stream.id, length, ends);
    this.owner.write(writer.bytes, writer.start, writer.end);
    stream.sendWindow -= length;
    this.window -= length;
    this.session.worked();
  }
}
