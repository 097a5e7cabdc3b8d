/**
 * Listeners and clusters that speak TLS, in one proxy: a client in plain text comes by the listener "web", goes out to the
 * cluster "peer" over TLS, comes in again by the listener "in", and is answered by the origin.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import type {
  Cluster,
  FilterChain,
  HttpConnectionManager,
  Listener,
  Snapshot,
} from "../../../core/config/model.ts";
import type { DownstreamTls, Secret, TlsValidation, UpstreamTls } from "../../../core/config/tls.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { type Issued, NOW, rootCa, workload } from "../../support/certificates.ts";
import {
  answers,
  get,
  OK,
  type Script,
  type Story,
  type StorySetup,
  silent,
  story,
  storySnapshot,
} from "../../support/engine-story.ts";
import {
  cluster,
  HTTP2,
  httpManager,
  ip,
  listener,
  route,
  routeConfiguration,
  routeTo,
  virtualHost,
} from "../../support/snapshot-fixture.ts";

let root: Issued;
let stranger: Issued;
let server: Issued;
let client: Issued;

beforeAll(async () => {
  root = await rootCa();
  stranger = await rootCa("CN=stranger");
  server = await workload(root, "spiffe://mesh.test/ns/a/sa/server");
  client = await workload(root, "spiffe://mesh.test/ns/a/sa/client");
});

const PARAMETERS = {
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  cipherSuites: [],
  curves: [],
  signatureAlgorithms: [],
} as const;

const shown = ({ pem, keyPem }: Issued) => ({ chain: pem, privateKey: keyPem, password: "" });

function trusting(ca: Issued, change: Partial<TlsValidation> = {}): TlsValidation {
  return {
    trustedCa: ca.pem,
    trustDomains: null,
    names: [],
    certificateHashes: [],
    publicKeyHashes: [],
    crl: "",
    crlOfLeafOnly: false,
    allowExpired: false,
    acceptUntrusted: false,
    maxDepth: 100,
    ...change,
  };
}

function serving(change: Partial<DownstreamTls> = {}): DownstreamTls {
  return {
    parameters: PARAMETERS,
    certificates: [shown(server)],
    certificateSecrets: [],
    alpn: [],
    validation: trusting(root),
    validationSecret: "",
    requireClientCertificate: true,
    requireSni: false,
    sessionTickets: true,
    sessionCache: true,
    sessionTimeout: 0,
    ...change,
  };
}

function calling(change: Partial<UpstreamTls> = {}): UpstreamTls {
  return {
    parameters: PARAMETERS,
    certificates: [shown(client)],
    certificateSecrets: [],
    alpn: [],
    validation: trusting(root),
    validationSecret: "",
    sni: "server.example",
    maxSessionKeys: 1,
    ...change,
  };
}

interface Pair {
  readonly down?: Partial<DownstreamTls>;
  readonly up?: Partial<UpstreamTls> | null;
  readonly cluster?: Partial<Cluster>;
  readonly listener?: Partial<Listener>;
  readonly chain?: Partial<FilterChain>;
  readonly manager?: Partial<HttpConnectionManager>;
  /** Of the inbound side. */
  readonly log?: string;
  /** The origin's script, default `OK`. */
  readonly answer?: Script;
  /** More chains behind the first. */
  readonly chains?: readonly Partial<FilterChain>[];
}

const INSPECTED = { tlsInspector: true, httpInspector: false, timeout: 15_000, continueOnTimeout: false };

/** What is in force. */
const snapshots = new WeakMap<Story, Snapshot>();

async function pair(setup: Pair = {}): Promise<Story> {
  const { manager: change = {}, log = "%RESPONSE_CODE%" } = setup;
  const base: StorySetup = { origins: [setup.answer ?? answers(OK)], manager: change, log };
  const s = await story(base);
  s.proxy.driver.clock.epoch = NOW;
  const plain = storySnapshot(base);
  const toPeer = routeConfiguration([virtualHost([route("/", routeTo("peer"))])]);
  const inbound = plain.listeners[0].filterChains[0];
  const manager = inbound.filter;
  const chain: FilterChain = { ...inbound, tls: serving(setup.down), ...setup.chain };
  const first = listener("web", ip("127.0.0.1", 80), httpManager(toPeer, {}));
  const second = listener("in", ip("127.0.0.1", 443), manager as never, {
    filterChains: [chain, ...(setup.chains ?? []).map((more) => ({ ...inbound, ...more }))],
    ...setup.listener,
  });
  const peer = cluster("peer", [ip("127.0.0.1", 443)], {
    tls: setup.up === null ? null : calling(setup.up),
    ...setup.cluster,
  });
  const snapshot = {
    ...plain,
    listeners: [first, { ...second, version: "2" }],
    clusters: [...plain.clusters, peer],
  };
  snapshots.set(s, snapshot);
  await s.apply(snapshot);
  return s;
}

const SSL_IN = "listener.127.0.0.1_443.ssl.";

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

describe("peers that are refused", () => {
  const refused: readonly [string, () => Pair, string, string][] = [
    [
      "a client without a certificate",
      () => ({ up: { certificates: [] } }),
      `${SSL_IN}fail_verify_no_cert`,
      "",
    ],
    [
      "a client of another CA",
      () => ({ down: { validation: trusting(stranger) } }),
      `${SSL_IN}fail_verify_error`,
      "",
    ],
    [
      "a server of another CA",
      () => ({ up: { validation: trusting(stranger) } }),
      "cluster.peer.ssl.fail_verify_error",
      "TLS_error:",
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
      "",
    ],
  ];
  for (const [what, setup, counter] of refused) {
    test(what, async () => {
      const s = await pair(setup());
      const user = s.client(get());
      s.advance(100);
      expect(user.received).toStartWith("HTTP/1.1 503 ");
      expect(s.stat(counter)).toBe(1);
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

  test("a certificate that is missing makes the listener refuse", async () => {
    const s = await pair({ down: { certificates: [], certificateSecrets: ["nowhere"] } });
    const user = s.client(get());
    s.advance(100);
    expect(user.received).toStartWith("HTTP/1.1 503 ");
    s.expectNothingLeft();
  });
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

test("a handshake that never ends is given up in time", async () => {
  const s = await pair({ chain: { handshakeTimeout: 1000 } });
  const peer = s.client("\x16\x03\x01\x00\xf0\x01", "127.0.0.1:443");
  s.advance(1100);
  expect(peer.ended || peer.closed).toBe(true);
  s.expectNothingLeft();
});

/** A match of everything. */
function matchOf(change: Partial<FilterChain["match"]>): FilterChain["match"] {
  return { ...listener("x", ip("127.0.0.1", 1), {} as never).filterChains[0].match, ...change };
}
