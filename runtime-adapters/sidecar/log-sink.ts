/**
 * Access-log files: lines gather in a bounded buffer and are appended in the background, after a second or at
 * 64 KiB, as in Envoy. It uses nothing but node:fs, which Bun, Node and Deno share.
 *
 * Laws: `write` never blocks and never throws. One append is in flight at a time, so lines keep their order and
 * a line is never cut by another. A buffer that is full (a dead disk, a reader of the pipe that stalls) drops
 * new lines and counts them. A file that cannot be opened is tried again at each flush.
 */
import { close, closeSync, openSync, write, writeSync } from "node:fs";
import type { LogSink } from "../../core/io/platform.ts";
import type { FilesystemStats, TulleStats } from "../../core/telemetry/server-stats.ts";

/** How a log buffers; times in ms, sizes in bytes. */
export interface LogBuffering {
  readonly flushInterval: number;
  /** Appends as soon as that much is there. */
  readonly flushSize: number;
  /** Drops lines while that much is waiting. */
  readonly limit: number;
}

/** Envoy's interval and size. */
export const DEFAULT_BUFFERING: LogBuffering = {
  flushInterval: 1000,
  flushSize: 64 * 1024,
  limit: 4 * 1024 * 1024,
};

/** Wait before a pipe that was full is tried again, ms. */
const FULL_PIPE_WAIT = 20;

/** The standard streams by their usual paths. */
const STANDARD_STREAMS: { readonly [path: string]: number } = { "/dev/stdout": 1, "/dev/stderr": 2 };

const FILE_MODE = 0o644;

/** Where a log's own events are counted. */
export interface LogCounters {
  readonly filesystem: FilesystemStats;
  readonly tulle: TulleStats;
}

/** One log file (or standard stream). */
class LogFile implements LogSink {
  private readonly path: string;
  private readonly buffering: LogBuffering;
  private readonly counters: LogCounters;
  private readonly complain: (message: string) => void;
  /** -1 while it could not be opened. */
  private fd: number;
  /** Lines that wait, as a byte string. */
  private pending = "";
  /** What is being appended, or null. */
  private inFlight: Buffer | null = null;
  private written = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private reopenWhenIdle = false;
  private failing = false;

  constructor(
    path: string,
    buffering: LogBuffering,
    counters: LogCounters,
    complain: (message: string) => void,
  ) {
    this.path = path;
    this.buffering = buffering;
    this.counters = counters;
    this.complain = complain;
    this.fd = this.open();
  }

  write(line: string): void {
    const waiting = this.pending.length + (this.inFlight === null ? 0 : this.inFlight.length);
    if (waiting + line.length > this.buffering.limit) {
      this.counters.tulle.accessLogDropped++;
      return;
    }
    this.pending += line;
    this.counters.filesystem.writeBuffered++;
    this.counters.filesystem.writeTotalBuffered += line.length;
    if (this.pending.length >= this.buffering.flushSize) this.flush();
    else if (this.timer === null) this.arm(this.buffering.flushInterval);
  }

  /** Starts appending what waits, unless an append is in flight (which then goes on by itself). */
  flush(): void {
    if (this.inFlight !== null || this.pending === "") return;
    if (this.fd < 0) this.fd = this.open();
    if (this.fd < 0) {
      this.arm(this.buffering.flushInterval);
      return;
    }
    this.disarm();
    this.inFlight = encodeLine(this.pending);
    this.pending = "";
    this.written = 0;
    this.append(this.inFlight);
  }

  /** Opens the path anew, once the append in flight is done; the old file stays in use if that fails. */
  reopen(): void {
    if (this.path in STANDARD_STREAMS) return;
    if (this.inFlight !== null) {
      this.reopenWhenIdle = true;
      return;
    }
    this.reopenWhenIdle = false;
    const fd = this.open();
    if (fd < 0) {
      this.counters.filesystem.reopenFailed++;
      return;
    }
    if (this.fd >= 0) close(this.fd, () => {});
    this.fd = fd;
  }

