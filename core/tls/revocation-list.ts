/**
 * Lists of revoked certificates (RFC 5280 5) as data. Only complete lists that speak of their signer's own certificates
 * are taken: deltas and indirect lists are marked critical, and whatever is critical and not understood is refused.
 */
import {
  BOOLEAN,
  DerFault,
  DerReader,
  GENERALIZED_TIME,
  hex,
  INTEGER,
  OCTET_STRING,
  readDer,
  SEQUENCE,
  UTC_TIME,
} from "./der.ts";

export interface RevocationList {
  /** DER, for comparing. */
  readonly issuerName: Uint8Array;
  readonly signedPart: Uint8Array;
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  /** Unix time in ms. */
  readonly thisUpdate: number;
  /** Unix time in ms; +Infinity if it does not say. */
  readonly nextUpdate: number;
  /** Serial numbers, lower-case hexadecimal without leading zero bytes. */
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
  const outer = new DerReader(der);
  const list = outer.open(SEQUENCE);
  outer.finish();
  const signedPart = list.whole();
  const signatureAlgorithm = list.whole();
  const signature = list.octets();
  list.finish();

  const body = new DerReader(signedPart).open(SEQUENCE);
  if (body.tag === INTEGER && body.smallInteger() !== 1) throw new DerFault("has an unknown version");
  if (hex(body.whole()) !== hex(signatureAlgorithm)) throw new DerFault("names two signature algorithms");
  const issuerName = body.whole();
  const thisUpdate = body.time();
  const dated = body.tag === UTC_TIME || body.tag === GENERALIZED_TIME;
  const nextUpdate = dated ? body.time() : Number.POSITIVE_INFINITY;
  const revoked = new Set<string>();
  const entries = body.openIf(SEQUENCE);
  while (entries !== null && !entries.done) {
    const entry = entries.open(SEQUENCE);
    revoked.add(hex(entry.integer()).replace(/^(00)+(?=..)/, ""));
    entry.time();
    if (!entry.done) refuseCritical(entry.open(SEQUENCE));
    entry.finish();
  }
  const extensions = body.openIf(0xa0);
  if (extensions !== null) refuseCritical(extensions.open(SEQUENCE));
  body.finish();
  return { issuerName, signedPart, signatureAlgorithm, signature, thisUpdate, nextUpdate, revoked };
}

function refuseCritical(list: DerReader): void {
  while (!list.done) {
    const extension = list.open(SEQUENCE);
    const identifier = extension.objectIdentifier();
    const critical = extension.tag === BOOLEAN ? extension.boolean() : false;
    extension.content(OCTET_STRING);
    extension.finish();
    if (critical) throw new DerFault(`has critical extension ${identifier}, which is not understood`);
  }
}
