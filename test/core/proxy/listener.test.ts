/** One listener: which chain a connection gets, what is counted, what its own access log says, and new tables for old connections. */
import { describe, expect, test } from "bun:test";
import type { AccessLog, FilterChain, Listener } from "../../../core/config/model.ts";
import {
  get,
  gist,
  post,
  type StorySetup,
  silent,
  story,
  storySnapshot,
} from "../../support/engine-story.ts";
import { route, tcpProxy } from "../../support/snapshot-fixture.ts";

const LINE =
  "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %FILTER_CHAIN_NAME% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED%/%BYTES_SENT% %DURATION% #%CONNECTION_ID%\n";

function log(filter: AccessLog["filter"] = null): AccessLog {
  return {
    path: "listener",
    format: { kind: "text", format: LINE, omitEmptyValues: false, contentType: "" },
    filter,
  };
}

/** Only connections to that address, named after it. */
function chainFor(destination: string, from: FilterChain, filter = from.filter): FilterChain {
  const prefixRanges = [{ ip: destination, prefixLength: 32 }];
  return { ...from, name: destination, match: { ...from.match, prefixRanges }, filter };
}

/** The story's listener, changed by a function of its one chain, on every address. */
async function wide(change: (chain: FilterChain) => Partial<Listener>, setup: StorySetup = {}) {
  const s = await story({ manager: { accessLog: [] }, ...setup });
  const whole = storySnapshot({ manager: { accessLog: [] }, ...setup });
  const [web] = whole.listeners;
  const changed = change(web.filterChains[0]);
  const address = { ip: "0.0.0.0", port: 81, path: "" };
  const listener = { ...web, version: "wide", name: "wide", addresses: [address], ...changed };
  await s.apply({ ...whole, listeners: [listener] });
  return s;
}

const TCP = tcpProxy("app", { statPrefix: "tcp" });

describe("the chain", () => {
  test("what no chain matches goes to the default one, or is closed and counted", async () => {
    const s = await wide((chain) => ({
      statPrefix: "wide",
      filterChains: [chainFor("10.1.0.1", chain)],
      defaultFilterChain: {
        ...chain,
        name: "else",
        filter: { ...TCP, statPrefix: "else" },
      },
    }));
    expect(gist(s.client(get(), "10.1.0.1:81").received)).toBe("200 ok");
    const other = s.client("raw\r\n\r\n", "10.1.0.2:81");
    expect(s.upstream().at(-1)?.receivedBytes).toBe(7);
    expect(s.stat("tcp.else.downstream_cx_total")).toBe(1);
    expect(s.stat("listener.wide.no_filter_chain_match")).toBe(0);
    expect(s.stat("listener.wide.downstream_cx_total")).toBe(2);
    expect(s.stat("listener.wide.downstream_cx_active")).toBe(2);
    other.close();
    s.settle();
    expect(s.stat("listener.wide.downstream_cx_active")).toBe(1);
    expect(s.stat("listener.wide.downstream_cx_destroy")).toBe(1);
    s.expectNothingLeft();
  });

  test("a refused connection is no connection", async () => {
    const s = await wide((chain) => ({ filterChains: [chainFor("10.1.0.1", chain)] }));
    const refused = s.client(get(), "10.1.0.2:81");
    expect([refused.closed, refused.received]).toEqual([true, ""]);
    expect(s.stat("listener.0.0.0.0_81.no_filter_chain_match")).toBe(1);
    expect(s.stat("listener.0.0.0.0_81.downstream_cx_total")).toBe(0);
    s.expectNothingLeft();
  });
});

