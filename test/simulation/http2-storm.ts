/**
 * A storm over HTTP/2: clients of both versions, upstreams of HTTP/2 that answer whole, in pieces, late, never, wrongly,
 * reset, refuse, say GOAWAY, change their settings and leave. Everything follows from the seed.
 *
 * The law (P12): a stream gets the answer that belongs to it, or one that the proxy made, or one that is visibly broken;
 * never another's, and none that ends although it is not whole.
 */
import type { Peer } from "../../runtime-adapters/memory/peer.ts";
import { Random } from "../../runtime-adapters/memory/random.ts";
import { type Script, type Story, story } from "../support/engine-story.ts";
import { GET, Http2Peer, POST } from "../support/http2-peer.ts";
import { HTTP2, retryPolicy } from "../support/snapshot-fixture.ts";

const CLIENTS = 6;
const REQUESTS = 12;
const LENGTH_MS = 4000;

/** What asks for a WebSocket, in both versions. */
const TUNNEL = [[":method", "CONNECT"], [":protocol", "websocket"], ...GET.slice(1)] as const;
const TUNNEL1 =
  "GET /chat HTTP/1.1\r\nhost: a.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n" +
  "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";

export interface Http2Outcome {
  readonly story: Story;
  readonly violations: readonly string[];
  /** How streams ended. */
  readonly tally: { readonly [what: string]: number };
}

/** The answer to request `id`. */
function bodyOf(id: number): string {
  return `<${id}|${"0123456789".repeat((id * 37) % 1500)}|${id}>`;
}

class Http2Storm {
  readonly random: Random;
  readonly violations: string[] = [];
  readonly tally: { [what: string]: number } = {};
  private story!: Story;
  private ids = 0;
  private readonly origins = new Map<Peer, Http2Peer>();

  constructor(seed: number) {
    this.random = new Random(seed * 7919);
  }

  async run(seed: number): Promise<Http2Outcome> {
    const { random } = this;
    const common = {
      idleTimeout: 2000,
      maxConnectionDuration: random.next() < 0.3 ? 900 : 0,
      maxHeadersCount: 100,
      maxStreamDuration: 0,
      headersWithUnderscoresAction: "ALLOW",
      maxRequestsPerConnection: random.next() < 0.3 ? random.between(1, 5) : 0,
    } as const;
    this.story = await story({
      network: { seed, latency: random.between(0, 3), splitReads: random.next() < 0.5 },
      cluster: {
        connectTimeout: 300,
        common,
        http2: { ...HTTP2, maxConcurrentStreams: random.between(1, 20) },
      },
      limits: {
        maxConnections: random.between(1, 6),
        maxPendingRequests: random.between(2, 50),
        maxRequests: random.between(5, 60),
        maxRetries: 10,
      },
      manager: { streamIdleTimeout: 1500 },
      action: {
        timeout: random.next() < 0.5 ? 900 : 0,
        retryPolicy: retryPolicy({
          retryOn: random.next() < 0.5 ? ["refused-stream", "reset"] : ["refused-stream", "connect-failure"],
          numRetries: 2,
          perTryTimeout: 400,
        }),
      },
      origins: [this.origin, this.origin],
    });
    for (let i = 0; i < CLIENTS; i++) {
      if (random.next() < 0.7) this.http2Client();
      else for (let r = 0; r < 4; r++) this.later(LENGTH_MS, () => this.http1Client());
    }
    this.story.advance(LENGTH_MS + 4000);
    return { story: this.story, violations: this.violations, tally: this.tally };
  }

  private later(within: number, what: () => void): void {
    this.story.proxy.network.schedule.after(this.random.between(0, within), what);
  }

  private count(what: string): void {
    this.tally[what] = (this.tally[what] ?? 0) + 1;
  }

  // ── Upstreams ─────────────────────────────────────────────────────────────────────────────────────────────

  private readonly origin: Script = (peer) => {
    let mine = this.origins.get(peer);
    if (mine === undefined) {
      mine = new Http2Peer(peer, false);
      this.origins.set(peer, mine);
      if (this.random.next() < 0.5) mine.settings(8, 1);
      else mine.settings(3, this.random.between(1, 5), 4, this.random.between(0, 70_000));
    }
    for (const line of mine.heard()) if (line.includes(" head ")) this.serve(mine, line);
    if (peer.ended && !peer.closed) peer.close();
  };

