/**
 * What certificates and lists of revoked ones have in common (RFC 5280 4.1.1, 4.2 and 5.1.1): they are signed, have
 * extensions, and name certificates by serial numbers, which are compared between the two. Knows nothing of what
 * stands in either. Throws `DerFault`, as der.ts does.
 */
import { BOOLEAN, DerFault, DerReader, hex, OCTET_STRING, SEQUENCE } from "./der.ts";

/** A document with its signature. */
export interface SignedDocument {
  /** What was signed. */
  readonly signedPart: Uint8Array;
  /** AlgorithmIdentifier in DER. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
}

/** One extension; `value` is a reader of what is in it. */
export interface Extension {
  /** Object identifier. */
  readonly identifier: string;
  readonly critical: boolean;
  readonly value: DerReader;
}

/** Takes a whole document apart. */
export function openSigned(der: Uint8Array): SignedDocument {
  const outer = new DerReader(der);
  const document = outer.open(SEQUENCE);
  outer.finish();
  const signedPart = document.whole();
  const signatureAlgorithm = document.whole();
  const signature = document.octets();
  document.finish();
  return { signedPart, signatureAlgorithm, signature };
}

/** Reads the algorithm that the signed part names as well: it must be the same one. */
export function confirmAlgorithm(body: DerReader, { signatureAlgorithm }: SignedDocument): void {
  if (hex(body.whole()) !== hex(signatureAlgorithm)) throw new DerFault("names two signature algorithms");
}

/** A serial number: lower-case hexadecimal without leading zero bytes, as Envoy writes it. */
export function readSerial(reader: DerReader): string {
  return hex(reader.integer()).replace(/^(00)+(?=..)/, "");
}

/** The next of a list of extensions. */
export function readExtension(list: DerReader): Extension {
  const extension = list.open(SEQUENCE);
  const identifier = extension.objectIdentifier();
  const critical = extension.tag === BOOLEAN ? extension.boolean() : false;
  const value = extension.open(OCTET_STRING);
  extension.finish();
  return { identifier, critical, value };
}
