/**
 * Two real sidecars with mutual TLS and HTTP/2 between them, as in a mesh: one beside the client, in plain text to it, one
 * beside the server. Certificates stand in the configurations, and are good by the machine's clock.
 */
import {
  anyHost,
  bootstrap,
  httpListener,
  staticCluster,
  toCluster,
  upstreamHttp2,
  type YamlMap,
} from "./bootstrap.ts";
import { type Issued, rootCa, workload } from "./certificates.ts";
import { freePorts } from "./child-process.ts";
import { type OurProxy, startTulle } from "./our-proxy.ts";

const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const HOUR = 3_600_000;

/** A workload's name in the stories of real processes. */
export const identity = (name: string): string => `spiffe://mesh.test/ns/a/sa/${name}`;

/** A CA and who it vouches for, by name, from an hour ago for an hour. */
export async function vouchedFor(
  ...names: readonly string[]
): Promise<{ readonly ca: Issued; readonly of: { readonly [name: string]: Issued } }> {
  const valid = { from: Date.now() - HOUR, until: Date.now() + HOUR };
  const ca = await rootCa("CN=mesh", valid);
  const issued = await Promise.all(names.map((name) => workload(ca, identity(name), valid)));
  return { ca, of: Object.fromEntries(names.map((name, i) => [name, issued[i]])) };
}

/** Shows `own`, accepts nobody but `peer`. `type`: of the TLS context. */
export function mutualTls(
  type: "DownstreamTlsContext" | "UpstreamTlsContext",
  own: Issued,
  ca: Issued,
  peer: string,
  alpn: readonly string[],
): YamlMap {
  const common: YamlMap = {
    alpn_protocols: alpn,
    tls_params: { tls_maximum_protocol_version: "TLSv1_3" },
    tls_certificates: [
      { certificate_chain: { inline_string: own.pem }, private_key: { inline_string: own.keyPem } },
    ],
    validation_context: {
      trusted_ca: { inline_string: ca.pem },
      match_typed_subject_alt_names: [{ san_type: "URI", matcher: { exact: identity(peer) } }],
    },
  };
  const demanding = type === "DownstreamTlsContext" ? { require_client_certificate: true } : {};
  const typed_config = { "@type": `${TLS}.${type}`, common_tls_context: common, ...demanding };
  return { transport_socket: { name: "envoy.transport_sockets.tls", typed_config } };
}

/** A listener with TLS. */
export function secured(listener: YamlMap, tls: YamlMap): YamlMap {
  const [chain] = listener.filter_chains as readonly YamlMap[];
  return { ...listener, filter_chains: [{ ...chain, ...tls }] };
}

/** The two, and where they are. */
export interface SidecarPair {
  /** Where clients connect, in plain text. */
  readonly port: number;
  readonly clientAdmin: number;
  readonly serverAdmin: number;
  stop(): Promise<void>;
}

/** Starts both on that runtime, in front of a server that speaks HTTP/2 on `origin`. Requests have no timeout. */
export async function startSidecarPair(runtime: string, origin: number): Promise<SidecarPair> {
  const [port, between, clientAdmin, serverAdmin] = await freePorts(4);
  const { ca, of } = await vouchedFor("client", "server");
  const routes = (cluster: string) => ({
    codec_type: "HTTP2",
    route_config: anyHost("all", [toCluster(cluster, { timeout: "0s" })]),
  });
  const inbound = bootstrap(
    [
      secured(
        httpListener("in", between, routes("app")),
        mutualTls("DownstreamTlsContext", of.server, ca, "client", ["h2"]),
      ),
    ],
    [staticCluster("app", [origin], upstreamHttp2())],
    serverAdmin,
  );
  const outbound = bootstrap(
    [httpListener("out", port, routes("peer"))],
    [
      staticCluster("peer", [between], {
        ...upstreamHttp2(),
        ...mutualTls("UpstreamTlsContext", of.client, ca, "server", ["h2"]),
      }),
    ],
    clientAdmin,
  );
  const proxies: OurProxy[] = [await startTulle(inbound, between, runtime)];
  const stop = async () => {
    for (const proxy of proxies.splice(0)) await proxy.stop();
  };
  try {
    proxies.unshift(await startTulle(outbound, port, runtime));
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, clientAdmin, serverAdmin, stop };
}
