/**
 * A storm: many clients, slow and fast, polite and rude, through one proxy to origins that die or stall at any byte,
 * while the configuration changes. Everything follows from the seed. Afterwards each client's wire is judged by a
 * reader that shares no code with the proxy.
 *
 * The law (P12): a request gets the answer that belongs to it, or one that the proxy made, or one that is visibly
 * broken; never another's, and never two.
 */
import { toBytes } from "../../core/bytes/ascii.ts";
import type { Snapshot } from "../../core/config/model.ts";
import type { Server } from "../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../runtime-adapters/memory/peer.ts";
import { Random } from "../../runtime-adapters/memory/random.ts";
import { Story, type StorySetup, storySnapshot } from "../support/engine-story.ts";
import { ProxyFixture } from "../support/proxy-fixture.ts";
import { retryPolicy } from "../support/snapshot-fixture.ts";
import { readRequests, readResponses, type WireRequest } from "../support/wire-reader.ts";
import { bodyOf, lengthOf } from "./stamped-body.ts";

const ORIGINS = 3;
const CLIENTS = 24;
const REQUESTS_PER_CLIENT = 8;

interface Sent {
  readonly id: string;
  readonly method: string;
}

interface Client {
  readonly peer: Peer;
  readonly sent: Sent[];
  readonly http10: boolean;
  /** It reset its own connection, so whatever it saw may be cut anywhere. */
  rude: boolean;
}

export interface Outcome {
  /** What breaks the law. */
  readonly violations: readonly string[];
  /** Every byte that any client saw, and every log line: equal for equal seeds. */
  readonly transcript: string;
  /** How answers ended, for tests that want to know that a storm was one. */
  readonly tally: { readonly [what: string]: number };
  readonly story: Story;
}

/** A configuration for the storm; `age` changes what may change on living connections. */
function stormSnapshot(age: number): Snapshot {
  const origins = Array.from({ length: ORIGINS }, () => null);
  const setup: StorySetup = {
    origins,
    log: "%REQ(X-ID)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_SENT% %UPSTREAM_HOST%",
    cluster: { connectTimeout: 300 + (age % 3), healthyPanicThreshold: 50 },
    limits: { maxRetries: 10, maxConnections: 40 - 10 * (age % 2) },
    manager: { streamIdleTimeout: 5000, requestTimeout: 8000 },
    listener: { perConnectionBufferLimitBytes: 20_000 },
    action: {
      timeout: 3000,
      retryPolicy: retryPolicy({
        retryOn: ["connect-failure", "reset-before-request"].concat(age % 2 === 0 ? ["gateway-error"] : []),
        numRetries: 2,
        perTryTimeout: 1000,
        previousHosts: true,
        hostSelectionAttempts: 3,
      }),
    },
  };
  // Now and then an endpoint leaves, and comes back.
  const whole = storySnapshot(age % 4 === 3 ? { ...setup, origins: origins.slice(1) } : setup);
  // Routes come by RDS, so that they change on living connections; the listener itself is replaced once.
  const [listener] = whole.listeners;
  const [chain] = listener.filterChains;
  const { filter } = chain;
  if (filter.kind !== "http_connection_manager" || filter.routeConfig === null) throw new Error("no table");
  const byName = { ...filter, rds: "routes", routeConfig: null };
  return {
    ...whole,
    listeners: [{ ...listener, version: age < 7 ? "1" : "2", filterChains: [{ ...chain, filter: byName }] }],
    routes: [{ ...filter.routeConfig, name: "routes" }],
  };
}

