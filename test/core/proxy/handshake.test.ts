/** Connections that do not become TLS, or not as it was wished, and what is left of them: nothing. */
import { describe, expect, test } from "bun:test";
import { latin1 } from "../../../core/bytes/ascii.ts";
import type { Snapshot } from "../../../core/config/model.ts";
import { clientHello } from "../../../runtime-adapters/memory/fake-hello.ts";
import { get, story } from "../../support/engine-story.ts";
import { HTTP2 } from "../../support/snapshot-fixture.ts";
import { changePeer, INSPECTED, matchOf, pair, SSL_IN, snapshots } from "../../support/tls-pair.ts";

/** The head of a ClientHello's record and message, and nothing of what they announce. */
const CUT_HELLO = "\x16\x03\x01\x00\xf0\x01";
const IN = "127.0.0.1:443";

/** A handshake message in one record. */
function recordOf(message: Uint8Array): string {
  return `\x16\x03\x01${String.fromCharCode(message.length >> 8, message.length & 255)}${latin1(message, 0, message.length)}`;
}

describe("require_sni", () => {
  for (const [sni, status] of [
    ["server.example", 200],
    ["", 503],
  ] as const) {
    test(sni === "" ? "who names no server is refused" : "who names one is let in", async () => {
      const s = await pair({ down: { requireSni: true }, up: { sni } });
      const user = s.client(get());
      s.advance(100);
      expect(user.received).toStartWith(`HTTP/1.1 ${status} `);
      expect(s.upstream().length).toBe(status === 200 ? 1 : 0);
      s.expectNothingLeft();
    });
  }
});

test("a cluster of HTTP/2 does not send it to an endpoint whose ALPN says HTTP/1", async () => {
  const s = await pair({
    cluster: { http2: HTTP2 },
    up: { alpn: ["http/1.1"] },
    down: { alpn: ["http/1.1"] },
    outboundLog: "%RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%",
  });
  const user = s.client(get());
  s.advance(100);
  expect(user.received).toStartWith("HTTP/1.1 503 ");
  expect(s.logs).toEqual(["UF TLS_error:the_endpoint_does_not_speak_h2"]);
  expect(s.stat("cluster.peer.upstream_cx_connect_fail")).toBe(1);
  expect(s.upstream().length).toBe(0);
  s.expectNothingLeft();
});

describe("a client that asks for nothing that is offered is served without ALPN", () => {
  for (const [what, filters] of [
    ["behind an inspector", INSPECTED],
    ["where there is none", undefined],
  ] as const) {
    test(what, async () => {
      const s = await pair({ up: { alpn: ["istio"] }, listener: { filters } });
      const user = s.client(get());
      s.advance(100);
      expect(user.received).toStartWith("HTTP/1.1 200 ");
      expect(s.stat(`${SSL_IN}handshake`)).toBe(1);
      expect(s.stat("tls_inspector.tls_found")).toBe(filters === undefined ? 0 : 1);
      s.expectNothingLeft();
    });
  }
});

describe("what is no ClientHello is the engine's to refuse, where no inspector is", () => {
  for (const [what, bytes] of [
    ["plain text", get()],
    ["a hello that makes no sense", "\x16\x03\x01\x00\x04\x01\x00\x00\x00"],
    ["the half of one, and FIN", CUT_HELLO],
  ] as const) {
    test(what, async () => {
      const s = await pair();
      const peer = s.client(bytes, IN);
      if (bytes === CUT_HELLO) peer.end();
      s.settle();
      expect(peer.ended || peer.closed).toBe(true);
      expect(s.stat(`${SSL_IN}connection_error`)).toBe(bytes === CUT_HELLO ? 0 : 1);
      expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_timeout")).toBe(0);
      s.expectNothingLeft();
    });
  }
});

test("who only looks whether somebody listens costs no handshake", async () => {
  const s = await pair();
  const peer = s.client("", IN);
  peer.end();
  s.settle();
  expect([peer.ended, peer.closeReason]).toEqual([true, ""]); // whoever was asked to shake hands would answer RST
  expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_active")).toBe(0);
  s.expectNothingLeft();
});

test("the hello's time is the handshake's", async () => {
  const s = await pair({ chain: { handshakeTimeout: 1000 } });
  const hello = recordOf(clientHello("server.example", []));
  const peer = s.client(hello.slice(0, 20), IN);
  s.advance(900);
  s.send(peer, hello.slice(20));
  expect(peer.ended || peer.closed).toBe(false);
  s.advance(200); // and its second flight never comes
  expect(peer.ended || peer.closed).toBe(true);
  expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_timeout")).toBe(0);
  s.expectNothingLeft();
});

