/** What fills a place in the chain is exchanged under living streams: who makes new filters, and who is given back when. */
import { describe, expect, test } from "bun:test";
import type {
  ExtensionConfig,
  HttpFilter,
  Json,
  PerFilterConfig,
  Route,
  Snapshot,
} from "../../../core/config/model.ts";
import type { FilterCallbacks, FilterKinds } from "../../../core/filter/filter.ts";
import { Continue, Pause } from "../../../core/filter/verdict.ts";
import { at } from "../../../runtime-adapters/memory/network.ts";
import { answers, get, OK, Story, storySnapshot } from "../../support/engine-story.ts";
import { ProxyFixture } from "../../support/proxy-fixture.ts";
import { NO_HEADERS, route, routeTo } from "../../support/snapshot-fixture.ts";

const TYPE = "test.Marker";

/** Filters that write into the answer by which configuration they were made; `?hold` holds the request. */
class Markers {
  /** Configurations with a factory that was not released, in order; released twice shows as "-name". */
  readonly alive: string[] = [];
  readonly held: FilterCallbacks[] = [];
  readonly kinds: FilterKinds = new Map([
    [
      TYPE,
      {
        factory: (config: Json) => {
          const mark = String((config as { mark: string }).mark);
          this.alive.push(mark);
          return {
            create: (callbacks: FilterCallbacks) => ({
              onRequestHeaders: () => {
                if (!callbacks.request.path.endsWith("?hold")) return Continue;
                this.held.push(callbacks);
                return Pause;
              },
              onResponseHeaders: () => {
                callbacks.response?.fields.add("x-mark", mark);
                return Continue;
              },
            }),
            release: () => {
              const place = this.alive.indexOf(mark);
              if (place < 0) this.alive.push(`-${mark}`);
              else this.alive.splice(place, 1);
            },
          };
        },
      },
    ],
  ]);
}

const discovered = (fallback: string | null, withoutWarming: boolean): HttpFilter => ({
  name: "marker",
  typeName: "",
  disabled: false,
  config: {},
  discovery: {
    resource: "ecds",
    typeNames: [TYPE],
    fallback: fallback === null ? null : { typeName: TYPE, config: { mark: fallback } },
    withoutWarming,
  },
});

const inline = (mark: string, disabled = false): HttpFilter => ({
  name: "marker",
  typeName: TYPE,
  disabled,
  config: { mark },
  discovery: null,
});

const extension = (version: string, typeName = TYPE): ExtensionConfig => ({
  name: "ecds",
  version,
  typeName,
  config: { mark: `v${version}` },
});

/** One filter, and what the table says about it. */
function snapshotOf(
  filter: HttpFilter,
  extensions: readonly ExtensionConfig[] = [],
  perFilter: readonly PerFilterConfig[] = [],
): Snapshot {
  const version = JSON.stringify(perFilter);
  const whole = storySnapshot({
    manager: { httpFilters: [filter], rds: "table" },
    table: { name: "table", version, perFilter },
  });
  const [listener] = whole.listeners;
  const [chain] = listener.filterChains;
  if (chain.filter.kind !== "http_connection_manager" || chain.filter.routeConfig === null) throw new Error();
  const routes = [chain.filter.routeConfig];
  const byName = { ...chain, filter: { ...chain.filter, routeConfig: null } };
  return {
    ...whole,
    listeners: [{ ...listener, version: JSON.stringify(filter), filterChains: [byName] }],
    routes,
    extensions,
  };
}

async function marked(first: Snapshot) {
  const markers = new Markers();
  const proxy = new ProxyFixture({}, markers.kinds);
  const origin = proxy.network.serve(at("10.0.0.1:8080"), answers(OK));
  await proxy.apply(first);
  const s = new Story(proxy, [origin]);
  const ask = (path = "/") => markOf(s.client(get(path)).received);
  return { s, markers, ask };
}

const markOf = (received: string) => /x-mark: (\S+)/.exec(received)?.[1] ?? received.slice(9, 12);

describe("a filter that is delivered by itself", () => {
  test("new streams have the new one, a held one keeps its own, and each is released once", async () => {
    const filter = discovered(null, false);
    const { s, markers, ask } = await marked(snapshotOf(filter));
    expect(s.proxy.worker.isListenerReady("web")).toBe(false);
    await s.apply(snapshotOf(filter, [extension("1")]));
    expect(s.proxy.worker.isListenerReady("web")).toBe(true);
    expect(ask()).toBe("v1");
    const held = s.client(get("/?hold"));
    await s.apply(snapshotOf(filter, [extension("2")]));
    expect(markers.alive).toEqual(["v2"]);
    expect(ask()).toBe("v2");
    s.proxy.run(() => markers.held[0].continueRequest());
    s.settle();
    expect(markOf(held.received)).toBe("v1");
    // The same version again, one that is gone, and one that nobody knows change nothing.
    await s.apply(snapshotOf(filter, [extension("2")]));
    await s.apply(snapshotOf(filter));
    await s.apply(snapshotOf(filter, [extension("3", "test.Unknown")]));
    expect(markers.alive).toEqual(["v2"]);
    expect(ask()).toBe("v2");
    await s.apply({ ...snapshotOf(filter), listeners: [] });
    s.expectNothingLeft();
    expect(markers.alive).toEqual([]);
  });

  test("what serves until it arrives makes way for it", async () => {
    const filter = discovered("default", true);
    const { s, markers, ask } = await marked(snapshotOf(filter));
    expect(ask()).toBe("default");
    await s.apply(snapshotOf(filter, [extension("1")]));
    expect(ask()).toBe("v1");
    expect(markers.alive).toEqual(["v1"]);
    s.expectNothingLeft();
  });
});

