/**
 * A storm over a chain of wild filters: pipelining, leaving and slow clients, origins that die or stall, tiny reads,
 * configurations that change, and filters that hold, edit, answer, reset and throw by lot (wild-filter.ts). Everything
 * follows from the seed.
 *
 * The laws: a request gets one well-framed answer or a visible cut; what nobody edits arrives as it was sent; hooks
 * come in order; what is held is bounded; nothing is left.
 */
import { toBytes } from "../../core/bytes/ascii.ts";
import type { ExtensionConfig, HttpFilter, Snapshot } from "../../core/config/model.ts";
import type { Server } from "../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../runtime-adapters/memory/peer.ts";
import { Random } from "../../runtime-adapters/memory/random.ts";
import { Story, storySnapshot } from "../support/engine-story.ts";
import { WITH_TRAILERS } from "../support/filtered-story.ts";
import { ProxyFixture } from "../support/proxy-fixture.ts";
import { configured, scriptedKinds } from "../support/scripted-filter.ts";
import { readRequests, readResponses, type WireRequest } from "../support/wire-reader.ts";
import { bodyOf, lengthOf } from "./stamped-body.ts";
import { type WildLife, wildFilters } from "./wild-filter.ts";

const ORIGINS = 2;
const CLIENTS = 10;
const REQUESTS_PER_CLIENT = 6;

interface Client {
  readonly peer: Peer;
  readonly sent: { readonly id: string; readonly method: string }[];
  readonly http10: boolean;
  rude: boolean;
}

export interface FilterOutcome {
  readonly violations: readonly string[];
  readonly transcript: string;
  readonly tally: { readonly [what: string]: number };
  /** Exceptions that filters threw. */
  readonly thrown: number;
  readonly story: Story;
}

/** `age` counts the configurations: the first filter is discovered, and another one with each of them. */
function snapshotOf(filters: readonly HttpFilter[], limit: number, age: number): Snapshot {
  const [first, ...others] = filters;
  const discovery = {
    resource: "first",
    typeNames: [first.typeName],
    fallback: null,
    withoutWarming: false,
  };
  const base = storySnapshot({
    origins: Array.from({ length: ORIGINS }, () => null),
    cluster: { connectTimeout: 300, http1: WITH_TRAILERS },
    log: "%REQ(X-ID)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_SENT%",
    limits: { maxConnections: 30 },
    manager: {
      streamIdleTimeout: 4000,
      http1: { ...WITH_TRAILERS, acceptHttp10: true },
      httpFilters: [{ ...first, typeName: "", config: {}, discovery }, ...others],
    },
    listener: { perConnectionBufferLimitBytes: limit, version: age < 5 ? "1" : "2" },
    action: { timeout: 3000 },
  });
  const [listener] = base.listeners;
  const [chain] = listener.filterChains;
  const { filter } = chain;
  if (filter.kind !== "http_connection_manager" || filter.routeConfig === null) throw new Error("no table");
  const disabled = age % 3 === 2 && others.length > 0;
  const perFilter = disabled ? [{ name: others[0].name, disabled, own: null }] : [];
  const extension: ExtensionConfig = {
    name: "first",
    version: String(age),
    typeName: first.typeName,
    config: {},
  };
  return {
    ...base,
    listeners: [
      { ...listener, filterChains: [{ ...chain, filter: { ...filter, rds: "routes", routeConfig: null } }] },
    ],
    routes: [{ ...filter.routeConfig, name: "routes", version: String(disabled), perFilter }],
    extensions: [extension],
  };
}