/** Runs one storm to its end. */
export async function storm(seed: number): Promise<Outcome> {
  const random = new Random(seed * 7919 + 1);
  const chance = (percent: number) => random.between(1, 100) <= percent;
  const crumbs = chance(30);
  const proxy = new ProxyFixture({
    seed,
    latency: random.between(0, 3),
    jitter: random.between(0, 4),
    splitReads: chance(70),
    maxRead: crumbs ? random.between(1, 40) : random.between(500, 20_000),
    buffer: random.between(2_000, 40_000),
  });
  const { network } = proxy;
  const later = (ms: number, job: () => void) => network.schedule.after(ms, job);

  // ── Origins ──

  const wire = new Map<Peer, { text: string; answered: number; dead: boolean; untilClose: boolean }>();
  /** A body that ends with the connection is whole for everybody if FIN ends it: only RST cuts it visibly. */
  const leave = (peer: Peer) => (wire.get(peer)?.untilClose === true ? peer.reset() : peer.close());
  const answer = (peer: Peer, request: WireRequest) => {
    const id = request.target.slice(1);
    const length = lengthOf(id);
    const body = bodyOf(id, length);
    const mark = `x-id: ${id}\r\n`;
    const head = "HTTP/1.1 200 OK\r\n";
    let bytes: string;
    let ends = false;
    const style = random.between(0, 9);
    if (request.method === "HEAD") bytes = `${head}${mark}content-length: ${length}\r\n\r\n`;
    else if (style === 0) {
      bytes = `${head}${mark}\r\n${body}`;
      ends = true;
    } else if (style === 1) bytes = `HTTP/1.1 204 No Content\r\n${mark}\r\n`;
    else if (style === 2)
      bytes = `HTTP/1.1 502 Bad Gateway\r\n${mark}content-length: ${length}\r\n\r\n${body}`;
    else if (style < 6) {
      bytes = `${head}${mark}transfer-encoding: chunked\r\n\r\n`;
      for (let at = 0; at < length; ) {
        const size = Math.min(random.between(1, 3000), length - at);
        bytes += `${size.toString(16)}\r\n${body.slice(at, at + size)}\r\n`;
        at += size;
      }
      bytes += "0\r\n\r\n";
    } else if (style === 6)
      bytes = `${head}${mark}connection: close\r\ncontent-length: ${length}\r\n\r\n${body}`;
    else bytes = `${head}${mark}content-length: ${length}\r\n\r\n${body}`;
    if (chance(15)) bytes = `HTTP/1.1 103 Early Hints\r\nlink: <${id}>\r\n\r\n${bytes}`;

    const fate = random.between(0, 99);
    const state = wire.get(peer);
    if (ends && state !== undefined) state.untilClose = true;
    const die = (how: () => void) => {
      if (state !== undefined) state.dead = true;
      how();
    };
    const cut = random.between(0, bytes.length - 1);
    const send = (text: string) => {
      if (peer.closed) return;
      const half = random.between(0, text.length);
      peer.send(toBytes(text.slice(0, half)));
      later(random.between(0, 30), () => {
        if (!peer.closed) peer.send(toBytes(text.slice(half)));
      });
    };
    if (fate < 8) {
      peer.send(toBytes(bytes.slice(0, cut)));
      later(random.between(0, 40), () => die(() => peer.reset()));
    } else if (fate < 16) {
      peer.send(toBytes(bytes.slice(0, cut)));
      later(random.between(0, 40), () => die(() => leave(peer)));
    } else if (fate < 19) {
      peer.send(toBytes(bytes.slice(0, cut)));
      die(() => undefined); // stalls for ever
    } else if (fate < 22 && !ends && arrivesWhole(peer, bytes.length + 100)) {
      // A liar: something of its own behind the answer, in one piece with it. (Later it could just as well be the
      // answer to the next request.)
      peer.send(toBytes(`${bytes}HTTP/1.1 200 OK\r\nx-id: POISON\r\ncontent-length: 6\r\n\r\npoison`));
    } else if (fate < 24) {
      die(() => peer.vanish());
    } else {
      send(bytes);
      if (ends) {
        later(40, () => {
          peer.end();
          if (state !== undefined) state.dead = true;
        });
      } else if (fate < 30) {
        later(random.between(31, 60), () => die(() => leave(peer))); // an idle close that may cross a request
      }
    }
  };
  const arrivesWhole = (peer: Peer, size: number) =>
    !network.line.splitReads &&
    size < network.line.maxRead &&
    size < network.line.buffer &&
    peer.unsentBytes === 0;
  const script = (peer: Peer) => {
    let state = wire.get(peer);
    if (state === undefined) {
      state = { text: "", answered: 0, dead: false, untilClose: false };
      wire.set(peer, state);
      if (chance(15)) {
        peer.pause();
        later(random.between(5, 400), () => peer.resume());
      }
    }
    state.text += peer.take();
    if (state.dead) return;
    if (peer.ended && !peer.closed) {
      state.dead = true;
      later(random.between(0, 20), () => {
        if (!peer.closed) leave(peer);
      });
      return;
    }
    const { requests } = readRequests(state.text);
    while (state.answered < requests.length) {
      const request = requests[state.answered];
      if (!request.complete && !chance(5)) break; // now and then an answer comes early
      state.answered++;
      const current = request;
      later(random.between(0, 50), () => answer(peer, current));
      if (!request.complete) break;
    }
  };
  const origins: Server[] = [];
  await proxy.apply(stormSnapshot(0));
  for (let i = 1; i <= ORIGINS; i++) {
    origins.push(network.serve({ ip: `10.0.0.${i}`, port: 8080, path: "" }, script));
  }
  const dead = { ip: `10.0.0.${ORIGINS}`, port: 8080, path: "" };
  later(random.between(0, 500), () => network.failConnects(dead, chance(50) ? "ECONNREFUSED" : "ETIMEDOUT"));
  later(random.between(500, 1500), () => network.failConnects(dead, ""));

  // ── Clients ──

  const clients: Client[] = [];
  for (let c = 0; c < CLIENTS; c++) {
    const style = random.between(0, 99);
    later(random.between(0, 800), () => {
      const peer = proxy.dial();
      let client: Client = { peer, sent: [], http10: style < 10, rude: false };
      clients.push(client);
      if (style >= 60 && style < 75) slowReader(peer);
      const count = client.http10 ? 1 : REQUESTS_PER_CLIENT;
      let at = 0;
      for (let r = 0; r < count; r++) {
        at += style < 40 ? random.between(0, 20) : random.between(0, 400);
        const id = `${c}-${r}-${!crumbs && chance(20) ? random.between(0, 60_000) : random.between(0, 800)}`;
        later(at, () => {
          if ((client.peer.ended || client.peer.closed) && !client.rude) {
            client = { ...client, peer: proxy.dial(), sent: [] }; // a new connection for the rest
            clients.push(client);
          }
          ask(client, id);
        });
      }
      if (style >= 75 && style < 85) {
        later(random.between(0, 1500), () => {
          client.rude = true;
          client.peer.reset();
        });
      } else if (style >= 85 && style < 95) later(at + 1, () => client.peer.end());
    });
  }
  const slowReader = (peer: Peer) => {
    const until = network.now + 4000;
    const turn = () => {
      if (peer.closed || network.now > until) {
        peer.resume();
        return;
      }
      peer.resume();
      later(0.2, () => {
        peer.pause();
        later(random.between(1, 60), turn);
      });
    };
    turn();
  };
  const ask = (client: Client, id: string) => {
    const { peer } = client;
    if (peer.closed || peer.ended) return;
    const kind = random.between(0, 9);
    const method = kind === 0 ? "HEAD" : kind < 3 ? "POST" : kind === 3 ? "PUT" : "GET";
    client.sent.push({ id, method });
    const head = `${method} /${id} HTTP/1.${client.http10 ? 0 : 1}\r\nhost: a.example\r\nx-id: ${id}\r\n`;
    const body =
      method === "POST" || method === "PUT" ? bodyOf(id, random.between(0, crumbs ? 900 : 9000)) : "";
    if (body === "") peer.send(toBytes(`${head}\r\n`));
    else if (chance(50) || client.http10)
      peer.send(toBytes(`${head}content-length: ${body.length}\r\n\r\n${body}`));
    else {
      const half = random.between(1, body.length);
      const rest = body.slice(half);
      let bytes = `${head}transfer-encoding: chunked\r\n\r\n${half.toString(16)}\r\n${body.slice(0, half)}\r\n`;
      if (rest !== "") bytes += `${rest.length.toString(16)}\r\n${rest}\r\n`;
      peer.send(toBytes(`${bytes}0\r\n\r\n`));
    }
  };

  // ── Weather ──

  const story = new Story(proxy, origins, () => clients.map(({ peer }) => peer));
  let age = 0;
  for (let step = 0; step < 12; step++) {
    network.advance(random.between(50, 400));
    await proxy.apply(stormSnapshot(++age));
  }
  network.advance(30_000);

  // ── Judgement ──

  const violations: string[] = [];
  const tally: { [what: string]: number } = {};
  const count = (what: string) => {
    tally[what] = (tally[what] ?? 0) + 1;
  };
  let transcript = "";
  clients.forEach((client, n) => {
    transcript += `── client ${n}\n${client.peer.received}\n`;
    judge(client, n, violations, count);
  });
  // Nothing but what clients sent may ever reach an origin, each body is its request's, and no request is torn.
  const asked = new Set(clients.flatMap((client) => client.sent.map(({ id }) => `/${id}`)));
  for (const { text } of wire.values()) {
    const { requests, rest } = readRequests(text);
    for (const request of requests) {
      const id = request.target.slice(1);
      if (!asked.has(request.target)) violations.push(`an origin got ${request.target}, which nobody sent`);
      if (request.defects.length > 0) violations.push(`an origin got ${request.defects.join()}`);
      if (request.body !== bodyOf(id, request.body.length)) violations.push(`body of ${id} is not its own`);
    }
    if (rest !== "" && !/^[A-Z]/.test(rest))
      violations.push(`an origin got ${JSON.stringify(rest.slice(0, 40))}`);
  }
  transcript += proxy.logs.join("");
  return { violations, transcript, tally, story };
}