describe("what routes say about it", () => {
  const own = (mark: string): PerFilterConfig => ({
    name: "marker",
    disabled: false,
    own: { typeName: TYPE, config: { mark } },
  });
  const off: PerFilterConfig = { name: "marker", disabled: true, own: null };

  test("a weighted cluster has the last word, where it has one, and the first where nobody else has", async () => {
    const weighed = (path: string, on: Partial<Route>, ...said: (readonly PerFilterConfig[] | undefined)[]) =>
      route(
        path,
        routeTo("", {
          cluster: "",
          weightedClusters: said.map((perFilter, i) => ({
            name: "app",
            weight: i + 1,
            headers: NO_HEADERS,
            hostRewriteLiteral: "",
            perFilter,
          })),
        }),
        on,
      );
    const routes = [
      weighed("/last", { perFilter: [own("route")] }, [own("weighted")]),
      weighed("/off", { perFilter: [own("route")] }, [off]),
      weighed("/on", { perFilter: [off] }, [{ name: "marker", disabled: false, own: null }]),
      weighed("/other", { perFilter: [own("route")] }, [{ ...off, name: "another" }]),
      weighed("/first", {}, [own("weighted")]),
      weighed("/nobody", {}, [own("rare")], undefined),
      weighed("/split", { perFilter: [own("route")] }, [own("rare")], undefined),
    ];
    const whole = snapshotOf(inline("chain"));
    const [table] = whole.routes;
    const [host] = table.virtualHosts;
    const { s, markers, ask } = await marked({
      ...whole,
      routes: [
        {
          ...table,
          virtualHosts: [{ ...host, perFilter: [own("host")], routes: [...routes, ...host.routes] }],
        },
      ],
    });
    const asked = ["/last", "/off", "/on", "/other", "/first", "/"].map((path) => [path, ask(path)]);
    expect(asked).toEqual([
      ["/last", "weighted"],
      ["/off", "200"],
      ["/on", "chain"],
      ["/other", "route"],
      ["/first", "weighted"],
      ["/", "host"],
    ]);
    const many = (path: string) => new Set(Array.from({ length: 40 }, () => ask(path)));
    expect(many("/nobody")).toEqual(new Set(["rare", "host"]));
    expect(many("/split")).toEqual(new Set(["rare", "route"]));
    await s.apply({ ...whole, listeners: [] });
    s.expectNothingLeft();
    expect(markers.alive).toEqual([]);
  });

  test("off, on, and another configuration, as tables come and go under a held stream", async () => {
    const filter = inline("chain");
    const { s, markers, ask } = await marked(snapshotOf(filter));
    expect(ask()).toBe("chain");
    await s.apply(snapshotOf(filter, [], [{ name: "marker", disabled: true, own: null }]));
    expect(ask()).toBe("200");
    await s.apply(snapshotOf(filter, [], [own("route-1")]));
    expect(ask()).toBe("route-1");
    const held = s.client(get("/?hold"));
    await s.apply(snapshotOf(filter, [], [own("route-2")]));
    expect(markers.alive).toEqual(["chain", "route-2"]);
    s.proxy.run(() => markers.held[0].continueRequest());
    s.settle();
    expect(markOf(held.received)).toBe("route-1");
    await s.apply({ ...snapshotOf(filter), listeners: [] });
    s.expectNothingLeft();
    expect(markers.alive).toEqual([]);
  });

  test("one that is off unless a route wants it", async () => {
    const filter = inline("chain", true);
    const { s, ask } = await marked(snapshotOf(filter));
    expect(ask()).toBe("200");
    await s.apply(snapshotOf(filter, [], [{ name: "marker", disabled: false, own: null }]));
    expect(ask()).toBe("chain");
    s.expectNothingLeft();
  });
});

test("a listener that is replaced gives its filters back with its last connection", async () => {
  const { s, markers, ask } = await marked(snapshotOf(inline("old")));
  const held = s.client(get("/?hold"));
  await s.apply(snapshotOf(inline("new")));
  expect(markers.alive).toEqual(["old", "new"]);
  expect(ask()).toBe("new");
  s.proxy.run(() => markers.held[0].continueRequest());
  s.settle();
  expect(markOf(held.received)).toBe("old");
  held.close();
  s.settle();
  expect(markers.alive).toEqual(["new"]);
  s.expectNothingLeft();
});
