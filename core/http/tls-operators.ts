/**
 * `%…%` operators about the TLS of the client's connection and of the upstream's, in Envoy's words; null where there is
 * nothing to say.
 */
import type { PeerView, StreamInfo, TlsView } from "./stream-info.ts";

type Operator = (info: StreamInfo) => string | null;

const ofSide =
  (side: "downstreamTls" | "upstreamTls") =>
  (read: (tls: TlsView) => string): Operator =>
  (info) => {
    const tls = info[side];
    return tls == null ? null : read(tls) || null;
  };

const ofTls = ofSide("downstreamTls");
const ofUpstream = ofSide("upstreamTls");

const ofPeer = (read: (peer: PeerView) => string): Operator =>
  ofTls(({ peer }) => (peer === null ? "" : read(peer)));

const list = (names: readonly string[]) => names.join(",");
const time = (unixMs: number) => new Date(unixMs).toISOString();

/** PEM as it may stand in a header: line breaks, spaces and Base64's signs as `%XX`. */
export function urlEncodedPem(pem: string): string {
  return pem.replace(/[\n +/=]/g, (character) => ENCODED[character]);
}

const ENCODED: { readonly [character: string]: string } = {
  "\n": "%0A",
  " ": "%20",
  "+": "%2B",
  "/": "%2F",
  "=": "%3D",
};

/** Operators without parameters, by name. */
export const TLS_OPERATORS: readonly (readonly [string, Operator])[] = [
  ["DOWNSTREAM_TLS_VERSION", ofTls(({ version }) => version)],
  ["DOWNSTREAM_TLS_CIPHER", ofTls(({ cipher }) => cipher)],
  ["DOWNSTREAM_LOCAL_URI_SAN", ofTls(({ local }) => list(local?.names.uri ?? []))],
  ["DOWNSTREAM_LOCAL_DNS_SAN", ofTls(({ local }) => list(local?.names.dns ?? []))],
  ["DOWNSTREAM_LOCAL_IP_SAN", ofTls(({ local }) => list(local?.names.ip ?? []))],
  ["DOWNSTREAM_LOCAL_EMAIL_SAN", ofTls(({ local }) => list(local?.names.email ?? []))],
  ["DOWNSTREAM_LOCAL_SUBJECT", ofTls(({ local }) => local?.subject ?? "")],
  ["DOWNSTREAM_PEER_URI_SAN", ofPeer(({ names }) => list(names.uri))],
  ["DOWNSTREAM_PEER_DNS_SAN", ofPeer(({ names }) => list(names.dns))],
  ["DOWNSTREAM_PEER_IP_SAN", ofPeer(({ names }) => list(names.ip))],
  ["DOWNSTREAM_PEER_EMAIL_SAN", ofPeer(({ names }) => list(names.email))],
  ["DOWNSTREAM_PEER_SUBJECT", ofPeer(({ subject }) => subject)],
  ["DOWNSTREAM_PEER_ISSUER", ofPeer(({ issuer }) => issuer)],
  ["DOWNSTREAM_PEER_SERIAL", ofPeer(({ certificate }) => certificate.serial)],
  ["DOWNSTREAM_PEER_FINGERPRINT_256", ofPeer(({ sha256 }) => sha256)],
  ["DOWNSTREAM_PEER_CERT", ofPeer(({ pem }) => urlEncodedPem(pem))],
  ["DOWNSTREAM_PEER_CERT_V_START", ofPeer(({ certificate }) => time(certificate.notBefore))],
  ["DOWNSTREAM_PEER_CERT_V_END", ofPeer(({ certificate }) => time(certificate.notAfter))],
  ["UPSTREAM_TLS_VERSION", ofUpstream(({ version }) => version)],
  ["UPSTREAM_TLS_CIPHER", ofUpstream(({ cipher }) => cipher)],
  ["UPSTREAM_PEER_URI_SAN", ofUpstream(({ peer }) => list(peer?.names.uri ?? []))],
  ["UPSTREAM_PEER_DNS_SAN", ofUpstream(({ peer }) => list(peer?.names.dns ?? []))],
  ["UPSTREAM_PEER_SUBJECT", ofUpstream(({ peer }) => peer?.subject ?? "")],
  ["UPSTREAM_PEER_ISSUER", ofUpstream(({ peer }) => peer?.issuer ?? "")],
];
