/**
 * The origin behind the proxy, as a state machine: it is told bytes and acts on a wire. It never validates; it
 * keeps every byte and answers as its scripts say. The same code runs over TCP and in the memory runtime.
 */
import {
  AFTER,
  type Chunking,
  cut,
  OK_SCRIPT,
  type OriginRecord,
  type OriginScript,
  type OriginStep,
  VICTIM,
} from "./exchange.ts";
import { readRequest, type WireRequest } from "./wire-reader.ts";

/** One accepted connection, as the origin acts on it. */
export interface OriginWire {
  write(bytes: string): void;
  end(): void;
  close(): void;
  reset(): void;
  /** Calls back after `ms` (0: as soon as written bytes have had a chance to travel alone). */
  later(ms: number, then: () => void): void;
}

/** What one exchange does behind the proxy: shared by its connections. */
export class OriginPlay {
  readonly records: OriginRecord[] = [];
  /** Requests seen so far, over all connections. */
  requests = 0;
  private readonly arrivals: { readonly record: OriginRecord; readonly index: number }[] = [];
  readonly scripts: readonly OriginScript[];
  readonly chunking: Chunking;
  private greeting: string;

  constructor(scripts: readonly OriginScript[], chunking: Chunking, greeting = "") {
    this.scripts = scripts;
    this.chunking = chunking;
    this.greeting = greeting;
  }

  /** What a new connection says at once: the first one the greeting, the others nothing. */
  greet(): string {
    const { greeting } = this;
    this.greeting = "";
    return greeting;
  }

  /** Notes a request that `record` has just got. */
  arrived(record: OriginRecord): void {
    this.arrivals.push({ record, index: record.requests.length - 1 });
  }

  /** All requests in order of arrival. */
  inOrder(): WireRequest[] {
    return this.arrivals.map(({ record, index }) => record.requests[index]);
  }

  accept(wire: OriginWire): OriginConnection {
    return new OriginConnection(this, wire);
  }
}

function canned(body: string): OriginScript {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

export class OriginConnection {
  readonly record: OriginRecord = {
    received: "",
    ended: "open",
    requests: [],
    tunnel: "",
    early: "",
    later: false,
  };
  private readonly play: OriginPlay;
  private readonly wire: OriginWire;
  /** Where the current request begins. */
  private at = 0;
  private current: WireRequest | null = null;
  private script: readonly OriginStep[] = [];
  private step = 0;
  private waiting = false;
  private tunnelFrom = -1;
  private over = false;

  constructor(play: OriginPlay, wire: OriginWire) {
    this.play = play;
    this.wire = wire;
    play.records.push(this.record);
    const greeting = play.greet();
    if (greeting !== "") this.write(cut(greeting, play.chunking), 0);
  }

  onBytes(bytes: string): void {
    this.record.received += bytes;
    if (this.tunnelFrom >= 0) this.record.tunnel = this.record.received.slice(this.tunnelFrom);
    this.advance();
  }

  onEnd(how: "fin" | "reset"): void {
    if (this.record.ended === "open") this.record.ended = how;
    if (this.tunnelFrom < 0) this.readCurrent(false);
    else this.advance();
  }

  private readCurrent(mayBegin: boolean): void {
    if (this.tunnelFrom >= 0) return;
    const request = readRequest(this.record.received, this.at);
    if (request === null) return;
    const known = this.current !== null;
    this.current = request;
    const own = request.target.startsWith(AFTER) || request.target.startsWith(VICTIM);
    if (own) this.record.later = true;
    if (!known) {
      if (!own) {
        this.record.requests.push(request);
        this.play.arrived(this.record);
      }
      if (mayBegin) this.begin(request, own);
    } else if (!own) {
      this.record.requests[this.record.requests.length - 1] = request;
    }
  }

  private begin(request: WireRequest, own: boolean): void {
    const script = own
      ? canned(request.target.startsWith(AFTER) ? "after" : "victim")
      : (this.play.scripts[this.play.requests++] ?? OK_SCRIPT);
    this.script = typeof script === "string" ? [{ until: "request" }, { send: script }] : script;
    this.step = 0;
  }

  private advance(): void {
    while (!this.waiting && !this.over) {
      this.readCurrent(true);
      if (this.current === null) return;
      if (this.step >= this.script.length) {
        if (this.tunnelFrom >= 0 || !this.current.complete) return;
        this.at = this.current.end;
        this.current = null;
        continue;
      }
      if (!this.perform(this.script[this.step], this.current)) return;
      this.step++;
    }
  }

  private perform(step: OriginStep, request: WireRequest): boolean {
    if ("until" in step) return step.until === "head" || request.complete;
    if ("bytes" in step) return this.record.received.includes(step.bytes);
    if ("elapse" in step) {
      this.rest(step.elapse);
      return true;
    }
    if ("tunnel" in step) {
      this.tunnelFrom = request.end;
      this.record.tunnel = this.record.received.slice(this.tunnelFrom);
      return true;
    }
    if ("send" in step) {
      if (step.send === "") return true;
      if (this.tunnelFrom < 0 && request.complete)
        this.record.early = this.record.received.slice(request.end);
      this.write(cut(step.send, this.play.chunking), 0);
      return true;
    }
    if ("fin" in step) {
      this.wire.end();
      return true;
    }
    this.over = true;
    if ("close" in step) this.wire.close();
    else this.wire.reset();
    return true;
  }

  private rest(ms: number): void {
    this.waiting = true;
    this.wire.later(ms, () => {
      this.waiting = false;
      this.advance();
    });
  }

  private write(pieces: readonly string[], index: number): void {
    if (this.over || this.record.ended === "reset") return;
    this.wire.write(pieces[index]);
    if (index + 1 >= pieces.length) return;
    this.waiting = true;
    this.wire.later(0, () => {
      this.waiting = false;
      this.write(pieces, index + 1);
      if (!this.waiting) this.advance();
    });
  }
}
