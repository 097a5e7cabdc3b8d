/**
 * Which filter chain a connection gets by its server name, transport and application protocols: one table, asked of
 * our choice and, where it is installed, of real Envoy, which runs the same listener.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Json } from "../../../core/config/model.ts";
import { HTTP_PROTOCOLS, HttpWatch } from "../../../core/proxy/http-watch.ts";
import { compileFilterChains, type Inspection } from "../../../core/route/filter-chain-match.ts";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import { type Issued, leaf, rootCa } from "../../support/certificates.ts";
import { freePorts } from "../../support/child-process.ts";
import { envoyProgram, type Rival, startEnvoy } from "../../support/rivals.ts";

/** Chains by name: what they match. */
const LISTENERS: { readonly [listener: string]: { readonly [chain: string]: object } } = {
  permissive: {
    mtls: { transport_protocol: "tls", application_protocols: ["istio-h2", "istio"] },
    tls: { transport_protocol: "tls" },
    http: { transport_protocol: "raw_buffer", application_protocols: ["http/1.1", "h2c"] },
    raw: { transport_protocol: "raw_buffer" },
  },
  strict: { mtls: { transport_protocol: "tls" } },
  disabled: { raw: { transport_protocol: "raw_buffer" } },
  names: {
    exact: { transport_protocol: "tls", server_names: ["shop.example.org", "other.test"] },
    wild: { transport_protocol: "tls", server_names: ["*.example.org"] },
    deep: { transport_protocol: "tls", server_names: ["*.b.example.org"] },
    any: { transport_protocol: "tls" },
    raw: { transport_protocol: "raw_buffer" },
  },
  // The server name comes before the application protocol, and nobody goes back.
  staged: {
    "name-h2": { transport_protocol: "tls", server_names: ["a.test"], application_protocols: ["h2"] },
    h1: { transport_protocol: "tls", application_protocols: ["http/1.1"] },
    h2: { transport_protocol: "tls", application_protocols: ["h2"] },
  },
  transport: {
    "name-raw": { transport_protocol: "raw_buffer", server_names: ["a.test"] },
    any: { transport_protocol: "tls" },
  },
};

type Probe = { readonly tls: string; readonly alpn?: readonly string[] } | { readonly plain: string };
const GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** Listener, what comes, and the chain that takes it ("-" = none: the connection is closed). */
const TABLE: readonly (readonly [string, Probe, string])[] = [
  ["permissive", { plain: GET }, "http"],
  ["permissive", { tls: "", alpn: ["istio"] }, "mtls"],
  ["permissive", { tls: "a.test", alpn: ["h2", "istio"] }, "mtls"],
  ["permissive", { tls: "", alpn: ["h2"] }, "tls"],
  ["permissive", { tls: "" }, "tls"],
  ["strict", { plain: GET }, "-"],
  ["strict", { tls: "" }, "mtls"],
  ["disabled", { plain: GET }, "raw"],
  ["names", { tls: "shop.example.org" }, "exact"],
  ["names", { tls: "SHOP.Example.ORG" }, "exact"],
  ["names", { tls: "other.test" }, "exact"],
  ["names", { tls: "x.example.org" }, "wild"],
  ["names", { tls: "x.y.example.org" }, "wild"],
  ["names", { tls: "a.b.example.org" }, "deep"],
  ["names", { tls: "b.example.org" }, "wild"],
  ["names", { tls: "example.org" }, "any"],
  ["names", { tls: "xexample.org" }, "any"],
  ["names", { tls: "" }, "any"],
  ["names", { plain: GET }, "raw"],
  ["staged", { tls: "a.test", alpn: ["h2"] }, "name-h2"],
  ["staged", { tls: "a.test", alpn: ["http/1.1"] }, "-"],
  ["staged", { tls: "a.test" }, "-"],
  ["staged", { tls: "b.test", alpn: ["http/1.1", "h2"] }, "h1"],
  ["staged", { tls: "b.test", alpn: ["h2", "http/1.1"] }, "h2"],
  ["staged", { tls: "b.test", alpn: ["x", "http/1.1"] }, "h1"],
  ["staged", { tls: "b.test", alpn: ["x"] }, "-"],
  ["transport", { tls: "a.test" }, "-"],
  ["transport", { tls: "b.test" }, "any"],
];

const TYPE = "type.googleapis.com/envoy.extensions.";
let server: Issued;