/** Runs one storm to its end. */
export async function filterStorm(seed: number): Promise<FilterOutcome> {
  const random = new Random(seed * 6007 + 3);
  const chance = (percent: number) => random.between(1, 100) <= percent;
  const crumbs = chance(40);
  const limit = random.between(200, 4000);
  const maxRead = crumbs ? random.between(1, 50) : random.between(200, 5000);
  const count = random.between(1, 4);
  const life: WildLife = {
    random: new Random(seed * 31 + 7),
    calm: chance(50),
    // Each filter may let go all that it holds at once, to the next one; a read that is under way comes on top.
    most: (count + 1) * (limit + maxRead) + 1000,
    violations: [],
    running: new Map(),
    filters: new Map(),
    made: 0,
    ended: 0,
    thrown: 0,
    callouts: 0,
    tally: {},
  };
  const filters = wildFilters(life, count);
  const proxy = new ProxyFixture(
    {
      seed,
      latency: random.between(0, 3),
      jitter: random.between(0, 3),
      splitReads: chance(60),
      maxRead,
      buffer: random.between(1000, 20_000),
    },
    scriptedKinds(filters),
  );
  const { network } = proxy;
  const later = (ms: number, job: () => void) => network.schedule.after(ms, job);

  // ── Origins ──

  const wire = new Map<Peer, { text: string; answered: number; dead: boolean }>();
  const answer = (peer: Peer, request: WireRequest) => {
    const id = request.target.slice(1);
    const body = bodyOf(id, lengthOf(id));
    const mark = `x-id: ${id}\r\n`;
    const style = random.between(0, 9);
    const half = random.between(0, body.length);
    const chunk = (text: string) => (text === "" ? "" : `${text.length.toString(16)}\r\n${text}\r\n`);
    let bytes = `HTTP/1.1 200 OK\r\n${mark}content-length: ${body.length}\r\n\r\n${body}`;
    let ends = false;
    if (request.method === "HEAD") bytes = `HTTP/1.1 200 OK\r\n${mark}content-length: ${body.length}\r\n\r\n`;
    else if (style === 0) bytes = `HTTP/1.1 204 No Content\r\n${mark}\r\n`;
    else if (style === 1) bytes = `HTTP/1.1 304 Not Modified\r\n${mark}content-length: 99\r\n\r\n`;
    else if (style < 6) {
      const trailers = chance(50) ? `x-t: ${id}\r\n` : "";
      bytes = `HTTP/1.1 200 OK\r\n${mark}transfer-encoding: chunked\r\n\r\n${chunk(body.slice(0, half))}${chunk(body.slice(half))}0\r\n${trailers}\r\n`;
    } else if (style === 6) {
      bytes = `HTTP/1.1 200 OK\r\n${mark}\r\n${body}`;
      ends = true;
    }
    if (chance(10)) bytes = `HTTP/1.1 103 Early Hints\r\nlink: <${id}>\r\n\r\n${bytes}`;
    const state = wire.get(peer);
    const fate = random.between(0, 99);
    if (fate < 5) bytes = bytes.slice(0, random.between(0, bytes.length - 1));
    const cut = random.between(0, bytes.length);
    if (peer.closed) return;
    peer.send(toBytes(bytes.slice(0, cut)));
    later(random.between(0, 60), () => {
      if (peer.closed) return;
      peer.send(toBytes(bytes.slice(cut)));
      if (fate < 5) peer.reset();
      else if (ends) peer.end();
      if ((fate < 5 || ends) && state !== undefined) state.dead = true;
    });
    if (fate >= 5 && fate < 7 && state !== undefined) state.dead = true; // answers nothing more
  };
  const script = (peer: Peer) => {
    let state = wire.get(peer);
    if (state === undefined) {
      state = { text: "", answered: 0, dead: false };
      wire.set(peer, state);
    }
    state.text += peer.take();
    if (state.dead || peer.closed) return;
    if (peer.ended) {
      state.dead = true;
      peer.close();
      return;
    }
    const { requests } = readRequests(state.text);
    while (state.answered < requests.length) {
      const request = requests[state.answered];
      if (!request.complete && !chance(8)) break; // now and then an answer comes early
      state.answered++;
      later(random.between(0, 40), () => answer(peer, request));
      if (!request.complete) break;
    }
  };
  const apply = (age: number) => proxy.apply(snapshotOf(filters.map(configured), limit, age));
  await apply(0);
  const origins: Server[] = [];
  for (let i = 1; i <= ORIGINS; i++) {
    origins.push(network.serve({ ip: `10.0.0.${i}`, port: 8080, path: "" }, script));
  }
  const second = { ip: "10.0.0.2", port: 8080, path: "" };
  later(random.between(0, 500), () => network.failConnects(second, "ECONNREFUSED"));
  later(random.between(500, 1500), () => network.failConnects(second, ""));

  // ── Clients ──

  const clients: Client[] = [];
  const ask = ({ peer, sent, http10 }: Client, id: string) => {
    if (peer.closed || peer.ended) return;
    const kind = random.between(0, 9);
    const method = kind === 0 ? "HEAD" : kind < 6 ? "POST" : "GET";
    sent.push({ id, method });
    const head = `${method} /${id} HTTP/1.${http10 ? 0 : 1}\r\nhost: a.example\r\nx-id: ${id}\r\n`;
    const body = method === "POST" ? bodyOf(id, random.between(0, crumbs ? 300 : 16_000)) : "";
    if (body === "") peer.send(toBytes(`${head}\r\n`));
    else if (chance(50) || http10) {
      const expects = chance(10) && !http10 ? "expect: 100-continue\r\n" : "";
      peer.send(toBytes(`${head}${expects}content-length: ${body.length}\r\n\r\n${body}`));
    } else {
      let bytes = `${head}transfer-encoding: chunked\r\n\r\n`;
      for (let at = 0; at < body.length; ) {
        const size = random.between(1, 500);
        const piece = body.slice(at, at + size);
        bytes += `${piece.length.toString(16)}\r\n${piece}\r\n`;
        at += size;
      }
      peer.send(toBytes(`${bytes}0\r\n${chance(40) ? `x-q: ${id}\r\n` : ""}\r\n`));
    }
  };
  for (let c = 0; c < CLIENTS; c++) {
    const style = random.between(0, 99);
    later(random.between(0, 500), () => {
      let client: Client = { peer: proxy.dial(), sent: [], http10: style < 10, rude: false };
      clients.push(client);
      let at = 0;
      for (let r = 0; r < (client.http10 ? 1 : REQUESTS_PER_CLIENT); r++) {
        at += style < 50 ? random.between(0, 10) : random.between(0, 400);
        const id = `${c}-${r}-${random.between(0, crumbs ? 300 : 16_000)}`;
        later(at, () => {
          if ((client.peer.ended || client.peer.closed) && !client.rude) {
            client = { ...client, peer: proxy.dial(), sent: [] };
            clients.push(client);
          }
          ask(client, id);
        });
      }
      if (style >= 80 && style < 88) {
        later(random.between(0, 1200), () => {
          client.rude = true;
          client.peer.reset();
        });
      } else if (style >= 88) later(at + 1, () => client.peer.end());
      else if (style >= 70) {
        client.peer.pause();
        later(random.between(100, 1500), () => client.peer.resume());
      }
    });
  }

  // ── Weather ──

  const story = new Story(proxy, origins, () => clients.map(({ peer }) => peer));
  for (let age = 1; age < 8; age++) {
    network.advance(random.between(50, 400));
    await apply(age);
  }
  network.advance(30_000);

  // ── Judgement ──

  const { violations, tally, calm } = life;
  let transcript = "";
  clients.forEach((client, n) => {
    transcript += `── client ${n}\n${client.peer.received}\n`;
    judge(client, n, life);
  });
  const asked = new Set(clients.flatMap(({ sent }) => sent.map(({ id }) => id)));
  for (const { text } of wire.values()) {
    for (const { target, defects, body } of readRequests(text).requests) {
      const id = target.slice(1);
      if (defects.length > 0) violations.push(`an origin got ${defects.join()}`);
      if (!asked.has(id) && !id.startsWith("c-")) violations.push(`an origin got ${target}`);
      if (calm && body !== bodyOf(id, body.length)) violations.push(`the body of ${id} is not its own`);
    }
  }
  transcript += proxy.logs.join("");
  for (const { peer } of clients) if (!peer.closed) peer.close();
  network.advance(60_000);
  if (life.made !== life.ended) violations.push(`${life.made} filters made, ${life.ended} told of the end`);
  return { violations, transcript, tally, thrown: life.thrown, story };
}

