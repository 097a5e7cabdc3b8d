/**
 * Seeded disorder: clients and origins that split, pipeline, stop reading, half-close, reset, answer early, twice,
 * short or never, under small buffers, low limits and short time-outs. Whatever happens, no client may see another's
 * answer, no origin a request that nobody sent, and nothing may be left behind.
 */
import { describe, expect, test } from "bun:test";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { Random } from "../../../runtime-adapters/memory/random.ts";
import { type Story, story } from "../../support/engine-story.ts";
import { retryPolicy, route } from "../../support/snapshot-fixture.ts";

const RUNS = Number(process.env.CHAOS_RUNS ?? 40);
const FIRST = Number(process.env.CHAOS_SEED ?? 1);

/** What a request's answer must hold, so that a mix-up shows. */
function bodyOf(id: string, length: number): string {
  return `<${id}>${"=".repeat(length)}</${id}>`;
}

/** Where the chunked body that begins at `at` ends, or Infinity. */
function endOfChunks(text: string, at: number): number {
  for (let p = at; ; ) {
    const line = text.indexOf("\r\n", p);
    if (line < 0) return Number.POSITIVE_INFINITY;
    const size = Number.parseInt(text.slice(p, line), 16);
    p = line + 2 + size + 2;
    if (size === 0) return p;
    if (p > text.length) return Number.POSITIVE_INFINITY;
  }
}

