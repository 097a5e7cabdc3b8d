/**
 * What a filter is told of TLS, of its client's connection and of the upstream's: one table, in Envoy 1.40 and in ours,
 * for a client with a certificate and for one without.
 */

import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { connect } from "node:tls";
import {
  anyHost,
  httpListener,
  ROUTER,
  staticCluster,
  toCluster,
  wasmFilter,
  type YamlMap,
} from "../../support/bootstrap.ts";
import { type Issued, rootCa, workload } from "../../support/certificates.ts";
import { freePorts, temporaryFolder } from "../../support/child-process.ts";
import { FILTER_PROXIES } from "../../support/filter-proxies.ts";
import type { ProxyStarter } from "../../support/filtered-proxy.ts";
import { binaryOf, HAS_ASSEMBLER } from "../../support/guest.ts";
import { type Found, findings, propertyProbe, TOLD } from "../../support/property-probe.ts";

const TIMES = { from: Date.now() - 3_600_000, until: Date.now() + 86_400_000 };

interface Parties {
  readonly root: Issued;
  readonly proxy: Issued;
  readonly client: Issued;
  readonly origin: Issued;
}

async function parties(): Promise<Parties> {
  const root = await rootCa("CN=root", TIMES);
  const of = (name: string, dns: readonly string[]): Promise<Issued> =>
    workload(root, `spiffe://mesh.test/ns/a/sa/${name}`, { subject: `CN=${name},O=tulle`, dns, ...TIMES });
  return {
    root,
    proxy: await of("proxy", ["proxy.example", "other.example"]),
    client: await of("client", ["client.example", "second.example"]),
    origin: await of("origin", []),
  };
}

const NAMES = [
  ...["tls_version", "subject_local_certificate", "subject_peer_certificate", "dns_san_local_certificate"],
  ...["dns_san_peer_certificate", "uri_san_local_certificate", "uri_san_peer_certificate"],
  ...["sha256_peer_certificate_digest", "peer_certificate"],
];
const PATHS = [
  ...["connection\0mtls", "connection\0requested_server_name"],
  ...NAMES.flatMap((name) => [`connection\0${name}`, `upstream\0${name}`]),
];

/** Without it Envoy does not tell the name that was asked for. */
const INSPECTOR: YamlMap = {
  name: "envoy.filters.listener.tls_inspector",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
  },
};

