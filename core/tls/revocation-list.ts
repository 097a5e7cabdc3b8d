/**
 * Lists of revoked certificates (RFC 5280 5) as data. Only complete lists that speak of their signer's own certificates
 * are taken: deltas and indirect lists are marked critical, and whatever is critical and not understood is refused.
 */
import { DerFault, DerReader, GENERALIZED_TIME, INTEGER, readDer, SEQUENCE, UTC_TIME } from "./der.ts";
import {
  confirmAlgorithm,
  openSigned,
  readExtension,
  readSerial,
  type SignedDocument,
} from "./signed-document.ts";

export interface RevocationList extends SignedDocument {
  /** DER, for comparing. */
  readonly issuerName: Uint8Array;
  /** Unix time in ms. */
  readonly thisUpdate: number;
  /** Unix time in ms; +Infinity if it does not say. */
  readonly nextUpdate: number;
  /** Serial numbers, written as `Certificate.serial` is. */
  readonly revoked: ReadonlySet<string>;
}

/** Bytes of one list that is still read. */
const MAX_LIST = 16 << 20;

/** Reads one list; a text is what is wrong with it. */
export function readRevocationList(der: Uint8Array): RevocationList | string {
  if (der.length > MAX_LIST) return `is larger than ${MAX_LIST} bytes`;
  return readDer(() => read(der));
}

function read(der: Uint8Array): RevocationList {
  const signed = openSigned(der);
  const body = new DerReader(signed.signedPart).open(SEQUENCE);
  if (body.tag === INTEGER && body.smallInteger() !== 1) throw new DerFault("has an unknown version");
  confirmAlgorithm(body, signed);
  const issuerName = body.whole();
  const thisUpdate = body.time();
  const dated = body.tag === UTC_TIME || body.tag === GENERALIZED_TIME;
  const nextUpdate = dated ? body.time() : Number.POSITIVE_INFINITY;
  const revoked = new Set<string>();
  const entries = body.openIf(SEQUENCE);
  while (entries !== null && !entries.done) {
    const entry = entries.open(SEQUENCE);
    revoked.add(readSerial(entry));
    entry.time();
    if (!entry.done) refuseCritical(entry.open(SEQUENCE));
    entry.finish();
  }
  const extensions = body.openIf(0xa0);
  if (extensions !== null) refuseCritical(extensions.open(SEQUENCE));
  body.finish();
  return { ...signed, issuerName, thisUpdate, nextUpdate, revoked };
}

function refuseCritical(list: DerReader): void {
  while (!list.done) {
    const { identifier, critical } = readExtension(list);
    if (critical) throw new DerFault(`has critical extension ${identifier}, which is not understood`);
  }
}