  private serve(peer: Http2Peer, line: string): void {
    const { random } = this;
    const stream = Number(line.split(" ")[0]);
    if (line.includes(":method=CONNECT")) {
      this.tunnel(peer, stream);
      return;
    }
    const id = Number(/ :path=\/(\d+)/.exec(line)?.[1]);
    if (Number.isNaN(id)) return; // trailers
    const toHead = line.includes(":method=HEAD");
    const body = bodyOf(id);
    const length = [["content-length", String(body.length)]] as const;
    const head = [[":status", "200"], ["x-id", String(id)], ...(random.next() < 0.5 ? length : [])] as const;
    const act = (what: () => void) =>
      this.later(random.next() < 0.5 ? 0 : 300, () => {
        if (!peer.peer.closed) what();
      });
    const chance = random.next();
    act(() => peer.windowUpdate(stream, random.between(1, 30_000)).windowUpdate(0, 65_535));
    if (chance < 0.5 || toHead) {
      act(() => {
        peer.head(stream, head, { end: toHead });
        if (toHead) return;
        const cut = random.between(0, body.length);
        peer.data(stream, body.slice(0, cut));
        act(() => {
          if (random.next() < 0.5) peer.data(stream, body.slice(cut), true);
          else peer.data(stream, body.slice(cut)).head(stream, [["x-sum", "1"]], { end: true });
        });
      });
    } else if (chance < 0.6) act(() => peer.reset(stream, random.between(0, 13)));
    else if (chance < 0.7) act(() => peer.head(stream, head).data(stream, body.slice(0, 5)).reset(stream, 8));
    else if (chance < 0.75) act(() => peer.goAway(random.next() < 0.5 ? stream : Math.max(0, stream - 2), 0));
    else if (chance < 0.8) act(() => (random.next() < 0.5 ? peer.peer.reset() : peer.peer.close()));
    else if (chance < 0.85)
      act(() => peer.head(stream, [...head.slice(0, 2), ...length]).data(stream, body.slice(0, -1), true));
    else if (chance < 0.9) act(() => peer.settings(3, random.between(0, 3), 4, random.between(0, 10_000)));
    else if (chance < 0.92)
      act(() => peer.head(stream, [[":status", "103"]]).head(stream, [[":status", "20"]]));
    else if (chance < 0.93) act(() => peer.frame(6, 0, 0, [1]));
  }

  /** Agrees, says something and ends; or refuses, or does neither. */
  private tunnel(peer: Http2Peer, stream: number): void {
    const { random } = this;
    const act = (what: () => void) =>
      this.later(200, () => {
        if (!peer.peer.closed) what();
      });
    const chance = random.next();
    if (chance < 0.6)
      act(() => {
        peer.head(stream, [[":status", "200"]]).data(stream, "tunnel");
        act(() => {
          const end = random.between(0, 2);
          if (end === 0) peer.data(stream, "", true);
          else if (end === 1) peer.reset(stream, 8);
        });
      });
    else if (chance < 0.8) act(() => peer.head(stream, [[":status", "403"]], { end: true }));
    else if (chance < 0.9) act(() => peer.reset(stream, 7));
  }

  // ── Clients ───────────────────────────────────────────────────────────────────────────────────────────────