function judge(client: Client, n: number, violations: string[], count: (what: string) => void): void {
  const { peer, sent } = client;
  const over = peer.ended || peer.closed;
  const orderly = over && peer.closeReason === "";
  const { responses, rest } = readResponses(
    peer.received,
    sent.map(({ method }) => method),
    orderly,
  );
  if (responses.length > sent.length) violations.push(`client ${n} got more answers than it asked for`);
  responses.forEach((response, i) => {
    const request = sent[i];
    if (request === undefined) return;
    const where = `client ${n}, ${request.method} ${request.id}`;
    for (const defect of response.defects) violations.push(`${where}: ${defect}`);
    const ids = response.fields.filter(([name]) => name === "x-id").map(([, value]) => value);
    for (const interim of response.interim) {
      if (interim.status === 103 && !interim.fields.some(([, value]) => value === `<${request.id}>`))
        violations.push(`${where}: another's early hints`);
    }
    if (ids.length === 0) {
      if (response.status < 400) violations.push(`${where}: ${response.status} from nobody`);
      count(`local ${response.status}`);
      return;
    }
    if (ids[0] !== request.id) violations.push(`${where} got the answer to ${ids.join()}`);
    const whole = bodyOf(request.id, lengthOf(request.id));
    const bodiless = request.method === "HEAD" || response.status === 204;
    if (!whole.startsWith(response.body)) violations.push(`${where}: a body that is not its own`);
    else if (response.complete && !bodiless && response.body !== whole) {
      violations.push(`${where}: ${response.body.length} of ${whole.length} bytes look complete`);
    }
    count(response.complete ? "whole" : "cut");
    if (!response.complete && !over && !client.rude)
      violations.push(`${where}: cut, and the connection lives`);
  });
  if (rest !== "" && !over) violations.push(`client ${n}: ${JSON.stringify(rest.slice(0, 60))} and no end`);
  // Whoever is still connected has an answer to everything.
  if (!over && !client.rude && responses.length < sent.length) {
    violations.push(`client ${n}: ${sent.length - responses.length} requests without an answer`);
  }
}