/** A listener whose chains answer with their names. */
function listener(name: string, port: number): Json {
  const inspector = (kind: string, message: string) => ({
    name: kind,
    typed_config: { "@type": `${TYPE}filters.listener.${kind}.v3.${message}` },
  });
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    listener_filters: [
      inspector("tls_inspector", "TlsInspector"),
      inspector("http_inspector", "HttpInspector"),
    ],
    filter_chains: Object.entries(LISTENERS[name]).map(([chain, match]) => {
      const isTls = (match as { transport_protocol: string }).transport_protocol === "tls";
      return {
        name: chain,
        filter_chain_match: match,
        filters: [answering(chain)],
        ...(isTls ? socket() : {}),
      };
    }),
  } as never;
}

function answering(chain: string): object {
  return {
    name: "http",
    typed_config: {
      "@type": `${TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: chain,
      route_config: {
        virtual_hosts: [
          {
            name: "all",
            domains: ["*"],
            routes: [
              {
                match: { prefix: "/" },
                direct_response: { status: 200, body: { inline_string: `<${chain}>` } },
              },
            ],
          },
        ],
      },
      http_filters: [{ name: "router", typed_config: { "@type": `${TYPE}filters.http.router.v3.Router` } }],
    },
  };
}

function socket(): object {
  const certificate = {
    certificate_chain: { inline_string: server.pem },
    private_key: { inline_string: server.keyPem },
  };
  const context = { common_tls_context: { tls_certificates: [certificate] } };
  return {
    transport_socket: {
      name: "tls",
      typed_config: { "@type": `${TYPE}transport_sockets.tls.v3.DownstreamTlsContext`, ...context },
    },
  };
}

beforeAll(async () => {
  const now = Date.now();
  const period = { from: now - 3_600_000, until: now + 3_600_000 };
  server = await leaf(await rootCa("CN=root", period), { dns: ["a.test"], ...period });
});

/** What the inspectors make of a probe; the ClientHello itself is read in client-hello.test.ts. */
function inspect(probe: Probe): Inspection {
  if ("tls" in probe)
    return {
      transportProtocol: "tls",
      serverName: probe.tls.toLowerCase(),
      applicationProtocols: probe.alpn ?? [],
    };
  const found = HTTP_PROTOCOLS[new HttpWatch().feed(Buffer.from(probe.plain))];
  return {
    transportProtocol: "raw_buffer",
    serverName: "",
    applicationProtocols: found === "" ? [] : [found],
  };
}

describe("our choice", () => {
  test.each(TABLE)("%s %j", (name, probe, expected) => {
    const { bootstrap, faults } = readBootstrap({ static_resources: { listeners: [listener(name, 80)] } });
    expect(faults).toEqual([]);
    const { choice } = compileFilterChains(bootstrap?.listeners[0].model as never);
    const end = { ip: "127.0.0.1", port: 80, path: "" };
    const chain = choice?.choose({ local: end, remote: { ...end, port: 999 } }, inspect(probe));
    expect(chain?.name ?? "-").toBe(expected);
  });
});

const names = Object.keys(LISTENERS);
const installed = envoyProgram() !== "";
if (!installed)
  console.log("filter chains: Envoy is not installed (ENVOY_BIN or PATH): not compared with it");

describe.skipIf(!installed)("Envoy's choice is the same", () => {
  let ports: number[] = [];
  let envoy: Rival | null = null;

  beforeAll(async () => {
    ports = await freePorts(names.length);
    const listeners = names.map((name, i) => listener(name, ports[i]));
    envoy = await startEnvoy({ static_resources: { listeners } } as never, ports[0]);
  }, 30_000);
  afterAll(() => envoy?.stop());

  test.each(TABLE)("%s %j", async (name, probe, expected) => {
    expect(await ask(ports[names.indexOf(name)], probe)).toBe(expected);
  });
});

/** The name in the answer, "-" if there is none. */
function ask(port: number, probe: Probe): Promise<string> {
  return new Promise((resolve) => {
    const options = { host: "127.0.0.1", port, rejectUnauthorized: false };
    const stream =
      "tls" in probe
        ? connectTls({ ...options, servername: probe.tls, ALPNProtocols: [...(probe.alpn ?? [])] })
        : connect(options);
    let answer = "";
    stream.on("tls" in probe ? "secureConnect" : "connect", () =>
      stream.write("plain" in probe ? probe.plain : GET),
    );
    stream.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      if (answer.includes(">")) stream.destroy();
    });
    stream.on("error", () => undefined);
    stream.on("close", () => resolve(/<([a-z0-9-]+)>/.exec(answer)?.[1] ?? "-"));
  });
}