describe("its access log", () => {
  test("has a line for each connection when it ends, with the bytes of the wire", async () => {
    const s = await wide((chain) => ({
      accessLog: [log()],
      filterChains: [chainFor("10.1.0.1", chain), chainFor("10.1.0.2", chain, TCP)],
    }));
    const http = s.client(get(), "10.1.0.1:81");
    s.send(http, get());
    s.advance(99);
    expect(s.logs).toEqual([]);
    http.close();
    s.settle();
    const sent = http.receivedBytes;
    expect(s.logs).toEqual([`10.1.0.1 10.1.0.1 - - ${get().length * 2}/${sent} 100 #1`]);

    const tcp = s.client("abc", "10.1.0.2:81");
    tcp.close();
    s.settle();
    expect(s.logs[1]).toMatch(/^10\.1\.0\.2 10\.1\.0\.2 - - 3\/0 \d+ #2$/);
    expect(s.logs).toHaveLength(2);
    s.expectNothingLeft();
  });

  test("has one for a connection that no chain wants: NR", async () => {
    const s = await wide((chain) => ({
      accessLog: [log({ kind: "response_flag", flags: ["NR"] })],
      filterChains: [chainFor("10.1.0.1", chain)],
    }));
    s.client(get(), "10.1.0.1:81").close();
    s.client(get(), "10.1.0.2:81");
    expect(s.logs).toEqual(["10.1.0.2 - NR filter_chain_not_found 0/0 0 #0"]);
    s.expectNothingLeft();
  });

  test("does not stand in the way of slow readers, half-closed clients and resets", async () => {
    const body = "x".repeat(300_000);
    const s = await wide(() => ({ accessLog: [log()] }), {
      network: { buffer: 16 * 1024 },
      origins: [
        (peer) => {
          if (peer.take().endsWith("\r\n\r\n"))
            peer.send(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
        },
      ],
    });
    const slow = s.client("", "10.1.0.1:81").pause();
    s.send(slow, get());
    slow.end();
    s.advance(50);
    expect(s.upstream()[0].unsentBytes).toBeGreaterThan(0);
    slow.resume();
    s.advance(50);
    expect(gist(slow.received)).toBe(`200 ${body}`);
    expect(slow.ended).toBe(true);
    const cut = s.client(get(), "10.1.0.1:81");
    cut.reset();
    s.settle();
    expect(s.logs).toHaveLength(2);
    s.expectNothingLeft();
  });
});

test("a listener with an access log pauses its clients as one without: memory stays bounded", async () => {
  const s = await wide(() => ({ accessLog: [log()] }), { network: { buffer: 16 * 1024 }, origins: [silent] });
  const body = "x".repeat(3_000_000);
  const client = s.client(post("", body.length), "10.1.0.1:81");
  const origin = s.upstream()[0].pause();
  s.send(client, body);
  s.advance(100);
  expect(client.unsentBytes).toBeGreaterThan(1_500_000);
  origin.resume();
  s.advance(100);
  expect(client.unsentBytes).toBe(0);
  expect(origin.received.length).toBeGreaterThan(body.length);
  s.expectNothingLeft();
});

describe("what changes under a living connection", () => {
  test("runtime values hold for its next request", async () => {
    const runtimeFraction = { runtimeKey: "share", numerator: 0, denominator: 100 as const };
    const setup: StorySetup = {
      routes: [
        route(
          "/",
          { kind: "direct_response", status: 200, body: "new", bodyFormat: null },
          { match: { ...route("/", null as never).match, runtimeFraction } },
        ),
      ],
    };
    const s = await story(setup);
    const client = s.client(get());
    expect(gist(client.take())).toBe("200 ok");
    await s.apply({ ...storySnapshot(setup), runtime: { share: 100 } });
    s.send(client, get());
    expect(gist(client.take())).toBe("200 new");
    await s.apply({ ...storySnapshot(setup), runtime: { share: 0 } });
    s.send(client, get());
    expect(gist(client.take())).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("a listener that was replaced lets idle clients be for a minute, and no longer because it was told twice", async () => {
    const s = await story({ origins: [silent] });
    const idle = s.client();
    await s.apply({ ...storySnapshot(), listeners: [] });
    s.advance(30_000);
    s.proxy.run(() => s.proxy.worker.drain());
    s.advance(500);
    expect(idle.ended).toBe(false);
    s.advance(600);
    expect(idle.ended).toBe(true);
    s.proxy.run(() => s.proxy.worker.drain());
    s.expectNothingLeft();
  });
});
