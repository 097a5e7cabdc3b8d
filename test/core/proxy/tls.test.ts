/** Listeners and clusters that speak TLS: whom they let in, and what they tell of them. */
import { beforeAll, describe, expect, test } from "bun:test";
import type { Snapshot } from "../../../core/config/model.ts";
import type { Secret } from "../../../core/config/tls.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { type Issued, NOW, rootCa, workload } from "../../support/certificates.ts";
import { get, OK, silent } from "../../support/engine-story.ts";
import { HTTP2, route, routeConfiguration, routeTo, virtualHost } from "../../support/snapshot-fixture.ts";
import { shown, trusting } from "../../support/tls-config.ts";
import {
  INSPECTED,
  matchOf,
  type Pair,
  pair,
  root,
  SSL_IN,
  server,
  snapshots,
} from "../../support/tls-pair.ts";

let stranger: Issued;

beforeAll(async () => {
  stranger = await rootCa("CN=stranger");
});

describe("a pair of proxies", () => {
  for (const http2 of [null, HTTP2]) {
    test(`HTTP/${http2 === null ? 1 : 2} over mutual TLS`, async () => {
      const s = await pair({ cluster: { http2 } });
      const user = s.client(get());
      s.advance(100);
      expect(user.received).toStartWith("HTTP/1.1 200 OK\r\n");
      expect(s.stat(`${SSL_IN}handshake`)).toBe(1);
      expect(s.stat("cluster.peer.ssl.handshake")).toBe(1);
      expect(s.stat(`${SSL_IN}versions.TLSv1.3`)).toBe(1);
      expect(s.stat("http.test.downstream_cx_http2_total")).toBe(http2 === null ? 0 : 1);
      s.expectNothingLeft();
    });
  }
});

test("the client's identity is told to whoever is behind, and to the log", async () => {
  const s = await pair({
    manager: {
      forwardClientCertDetails: "SANITIZE_SET",
      clientCertDetails: { subject: false, cert: false, chain: false, dns: false, uri: true },
    },
    log: "%DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_TLS_VERSION% %REQ(X-FORWARDED-PROTO)% %REQUESTED_SERVER_NAME%",
    answer: silent,
  });
  s.client(get("/", "x-forwarded-client-cert: Hash=forged\r\n"));
  s.advance(100);
  const [origin] = s.upstream();
  const lines = origin.received.split("\r\n").filter((line) => line.startsWith("x-forwarded-client-cert"));
  expect(lines).toEqual([
    expect.stringMatching(
      /^x-forwarded-client-cert: By=spiffe:\/\/mesh.test\/ns\/a\/sa\/server;Hash=[0-9a-f]{64};URI=spiffe:\/\/mesh.test\/ns\/a\/sa\/client$/,
    ),
  ]);
  s.send(origin, OK);
  s.advance(100);
  expect(s.logs).toEqual(["spiffe://mesh.test/ns/a/sa/client TLSv1.3 http server.example"]);
  s.expectNothingLeft();
});

describe("certificates that are secrets", () => {
  const secret = (version: string, issued: Issued): Secret => ({
    name: "own",
    version,
    certificate: shown(issued),
    validation: null,
  });

  test("are taken when they come, and new connections get the new one", async () => {
    const s = await pair({ down: { certificates: [], certificateSecrets: ["own"] } });
    s.client(get());
    s.advance(100);
    expect(s.stat(`${SSL_IN}handshake`)).toBe(0);
    const snapshot = snapshots.get(s) as Snapshot;
    await s.apply({ ...snapshot, secrets: [secret("1", server)] });
    const first = s.client(get());
    s.advance(100);
    expect(first.received).toStartWith("HTTP/1.1 200 OK\r\n");
    // The next one is of a CA that nobody trusts: the connection that is there goes on, a new one is refused.
    const other = await workload(stranger, "spiffe://mesh.test/ns/a/sa/server");
    await s.apply({ ...snapshot, secrets: [secret("2", other)] });
    first.take();
    s.send(first, get());
    s.advance(100);
    expect(first.received).toStartWith("HTTP/1.1 200 OK\r\n");
    s.advance(3_700_000); // the pool lets go of it
    const late = s.client(get());
    s.advance(100);
    expect(late.received).toStartWith("HTTP/1.1 503 ");
    s.expectNothingLeft();
  });

  test("that are about to expire are worth a warning", async () => {
    const old = await workload(root, "spiffe://mesh.test/ns/a/sa/server", { until: NOW + 3_600_000 });
    const s = await pair({ down: { certificates: [shown(old)] } });
    s.client(get());
    s.advance(100);
    expect(s.proxy.messages.filter((line) => line.includes("expires"))).toEqual([
      expect.stringMatching(/^warning config listener in .*: its certificate expires in 60 min$/),
    ]);
    s.expectNothingLeft();
  });
});

