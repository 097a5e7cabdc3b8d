/** `/certs`: the certificates that are shown and trusted, in Envoy's JSON. No key is ever near this. */
import type { ListedCertificate } from "../../../core/tls/certificate-inventory.ts";
import { type ContextCertificates, daysUntil } from "../certificates.ts";

/** `envoy.admin.v3.Certificates` as of a Unix time in ms: an entry for each TLS context. */
export function certsPage(contexts: readonly ContextCertificates[], now: number): object {
  return {
    certificates: contexts.map(({ shown, trusted }) => ({
      ca_cert: trusted.map((each) => details(each, now)),
      cert_chain: shown.map((each) => details(each, now)),
    })),
  };
}

function details({ file, trustDomain, certificate }: ListedCertificate, now: number): object {
  const path = file === "" ? "<inline>" : file;
  const { dns, uri, ip } = certificate.names;
  return {
    path: trustDomain === "" ? path : `${trustDomain}: ${path}`,
    serial_number: certificate.serial,
    subject_alt_names: [
      ...dns.map((name) => ({ dns: name })),
      ...uri.map((name) => ({ uri: name })),
      ...ip.map((name) => ({ ip_address: name })),
    ],
    days_until_expiration: String(daysUntil(certificate, now)),
    valid_from: time(certificate.notBefore),
    expiration_time: time(certificate.notAfter),
  };
}

/** RFC 3339, to the second. */
function time(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
