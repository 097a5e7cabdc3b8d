/**
 * TLS 1.3 in the bootstrap: what a filter chain and a cluster are given. Who has to show a certificate has to have the
 * other's SPIFFE ID in it, too. Everything else is the default; so tickets are given out, and sessions resumed.
 */
import type { Certificate } from "./certificate.ts";
import type { TlsPort } from "./topology.ts";

const ONLY_1_3 = { tls_minimum_protocol_version: "TLSv1_3", tls_maximum_protocol_version: "TLSv1_3" };

/** For the filter chain of its own port. */
export function ownTls({ identities, use }: TlsPort): object {
  const { ca, server, client } = identities;
  return {
    transport_socket: {
      name: "envoy.transport_sockets.tls",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        ...(use === "server" ? {} : { require_client_certificate: true }),
        common_tls_context: {
          tls_params: ONLY_1_3,
          alpn_protocols:
            use === "pair-http2" ? ["h2"] : use === "server" ? ["h2", "http/1.1"] : ["http/1.1"],
          tls_certificates: [filesOf(server)],
          ...(use === "server" ? {} : { validation_context: peerIs(ca, client) }),
        },
      },
    },
  };
}

/** For the cluster that is the other one of a pair. */
export function peerCluster({ identities, use }: TlsPort): object {
  const { ca, server, client } = identities;
  return {
    transport_socket: {
      name: "envoy.transport_sockets.tls",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context: {
          tls_params: ONLY_1_3,
          alpn_protocols: [use === "pair-http2" ? "h2" : "http/1.1"],
          tls_certificates: [filesOf(client)],
          validation_context: peerIs(ca, server),
        },
      },
    },
  };
}

function filesOf({ chain, key }: Certificate) {
  return { certificate_chain: { filename: chain }, private_key: { filename: key } };
}

function peerIs(ca: string, { uri }: Certificate) {
  return {
    trusted_ca: { filename: ca },
    match_typed_subject_alt_names: [{ san_type: "URI", matcher: { exact: uri } }],
  };
}
