/**
 * A whole request through the engine, from the client's bytes to the client's answer, without a network: what no
 * filters, three that only look on, and three with every hook add to it.
 */
import { toBytes } from "../../../core/bytes/ascii.ts";
import type { HttpFilter } from "../../../core/config/model.ts";
import type { Filter, FilterFactory, FilterKinds } from "../../../core/filter/filter.ts";
import { Continue, type Verdict } from "../../../core/filter/verdict.ts";
import type { Platform } from "../../../core/io/platform.ts";
import type { Address, PlainSocket, SocketHandler } from "../../../core/io/socket.ts";
import { Worker } from "../../../core/proxy/worker.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import { Clock } from "../../../core/time/clock.ts";
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
} from "../../../test/support/snapshot-fixture.ts";
import type { MicroCase } from "../micro-case.ts";
import { BROWSER_REQUEST } from "./sample-heads.ts";

const ANSWER = toBytes(
  "HTTP/1.1 200 OK\r\nserver: app\r\ncontent-type: text/plain\r\ncontent-length: 11\r\n\r\nhello world",
);

/** A request with a body in two pieces. */
const UPLOAD = toBytes(
  `POST /upload HTTP/1.1\r\nhost: a.example\r\ncontent-length: 2000\r\n\r\n${"x".repeat(1000)}`,
);
const REST = toBytes("x".repeat(1000));

class DeafSocket implements PlainSocket {
  handler: SocketHandler | null = null;
  readonly local: Address = ip("10.0.0.9", 80);
  readonly remote: Address = ip("10.0.0.8", 4000);
  readonly pendingBytes = 0;
  written = 0;

  write(_bytes: Uint8Array, start: number, end: number): void {
    this.written += end - start;
  }
  pause(): void {}
  resume(): void {}
  keepAlive(): void {}
  secure(): void {}
  end(): void {}
  finish(): void {}
  close(): void {}
  reset(): void {}
}

/**
 * The loop of a request through an engine with these filters, one client and one upstream connection: its bytes in
 * these chunks, and a small answer.
 */
export function requestLoop(
  filters: readonly HttpFilter[],
  kinds: FilterKinds,
  chunks: readonly Uint8Array[],
): (times: number) => number {
  let upstream: SocketHandler | null = null;
  const connected = new DeafSocket();
  const platform: Platform = {
    connect(_to, handler) {
      upstream = handler;
      return connected;
    },
    resolve() {},
    fillRandom: (into) => into.fill(7),
    uuid: () => "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
    log() {},
    tlsContext: () => ({ fault: "" }),
    openLog: () => ({ write() {} }),
  };
  const clock = new Clock();
  clock.epoch = 1.7e12;
  const worker = new Worker(platform, clock, new StatsStore(), {
    concurrency: 1,
    variables: {},
    hostname: "bench",
    filters: kinds,
    networkFilters: new Map(),
  });
  const table = routeConfiguration([virtualHost([route("/", routeTo("app"))])]);
  const manager = httpManager(table, { httpFilters: filters });
  worker.apply(
    snapshot([listener("web", ip("127.0.0.1", 80), manager)], [cluster("app", [ip("10.0.0.1", 8080)])]),
  );
  const socket = new DeafSocket();
  const client = worker.accept("web", socket) as SocketHandler;
  for (const chunk of chunks) client.onData(chunk);
  const origin = upstream as SocketHandler | null;
  if (origin === null) throw new Error("the request went nowhere");
  origin.onConnect();
  origin.onData(ANSWER);
  return (times: number): number => {
    for (let i = 0; i < times; i++) {
      clock.now++;
      for (let c = 0; c < chunks.length; c++) client.onData(chunks[c]);
      origin.onData(ANSWER);
    }
    return socket.written + connected.written;
  };
}

/** Every hook, and each does nothing. */
class EveryHook implements Filter {
  onRequestHeaders(): Verdict {
    return Continue;
  }
  onRequestBody(): Verdict {
    return Continue;
  }
  onRequestTrailers(): Verdict {
    return Continue;
  }
  onResponseHeaders(): Verdict {
    return Continue;
  }
  onResponseBody(): Verdict {
    return Continue;
  }
  onResponseTrailers(): Verdict {
    return Continue;
  }
  onLog() {}
}

/** The head of the request, and the end. */
class LooksOn implements Filter {
  onRequestHeaders(): Verdict {
    return Continue;
  }
  onLog() {}
}

function three(name: string, make: () => Filter): { filters: HttpFilter[]; kinds: FilterKinds } {
  const factory: FilterFactory = { create: make, release() {} };
  const filters = [1, 2, 3].map((n) => ({
    name: `${name}-${n}`,
    typeName: name,
    disabled: false,
    config: {},
    discovery: null,
  }));
  return { filters, kinds: new Map([[name, { factory: () => factory }]]) };
}

const NONE = { filters: [] as HttpFilter[], kinds: new Map() as FilterKinds };
const LOOKING = three("looks on", () => new LooksOn());
const EVERY = three("every hook", () => new EveryHook());

function through(name: string, { filters, kinds }: typeof NONE, chunks: readonly Uint8Array[]): MicroCase {
  return { name: `engine: ${name}`, prepare: () => requestLoop(filters, kinds, chunks) };
}

export const FILTER_CHAIN: readonly MicroCase[] = [
  through("GET, no filters", NONE, [BROWSER_REQUEST]),
  through("GET, 3 filters that look on", LOOKING, [BROWSER_REQUEST]),
  through("GET, 3 filters with every hook", EVERY, [BROWSER_REQUEST]),
  through("POST of 2 pieces, no filters", NONE, [UPLOAD, REST]),
  through("POST of 2 pieces, 3 filters with every hook", EVERY, [UPLOAD, REST]),
];
