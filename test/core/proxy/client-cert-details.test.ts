/**
 * `x-forwarded-client-cert`: every mode with every detail, as we write it and, where it is installed, as real Envoy does
 * for the same certificates.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect as connectTls } from "node:tls";
import type { ClientCertDetails, HttpConnectionManager, Json } from "../../../core/config/model.ts";
import { Fields } from "../../../core/http/fields.ts";
import { compileFormat } from "../../../core/http/formatter.ts";
import { clientCertElement, forwardClientCert } from "../../../core/proxy/client-cert-details.ts";
import type { Peer } from "../../../core/tls/peer.ts";
import { PeerJudge } from "../../../core/tls/peer-judge.ts";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import { hostCryptography } from "../../../runtime-adapters/host-cryptography.ts";
import { formatEnvironment } from "../../../runtime-adapters/sidecar/engine.ts";
import { type Issued, leaf, rootCa, subCa, workload } from "../../support/certificates.ts";
import { freePorts } from "../../support/child-process.ts";
import { envoyProgram, type Rival, startEnvoy } from "../../support/rivals.ts";
import { streamInfo } from "../../support/stream-info-fixture.ts";

type Mode = HttpConnectionManager["forwardClientCertDetails"];
const NONE: ClientCertDetails = { subject: false, cert: false, chain: false, dns: false, uri: false };
const ALL: ClientCertDetails = { subject: true, cert: true, chain: true, dns: true, uri: true };
const SERVER_URI = "spiffe://mesh.test/ns/a/sa/server";

let root: Issued;
let server: Issued;
let clients: { [name: string]: readonly Issued[] };

beforeAll(async () => {
  const now = Date.now();
  const period = { from: now - 3_600_000, until: now + 3_600_000 };
  root = await rootCa("CN=root", period);
  const middle = await subCa(root, "CN=middle", period);
  server = await workload(root, SERVER_URI, { ...period, dns: ["a.test"] });
  const subject = 'C=DE, O="Tulle, \\"the net\\" + more", CN=zoë';
  clients = {
    workload: [await workload(root, undefined, period)],
    "workload with DNS names": [
      await workload(root, undefined, { ...period, dns: ["b.test", "c.test"], subject }),
    ],
    "through an intermediate": [await workload(middle, undefined, period), middle],
    "no names": [await leaf(root, period)],
    "two URIs": [await leaf(root, { ...period, uris: ["https://a.test/", "urn:x:y"], subject: "" })],
  };
});

function peerOf(chain: readonly Issued[]): Peer {
  const nothing = { names: [], certificateHashes: [], publicKeyHashes: [], crl: "", crlOfLeafOnly: false };
  const config = {
    ...nothing,
    trustedCa: root.pem,
    trustDomains: null,
    allowExpired: false,
    acceptUntrusted: false,
    maxDepth: 9,
  };
  const ders = chain.map(({ der }) => der);
  const { peer, fault } = new PeerJudge(config, "client", hostCryptography).judge(ders, Date.now());
  expect(fault).toBeNull();
  return peer as Peer;
}

function forwarded(mode: Mode, element: string | null, ...came: string[]): string | null {
  const fields = new Fields();
  for (const value of came) fields.add("x-forwarded-client-cert", value);
  forwardClientCert(fields, mode, element);
  return fields.get("x-forwarded-client-cert");
}

describe("modes", () => {
  test.each([
    ["SANITIZE", null, null, null, null],
    ["FORWARD_ONLY", null, "By=x", null, null],
    ["APPEND_FORWARD", "Hash=1", "By=x,Hash=1", null, null],
    ["SANITIZE_SET", "Hash=1", "Hash=1", null, null],
    ["ALWAYS_FORWARD_ONLY", null, "By=x", null, "By=x"],
  ] as [Mode, string | null, string | null, string | null, string | null][])(
    "%s",
    (mode, bare, withField, bareWithout, withFieldWithout) => {
      expect(forwarded(mode, "Hash=1")).toBe(bare);
      expect(forwarded(mode, "Hash=1", "By=x")).toBe(withField);
      expect(forwarded(mode, null)).toBe(bareWithout);
      expect(forwarded(mode, null, "By=x")).toBe(withFieldWithout);
    },
  );

  test("several lines are one list", () => {
    expect(forwarded("APPEND_FORWARD", "Hash=1", "By=x", "By=y;URI=z")).toBe("By=x,By=y;URI=z,Hash=1");
    expect(forwarded("SANITIZE_SET", "Hash=1", "By=x", "By=y")).toBe("Hash=1");
  });
});

describe("our element", () => {
  const certificate = (fields: object) =>
    ({ sha256: "ab", subject: "", names: { uri: [], dns: [] }, ...fields }) as unknown as Peer;

  test("says what it is asked for, in Envoy's order", () => {
    const peer = certificate({
      subject: "CN=a",
      names: { uri: ["spiffe://a/b"], dns: ["a.test", "b.test"] },
    });
    expect(clientCertElement(NONE, peer, [])).toBe("Hash=ab");
    expect(clientCertElement({ ...ALL, cert: false, chain: false }, peer, [SERVER_URI])).toBe(
      `By=${SERVER_URI};Hash=ab;Subject="CN=a";URI=spiffe://a/b;DNS=a.test;DNS=b.test`,
    );
  });

  test("has its keys even if the certificate has nothing to say", () => {
    expect(clientCertElement({ ...ALL, cert: false, chain: false }, certificate({}), [])).toBe(
      'Hash=ab;Subject="";URI=',
    );
  });

  test("is not ended by a name that looks like its end", () => {
    const evil = certificate({ names: { uri: ['https://a/",By=spiffe://admin;URI=x\\'], dns: ["a;DNS=b"] } });
    expect(clientCertElement({ ...NONE, uri: true, dns: true }, evil, [])).toBe(
      'Hash=ab;URI="https://a/\\",By=spiffe://admin;URI=x\\\\";DNS="a;DNS=b"',
    );
  });
});

const OPERATORS = `<${[
  ..."TLS_VERSION TLS_CIPHER LOCAL_URI_SAN LOCAL_DNS_SAN LOCAL_SUBJECT PEER_URI_SAN PEER_DNS_SAN PEER_SUBJECT".split(
    " ",
  ),
  ..."PEER_ISSUER PEER_SERIAL PEER_FINGERPRINT_256 PEER_CERT PEER_CERT_V_START PEER_CERT_V_END".split(" "),
]
  .map((name) => `%DOWNSTREAM_${name}%`)
  .join("|")}>`;

/** What the operators say here. */
function operators(peer: Peer | null): string {
  const local = peerOf([server]).certificate;
  const downstreamTls = { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", local, peer };
  const { formatter, errors } = compileFormat(OPERATORS, formatEnvironment(), true);
  expect(errors).toEqual([]);
  return formatter?.format(streamInfo({ downstreamTls })) ?? "";
}

const TYPE = "type.googleapis.com/envoy.extensions.";
/** Listeners: a mode, and the details that it is asked for. */
const SETTINGS: readonly (readonly [Mode, ClientCertDetails])[] = [
  ["SANITIZE", ALL],
  ["FORWARD_ONLY", ALL],
  ["APPEND_FORWARD", NONE],
  ["APPEND_FORWARD", ALL],
  ["APPEND_FORWARD", { ...NONE, uri: true }],
  ["SANITIZE_SET", { ...NONE, subject: true, dns: true }],
  ["SANITIZE_SET", ALL],
  ["ALWAYS_FORWARD_ONLY", ALL],
];

function listener(index: number, port: number): Json {
  const [mode, details] = SETTINGS[index];
  const certificate = {
    certificate_chain: { inline_string: server.pem },
    private_key: { inline_string: server.keyPem },
  };
  const tls = {
    common_tls_context: {
      tls_certificates: [certificate],
      validation_context: { trusted_ca: { inline_string: root.pem } },
    },
  };
  const manager = {
    "@type": `${TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "s",
    forward_client_cert_details: mode,
    set_current_client_cert_details: details,
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          response_headers_to_add: [
            { header: { key: "x-operators", value: OPERATORS } },
            { header: { key: "x-seen", value: "<%REQ(X-FORWARDED-CLIENT-CERT)%>" } },
          ],
          routes: [{ match: { prefix: "/" }, direct_response: { status: 200 } }],
        },
      ],
    },
    http_filters: [{ name: "router", typed_config: { "@type": `${TYPE}filters.http.router.v3.Router` } }],
  };
  return {
    name: `l${index}`,
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    filter_chains: [
      {
        filters: [{ name: "http", typed_config: manager }],
        transport_socket: {
          name: "tls",
          typed_config: { "@type": `${TYPE}transport_sockets.tls.v3.DownstreamTlsContext`, ...tls },
        },
      },
    ],
  } as never;
}

test("the configuration is read", () => {
  const listeners = SETTINGS.map((_, i) => listener(i, 18200 + i));
  const { bootstrap, faults } = readBootstrap({ static_resources: { listeners } });
  expect(faults).toEqual([]);
  const read = bootstrap?.listeners.map(({ model }) => {
    const { forwardClientCertDetails, clientCertDetails } = model.filterChains[0]
      .filter as HttpConnectionManager;
    return [forwardClientCertDetails, clientCertDetails];
  });
  expect(read).toEqual(SETTINGS as never);
});

const installed = envoyProgram() !== "";
if (!installed) console.log("XFCC: Envoy is not installed (ENVOY_BIN or PATH): not compared with it");

describe.skipIf(!installed)("Envoy writes the same", () => {
  let ports: number[] = [];
  let envoy: Rival | null = null;

  beforeAll(async () => {
    ports = await freePorts(SETTINGS.length);
    const listeners = SETTINGS.map((_, i) => listener(i, ports[i]));
    envoy = await startEnvoy({ static_resources: { listeners } } as never, ports[0]);
  }, 30_000);
  afterAll(() => envoy?.stop());

  const cases = SETTINGS.flatMap(([mode, details], i) => {
    const asked = Object.entries(details).flatMap(([name, on]) => (on ? [name] : []));
    return [[`${mode} ${asked.join(" ")}`, i] as const];
  });
  test.each(cases)("%s", async (_, i) => {
    const [mode, details] = SETTINGS[i];
    for (const [name, chain] of [["nothing", null], ...Object.entries(clients)] as const) {
      for (const came of [[], ["By=x;Hash=y"]]) {
        const element = chain === null ? null : clientCertElement(details, peerOf(chain), [SERVER_URI]);
        const seen = await ask(ports[i], chain, came);
        expect([name, seen["x-seen"]]).toEqual([name, `<${forwarded(mode, element, ...came) ?? ""}>`]);
        if (i === 0)
          expect([name, seen["x-operators"]]).toEqual([
            name,
            operators(chain === null ? null : peerOf(chain)),
          ]);
      }
    }
  });
});

/** What the server saw. */
function ask(
  port: number,
  chain: readonly Issued[] | null,
  came: readonly string[],
): Promise<{ [name: string]: string }> {
  return new Promise((resolve, reject) => {
    const identity =
      chain === null ? {} : { cert: chain.map(({ pem }) => pem).join(""), key: chain[0].keyPem };
    const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false, ...identity });
    let answer = "";
    const lines = came.map((value) => `x-forwarded-client-cert: ${value}\r\n`).join("");
    socket.on("secureConnect", () => socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`));
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      if (!answer.includes("\r\n\r\n")) return;
      socket.destroy();
      resolve(
        Object.fromEntries(
          [...answer.matchAll(/^([a-z-]+): (.*)\r$/gm)].map(([, name, value]) => [name, value]),
        ),
      );
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`no answer: ${answer}`)));
  });
}

test("a name that looks like the end of its element stays one name, whatever is in it", () => {
  const element = (uri: string) =>
    clientCertElement({ ...NONE, uri: true }, { names: { uri: [uri], dns: [] }, sha256: "ab" } as never, []);
  for (const [uri, said] of [
    ["spiffe://a/b", "spiffe://a/b"],
    ["spiffe://a/b,Hash=00", '"spiffe://a/b,Hash=00"'],
    ["spiffe://a/b;URI=spiffe://c/d", '"spiffe://a/b;URI=spiffe://c/d"'],
    ['spiffe://a/b";Hash=00', '"spiffe://a/b\\";Hash=00"'],
    ["spiffe://a/b\\", '"spiffe://a/b\\\\"'],
  ]) {
    expect(element(uri)).toBe(`Hash=ab;URI=${said}`);
  }
});

test("what came empty is not an element", () => {
  expect(forwarded("APPEND_FORWARD", "Hash=ab", "")).toBe("Hash=ab");
  expect(forwarded("APPEND_FORWARD", "Hash=ab", "By=x", "By=y")).toBe("By=x,By=y,Hash=ab");
  expect(forwarded("SANITIZE_SET", "Hash=ab", "By=x", "By=y")).toBe("Hash=ab");
});
