/**
 * What the core cannot compute by itself: digests and signatures. Implemented once per process by the runtime's own
 * library; synchronous, because no byte of a peer is handled before it was judged.
 */

/** How something was signed. */
export interface SignatureScheme {
  readonly kind: "rsa" | "rsa-pss" | "ecdsa" | "eddsa";
  /** "" for eddsa. */
  readonly hash: "sha256" | "sha384" | "sha512" | "";
  /** Bytes; for rsa-pss. */
  readonly saltLength: number;
}

export interface Cryptography {
  /** 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array;
  /** Whether `signature` on `message` was made with the key of which `publicKey` is the SubjectPublicKeyInfo (DER). */
  verify(scheme: SignatureScheme, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}
