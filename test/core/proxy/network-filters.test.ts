/**
 * Filters on the bytes of connections, before a TCP proxy and before HTTP: what they see, hold, change and end; who is
 * stopped meanwhile; and that nothing is left when the connection is over.
 */
import { afterEach, describe, expect, test } from "bun:test";
import type { AccessLog, HttpConnectionManager } from "../../../core/config/model.ts";
import type {
  NetworkFilter,
  NetworkFilterCallbacks,
  NetworkFilterKind,
} from "../../../core/filter/network-filter.ts";
import { Continue, Pause } from "../../../core/filter/verdict.ts";
import { filterState, setFilterState } from "../../../core/http/filter-state.ts";
import { at } from "../../../runtime-adapters/memory/network.ts";
import { answers, get, OK, type Script, Story, silent, storySnapshot } from "../../support/engine-story.ts";
import { ProxyFixture } from "../../support/proxy-fixture.ts";
import { bytesOf, type ScriptedFilter, scriptedKinds, textOf } from "../../support/scripted-filter.ts";
import { cluster, ip, listener, snapshot, tcpProxy } from "../../support/snapshot-fixture.ts";

/** A filter of the chain: `hooks` makes what one connection has. */
interface Scripted {
  readonly name: string;
  readonly hooks: (callbacks: NetworkFilterCallbacks) => NetworkFilter | null;
}

interface Setup {
  readonly origin?: Script | null;
  readonly limit?: number;
  /** A manager instead of the TCP proxy. */
  readonly http?: Partial<HttpConnectionManager>;
  readonly idleTimeout?: number;
  /** Of the TCP proxy. */
  readonly log?: AccessLog;
  /** HTTP filters of the manager. */
  readonly filters?: readonly ScriptedFilter[];
  /** Where connections go; "app" is there. */
  readonly cluster?: string;
}

const LINE = "%RESPONSE_FLAGS% %BYTES_RECEIVED%/%BYTES_SENT%\n";
const LOG = {
  path: "log",
  format: { kind: "text", format: LINE, omitEmptyValues: false, contentType: "" },
  filter: null,
} as const;

let told: Story | null = null;

/** The chain of `filters` on 127.0.0.1:80, before 10.0.0.1:8080. */
async function chain(filters: readonly Scripted[], setup: Setup = {}): Promise<Story> {
  const kinds = filters.map(({ name, hooks }): [string, NetworkFilterKind] => [
    name,
    { networkFactory: () => ({ create: hooks, release: () => undefined }) },
  ]);
  const proxy = new ProxyFixture({}, scriptedKinds(setup.filters ?? []), new Map(kinds));
  const script = setup.origin === undefined ? silent : setup.origin;
  const origins = script === null ? [] : [proxy.network.serve(at("10.0.0.1:8080"), script)];
  const tcp = tcpProxy(setup.cluster, {
    idleTimeout: setup.idleTimeout ?? 3_600_000,
    accessLog: [setup.log ?? LOG],
  });
  const made =
    setup.http === undefined
      ? snapshot([listener("web", ip("127.0.0.1", 80), tcp)], [cluster("app", [ip("10.0.0.1", 8080)])])
      : storySnapshot({ manager: setup.http, filters: setup.filters ?? [] });
  const networkFilters = filters.map(({ name }) => ({ name, typeName: name, config: {} }));
  const listeners = made.listeners.map((each) => ({
    ...each,
    perConnectionBufferLimitBytes: setup.limit ?? 1024 * 1024,
    filterChains: each.filterChains.map((one) => ({ ...one, networkFilters })),
  }));
  await proxy.apply({ ...made, listeners });
  told = new Story(proxy, origins);
  return told;
}

