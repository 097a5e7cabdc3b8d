/**
 * One proxy between scripted clients and scripted origins, for stories: a listener on 127.0.0.1:80, a route for
 * everything, a cluster "app" at 10.0.0.1:8080 (10.0.0.2:8080, …), one log line per stream. A test changes only
 * what it is about.
 */
import { expect } from "bun:test";
import type {
  AccessLog,
  Cluster,
  HttpConnectionManager,
  Listener,
  Route,
  RouteAction,
  RouteConfiguration,
  Snapshot,
  Thresholds,
  VirtualHost,
} from "../../core/config/model.ts";
import type { FilterKinds } from "../../core/filter/filter.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";
import type { Services } from "../../core/proxy/services.ts";
import { at, type NetworkOptions, type Server } from "../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../runtime-adapters/memory/peer.ts";
import { ProxyFixture } from "./proxy-fixture.ts";
import { configured, type ScriptedFilter, scriptedKinds } from "./scripted-filter.ts";
import {
  cluster,
  httpManager,
  ip,
  listener,
  route,
  routeConfiguration,
  routeTo,
  snapshot,
  virtualHost,
} from "./snapshot-fixture.ts";

const LINE = "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%";

/** What happens at an origin's connection whenever something arrived. */
export type Script = (peer: Peer) => unknown;

export interface StorySetup {
  readonly network?: NetworkOptions;
  readonly manager?: Partial<HttpConnectionManager>;
  readonly listener?: Partial<Listener>;
  readonly cluster?: Partial<Cluster>;
  readonly limits?: Partial<Thresholds>;
  readonly action?: Partial<RouteAction>;
  readonly virtualHost?: Partial<VirtualHost>;
  readonly table?: Partial<RouteConfiguration>;
  /** Routes before the one for everything. */
  readonly routes?: readonly Route[];
  /** One per origin; null: nobody listens there. Default: one that answers every request with `OK`. */
  readonly origins?: readonly (Script | null)[];
  /** The filters of the chain, in order, the router aside. */
  readonly filters?: readonly ScriptedFilter[];
  /** More kinds of filters, for chains that `manager.httpFilters` spells out. */
  readonly kinds?: FilterKinds;
  /** Log format, default method, path, code, flags, details. */
  readonly log?: string;
}

/** A whole small answer. */
export const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** Answers every request head that ends what was received with these bytes. */
export function answers(text: string): Script {
  return (peer) => {
    if (peer.received.endsWith("\r\n\r\n")) {
      peer.take();
      peer.send(text);
    } else if (peer.ended) peer.close();
  };
}

/** Says nothing. */
export const silent: Script = () => undefined;

/** Two origins that follow one list together: the n-th request goes by the n-th script, whoever gets it. */
export function inTurn(scripts: readonly Script[]): Script[] {
  const chosen = new Map<Peer, Script>();
  let next = 0;
  const script: Script = (peer) => {
    let mine = chosen.get(peer);
    if (mine === undefined) {
      if (peer.received === "") return;
      mine = scripts[Math.min(next++, scripts.length - 1)];
      chosen.set(peer, mine);
    }
    mine(peer);
  };
  return [script, script];
}

/** A request without body. */
export function get(path = "/", fields = ""): string {
  return `GET ${path} HTTP/1.1\r\nhost: a.example\r\n${fields}\r\n`;
}

/** A request with a body of that length in its head; `body` is what is sent of it. */
export function post(body: string, length = body.length, method = "POST", fields = ""): string {
  return `${method} / HTTP/1.1\r\nhost: a.example\r\ncontent-length: ${length}\r\n${fields}\r\n${body}`;
}

export class Story {
  readonly proxy: ProxyFixture;
  readonly origins: readonly Server[];
  private readonly clients: Peer[] = [];
  private readonly others: () => readonly Peer[];

  /** `others`: clients that were not made here and leave in the end too. */
  constructor(proxy: ProxyFixture, origins: readonly Server[], others: () => readonly Peer[] = () => []) {
    this.proxy = proxy;
    this.origins = origins;
    this.others = others;
  }

  /** Connections that the first (or that) origin has seen. */
  upstream(origin = 0): readonly Peer[] {
    return this.origins[origin].peers;
  }

  /** A client that sends this, after which everything happens that happens at once. */
  client(bytes = "", address = "127.0.0.1:80"): Peer {
    const peer = this.proxy.dial(address);
    this.clients.push(peer);
    if (bytes !== "") peer.send(bytes);
    this.settle();
    return peer;
  }

  /** Sends more. */
  send(peer: Peer, bytes: string): void {
    peer.send(bytes);
    this.settle();
  }

  /** Lets happen what happens at once. */
  settle(): void {
    this.advance(0.5);
  }

  advance(ms: number): void {
    this.proxy.network.advance(ms);
  }

  apply(next: Snapshot): Promise<void> {
    return this.proxy.apply(next);
  }

  /** Log lines so far, without their ends. */
  get logs(): string[] {
    return this.proxy.logs.map((line) => line.trimEnd());
  }

  /** A counter or gauge by its full name, 0 if it has not moved. */
  stat(name: string): number {
    return this.stats().get(name) ?? 0;
  }

