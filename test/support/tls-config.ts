/** Parts of a TLS context's configuration, as small as they can be: a test says what it is about. */
import type { TlsCertificate, TlsParameters, TlsValidation } from "../../core/config/tls.ts";
import type { Issued } from "./certificates.ts";

export const PARAMETERS: TlsParameters = {
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  cipherSuites: [],
  curves: [],
  signatureAlgorithms: [],
};

/** Trusts nobody and asks for nothing. */
export const VALIDATION: TlsValidation = {
  trustedCa: "",
  trustDomains: null,
  names: [],
  certificateHashes: [],
  publicKeyHashes: [],
  crl: "",
  crlOfLeafOnly: false,
  allowExpired: false,
  acceptUntrusted: false,
  maxDepth: 100,
};

export function trusting(ca: Issued, change: Partial<TlsValidation> = {}): TlsValidation {
  return { ...VALIDATION, trustedCa: ca.pem, ...change };
}

/** What a socket shows. */
export function shown({ pem, keyPem }: Issued): TlsCertificate {
  return { chain: pem, privateKey: keyPem, password: "" };
}