function tlsContext(type: string, own: Issued, root: Issued, more: YamlMap): YamlMap {
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${type}`,
      common_tls_context: {
        tls_params: { tls_maximum_protocol_version: "TLSv1_3" },
        tls_certificates: [
          { certificate_chain: { inline_string: own.pem }, private_key: { inline_string: own.keyPem } },
        ],
        validation_context: { trusted_ca: { inline_string: root.pem } },
      },
      ...more,
    },
  };
}

/** What a filter finds while it asks for a request of a client that shows `certificate`. */
async function found(
  start: ProxyStarter,
  { root, proxy: own, client, origin }: Parties,
  withCertificate: boolean,
): Promise<Map<string, Found> | null> {
  const folder = temporaryFolder();
  const module = join(folder.path, "probe.wasm");
  writeFileSync(module, binaryOf(propertyProbe(PATHS, ["request_headers", "log"])));
  const [port, ready, upstream] = await freePorts(3);
  const server = createServer(
    { cert: origin.pem, key: origin.keyPem, ca: root.pem, requestCert: true },
    (_request, response) => response.end("ok"),
  );
  await new Promise<void>((done) => server.listen(upstream, "127.0.0.1", done));
  const secured = httpListener("web", port, {
    http_filters: [wasmFilter("probe", module), ROUTER],
    route_config: anyHost("web", [toCluster("app")]),
  });
  const [chain] = secured.filter_chains as readonly YamlMap[];
  const transport_socket = tlsContext("DownstreamTlsContext", own, root, {});
  const listeners = [
    { ...secured, listener_filters: [INSPECTOR], filter_chains: [{ ...chain, transport_socket }] },
    httpListener("ready", ready, {
      route_config: anyHost("ready", [{ match: { prefix: "/" }, direct_response: { status: 200 } }]),
    }),
  ];
  const app = staticCluster("app", [upstream], {
    transport_socket: tlsContext("UpstreamTlsContext", own, root, { sni: "origin.example" }),
  });
  const proxy = await start({ static_resources: { listeners, clusters: [app] } }, ready);
  try {
    if (proxy === null) return null;
    await ask(port, root, withCertificate ? client : null);
    const last = `log ${PATHS.at(-1)}`;
    let all = new Map<string, Found>();
    for (let left = 100; left > 0 && !all.has(last); left--) {
      await new Promise((done) => setTimeout(done, 20));
      all = findings(proxy.program.output(), PATHS);
    }
    return all;
  } finally {
    await proxy?.stop();
    server.closeAllConnections();
    server.close();
    folder.remove();
  }
}

function ask(port: number, root: Issued, own: Issued | null): Promise<void> {
  const shown = own === null ? {} : { cert: own.pem, key: own.keyPem };
  return new Promise((done, failed) => {
    const socket = connect(
      {
        ...{ port, host: "127.0.0.1", ca: root.pem, servername: "proxy.example", ...shown },
        checkServerIdentity: () => undefined,
      },
      () => socket.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
    );
    socket.on("data", () => undefined);
    socket.on("error", failed);
    socket.on("close", () => done());
  });
}

const digest = ({ der }: Issued): string => createHash("sha256").update(der).digest("hex");

/** As much of a value as the probe tells. */
const told = ({ pem }: Issued): string => pem.slice(0, TOLD);

/** Values; null = not found. A truth value is a byte. */
type Told = { readonly [path: string]: string | null };

function expected({ client, origin }: Parties, withCertificate: boolean): Told {
  const id = (name: string): string => `spiffe://mesh.test/ns/a/sa/${name}`;
  return {
    "connection\0mtls": withCertificate ? "\x01" : "\0",
    "connection\0requested_server_name": "proxy.example",
    "connection\0tls_version": "TLSv1.3",
    "connection\0subject_local_certificate": "O=tulle,CN=proxy",
    "connection\0dns_san_local_certificate": "proxy.example",
    "connection\0uri_san_local_certificate": id("proxy"),
    "connection\0subject_peer_certificate": withCertificate ? "O=tulle,CN=client" : "",
    "connection\0dns_san_peer_certificate": withCertificate ? "client.example" : null,
    "connection\0uri_san_peer_certificate": withCertificate ? id("client") : null,
    "connection\0sha256_peer_certificate_digest": withCertificate ? digest(client) : null,
    "connection\0peer_certificate": withCertificate ? told(client) : null,
    "upstream\0peer_certificate": told(origin),
    "upstream\0tls_version": "TLSv1.3",
    "upstream\0subject_local_certificate": "O=tulle,CN=proxy",
    "upstream\0dns_san_local_certificate": "proxy.example",
    "upstream\0uri_san_local_certificate": id("proxy"),
    "upstream\0subject_peer_certificate": "O=tulle,CN=origin",
    "upstream\0dns_san_peer_certificate": null,
    "upstream\0uri_san_peer_certificate": id("origin"),
    "upstream\0sha256_peer_certificate_digest": digest(origin),
  };
}

describe.skipIf(!HAS_ASSEMBLER)("TLS, as filters are told of it", () => {
  const cases = FILTER_PROXIES.flatMap(([name, start]) =>
    [true, false].map((shows) => ({ name, start, shows, who: shows ? "with" : "without" })),
  );
  test.each(cases)(
    "$name: a client $who a certificate",
    async ({ start, shows }) => {
      const all = await parties();
      const is = await found(start, all, shows);
      if (is === null) throw new Error("the proxy did not start");
      for (const [path, value] of Object.entries(expected(all, shows))) {
        for (const callback of ["request_headers", "log"]) {
          const { status, value: told } = is.get(`${callback} ${path}`) ?? { status: -1, value: "" };
          // There is no upstream yet when the request begins.
          const early = callback === "request_headers" && path.startsWith("upstream");
          const wanted = early ? null : value;
          expect([callback, path, status === 0 ? told : status === 1 ? null : `#${status}`]).toEqual([
            callback,
            path,
            wanted,
          ]);
        }
      }
    },
    60_000,
  );
});