  /** Gauges that are not 0. Levels (members, open breakers) are not asked. */
  gauges(): string[] {
    const out: string[] = [];
    this.proxy.worker.measureBuffers();
    const { layouts, scopes } = this.proxy.stats.export();
    for (const scope of scopes) {
      for (const { layout, at: place, values } of scope.sets) {
        const { names, kinds } = layouts[layout];
        kinds.forEach((kind, i) => {
          if (kind === "gauge" && values !== null && values[i] !== 0)
            out.push(`${scope.prefix}${place}${names[i]} = ${values[i]}`);
        });
      }
    }
    return out;
  }

  private stats(): Map<string, number> {
    const out = new Map<string, number>();
    this.proxy.worker.measureBuffers();
    const { layouts, scopes } = this.proxy.stats.export();
    for (const scope of scopes) {
      for (const { layout, at: place, values } of scope.sets) {
        layouts[layout].names.forEach((name, i) => {
          if (values !== null) out.set(scope.prefix + place + name, values[i]);
        });
      }
      for (const { name, value } of scope.singles) out.set(scope.prefix + name, value);
    }
    return out;
  }

  /** Timers in the heap, those included that are not armed. */
  get queuedTimers(): number {
    return this.services.timers.size;
  }

  /** What the parts of the worker share. */
  get services(): Services {
    return (this.proxy.worker as unknown as { services: Services }).services;
  }

  /** What the filters have of the worker. */
  get context(): FilterContext {
    return (this.proxy.worker as unknown as { filters: { context: FilterContext } }).filters.context;
  }

  /** Everybody leaves and all time-outs pass: nothing may be left, but for so many exceptions that were asked for. */
  expectNothingLeft(exceptions = 0): void {
    for (const client of [...this.clients, ...this.others()]) if (!client.closed) client.close();
    this.advance(3 * 3_600_000);
    const { driver, worker } = this.proxy;
    expect({
      gauges: this.gauges(),
      sockets: driver.openSockets,
      connections: worker.activeConnections,
      timers: this.queuedTimers,
      upstreams: this.services.buffering.list().length,
      exceptions: driver.faults,
      misuse: breakerMisuse(this.proxy),
    }).toEqual({ gauges: [], sockets: 0, connections: 0, timers: 0, upstreams: 0, exceptions, misuse: 0 });
  }
}

/** Breaker slots that were given back twice, over all clusters. */
function breakerMisuse(proxy: ProxyFixture): number {
  const { clusters } = proxy.worker as unknown as {
    clusters: { all(): Iterable<{ defaultBreaker: object; highBreaker: object }> };
  };
  let misuse = 0;
  for (const { defaultBreaker, highBreaker } of clusters.all()) {
    for (const breaker of [defaultBreaker, highBreaker]) {
      for (const limit of Object.values(breaker)) if (typeof limit === "object") misuse += limit.misuse;
    }
  }
  return misuse;
}

/** Where stories log: one line of that format for each request. */
export function textLog(format: string): AccessLog {
  const text = { kind: "text", format: `${format}\n`, omitEmptyValues: false, contentType: "" } as const;
  return { path: "log", format: text, filter: null };
}

/** The snapshot that a setup stands for. */
export function storySnapshot(setup: StorySetup = {}): Snapshot {
  const count = setup.origins?.length ?? 1;
  const addresses = Array.from({ length: count }, (_, i) => ip(`10.0.0.${i + 1}`, 8080));
  const plain = cluster("app", addresses, setup.cluster);
  const limits = { ...plain.circuitBreakers.default, ...setup.limits };
  const app: Cluster = {
    ...plain,
    version: `${plain.version}${JSON.stringify(setup.limits ?? {})}`,
    circuitBreakers: { ...plain.circuitBreakers, default: limits },
  };
  const routes = [...(setup.routes ?? []), route("/", routeTo("app", setup.action))];
  const table = routeConfiguration([virtualHost(routes, setup.virtualHost)], setup.table);
  const log = textLog(setup.log ?? LINE);
  const httpFilters = (setup.filters ?? []).map(configured);
  const manager = httpManager(table, { accessLog: [log], httpFilters, ...setup.manager });
  return snapshot([listener("web", ip("127.0.0.1", 80), manager, setup.listener)], [app]);
}

/** A running proxy with its origins. */
export async function story(setup: StorySetup = {}): Promise<Story> {
  const kinds = new Map([...scriptedKinds(setup.filters ?? []), ...(setup.kinds ?? [])]);
  const proxy = new ProxyFixture(setup.network, kinds);
  const scripts = setup.origins ?? [answers(OK)];
  const origins = scripts.map((script, i) => {
    const address = at(`10.0.0.${i + 1}:8080`);
    if (script !== null) return proxy.network.serve(address, script);
    return { address, peers: [], stop: () => undefined };
  });
  await proxy.apply(storySnapshot(setup));
  return new Story(proxy, origins);
}

/** Status line and body of the one answer received; the head is left out. */
export function gist(received: string): string {
  const end = received.indexOf("\r\n\r\n");
  return `${received.slice(9, 12)} ${received.slice(end + 4)}`;
}
