/** Destinations whose servers speak first: whose clients are waited for, and who can change that. */
import { describe, expect, test } from "bun:test";
import type { FilterChain, Listener, Snapshot } from "../../../core/config/model.ts";
import type { DownstreamTls, ListenerFilters } from "../../../core/config/tls.ts";
import type { NetworkFilterKind } from "../../../core/filter/network-filter.ts";
import { at } from "../../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { answers, get, OK, type Script, Story, silent } from "../../support/engine-story.ts";
import { ProxyFixture } from "../../support/proxy-fixture.ts";
import {
  cluster,
  httpManager,
  ip,
  listener,
  route,
  routeConfiguration,
  routeTo,
  snapshot,
  tcpProxy,
  virtualHost,
} from "../../support/snapshot-fixture.ts";
import { matchOf } from "../../support/tls-pair.ts";

const WAIT = 15_000;
const AGE = 600_000;
const HTTP = ["http/1.0", "http/1.1", "h2c"];
const FILTERS: ListenerFilters = {
  tlsInspector: false,
  httpInspector: true,
  timeout: WAIT,
  continueOnTimeout: true,
};
const MAIL = "220 mail.example\r\n";
const DETECTION = "listener.127.0.0.1_80.protocol_detection.server_first_";

/** Says that when it is connected to, after so many ms, and nothing else. */
function greeting(delay = 0, text = MAIL): (s: () => Story) => Script {
  return (s) => {
    const greeted = new Set<Peer>();
    return (peer) => {
      if (peer.ended) peer.close();
      if (greeted.has(peer)) return;
      greeted.add(peer);
      if (delay === 0) peer.send(text);
      else s().proxy.network.schedule.after(delay, () => peer.send(text));
    };
  };
}

/** A network filter that does nothing. */
const IDLE: NetworkFilterKind = { networkFactory: () => ({ create: () => ({}), release: () => undefined }) };

interface Setup {
  /** Of what is behind the raw chain; default: it greets. */
  readonly server?: (s: () => Story) => Script;
  readonly filters?: Partial<ListenerFilters> | null;
  /** Of the raw chain. */
  readonly raw?: Partial<FilterChain>;
  /** More chains. */
  readonly chains?: readonly Partial<FilterChain>[];
  readonly listener?: Partial<Listener>;
}

/** A listener that sends HTTP to "web" at 10.0.0.1, and anything else to "mail" at 10.0.0.2. */
async function detecting(setup: Setup = {}): Promise<Story & { readonly snapshot: Snapshot }> {
  const proxy = new ProxyFixture({}, new Map(), new Map([["idle", IDLE]]));
  const server = (setup.server ?? greeting())(() => s);
  const origins = [answers(OK), server].map((script, i) =>
    proxy.network.serve(at(`10.0.0.${i + 1}:8080`), script),
  );
  const table = routeConfiguration([virtualHost([route("/", routeTo("web"))])]);
  const plain = listener("in", ip("127.0.0.1", 80), tcpProxy("mail"));
  const raw = { ...plain.filterChains[0], ...setup.raw };
  const http = { ...raw, match: matchOf({ applicationProtocols: HTTP }), filter: httpManager(table, {}) };
  const inForce = snapshot(
    [
      {
        ...plain,
        ...(setup.filters === null ? {} : { filters: { ...FILTERS, ...setup.filters } }),
        filterChains: [http, raw, ...(setup.chains ?? []).map((chain) => ({ ...raw, ...chain }))],
        ...setup.listener,
      },
    ],
    [cluster("web", [ip("10.0.0.1", 8080)]), cluster("mail", [ip("10.0.0.2", 8080)])],
  );
  await proxy.apply(inForce);
  const s = Object.assign(new Story(proxy, origins), { snapshot: inForce });
  return s;
}

/** How long a client that says nothing waits for the server's first word, ms; it stays. */
function waits(s: Story, address?: string): number {
  const peer = s.client("", address);
  let waited = 0.5;
  while (peer.received === "" && waited < 2 * WAIT) {
    s.advance(1);
    waited++;
  }
  return Math.round(waited);
}

const atOnce = (waited: number) => {
  expect(waited).toBeLessThan(10);
};
const atLength = (waited: number) => {
  expect(waited).toBeGreaterThanOrEqual(WAIT);
};

const learned = (s: Story) => ({
  learned: s.stat(`${DETECTION}learned`),
  used: s.stat(`${DETECTION}used`),
  forgotten: s.stat(`${DETECTION}forgotten`),
});