/** Writes down what it is told, and lets everything go. */
function watching(name: string, lines: string[], more: NetworkFilter = {}): Scripted {
  const say = (line: string): void => void lines.push(`${name}.${line}`);
  return {
    name,
    hooks: () => ({
      onNewConnection: () => {
        say("new");
        return Continue;
      },
      onDownstreamData: (data, ends) => {
        say(`down(${textOf(data)}${ends ? "|" : ""})`);
        return Continue;
      },
      onUpstreamData: (data, ends) => {
        say(`up(${textOf(data)}${ends ? "|" : ""})`);
        return Continue;
      },
      onDownstreamClose: (by) => say(`downstreamClose(${by})`),
      onUpstreamClose: (by) => say(`upstreamClose(${by})`),
      onLog: () => say("log"),
      ...more,
    }),
  };
}

afterEach(() => {
  told?.expectNothingLeft();
  told = null;
});

describe("what network filters see", () => {
  test("the client's bytes first to last, the answers last to first, and the end of both", async () => {
    const lines: string[] = [];
    const s = await chain([watching("a", lines), watching("b", lines)]);
    const client = s.client("ping");
    s.send(s.upstream()[0], "pong");
    expect([s.upstream()[0].take(), client.take()]).toEqual(["ping", "pong"]);
    client.end();
    s.settle();
    s.upstream()[0].end();
    s.settle();
    expect(client.closed).toBe(true);
    expect(lines).toEqual([
      ...["a.new", "b.new", "a.down(ping)", "b.down(ping)", "b.up(pong)", "a.up(pong)"],
      ...["a.down(|)", "b.down(|)", "b.up(|)", "a.up(|)", "a.upstreamClose(0)", "b.upstreamClose(0)"],
      ...["a.downstreamClose(2)", "b.downstreamClose(2)", "a.log", "b.log"],
    ]);
  });

  test("FIN goes through each way by itself", async () => {
    const s = await chain([watching("a", [])]);
    const client = s.client("last words");
    client.end();
    s.settle();
    expect([s.upstream()[0].take(), s.upstream()[0].ended]).toEqual(["last words", true]);
    s.send(s.upstream()[0], "late answer");
    expect([client.take(), client.ended]).toEqual(["late answer", false]);
  });

  test("a reset client is told as closed by its peer, one that the filter closes as closed by us", async () => {
    const lines: string[] = [];
    const s = await chain([watching("a", lines)]);
    const client = s.client("x");
    client.reset();
    s.settle();
    expect(lines.slice(-2)).toEqual(["a.downstreamClose(2)", "a.log"]);
    const closing = await chain([
      {
        name: "c",
        hooks: (callbacks) => ({
          ...closer(callbacks),
          onDownstreamClose: (by) => void lines.push(`by ${by}`),
        }),
      },
    ]);
    const other = closing.client("x");
    expect(other.ended).toBe(true);
    other.close();
    s.settle();
    closing.settle();
    expect(lines.at(-1)).toBe("by 1");
    s.expectNothingLeft();
  });

  test("a filter that is not there for a connection is passed over", async () => {
    const lines: string[] = [];
    const s = await chain([{ name: "none", hooks: () => null }, watching("a", lines)]);
    s.client("x");
    expect(lines).toEqual(["a.new", "a.down(x)"]);
    expect(s.upstream()[0].take()).toBe("x");
  });

  test("bytes that a filter changed are those that are logged and counted further in", async () => {
    const s = await chain([
      {
        name: "a",
        hooks: () => ({
          onDownstreamData: (data) => {
            if (data.size > 0) data.replace(0, data.size, bytesOf("twelve bytes"));
            return Continue;
          },
        }),
      },
    ]);
    const client = s.client("four");
    expect(s.upstream()[0].take()).toBe("twelve bytes");
    client.close();
    s.settle();
    s.upstream()[0].close();
    s.settle();
    expect(s.logs).toEqual(["- 12/0"]);
  });
});

function closer(callbacks: NetworkFilterCallbacks): NetworkFilter {
  return {
    onDownstreamData: () => {
      callbacks.close();
      return Pause;
    },
  };
}