function judge(client: Client, n: number, { violations, tally, calm }: WildLife): void {
  const { peer, sent } = client;
  const count = (what: string) => {
    tally[what] = (tally[what] ?? 0) + 1;
  };
  const over = peer.ended || peer.closed;
  const methods = sent.map(({ method }) => method);
  const { responses, rest } = readResponses(peer.received, methods, over && peer.closeReason === "");
  if (responses.length > sent.length) violations.push(`client ${n} got more answers than it asked for`);
  responses.forEach((response, i) => {
    const request = sent[i];
    if (request === undefined) return;
    const where = `client ${n}, ${request.method} ${request.id}`;
    for (const defect of response.defects) violations.push(`${where}: ${defect}`);
    const id = response.fields.find(([name]) => name === "x-id")?.[1];
    if (!response.complete && !over && !client.rude)
      violations.push(`${where}: cut, and the connection lives`);
    count(response.complete ? "whole" : "cut");
    if (id === undefined) {
      if (response.status < 400) violations.push(`${where}: ${response.status} from nobody`);
      count(`local ${response.status}`);
      return;
    }
    if (id !== request.id) violations.push(`${where} got the answer to ${id}`);
    if (!calm) return;
    const whole = bodyOf(id, lengthOf(id));
    const bodiless = request.method === "HEAD" || response.status === 204 || response.status === 304;
    if (!whole.startsWith(response.body)) violations.push(`${where}: a body that is not its own`);
    else if (response.complete && !bodiless && response.body !== whole) {
      violations.push(`${where}: ${response.body.length} of ${whole.length} bytes look complete`);
    }
  });
  if (rest !== "" && !over) violations.push(`client ${n}: ${JSON.stringify(rest.slice(0, 60))} and no end`);
  if (!over && !client.rude && responses.length < sent.length) {
    violations.push(`client ${n}: ${sent.length - responses.length} requests without an answer`);
  }
}
