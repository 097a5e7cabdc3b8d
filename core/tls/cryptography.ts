/** How certificates say that they were signed (RFC 5280 4.1.1.2): which ways are believed. */
import type { SignatureScheme } from "../io/cryptography.ts";
import { DerReader, readDer, SEQUENCE } from "./der.ts";

const scheme = (kind: SignatureScheme["kind"], hash: SignatureScheme["hash"]): SignatureScheme => ({
  kind,
  hash,
  saltLength: 0,
});

/** What is accepted: nothing with MD5, SHA-1 or DSA. */
const SCHEMES: { readonly [identifier: string]: SignatureScheme } = {
  "1.2.840.113549.1.1.11": scheme("rsa", "sha256"),
  "1.2.840.113549.1.1.12": scheme("rsa", "sha384"),
  "1.2.840.113549.1.1.13": scheme("rsa", "sha512"),
  "1.2.840.10045.4.3.2": scheme("ecdsa", "sha256"),
  "1.2.840.10045.4.3.3": scheme("ecdsa", "sha384"),
  "1.2.840.10045.4.3.4": scheme("ecdsa", "sha512"),
  "1.3.101.112": scheme("eddsa", ""),
};
const RSA_PSS = "1.2.840.113549.1.1.10";
const HASHES: { readonly [identifier: string]: SignatureScheme["hash"] } = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};

/** The scheme that an AlgorithmIdentifier (DER) names, or null: it is weak, or not known. */
export function signatureScheme(algorithm: Uint8Array): SignatureScheme | null {
  const read = readDer(() => {
    const sequence = new DerReader(algorithm).open(SEQUENCE);
    const identifier = sequence.objectIdentifier();
    return identifier === RSA_PSS ? pssScheme(sequence) : (SCHEMES[identifier] ?? null);
  });
  return typeof read === "string" ? null : read;
}

/** RFC 4055 3.1. The mask must use the same hash; every field is given, for the defaults are SHA-1. */
function pssScheme(sequence: DerReader): SignatureScheme | null {
  const parameters = sequence.open(SEQUENCE);
  const hash = HASHES[parameters.open(0xa0).open(SEQUENCE).objectIdentifier()];
  const mask = parameters.open(0xa1).open(SEQUENCE);
  const generator = mask.objectIdentifier();
  const maskHash = HASHES[mask.open(SEQUENCE).objectIdentifier()];
  const saltLength = parameters.open(0xa2).smallInteger();
  if (hash === undefined || maskHash !== hash || generator !== "1.2.840.113549.1.1.8") return null;
  return saltLength > 64 ? null : { kind: "rsa-pss", hash, saltLength };
}