describe("a filter that holds", () => {
  test("a connection from its beginning: it is not read until the filter lets it go, and then it is", async () => {
    let link: NetworkFilterCallbacks | null = null;
    const s = await chain([
      {
        name: "gate",
        hooks: (callbacks) => {
          link = callbacks;
          return { onNewConnection: () => Pause };
        },
      },
    ]);
    const early = s.client();
    s.send(early, "hello");
    expect(s.upstream()).toEqual([]);
    expect(s.stat("cluster.app.upstream_cx_total")).toBe(0);
    s.proxy.run(() => (link as NetworkFilterCallbacks | null)?.continueDownstream());
    s.settle();
    expect(s.upstream()[0].take()).toBe("hello");
    s.send(early, " again");
    expect(s.upstream()[0].take()).toBe(" again");
  });

  const gated = async (setup: Setup = {}) => {
    const links: NetworkFilterCallbacks[] = [];
    const gate: Scripted = {
      name: "gate",
      hooks: (callbacks: NetworkFilterCallbacks) => {
        links.push(callbacks);
        return { onNewConnection: () => Pause };
      },
    };
    const after: string[] = [];
    const s = await chain([gate, watching("after", after)], setup);
    const open = (): void => {
      s.proxy.run(() => links[0].continueDownstream());
      s.settle();
    };
    return { s, open, after };
  };

  test("a connection from its beginning: a server that speaks first is not asked before the filter agrees", async () => {
    const greets: Script = (peer) =>
      peer.receivedBytes === 0 && !peer.ended ? peer.send("220 hi\n") : undefined;
    const { s, open, after } = await gated({ origin: greets });
    const client = s.client();
    s.settle();
    expect([s.upstream().length, client.take(), after]).toEqual([0, "", []]);
    open();
    expect(after[0]).toBe("after.new");
    expect(s.upstream()).toHaveLength(1);
    s.upstream()[0].send("220 hi\n");
    s.settle();
    expect(client.take()).toContain("220 hi\n");
  });

  test("a connection from its beginning, and never agrees: no server is ever asked", async () => {
    const { s, after } = await gated({ idleTimeout: 1000 });
    const leaves = s.client("x");
    leaves.reset();
    s.settle();
    const waits = s.client("x");
    s.advance(1001);
    expect(waits.closed || waits.ended).toBe(true);
    waits.close();
    s.settle();
    expect(s.upstream()).toEqual([]);
    expect(after.filter((line) => line !== "after.log" && !line.includes("Close"))).toEqual([]);
    expect(s.logs).toEqual(["- 0/0", "SI 0/0"]);
    expect(s.stat("cluster.app.upstream_cx_total")).toBe(0);
  });

  test("a connection from its beginning: what the client has said and its FIN go on to the server later", async () => {
    const { s, open } = await gated();
    const client = s.client("all there is");
    client.end();
    s.settle();
    open();
    expect([s.upstream()[0].take(), s.upstream()[0].ended]).toEqual(["all there is", true]);
  });

  test("a connection for which there is no server then is closed, after the filters have seen it", async () => {
    const { s, open, after } = await gated({ cluster: "gone" });
    const client = s.client("x");
    open();
    expect(client.ended || client.closed).toBe(true);
    client.close();
    s.settle();
    expect(after[0]).toBe("after.new");
    expect(s.logs).toEqual(["NC 0/0"]);
  });

  test("bytes until there are enough of them sees all of them again", async () => {
    const seen: string[] = [];
    const s = await chain([
      {
        name: "a",
        hooks: () => ({
          onDownstreamData: (data) => {
            seen.push(textOf(data));
            return data.size < 6 ? Pause : Continue;
          },
        }),
      },
    ]);
    const client = s.client("abc");
    expect(s.upstream()[0].take()).toBe("");
    s.send(client, "defg");
    expect(seen).toEqual(["abc", "abcdefg"]);
    expect(s.upstream()[0].take()).toBe("abcdefg");
  });

  test("more than the limit of the client's bytes stops the client, and it goes on afterwards", async () => {
    let link: NetworkFilterCallbacks | null = null;
    let opened = false;
    const s = await chain(
      [
        {
          name: "a",
          hooks: (callbacks) => {
            link = callbacks;
            return { onDownstreamData: () => (opened ? Continue : Pause) };
          },
        },
      ],
      { limit: 10_000 },
    );
    const client = s.client("x".repeat(400_000));
    s.advance(50);
    expect(client.unsentBytes).toBeGreaterThan(0);
    const held = (link as NetworkFilterCallbacks | null)?.heldDownstream?.size ?? 0;
    expect(held).toBeGreaterThan(10_000);
    expect(held).toBeLessThan(10_000 + 70_000);
    opened = true;
    s.proxy.run(() => (link as NetworkFilterCallbacks | null)?.continueDownstream());
    s.advance(200);
    expect(s.upstream()[0].receivedBytes).toBe(400_000);
  });

  test("more than the limit of the server's bytes stops the server", async () => {
    let link: NetworkFilterCallbacks | null = null;
    const s = await chain(
      [
        {
          name: "a",
          hooks: (callbacks) => {
            link = callbacks;
            return { onUpstreamData: () => Pause };
          },
        },
      ],
      { limit: 10_000 },
    );
    s.client("hi");
    const origin = s.upstream()[0];
    origin.send("y".repeat(400_000));
    s.advance(50);
    expect(origin.unsentBytes).toBeGreaterThan(0);
    const held = (link as NetworkFilterCallbacks | null)?.heldUpstream?.size ?? 0;
    expect(held).toBeGreaterThan(10_000);
    expect(held).toBeLessThan(10_000 + 140_000);
  });

  test("the client's FIN holds it with the bytes", async () => {
    let link: NetworkFilterCallbacks | null = null;
    const s = await chain([
      {
        name: "a",
        hooks: (callbacks) => {
          link = callbacks;
          return { onDownstreamData: () => Pause };
        },
      },
    ]);
    const client = s.client("all");
    client.end();
    s.settle();
    expect([s.upstream()[0].received, s.upstream()[0].ended]).toEqual(["", false]);
    s.proxy.run(() => (link as NetworkFilterCallbacks | null)?.continueDownstream());
    s.settle();
    expect([s.upstream()[0].received, s.upstream()[0].ended]).toEqual(["all", true]);
  });

  test("for ever is ended by the idle time-out, and nothing is left", async () => {
    const s = await chain([{ name: "a", hooks: () => ({ onDownstreamData: () => Pause }) }], {
      idleTimeout: 1000,
    });
    const client = s.client("x");
    s.advance(2500);
    expect(client.ended).toBe(true);
    expect(s.logs).toEqual(["SI 0/0"]);
  });

  test("nothing of what it asks after the end is done", async () => {
    let link: NetworkFilterCallbacks | null = null;
    const s = await chain([
      {
        name: "a",
        hooks: (callbacks) => {
          link = callbacks;
          return { onDownstreamData: () => Pause, onUpstreamData: () => Pause };
        },
      },
    ]);
    const client = s.client("x");
    s.send(s.upstream()[0], "y");
    client.reset();
    s.settle();
    const late = link as NetworkFilterCallbacks | null;
    s.proxy.run(() => {
      late?.continueDownstream();
      late?.close();
    });
    s.settle();
    expect([late?.heldDownstream, late?.heldUpstream]).toEqual([null, null]);
    expect(s.upstream()[0].received).toBe("");
  });
});