  /**
   * Appends the rest before the process ends, as far as that goes without waiting, and gives the file back. An
   * append in flight is repeated, for it may never happen: a line twice is better than a line lost.
   */
  close(): void {
    this.disarm();
    const rest: Buffer[] = [];
    const busy = this.inFlight !== null;
    if (this.inFlight !== null) rest.push(this.inFlight.subarray(this.written));
    if (this.pending !== "") rest.push(encodeLine(this.pending));
    this.inFlight = null;
    this.pending = "";
    const { filesystem } = this.counters;
    try {
      for (const bytes of rest) {
        filesystem.writeTotalBuffered -= bytes.length;
        for (let at = 0; at < bytes.length; ) at += writeSync(this.fd, bytes, at, bytes.length - at);
        filesystem.writeCompleted++;
      }
    } catch {
      filesystem.writeFailed++;
    }
    // With an append in flight the number must not be given to another file yet: the process ends with it.
    if (this.fd > 2 && !busy) closeSync(this.fd);
    this.fd = -1;
  }

  private append(bytes: Buffer): void {
    write(this.fd, bytes, this.written, bytes.length - this.written, null, (error, count) => {
      if (this.inFlight !== bytes) return;
      if (error === null || error === undefined) {
        this.written += count;
        if (this.written < bytes.length) this.append(bytes);
        else this.finish(bytes, true);
      } else if (error.code === "EAGAIN") {
        // A pipe whose reader is slow: its reader decides how fast we are, `limit` how much we keep.
        const timer = setTimeout(() => {
          if (this.inFlight === bytes) this.append(bytes);
        }, FULL_PIPE_WAIT);
        timer.unref();
      } else {
        if (!this.failing) this.complain(`cannot write ${this.path}: ${error.message}`);
        this.failing = true;
        this.finish(bytes, false);
      }
    });
  }

  private finish(bytes: Buffer, ok: boolean): void {
    const { filesystem } = this.counters;
    if (ok) {
      filesystem.writeCompleted++;
      this.failing = false;
    } else filesystem.writeFailed++;
    filesystem.writeTotalBuffered -= bytes.length;
    this.inFlight = null;
    if (this.reopenWhenIdle) this.reopen();
    if (this.pending.length >= this.buffering.flushSize) this.flush();
    else if (this.pending !== "" && this.timer === null) this.arm(this.buffering.flushInterval);
  }

  private open(): number {
    const stream = STANDARD_STREAMS[this.path];
    if (stream !== undefined) return stream;
    try {
      const fd = openSync(this.path, "a", FILE_MODE);
      this.failing = false;
      return fd;
    } catch (error) {
      if (!this.failing) this.complain(`cannot open ${this.path}: ${(error as Error).message}`);
      this.failing = true;
      return -1;
    }
  }

  private arm(delay: number): void {
    this.disarm();
    this.timer = setTimeout(() => {
      this.timer = null;
      this.counters.filesystem.flushedByTimer++;
      this.flush();
    }, delay);
    // A waiting log line is no reason for a process to live on; whoever ends it calls `close`.
    this.timer.unref();
  }

  private disarm(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }
}

/** The log files of one thread, one sink per path. */
export class LogFiles {
  private readonly files = new Map<string, LogFile>();
  private readonly buffering: LogBuffering;
  private readonly counters: LogCounters;
  private readonly complain: (message: string) => void;

  /** `complain` gets what an operator should know: a file that cannot be opened or written, once until it works again. */
  constructor(counters: LogCounters, complain: (message: string) => void, buffering = DEFAULT_BUFFERING) {
    this.counters = counters;
    this.complain = complain;
    this.buffering = buffering;
  }

  /** `Platform.openLog`. */
  open(path: string): LogSink {
    let file = this.files.get(path);
    if (file === undefined) {
      file = new LogFile(path, this.buffering, this.counters, this.complain);
      this.files.set(path, file);
    }
    return file;
  }

  /** Opens every file anew, after somebody has moved them away (SIGUSR1, `/reopen_logs`). */
  reopen(): void {
    for (const file of this.files.values()) file.reopen();
  }

  /** Starts appending everything that waits. */
  flush(): void {
    for (const file of this.files.values()) file.flush();
  }

  /** Writes the rest and gives the files back. */
  close(): void {
    for (const file of this.files.values()) file.close();
    this.files.clear();
  }
}

/** A byte string as its bytes; text with wider characters (an operator's message) as UTF-8. */
export function encodeLine(text: string): Buffer {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return Buffer.from(text, "utf8");
  return Buffer.from(text, "latin1");
}
