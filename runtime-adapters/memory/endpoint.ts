/**
 * One end of a virtual TCP connection: a send buffer that fills up, a line with latency and bandwidth, reads of
 * any size, FIN and RST, and silence. Knows no driver: a `Side` listens to it.
 *
 * Laws: bytes, FIN and RST of one end arrive in the order they were sent; a read never hands out bytes that
 * anyone else can see; everything comes from the schedule, nothing from inside a call.
 */
import type { Address, Keepalive } from "../../core/io/socket.ts";
import type { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";

/** How the network behaves. Times in ms, sizes in bytes. */
export interface LineOptions {
  /** One way. */
  readonly latency: number;
  /** Added at random, [0, jitter]; order within a connection is kept. */
  readonly jitter: number;
  /** Bytes per ms, or Infinity. */
  readonly bandwidth: number;
  /** What a sender may have unread at the receiver before a write is cut short. */
  readonly buffer: number;
  /** The most one read returns. */
  readonly maxRead: number;
  /** Each read returns a random 1 … maxRead bytes. */
  readonly splitReads: boolean;
}

/** Who uses an endpoint. */
export interface Side {
  established(): void;
  read(chunk: Uint8Array): void;
  sawEnd(): void;
  canWrite(): void;
  /** "" when both sides ended in order. */
  gone(reason: string): void;
}

export class Endpoint {
  readonly local: Address;
  readonly remote: Address;
  /** True from the handshake until `gone`. */
  open = false;
  /** Closed before the handshake was done. */
  cancelled = false;

  private readonly schedule: Schedule;
  private readonly random: Random;
  private readonly line: LineOptions;
  private readonly side: Side;
  private other: Endpoint | null = null;

  private unread = 0; // sent by this end and not yet read by the other
  private starved = false;
  private lineFree = 0;
  private lastArrival = 0;
  private finSent = false;
  private vanished = false;
  /** Null = off. */
  private keepalive: Keepalive | null = null;

  private readonly inbox: Uint8Array[] = [];
  private reading = true;
  private pumping = false;
  private finArrived = false;
  private finSeen = false;

  constructor(
    schedule: Schedule,
    random: Random,
    line: LineOptions,
    side: Side,
    local: Address,
    remote: Address,
  ) {
    this.schedule = schedule;
    this.random = random;
    this.line = line;
    this.side = side;
    this.local = local;
    this.remote = remote;
  }

  /** Makes two ends one connection. */
  static join(a: Endpoint, b: Endpoint): void {
    a.other = b;
    b.other = a;
    a.open = true;
    b.open = true;
  }

  /** Copies what fits into the send buffer; returns how many bytes that was. If fewer, `canWrite` follows. */
  send(bytes: Uint8Array, start: number, end: number): number {
    if (!this.open || this.finSent) return end - start;
    const count = Math.min(end - start, this.line.buffer - this.unread);
    if (count < end - start) this.starved = true;
    if (count <= 0) return 0;
    this.unread += count;
    const copy = bytes.slice(start, start + count);
    this.lineFree = Math.max(this.schedule.now, this.lineFree) + count / this.line.bandwidth;
    this.deliver(() => this.other?.arrive(copy), this.lineFree);
    return count;
  }

  /** Sends FIN. */
  end(): void {
    if (!this.open || this.finSent) return;
    this.finSent = true;
    this.deliver(() => this.other?.fin());
    this.settle();
  }

  /** As close(2): FIN after what was sent, or RST if there are bytes that nobody read. `gone` is not called. */
  close(): void {
    this.cancelled = true;
    if (!this.open) return;
    this.open = false;
    if (this.inbox.length > 0) this.deliver(() => this.other?.rst());
    else if (!this.finSent) this.deliver(() => this.other?.fin());
    this.inbox.length = 0;
  }

  /** Sends RST. `gone` is not called. */
  reset(): void {
    this.cancelled = true;
    if (!this.open) return;
    this.open = false;
    this.inbox.length = 0;
    this.deliver(() => this.other?.rst());
  }

  /** From now on nothing leaves or reaches this end: a host without power, a cut cable. */
  vanish(): void {
    this.vanished = true;
    this.other?.probe();
  }

  setReading(on: boolean): void {
    this.reading = on;
    if (on) this.pump();
  }

  /** Asks after a silent peer from now on: one that has vanished is found out when the probes have gone by. */
  keepAlive(options: Keepalive): void {
    this.keepalive = options;
    if (this.other?.vanished === true) this.probe();
  }

  private probe(): void {
    if (this.keepalive === null) return;
    const { time, interval, probes } = this.keepalive;
    const patience = (time || 7200) + (interval || 75) * (probes || 9);
    this.schedule.after(patience * 1000, () => {
      if (!this.open) return;
      this.open = false;
      this.inbox.length = 0;
      this.side.gone("ETIMEDOUT");
    });
  }

  private deliver(job: () => void, from = this.schedule.now): void {
    if (this.vanished) return;
    const lag = this.line.latency + (this.line.jitter > 0 ? this.random.next() * this.line.jitter : 0);
    this.lastArrival = Math.max(this.lastArrival, from + lag);
    this.schedule.after(this.lastArrival - this.schedule.now, () => {
      if (this.other !== null && !this.other.vanished) job();
    });
  }

  private arrive(bytes: Uint8Array): void {
    if (!this.open) {
      this.deliver(() => this.other?.rst()); // nobody is here any more
      return;
    }
    this.inbox.push(bytes);
    this.pump();
  }

  private fin(): void {
    if (!this.open || this.finArrived) return;
    this.finArrived = true;
    this.pump();
  }

  private rst(): void {
    if (!this.open) return;
    this.open = false;
    this.inbox.length = 0;
    this.side.gone("ECONNRESET");
  }

  /** One read per event, so that other connections get in between. */
  private pump(): void {
    if (this.pumping || !this.open) return;
    this.pumping = true;
    this.schedule.after(0, () => {
      this.pumping = false;
      if (!this.open || !this.reading) return;
      if (this.inbox.length > 0) {
        const chunk = this.takeChunk();
        this.acknowledge(chunk.length);
        this.side.read(chunk);
        if (this.inbox.length > 0 || this.finArrived) this.pump();
      } else if (this.finArrived && !this.finSeen) {
        this.finSeen = true;
        this.side.sawEnd();
        this.settle();
      }
    });
  }

  private takeChunk(): Uint8Array {
    const most = this.line.splitReads ? this.random.between(1, this.line.maxRead) : this.line.maxRead;
    const first = this.inbox[0];
    if (first.length >= most || this.inbox.length === 1) {
      if (first.length <= most) {
        this.inbox.shift();
        return first;
      }
      this.inbox[0] = first.slice(most);
      return first.slice(0, most);
    }
    let total = 0;
    for (const piece of this.inbox) total += piece.length;
    const chunk = new Uint8Array(Math.min(total, most));
    let filled = 0;
    while (filled < chunk.length) {
      const piece = this.inbox[0];
      const part = piece.subarray(0, chunk.length - filled);
      chunk.set(part, filled);
      filled += part.length;
      if (part.length === piece.length) this.inbox.shift();
      else this.inbox[0] = piece.slice(part.length);
    }
    return chunk;
  }

  private acknowledge(count: number): void {
    const sender = this.other as Endpoint;
    this.deliver(() => {
      sender.unread -= count;
      if (!sender.starved || !sender.open) return;
      sender.starved = false;
      sender.side.canWrite();
    });
  }

  /** Both directions ended: the connection is over. */
  private settle(): void {
    if (!this.open || !this.finSent || !this.finSeen) return;
    this.schedule.after(0, () => {
      if (!this.open) return;
      this.open = false;
      this.side.gone("");
    });
  }
}