describe("HTTP over network filters", () => {
  test("requests and answers pass, on a connection that is kept", async () => {
    const lines: string[] = [];
    const s = await chain([watching("a", lines)], { http: {}, origin: answers(OK) });
    const client = s.client(get("/one"));
    expect(client.take()).toStartWith("HTTP/1.1 200 OK");
    s.send(client, get("/two"));
    expect(client.take()).toStartWith("HTTP/1.1 200 OK");
    expect(lines.filter((line) => line.startsWith("a.down(GET"))).toHaveLength(2);
    expect(lines.filter((line) => line.startsWith("a.up(HTTP/1.1 200"))).toHaveLength(2);
  });

  test("an answer that is held arrives whole, though the connection ends with it", async () => {
    const hooks = (): NetworkFilter => ({ onUpstreamData: (_data, ends) => (ends ? Continue : Pause) });
    const s = await chain([{ name: "a", hooks }], { http: {}, origin: answers(OK) });
    const client = s.client(get("/", "connection: close\r\n"));
    expect(client.take()).toEndWith("\r\n\r\nok");
    expect(client.ended || client.closed).toBe(true);
  });

  test("a filter may rewrite a request's bytes", async () => {
    const s = await chain(
      [
        {
          name: "a",
          hooks: () => ({
            onDownstreamData: (data) => {
              data.replace(0, 3, bytesOf("PUT"));
              return Continue;
            },
          }),
        },
      ],
      { http: {}, origin: silent },
    );
    s.client(get("/path"));
    expect(s.upstream()[0].received).toStartWith("PUT /path HTTP/1.1");
  });

  test("an answer that a filter holds is what came, when it goes", async () => {
    const whole: NetworkFilter = { onUpstreamData: (data) => (data.size < 45 ? Pause : Continue) };
    const s = await chain([{ name: "a", hooks: () => whole }], { http: {}, origin: silent });
    const client = s.client(get("/"));
    const [origin] = s.upstream();
    s.send(origin, "HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n");
    client.take();
    for (let i = 0; i < 10; i++) s.send(origin, "0123456789".repeat(3));
    expect(client.take()).toBe("0123456789".repeat(30));
  });

  test("a drained listener lets a held connection finish", async () => {
    const s = await chain([watching("a", [])], { http: {}, origin: silent });
    const client = s.client(get("/"));
    s.proxy.run(() => s.proxy.worker.drain());
    s.settle();
    expect(client.closed).toBe(false);
    s.send(s.upstream()[0], OK);
    expect(client.take()).toContain("connection: close");
    s.advance(2000);
    expect(client.closed || client.ended).toBe(true);
  });
});