test("the first client waits for the timeout, those that come after it do not", async () => {
  const s = await detecting();
  atLength(waits(s));
  for (let i = 0; i < 3; i++) atOnce(waits(s));
  expect(learned(s)).toEqual({ learned: 1, used: 3, forgotten: 0 });
  expect(s.stat("listener.127.0.0.1_80.downstream_pre_cx_timeout")).toBe(1);
  expect(s.stat("http_inspector.http_not_found")).toBe(0);
  s.expectNothingLeft();
});

test("filters of the connection stand in nobody's way", async () => {
  const s = await detecting({
    raw: { networkFilters: [{ name: "idle", typeName: "idle", config: {} }] },
  });
  atLength(waits(s));
  atOnce(waits(s));
  expect(learned(s)).toEqual({ learned: 1, used: 1, forgotten: 0 });
  s.expectNothingLeft();
});

test("without inspectors nobody waits, and nothing is learned", async () => {
  const s = await detecting({ filters: null });
  for (let i = 0; i < 3; i++) expect(waits(s)).toBeLessThan(2);
  expect(learned(s)).toEqual({ learned: 0, used: 0, forgotten: 0 });
  s.expectNothingLeft();
});

describe("what is there with the connection is looked at all the same", () => {
  test("a request goes where requests go, and the destination is forgotten", async () => {
    const s = await detecting();
    waits(s);
    const user = s.client(get());
    s.advance(10);
    expect(user.received).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(s.upstream(0).length).toBe(1);
    expect(learned(s)).toEqual({ learned: 1, used: 0, forgotten: 1 });
    atLength(waits(s));
    s.expectNothingLeft();
  });

  test("the beginning of one is waited for as long as ever", async () => {
    const s = await detecting();
    waits(s);
    const user = s.client("GE");
    s.advance(WAIT - 100);
    expect(s.upstream(1).length).toBe(1);
    s.send(user, get().slice(2));
    s.advance(10);
    expect(user.received).toStartWith("HTTP/1.1 200 OK\r\n");
    s.expectNothingLeft();
  });

  test("also what comes in the next turn of the loop", async () => {
    const s = await detecting();
    waits(s);
    const user = s.client();
    s.advance(2.5);
    s.send(user, get());
    s.advance(10);
    expect(user.received).toStartWith("HTTP/1.1 200 OK\r\n");
    s.expectNothingLeft();
  });

  test("and what another protocol's client says first", async () => {
    const s = await detecting({ server: () => silent });
    const user = s.client("*1\r\n$4\r\nPING\r\n");
    expect(s.upstream(1)[0].received).toBe("*1\r\n$4\r\nPING\r\n");
    expect(user.received).toBe("");
    s.expectNothingLeft();
  });
});

describe("nobody is taught by", () => {
  test("a client that says nothing to a server that says nothing", async () => {
    const s = await detecting({ server: () => answers(OK) });
    for (let i = 0; i < 5; i++) s.client();
    s.advance(WAIT + 100);
    const user = s.client();
    s.advance(100);
    expect(s.upstream(1).length).toBe(5); // it is still waited for
    s.send(user, get());
    s.advance(100);
    expect(user.received).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(s.upstream(0).length).toBe(1);
    expect(learned(s)).toEqual({ learned: 0, used: 0, forgotten: 0 });
    s.expectNothingLeft();
  });

  test("a server that is tired of waiting", async () => {
    const s = await detecting({ server: greeting(5000, "HTTP/1.1 408 Request Timeout\r\n\r\n") });
    s.client();
    s.advance(WAIT + 6000);
    atLength(waits(s));
    expect(learned(s).learned).toBe(0);
    s.expectNothingLeft();
  });

  test("a client that speaks before the server does", async () => {
    const s = await detecting({ server: greeting(500) });
    const peer = s.client();
    s.advance(WAIT + 100);
    s.send(peer, "EHLO client.example\r\n");
    s.advance(1000);
    expect(peer.received).toBe(MAIL);
    expect(learned(s).learned).toBe(0);
    s.expectNothingLeft();
  });

  test("a client that has nothing to say, and sends FIN", async () => {
    const s = await detecting();
    const peer = s.client();
    peer.end();
    s.advance(10);
    expect(peer.received).toBe(MAIL);
    atLength(waits(s));
    s.expectNothingLeft();
  });

  test("a server whose client speaks HTTP behind its greeting", async () => {
    const s = await detecting();
    const peer = s.client();
    s.advance(WAIT + 100);
    s.send(peer, get());
    expect(learned(s)).toEqual({ learned: 1, used: 0, forgotten: 1 });
    atLength(waits(s));
    s.expectNothingLeft();
  });

  test("anybody, where a client has spoken first not long ago", async () => {
    const s = await detecting();
    s.client(get());
    s.advance(AGE - 3 * WAIT);
    atLength(waits(s));
    atLength(waits(s));
    expect(learned(s).learned).toBe(0);
    s.advance(2 * WAIT);
    atLength(waits(s));
    atOnce(waits(s));
    s.expectNothingLeft();
  });
});