test("a route for clients with a certificate that was verified is for those alone (tls_context)", async () => {
  const { match, ...rest } = route("/", routeTo("app"));
  const verified = { ...rest, match: { ...match, tls: { presented: true, validated: true } } };
  const manager = { routeConfig: routeConfiguration([virtualHost([verified])]) };
  for (const [down, status] of [
    [{}, 200],
    [{ requireClientCertificate: false, validation: null }, 404],
  ] as const) {
    const s = await pair({ manager, down });
    const user = s.client(get());
    s.advance(100);
    expect(user.received).toStartWith(`HTTP/1.1 ${status} `);
    s.expectNothingLeft();
  }
});

describe("peers that are refused", () => {
  const refused: readonly [string, () => Pair, string, string][] = [
    [
      "a client without a certificate",
      () => ({ up: { certificates: [] } }),
      `${SSL_IN}fail_verify_no_cert`,
      "-",
    ],
    [
      "a client of another CA",
      () => ({ down: { validation: trusting(stranger) } }),
      `${SSL_IN}fail_verify_error`,
      "-",
    ],
    [
      "a server of another CA",
      () => ({ up: { validation: trusting(stranger) } }),
      "cluster.peer.ssl.fail_verify_error",
      "TLS_error:no_trusted_CA_issued_the_certificate:_CN=root",
    ],
    [
      "a server by another name",
      () => ({
        up: {
          validation: trusting(root, {
            names: [
              {
                type: "URI",
                oid: "",
                match: { kind: "exact", text: "spiffe://mesh.test/ns/a/sa/other", ignoreCase: false },
              },
            ],
          }),
        },
      }),
      "cluster.peer.ssl.fail_verify_san",
      "TLS_error:none_of_the_peer's_names_is_one_that_is_expected:_spiffe://mesh.test/ns/a/sa/server",
    ],
  ];
  for (const [what, setup, counter, reason] of refused) {
    test(what, async () => {
      const s = await pair({ ...setup(), outboundLog: "%UPSTREAM_TRANSPORT_FAILURE_REASON%" });
      const user = s.client(get());
      s.advance(100);
      expect(user.received).toStartWith("HTTP/1.1 503 ");
      expect(s.stat(counter)).toBe(1);
      expect(s.logs).toEqual([reason]);
      expect(s.stat("listener.127.0.0.1_443.downstream_cx_active")).toBe(0);
      s.expectNothingLeft();
    });
  }

  test("plain text on a port of TLS: closed, and counted", async () => {
    const s = await pair({ up: null });
    const user = s.client(get());
    s.advance(100);
    expect(user.received).toMatch(/^HTTP\/1\.1 50[23] /);
    expect(s.upstream().length).toBe(0);
    expect(s.stat(`${SSL_IN}connection_error`)).toBe(1);
    s.expectNothingLeft();
  });

  for (const side of ["down", "up"]) {
    test(`a certificate that is missing makes the ${side === "down" ? "listener" : "cluster"} refuse`, async () => {
      const s = await pair({ [side]: { certificates: [], certificateSecrets: ["nowhere"] } });
      const user = s.client(get());
      s.advance(100);
      expect(user.received).toStartWith("HTTP/1.1 503 ");
      expect(s.upstream().length).toBe(0);
      s.expectNothingLeft();
    });
  }
});

describe("TLS and plain text on one port (PERMISSIVE)", () => {
  const both: Pair = {
    listener: { filters: INSPECTED },
    chain: { match: { ...matchOf({}), transportProtocol: "tls" } },
    chains: [{ match: matchOf({}), tls: null }],
  };

  for (const up of [undefined, null]) {
    test(up === null ? "plain text" : "TLS", async () => {
      const s = await pair({ ...both, ...(up === null ? { up } : {}) });
      const user = s.client(get());
      s.advance(100);
      expect(user.received).toStartWith("HTTP/1.1 200 OK\r\n");
      expect(s.stat(`${SSL_IN}handshake`)).toBe(up === null ? 0 : 1);
      s.expectNothingLeft();
    });
  }

  test("a client that says nothing is let go in time", async () => {
    const s = await pair(both);
    const silent: Peer = s.client("", "127.0.0.1:443");
    expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_active")).toBe(1);
    s.advance(15_001);
    expect(silent.ended || silent.closed).toBe(true);
    expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_timeout")).toBe(1);
    s.expectNothingLeft();
  });

  test("one that goes before it has said enough leaves nothing behind", async () => {
    const s = await pair(both);
    const peer = s.client("\x16\x03\x01", "127.0.0.1:443");
    peer.close();
    s.settle();
    expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_active")).toBe(0);
    s.expectNothingLeft();
  });
});