class Chaos {
  readonly random: Random;
  readonly sent = new Map<string, string>();
  readonly complaints: string[] = [];
  /**
   * Origins may answer more than they were asked. Only where a read takes all that is there: otherwise the surplus
   * may be read after the connection got its next request, and HTTP/1 has no means to tell the two apart.
   */
  surplus = false;
  /** Origins' connections that no longer speak HTTP, or whose next byte belongs to a request already answered. */
  readonly raw = new Set<Peer>();
  /** Origins behave from now on. */
  calm = false;
  /** The last client's bytes need not be whole requests any more. */
  harmed = false;
  next = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  chance(percent: number): boolean {
    return this.random.between(1, 100) <= percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.between(0, list.length - 1)];
  }

  /** Requests of one client; the ids in order. */
  request(): string {
    const id = `r${this.next++}`;
    const kind = this.random.between(0, 9);
    const fields = this.chance(10)
      ? "connection: close\r\n"
      : this.chance(10)
        ? "expect: 100-continue\r\n"
        : "";
    const path = kind === 0 ? `/direct/${id}` : `/${id}`;
    const head = (method: string) => `${method} ${path} HTTP/1.1\r\nhost: a.example\r\n${fields}`;
    const body = "B".repeat(this.pick([0, 1, 10, 300, 3000]));
    let text: string;
    if (kind < 5) text = `${head(this.pick(["GET", "HEAD", "DELETE"]))}\r\n`;
    else if (kind < 7)
      text = `${head(this.pick(["POST", "PUT"]))}content-length: ${body.length}\r\n\r\n${body}`;
    else if (kind < 9) {
      let chunks = "";
      for (let at = 0; at < body.length; ) {
        const n = this.random.between(1, 700);
        const piece = body.slice(at, at + n);
        chunks += `${piece.length.toString(16)}\r\n${piece}\r\n`;
        at += n;
      }
      text = `${head("POST")}transfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
    } else text = `${head("GET")}connection: upgrade\r\nupgrade: echo\r\n\r\n`;
    const harm = this.random.between(1, 100);
    if (harm <= 7 || kind === 9) this.harmed = true;
    if (harm <= 3) text = text.slice(0, this.random.between(1, text.length));
    else if (harm <= 5) text = text.replace("HTTP/1.1", "HTTP/1.0");
    else if (harm <= 7) text = text.replace("\r\n", "\n");
    this.sent.set(id, text);
    return text;
  }

  /** An origin: reads requests loosely, checks that each was sent by somebody, and misbehaves now and then. */
  origin(s: () => Story): (peer: Peer) => void {
    const later = (ms: number, then: () => void) => void s().proxy.network.schedule.after(ms, then);
    const { raw } = this;
    return (peer) => {
      if (peer.ended && !peer.closed && this.chance(60)) return peer.close();
      const { received } = peer;
      const end = received.indexOf("\r\n\r\n");
      if (end < 0 || peer.closed || raw.has(peer)) return;
      const [method, path] = received.split(" ", 2);
      const id = path.slice(path.lastIndexOf("/") + 1);
      const chunked = received.slice(0, end).includes("transfer-encoding: chunked");
      const length = /content-length: (\d+)/.exec(received.slice(0, end));
      const stop = chunked
        ? endOfChunks(received, end + 4)
        : end + 4 + (length === null ? 0 : Number(length[1]));
      if (received.length < stop && (this.calm || !this.chance(5))) return;
      peer.take();
      if (received.length < stop) raw.add(peer);
      if (received.length > stop)
        this.complaints.push(`origin: more behind ${id}: ${received.slice(stop, stop + 40)}`);
      if (!this.sent.has(id)) this.complaints.push(`origin: nobody sent ${received.slice(0, 60)}`);
      const content = bodyOf(id, this.pick([0, 10, 500, 5000]));
      const echo = received.includes("upgrade: echo");
      let answer: string;
      if (echo && this.chance(70)) {
        raw.add(peer);
        answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello";
      } else if (method === "HEAD")
        answer = `HTTP/1.1 200 OK\r\nx-id: ${id}\r\ncontent-length: ${content.length}\r\n\r\n`;
      else if (this.chance(60))
        answer = `HTTP/1.1 200 OK\r\nx-id: ${id}\r\ncontent-length: ${content.length}\r\n\r\n${content}`;
      else
        answer = `HTTP/1.1 200 OK\r\nx-id: ${id}\r\ntransfer-encoding: chunked\r\n\r\n${content.length.toString(16)}\r\n${content}\r\n0\r\n\r\n`;
      if (this.chance(10)) answer = `HTTP/1.1 103 Early Hints\r\nlink: ${id}\r\n\r\n${answer}`;
      const mischief = this.calm ? 60 : this.random.between(0, 60);
      const send = () => {
        if (peer.closed) return;
        if (mischief === 0) peer.reset();
        else if (mischief === 1) peer.close();
        else if (mischief === 2) peer.send(answer.slice(0, this.random.between(1, answer.length - 1))).end();
        else if (mischief === 3) {
          peer.send(answer.slice(0, this.random.between(1, answer.length - 1)));
          later(2, () => peer.reset());
        } else if (mischief === 4 && this.surplus)
          peer.send(answer + answer.slice(0, this.random.between(1, answer.length)));
        else if (mischief === 5) peer.send("HTTP/1.1 200 OK\r\nx y: z\r\n\r\n");
        else if (mischief === 6) peer.send(answer.replace("200 OK", "503 No")).end();
        else if (mischief === 7) peer.send(`HTTP/1.1 200 OK\r\nx-id: ${id}\r\n\r\n${content}`).end();
        else if (mischief === 8) return;
        else if (mischief < 12) {
          peer.send(answer);
          later(this.random.between(0, 20), () => !peer.closed && peer.close());
        } else if (mischief < 16) {
          peer.pause();
          peer.send(answer);
          later(this.random.between(1, 400), () => peer.resume());
        } else {
          const at = this.random.between(0, answer.length);
          peer.send(answer.slice(0, at));
          later(this.random.between(0, 4), () => void (!peer.closed && peer.send(answer.slice(at))));
        }
      };
      if (this.chance(50)) send();
      else later(this.random.between(0, this.pick([1, 10, 300])), send);
    };
  }

  /** Every answer must be for one of this client's requests, in order, and whole if it says that it is. */
  check(received: string, ids: readonly string[]): void {
    let turn = 0;
    for (const [, id] of received.matchAll(/x-id: (r\d+)\r\n/g)) {
      const at = ids.indexOf(id, turn);
      if (at < 0) this.complaints.push(`client of ${ids.join()} saw ${id} at its turn ${turn}`);
      else turn = at + 1;
    }
    for (const [, id] of received.matchAll(/<(r\d+)>/g)) {
      if (!ids.includes(id)) this.complaints.push(`client of ${ids.join()} saw the body of ${id}`);
    }
  }
}

async function run(seed: number): Promise<void> {
  const chaos = new Chaos(seed);
  let s!: Story;
  const origin = chaos.origin(() => s);
  const buffer = chaos.pick([500, 2000, 256 * 1024]);
  const maxRead = chaos.pick([1, 7, 100, 64 * 1024]);
  const splitReads = chaos.chance(50);
  chaos.surplus = buffer > 100_000 && maxRead > 10_000 && !splitReads;
  s = await story({
    network: {
      seed,
      latency: chaos.pick([0, 0, 1, 5]),
      jitter: chaos.pick([0, 1]),
      buffer,
      maxRead,
      splitReads,
    },
    manager: {
      upgrades: [{ upgradeType: "echo", enabled: true, terminateConnect: false }],
      streamIdleTimeout: chaos.pick([1000, 5000, 300_000]),
      requestTimeout: chaos.pick([0, 800]),
      requestHeadersTimeout: chaos.pick([0, 500]),
      delayedCloseTimeout: chaos.pick([0, 100, 1000]),
    },
    action: {
      timeout: chaos.pick([0, 300, 15_000]),
      retryPolicy: chaos.chance(50)
        ? retryPolicy({
            retryOn: ["5xx", "reset", "connect-failure"],
            numRetries: 2,
            perTryTimeout: chaos.pick([0, 100]),
          })
        : null,
    },
    limits: chaos.chance(40)
      ? { maxConnections: 3, maxPendingRequests: 4, maxRequests: 5, maxRetries: 2 }
      : {},
    cluster: { connectTimeout: chaos.pick([3, 5000]) },
    listener: { perConnectionBufferLimitBytes: chaos.pick([1000, 1024 * 1024]) },
    routes: [
      route("/direct", {
        kind: "direct_response",
        status: 200,
        body: "d".repeat(900),
        bodyFormat: null,
      } as never),
    ],
    origins: [origin, origin, null],
  });
  const { network } = s.proxy;
  const clients: { peer: Peer; ids: string[]; harmed: boolean }[] = [];
  for (let i = 0; i < 12; i++) {
    const peer = s.proxy.dial();
    const first = chaos.next;
    let text = "";
    chaos.harmed = false;
    const count = chaos.pick([1, 1, 2, 5, 12]);
    for (let k = 0; k < count; k++) text += chaos.request();
    const ids = Array.from({ length: chaos.next - first }, (_, k) => `r${first + k}`);
    clients.push({ peer, ids, harmed: chaos.harmed });
    let at = 0;
    const push = () => {
      if (peer.closed) return;
      const n = chaos.chance(40) ? text.length : chaos.random.between(1, 400);
      peer.send(text.slice(at, at + n));
      at += n;
      if (at < text.length) network.schedule.after(chaos.random.between(0, chaos.pick([1, 30])), push);
      else if (chaos.chance(15)) peer.end();
    };
    network.schedule.after(chaos.random.between(0, 300), push);
    if (chaos.chance(25)) {
      network.schedule.after(chaos.random.between(0, 300), () => peer.pause());
      network.schedule.after(chaos.random.between(300, 1500), () => peer.resume());
    }
    if (chaos.chance(10)) {
      network.schedule.after(chaos.random.between(0, 600), () => !peer.closed && peer.reset());
    }
  }
  if (chaos.chance(10)) network.schedule.after(200, () => s.proxy.run(() => s.proxy.worker.drain()));
  s.advance(3000);
  s.advance(3_500_000); // time-outs of requests that wait for one another have passed, that of idle connections not
  // Whoever is still there and sent whole requests can send another and is answered, or is told to go.
  chaos.calm = true;
  for (const peer of chaos.raw) if (!peer.closed) peer.close();
  s.settle();
  for (const client of clients) {
    if (client.harmed || client.peer.closed || client.peer.ended || client.peer.unsentBytes > 0) continue;
    const id = `r${chaos.next++}`;
    client.ids.push(id);
    chaos.sent.set(id, "");
    client.peer.take();
    client.peer.send(`GET /${id} HTTP/1.1\r\nhost: a.example\r\n\r\n`);
  }
  s.advance(30_000);
  for (const { peer, ids, harmed } of clients) {
    if (!harmed && !peer.ended && !peer.closed && !/HTTP\/1.1 [2-5]/.test(peer.received)) {
      chaos.complaints.push(`client of ${ids.join()} hangs: ${peer.received.slice(0, 40)}`);
    }
    chaos.check(peer.received, ids);
    if (!peer.closed) peer.close();
  }
  expect(chaos.complaints).toEqual([]);
  expect(s.proxy.messages).toEqual([]);
  s.expectNothingLeft();
  expect(heldSlots(s)).toBe(0);
}

/** Breaker slots that were never given back. */
function heldSlots(s: Story): number {
  const { clusters } = s.proxy.worker as unknown as {
    clusters: { all(): Iterable<{ defaultBreaker: object }> };
  };
  let held = 0;
  for (const { defaultBreaker } of clusters.all()) {
    for (const limit of Object.values(defaultBreaker)) if (typeof limit === "object") held += limit.active;
  }
  return held;
}

describe("disorder", () => {
  for (let seed = FIRST; seed < FIRST + RUNS; seed++) test(`seed ${seed}`, () => run(seed));
});
