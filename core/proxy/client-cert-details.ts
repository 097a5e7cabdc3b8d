/**
 * `x-forwarded-client-cert`: what the next one is told of the client's certificate, in Envoy's format: elements split
 * by ",", each a list of `key=value` split by ";". Who writes the field is decided by `forward_client_cert_details`.
 *
 *   mode                 client showed a certificate          it did not
 *   SANITIZE             removed                              removed
 *   FORWARD_ONLY         as it came                           removed
 *   APPEND_FORWARD       our element behind what came         removed
 *   SANITIZE_SET         our element alone                    removed
 *   ALWAYS_FORWARD_ONLY  as it came                           as it came
 */
import type { ClientCertDetails, HttpConnectionManager } from "../config/model.ts";
import type { Fields } from "../http/fields.ts";
import { known } from "../http/names.ts";
import { urlEncodedPem } from "../http/tls-operators.ts";
import type { Peer } from "../tls/peer.ts";

const XFCC = known("x-forwarded-client-cert");

/**
 * Our element, once per connection. `localUris`: the URIs of the certificate that was shown to the client. The order of
 * the keys is Envoy's.
 */
export function clientCertElement(
  details: ClientCertDetails,
  peer: Peer,
  localUris: readonly string[],
): string {
  const { uri, dns } = peer.names;
  const parts = localUris.map((local) => `By=${quoted(local)}`);
  parts.push(`Hash=${peer.sha256}`);
  if (details.cert) parts.push(`Cert="${urlEncodedPem(peer.pem)}"`);
  if (details.chain) parts.push(`Chain="${urlEncodedPem(peer.chainPem)}"`);
  // RFC 2253 text has its quotes escaped. It is there even if it is empty.
  if (details.subject) parts.push(`Subject="${peer.subject}"`);
  if (details.uri) {
    if (uri.length === 0) parts.push("URI=");
    for (const each of uri) parts.push(`URI=${quoted(each)}`);
  }
  if (details.dns) for (const each of dns) parts.push(`DNS=${quoted(each)}`);
  return parts.join(";");
}

/** Applies the mode. `element`: see `clientCertElement`; null = the client showed no certificate. */
export function forwardClientCert(
  fields: Fields,
  mode: HttpConnectionManager["forwardClientCertDetails"],
  element: string | null,
): void {
  if (mode === "ALWAYS_FORWARD_ONLY") return;
  if (mode === "SANITIZE" || element === null) {
    fields.removeId(XFCC);
    return;
  }
  if (mode === "FORWARD_ONLY") return;
  const before = mode === "APPEND_FORWARD" ? fields.getId(XFCC) : null;
  fields.setId(XFCC, before === null || before === "" ? element : `${before},${element}`);
}

/** A name must not look like the end of its element, or like another one. Envoy leaves it as it is. */
function quoted(value: string): string {
  return /[,;"\\]/.test(value) ? `"${value.replace(/[\\"]/g, "\\$&")}"` : value;
}