describe("a handshake that never ends is given up", () => {
  for (const [what, handshakeTimeout, waits] of [
    ["when the filter chain says so", 1000, 1000],
    ["after 15 s, where nothing is said", 0, 15_000],
  ] as const) {
    test(what, async () => {
      const s = await pair({ chain: { handshakeTimeout } });
      const peer = s.client(CUT_HELLO, IN);
      s.advance(waits - 100);
      expect(peer.ended || peer.closed).toBe(false);
      s.advance(200);
      expect(peer.ended || peer.closed).toBe(true);
      expect(s.proxy.messages.at(-1)).toEndWith("the handshake took too long");
      expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_timeout")).toBe(0);
      s.expectNothingLeft();
    });
  }

  for (const [what, filters] of [
    ["in its midst", undefined],
    ["before its first bytes were enough to look at", INSPECTED],
  ] as const) {
    test(`at once, by who sends FIN ${what}`, async () => {
      const s = await pair({ listener: { filters } });
      const peer = s.client(CUT_HELLO, IN);
      peer.end();
      s.settle();
      expect(peer.ended || peer.closed).toBe(true);
      expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_active")).toBe(0);
      s.expectNothingLeft();
    });
  }
});

describe("a client that waits for the server to speak first", () => {
  const speaksSecond = (continueOnTimeout: boolean) =>
    pair({
      listener: { filters: { ...INSPECTED, timeout: 1000, continueOnTimeout } },
      chain: { match: { ...matchOf({}), transportProtocol: "tls" } },
      chains: [{ match: matchOf({}), tls: null }],
    });

  test("goes on in plain text (continue_on_listener_filters_timeout)", async () => {
    const s = await speaksSecond(true);
    const peer = s.client("", IN);
    s.advance(1100);
    expect(peer.ended || peer.closed).toBe(false);
    expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_active")).toBe(0);
    expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_timeout")).toBe(1);
    s.send(peer, get());
    s.advance(100);
    expect(peer.received).toStartWith("HTTP/1.1 200 OK\r\n");
    s.expectNothingLeft();
  });

  test("is let go without it; no inspector has found anything, as in Envoy", async () => {
    const s = await speaksSecond(false);
    const peer = s.client("", IN);
    s.advance(1100);
    expect(peer.ended || peer.closed).toBe(true);
    expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_timeout")).toBe(1);
    expect(s.stat("tls_inspector.tls_not_found")).toBe(0);
    s.expectNothingLeft();
  });
});

test("what the inspector found is counted", async () => {
  const s = await pair({ listener: { filters: INSPECTED }, up: { alpn: ["http/1.1"] } });
  s.client(get());
  s.advance(100);
  expect(s.stat(`${SSL_IN}handshake`)).toBe(1);
  for (const found of ["tls_found", "sni_found", "alpn_found"])
    expect(s.stat(`tls_inspector.${found}`)).toBe(1);
  expect(s.stat("tls_inspector.tls_not_found")).toBe(0);
  s.expectNothingLeft();
});

test("a cluster that goes while a connection is made leaves nothing of its certificates", async () => {
  const s = await pair();
  const { made } = s.services.secrets as unknown as { made: Map<string, unknown> };
  s.proxy.network.line = { ...s.proxy.network.line, latency: 20 };
  s.client(get());
  s.advance(75); // the endpoint has not accepted yet
  const snapshot = snapshots.get(s) as Snapshot;
  await s.apply({ ...snapshot, clusters: snapshot.clusters.filter(({ name }) => name !== "peer") });
  s.advance(300);
  expect(s.stat(`${SSL_IN}handshake`)).toBe(1);
  expect([...made.keys()].filter((owner) => owner.startsWith("cluster"))).toEqual([]);
  s.expectNothingLeft();
});

test("a cluster that loses its TLS while a connection is made: that one is none of anything", async () => {
  const s = await pair();
  s.proxy.network.line = { ...s.proxy.network.line, latency: 20 };
  const user = s.client(get());
  s.advance(75); // the endpoint has not accepted yet
  await changePeer(s, () => ({ tls: null }));
  s.advance(200);
  expect(user.received).toStartWith("HTTP/1.1 503 ");
  expect(s.stat("cluster.peer.upstream_cx_connect_fail")).toBe(1);
  s.expectNothingLeft();
});

test("a client in plain text that ends before it is known what it speaks has ended for who serves it", async () => {
  const filters = { tlsInspector: false, httpInspector: true, timeout: 15_000, continueOnTimeout: true };
  const s = await story({ listener: { filters } });
  const client = s.client("GET / HTT");
  client.end();
  s.settle();
  expect(client.ended || client.closed).toBe(true);
  expect(s.stat("http.test.downstream_cx_active")).toBe(0);
  s.expectNothingLeft();
});
