/**
 * Clusters that come back with a session, on real sidecars on each runtime: how often, and never with that of another
 * cluster. Both ends are one sidecar: it dials its own listener.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  address,
  anyHost,
  bootstrap,
  httpListener,
  staticCluster,
  toCluster,
  upstreamHttp1,
  type YamlMap,
} from "../support/bootstrap.ts";
import { type Issued, rootCa } from "../support/certificates.ts";
import { freePorts } from "../support/child-process.ts";
import { identity, secured, vouchedFor } from "../support/mutual-tls.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import { SidecarProcess, Workspace } from "../support/sidecar-process.ts";

const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const VERSIONS = ["TLSv1_2", "TLSv1_3"] as const;
/** Deno's client has one store of sessions for all clusters: it is not used. */
const RESUMING = ["bun", "node"];

let mesh: Awaited<ReturnType<typeof vouchedFor>>;
let stranger: Issued;
const workspace = new Workspace();

beforeAll(async () => {
  mesh = await vouchedFor("server", "first", "second");
  stranger = await rootCa("CN=stranger", { from: Date.now() - 1000, until: Date.now() + 3_600_000 });
});
afterAll(() => workspace.remove());

/** A transport socket that shows `own`, and trusts who `ca` has vouched for. */
function socket(type: string, own: Issued, ca: Issued, context: YamlMap, params: YamlMap = {}): YamlMap {
  const common_tls_context = {
    tls_params: params,
    tls_certificates: [
      { certificate_chain: { inline_string: own.pem }, private_key: { inline_string: own.keyPem } },
    ],
    validation_context: { trusted_ca: { inline_string: ca.pem } },
  };
  const typed_config = { "@type": `${TLS}.${type}`, common_tls_context, ...context };
  return { transport_socket: { name: "envoy.transport_sockets.tls", typed_config } };
}

function document(port: number, between: number): YamlMap {
  const clusters: YamlMap[] = [];
  const routes: YamlMap[] = [];
  const add = (name: string, own: Issued, ca: Issued, version: string, context: YamlMap = {}) => {
    clusters.push(
      staticCluster(name, [between], {
        ...upstreamHttp1({}, { max_requests_per_connection: 1 }),
        ...socket(
          "UpstreamTlsContext",
          own,
          ca,
          { sni: "server.test", ...context },
          { tls_maximum_protocol_version: version },
        ),
      }),
    );
    routes.push({ ...toCluster(name), match: { prefix: `/${name}` } });
  };
  for (const version of VERSIONS) {
    const { first, second } = mesh.of;
    add(`first-${version}`, first, mesh.ca, version);
    add(`second-${version}`, second, mesh.ca, version);
    add(`wrong-${version}`, first, stranger, version);
    add(`none-${version}`, first, mesh.ca, version, { max_session_keys: 0 });
  }
  const peer = { key: "x-peer", value: "%DOWNSTREAM_PEER_URI_SAN%" };
  const answer = {
    match: { prefix: "/" },
    direct_response: { status: 200 },
    response_headers_to_add: [{ header: peer }],
  };
  const context = { require_client_certificate: true };
  const inbound = secured(
    httpListener("in", between, { route_config: anyHost("all", [answer]) }),
    socket("DownstreamTlsContext", mesh.of.server, mesh.ca, context),
  );
  const outbound = httpListener("out", port, { route_config: anyHost("all", routes) });
  return { ...bootstrap([inbound, outbound], clusters, 0), admin: { address: address(0) } };
}

describe.each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))(
  "on %s",
  (name, runtime) => {
    let sidecar: SidecarProcess;
    let port = 0;
    let between = 0;

    beforeAll(async () => {
      [port, between] = await freePorts(2);
      sidecar = await new SidecarProcess(runtime, workspace, document(port, between), [
        "-l",
        "warning",
      ]).ready();
    }, 30_000);
    afterAll(() => sidecar.kill());

    for (const version of VERSIONS) {
      test(`clusters that speak ${version}`, async () => {
        const ask = async (cluster: string, times: number, peer: string) => {
          for (let i = 0; i < times; i++) {
            const answer = await fetch(`http://127.0.0.1:${port}/${cluster}-${version}`);
            await answer.text();
            expect([answer.status, answer.headers.get("x-peer") ?? ""]).toEqual([
              peer === "" ? 503 : 200,
              peer,
            ]);
          }
        };
        const ssl = (what: string) => (cluster: string) =>
          sidecar.stat(`cluster.${cluster}-${version}.ssl.${what}`);
        const before = await sidecar.stat(`listener.127.0.0.1_${between}.ssl.session_reused`);
        const first = identity("first");
        await ask("first", 4, first);
        // The same server by the same name: another certificate, other authorities, no sessions at all.
        await ask("second", 4, identity("second"));
        await ask("wrong", 2, "");
        await ask("none", 3, first);
        await ask("first", 2, first);
        const clusters = ["first", "second", "none", "wrong"];
        const resumed = RESUMING.includes(name) ? [5, 3, 0, 0] : [0, 0, 0, 0];
        expect(await Promise.all(clusters.map(ssl("handshake")))).toEqual([6, 4, 3, 0]);
        expect(await Promise.all(clusters.map(ssl("session_reused")))).toEqual(resumed);
        expect(await sidecar.stat(`listener.127.0.0.1_${between}.ssl.session_reused`)).toBe(
          before + resumed.reduce((sum, each) => sum + each),
        );
      }, 30_000);
    }
  },
);