describe("it is forgotten", () => {
  for (const first of [get(), "EHLO client.example\r\n"]) {
    test(`when a client that was late speaks first: ${first.slice(0, 4)}`, async () => {
      const s = await detecting({ server: greeting(100) });
      waits(s);
      const late = s.client();
      s.advance(50); // it was not waited for
      s.send(late, first);
      s.advance(200);
      expect(learned(s)).toEqual({ learned: 1, used: 1, forgotten: 1 });
      atLength(waits(s));
      s.expectNothingLeft();
    });
  }

  test("when it has not been seen for ten minutes", async () => {
    const s = await detecting();
    waits(s);
    s.advance(AGE - 1000);
    atOnce(waits(s)); // and was seen again
    s.advance(AGE - 1000);
    atOnce(waits(s));
    s.advance(AGE + 1000);
    atLength(waits(s));
    s.expectNothingLeft();
  });

  test("with its listener's version", async () => {
    const s = await detecting();
    waits(s);
    await s.apply({ ...s.snapshot, listeners: [{ ...s.snapshot.listeners[0], version: "2" }] });
    atLength(waits(s));
    s.expectNothingLeft();
  });
});

test("it holds for the address that was connected to, and for no other", async () => {
  const s = await detecting({ listener: { addresses: [ip("127.0.0.1", 80), ip("127.0.0.1", 81)] } });
  waits(s);
  atLength(waits(s, "127.0.0.1:81"));
  atOnce(waits(s));
  atOnce(waits(s, "127.0.0.1:81"));
  s.expectNothingLeft();
});

test("it holds for the chain that it was learned of, and for no other", async () => {
  const near = { match: matchOf({ sourcePorts: [32768, 32769] }), name: "near" };
  const s = await detecting({ chains: [near] });
  atLength(waits(s)); // from port 32768
  atLength(waits(s)); // from port 32770, or later
  s.expectNothingLeft();
});

describe("it is not for listeners where TLS makes a difference: with clients", () => {
  const secure = { match: matchOf({ transportProtocol: "tls" }) };
  for (const [what, chain] of [
    ["that are sent to a chain of their own", secure],
    [
      "that are served with a certificate",
      { match: matchOf({ sourcePorts: [1] }), tls: {} as DownstreamTls },
    ],
    ["that pass it on by its server name", { match: matchOf({ serverNames: ["a.example"] }) }],
    ["that ask for a protocol which only TLS offers", { match: matchOf({ applicationProtocols: ["h2"] }) }],
  ] as const) {
    test(what, async () => {
      const s = await detecting({ chains: [chain], filters: { tlsInspector: true } });
      for (let i = 0; i < 2; i++) atLength(waits(s));
      expect(learned(s)).toEqual({ learned: 0, used: 0, forgotten: 0 });
      s.expectNothingLeft();
    });
  }

  test("nor for those that let nobody through who says nothing", async () => {
    const s = await detecting({ filters: { continueOnTimeout: false } });
    const peer = s.client();
    s.advance(WAIT + 100);
    expect(peer.closed || peer.ended).toBe(true);
    expect(s.upstream(1).length).toBe(0);
    s.expectNothingLeft();
  });
});

test("no more destinations are kept than that", async () => {
  const addresses = Array.from({ length: 1100 }, (_, i) => ip("127.0.0.1", 1000 + i));
  const s = await detecting({ listener: { addresses } });
  for (const { port } of addresses) s.client(get(), `127.0.0.1:${port}`);
  const { serverFirst } = (
    s.proxy.worker as unknown as { active: Map<string, { serverFirst: object }> }
  ).active.get("in") as { serverFirst: object };
  const { destinations } = serverFirst as { destinations: Map<string, unknown> };
  expect(destinations.size).toBe(1024);
  s.expectNothingLeft();
});