describe("what a network filter leaves on a connection", () => {
  const leaves: Scripted = {
    name: "leaves",
    hooks: (callbacks) => ({
      onNewConnection: () => {
        setFilterState(callbacks.info, "wasm.peer", "client");
        return Continue;
      },
    }),
  };

  test("is there for every request on it, in logs, and changes there for those that follow", async () => {
    const said: string[] = [];
    const log = {
      ...LOG,
      format: { ...LOG.format, format: "%FILTER_STATE(wasm.peer:PLAIN)% %FILTER_STATE(wasm.own:PLAIN)%\n" },
    };
    const marks: ScriptedFilter = {
      name: "marks",
      create: ({ info }) => ({
        onRequestHeaders: () => {
          said.push(`${filterState(info, "wasm.peer")} ${filterState(info, "wasm.own")}`);
          setFilterState(info, "wasm.peer", "known client");
          setFilterState(info, "wasm.own", "x");
          return Continue;
        },
      }),
    };
    const s = await chain([leaves], { origin: answers(OK), http: { accessLog: [log] }, filters: [marks] });
    const client = s.client(get());
    s.send(client, get());
    s.client(get());
    expect(said).toEqual(["client null", "known client null", "client null"]);
    expect(s.logs).toEqual(Array(3).fill("known client x"));
  });

  test("is there in the log of a connection that is passed on as it is", async () => {
    const format = { ...LOG.format, format: "%FILTER_STATE(wasm.peer:PLAIN)%\n" };
    const s = await chain([leaves], { log: { ...LOG, format } });
    s.client("x").reset();
    s.settle();
    expect(s.logs).toEqual(["client"]);
  });
});

describe("connections have numbers", () => {
  test("a network filter knows the one that logs know", async () => {
    const numbers: number[] = [];
    const s = await chain([
      {
        name: "a",
        hooks: (callbacks) => ({
          onDownstreamData: () => {
            numbers.push(callbacks.info.connectionId);
            return Continue;
          },
        }),
      },
    ]);
    s.client("x");
    s.client("y");
    expect(new Set(numbers).size).toBe(2);
  });
});
