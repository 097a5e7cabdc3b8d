/**
 * The core's `Cryptography` by `node:crypto`, which Bun, Node and Deno have alike. Knows nothing of certificates.
 */
import { constants, createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import type { Cryptography, SignatureScheme } from "../core/io/cryptography.ts";

/** Least bits of an RSA key that is believed (NIST SP 800-131A). */
const MIN_RSA_BITS = 2048;

/** See `Cryptography`. */
export const hostCryptography: Cryptography = {
  sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),

  verify: (scheme, publicKey, message, signature) => {
    try {
      // `Buffer.from` on a view copies nothing; Deno's readers want a Buffer.
      const der = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength);
      const key = createPublicKey({ key: der, format: "der", type: "spki" });
      return (
        isOf(scheme, key) &&
        verify(scheme.hash === "" ? null : scheme.hash, message, options(scheme, key), signature)
      );
    } catch {
      return false; // a key or signature that makes no sense
    }
  },
};

/** Whether the key is one of the scheme's kind, and long enough. */
function isOf({ kind }: SignatureScheme, key: KeyObject): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails } = key;
  switch (kind) {
    case "rsa":
    case "rsa-pss": {
      const bits = asymmetricKeyDetails?.modulusLength ?? 0;
      return (type === "rsa" || (type === "rsa-pss" && kind === "rsa-pss")) && bits >= MIN_RSA_BITS;
    }
    case "ecdsa":
      return type === "ec";
    case "eddsa":
      return type === "ed25519";
  }
}

function options({ kind, saltLength }: SignatureScheme, key: KeyObject): Parameters<typeof verify>[2] {
  if (kind === "rsa") return { key, padding: constants.RSA_PKCS1_PADDING };
  if (kind === "rsa-pss") return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  return kind === "ecdsa" ? { key, dsaEncoding: "der" } : { key };
}