  private http2Client(): void {
    const { random } = this;
    const client = new Http2Peer(this.story.client(), true);
    const asked = new Map<number, number>();
    const gone = new Set<number>();
    let next = 1;
    client.settings(4, random.between(0, 70_000));
    client.peer.onChange = () => {
      for (const line of client.heard()) this.judge(client, asked, gone, line);
    };
    for (let i = 0; i < REQUESTS; i++) {
      this.later(LENGTH_MS, () => {
        if (client.peer.closed || client.peer.ended) return;
        const stream = next;
        next += 2;
        if (random.next() < 0.15) {
          client.head(stream, TUNNEL).data(stream, "ahead");
          this.later(400, () => {
            if (client.peer.closed || client.peer.ended) return;
            const end = random.between(0, 3);
            if (end < 2) client.data(stream, "more", end === 0);
            else if (end === 2) client.reset(stream, 8);
          });
          return;
        }
        const id = ++this.ids;
        asked.set(stream, id);
        const chance = random.next();
        const to = (fields: readonly (readonly [string, string])[]) =>
          fields.map(([name, value]): [string, string] => [name, name === ":path" ? `/${id}` : value]);
        if (chance < 0.1) client.head(stream, to([[":method", "HEAD"], ...GET.slice(1)]), { end: true });
        else if (chance < 0.5) client.head(stream, to(GET), { end: true });
        else {
          client.head(stream, to(POST));
          const pieces = random.between(1, 4);
          for (let piece = 1; piece <= pieces; piece++) {
            this.story.proxy.network.schedule.after(piece * random.between(1, 60), () => {
              if (!client.peer.closed && !gone.has(stream) && piece < pieces)
                client.data(stream, "x".repeat(random.between(0, 5000)));
              else if (!client.peer.closed && !gone.has(stream)) {
                gone.add(stream);
                client.data(stream, "", true);
              }
            });
          }
        }
        if (random.next() < 0.1) {
          this.later(200, () => {
            if (client.peer.closed || !asked.has(stream)) return;
            gone.add(stream);
            asked.delete(stream);
            client.reset(stream, 8);
          });
        }
        this.later(500, () => {
          if (!client.peer.closed)
            client.windowUpdate(stream, random.between(1, 40_000)).windowUpdate(0, 40_000);
        });
      });
    }
    if (random.next() < 0.2) this.later(LENGTH_MS, () => client.peer.reset());
  }

  private judge(client: Http2Peer, asked: Map<number, number>, gone: Set<number>, line: string): void {
    const [first, what, ...rest] = line.split(" ");
    const stream = Number(first);
    if (line.startsWith("broken") || line.includes(" broken ")) this.violations.push(`not HTTP/2: ${line}`);
    const id = asked.get(stream);
    if (id === undefined || / :status=1/.test(line)) return;
    const said = /x-id=(\d+)/.exec(line)?.[1];
    if (said !== undefined && Number(said) !== id) this.violations.push(`${id} got the head of ${said}`);
    const ours = line.includes(":status=") && said === undefined;
    if (ours) {
      this.count(`local ${/:status=(\d+)/.exec(line)?.[1]}`);
      asked.delete(stream);
      return;
    }
    const body = client.bodies.get(stream) ?? "";
    const whole = bodyOf(id);
    if (!whole.startsWith(body)) this.violations.push(`${id} got another's body`);
    if (what === "reset") {
      gone.add(stream);
      asked.delete(stream);
      this.count("reset");
    } else if (rest.at(-1) === "end") {
      const empty = what === "head" && said !== undefined;
      if (body !== (empty ? "" : whole)) this.violations.push(`${id} ended, but is not whole`);
      asked.delete(stream);
      this.count("whole");
    }
  }

  private http1Client(): void {
    const id = ++this.ids;
    const { random } = this;
    const ask = `/${id} HTTP/1.1\r\nhost: a.example\r\n`;
    const chance = random.next();
    if (chance < 0.15) {
      const tunnel = this.story.proxy.dial("127.0.0.1:80");
      tunnel.send(`${TUNNEL1}${chance < 0.05 ? "ahead" : ""}`);
      this.later(600, () => {
        if (!tunnel.closed) tunnel.send("more").end();
      });
      this.story.proxy.network.schedule.after(LENGTH_MS + 2000, () => {
        if (!tunnel.closed) tunnel.close();
      });
      return;
    }
    const text = random.next() < 0.5 ? `GET ${ask}\r\n` : `POST ${ask}content-length: 5\r\n\r\nhello`;
    const cut = random.between(0, text.length);
    const client = this.story.proxy.dial("127.0.0.1:80");
    client.send(text.slice(0, cut));
    this.later(100, () => {
      if (!client.closed) client.send(text.slice(cut));
    });
    this.story.proxy.network.schedule.after(LENGTH_MS + 2000, () => {
      const { received } = client;
      const said = /\r\nx-id: (\d+)\r\n/.exec(received)?.[1];
      if (said !== undefined && Number(said) !== id)
        this.violations.push(`HTTP/1: ${id} got the head of ${said}`);
      for (const [, other] of received.matchAll(/<(\d+)\|/g))
        if (Number(other) !== id) this.violations.push(`HTTP/1: ${id} got the body of ${other}`);
      if (!client.closed) client.close();
    });
  }
}

/** One storm. */
export function http2Storm(seed: number): Promise<Http2Outcome> {
  return new Http2Storm(seed).run(seed);
}
