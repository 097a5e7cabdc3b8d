/**
 * Names of subjects and issuers (RFC 5280 4.1.2.4) as text in the form of RFC 2253, as OpenSSL and so Envoy write it:
 * the last part first, `,` between parts and `+` inside one, what is not ASCII as `\XX`.
 */
import { DerFault, DerReader, hex, SEQUENCE, SET } from "./der.ts";

/** Short names of attributes, as OpenSSL has them. */
const SHORT: { readonly [identifier: string]: string } = {
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "street",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.13": "description",
  "2.5.4.17": "postalCode",
  "2.5.4.41": "name",
  "2.5.4.42": "GN",
  "2.5.4.43": "initials",
  "2.5.4.46": "dnQualifier",
  "2.5.4.65": "pseudonym",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "emailAddress",
};

/** Kinds of strings: characters of one byte each, or of two. UTF8String, Numeric, Printable, Teletex, IA5, Visible. */
const ONE_BYTE = [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1a];
const BMP_STRING = 0x1e;
/** Attributes that one name may have. */
const MAX_PARTS = 64;

/** The parts of a name, each as its DER. */
export function relativeNames(name: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const sequence = new DerReader(name).open(SEQUENCE);
  while (!sequence.done) parts.push(sequence.whole());
  if (parts.length > MAX_PARTS) throw new DerFault("has a name of too many parts");
  return parts;
}

/** The name (its DER) as text. Throws `DerFault`. */
export function formatName(name: Uint8Array): string {
  return relativeNames(name).map(formatPart).reverse().join(",");
}

/** One part of a name as text. Throws `DerFault`. */
export function formatPart(part: Uint8Array): string {
  const attributes: string[] = [];
  const set = new DerReader(part).open(SET);
  while (!set.done) attributes.push(formatAttribute(set.open(SEQUENCE)));
  if (attributes.length === 0 || attributes.length > MAX_PARTS)
    throw new DerFault("has a name of a forbidden form");
  return attributes.join("+");
}

function formatAttribute(attribute: DerReader): string {
  const identifier = attribute.objectIdentifier();
  const { tag } = attribute;
  const value = attribute.whole();
  attribute.finish();
  const short = SHORT[identifier];
  if (short === undefined || (!ONE_BYTE.includes(tag) && tag !== BMP_STRING))
    return `${short ?? identifier}=#${hex(value).toUpperCase()}`;
  const content = new DerReader(value).content(tag);
  return `${short}=${escaped(tag === BMP_STRING ? utf8OfBmp(content) : content)}`;
}

function escaped(value: Uint8Array): string {
  let text = "";
  for (let i = 0; i < value.length; i++) {
    const byte = value[i];
    const character = String.fromCharCode(byte);
    const atEdge = (byte === 0x20 && (i === 0 || i === value.length - 1)) || (byte === 0x23 && i === 0); // space, "#"
    if (byte < 0x20 || byte >= 0x7f) text += `\\${hex(value.subarray(i, i + 1)).toUpperCase()}`;
    else text += atEdge || ',+"\\<>;'.includes(character) ? `\\${character}` : character;
  }
  return text;
}

function utf8OfBmp(content: Uint8Array): Uint8Array {
  const out: number[] = [];
  for (let i = 0; i + 1 < content.length; i += 2) {
    const code = (content[i] << 8) | content[i + 1];
    if (code < 0x80) out.push(code);
    else if (code < 0x800) out.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else out.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return Uint8Array.from(out);
}
