/**
 * One X.509 certificate (RFC 5280 4.1) as data: who it is for, who gave it, what it may be used for. Read once when
 * a peer shows it or a configuration names it. Nothing is believed here: see trust-path.ts.
 *
 * Laws: whatever is not understood and marked critical is kept as `unknownCritical`, and refused by whoever judges;
 * texts of alternative names are ASCII without NUL, so that no reader can see another name than the next one.
 */
import { latin1, lowerCase } from "../bytes/ascii.ts";
import { ipText } from "../bytes/ip-text.ts";
import { BOOLEAN, DerFault, DerReader, readDer, SEQUENCE } from "./der.ts";
import { formatName } from "./distinguished-name.ts";
import {
  confirmAlgorithm,
  openSigned,
  readExtension,
  readSerial,
  type SignedDocument,
} from "./signed-document.ts";

/** Bits of `keyUsage` (RFC 5280 4.2.1.3). */
export const DIGITAL_SIGNATURE = 1 << 0;
export const KEY_CERT_SIGN = 1 << 5;
export const CRL_SIGN = 1 << 6;

/** Purposes (RFC 5280 4.2.1.12). */
export const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
export const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
export const ANY_PURPOSE = "2.5.29.37.0";

/** Bytes of one certificate that is still read. */
export const MAX_CERTIFICATE = 64 * 1024;
/** Alternative names that one certificate may have. */
const MAX_NAMES = 1024;

/** Subject alternative names by kind; all but `other` as text. */
export interface AlternativeNames {
  readonly uri: string[];
  /** Lower case. */
  readonly dns: string[];
  /** RFC 5952 text. */
  readonly ip: string[];
  readonly email: string[];
  /** Other names: kind and value in DER. */
  readonly other: { readonly type: string; readonly value: Uint8Array }[];
  /** Kinds that are nothing of the above, by their tag. */
  readonly unread: number[];
}

/** `permitted` and `excluded` of RFC 5280 4.2.1.10: general names, each with tag and content. */
export interface NameConstraints {
  readonly permitted: readonly Constraint[];
  readonly excluded: readonly Constraint[];
}

export interface Constraint {
  /** Of the general name: 0x81 email, 0x82 DNS, 0xa4 directory name, 0x86 URI, 0x87 IP. */
  readonly tag: number;
  readonly content: Uint8Array;
}

export interface Certificate extends SignedDocument {
  readonly der: Uint8Array;
  /** Lower-case hexadecimal without leading zero bytes, as Envoy writes it. */
  readonly serial: string;
  /** DER, for comparing. */
  readonly issuerName: Uint8Array;
  readonly subjectName: Uint8Array;
  /** RFC 2253 text. */
  readonly issuer: string;
  readonly subject: string;
  /** Unix time in ms, both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  readonly isCa: boolean;
  /** Longest path of CAs below it, -1 = no bound. */
  readonly pathLength: number;
  /** Bits as above, -1 = not said. */
  readonly keyUsage: number;
  readonly keyUsageCritical: boolean;
  /** Object identifiers, null = not said. */
  readonly purposes: readonly string[] | null;
  readonly names: AlternativeNames;
  readonly nameConstraints: NameConstraints | null;
  /** An extension that is critical and not understood, "" = none. */
  readonly unknownCritical: string;
}

/** Reads one certificate; a text is what is wrong with it. `der` is kept and must not change. */
export function readCertificate(der: Uint8Array): Certificate | string {
  if (der.length > MAX_CERTIFICATE) return `is larger than ${MAX_CERTIFICATE} bytes`;
  return readDer(() => read(der));
}

function read(der: Uint8Array): Certificate {
  const signed = openSigned(der);
  const body = new DerReader(signed.signedPart).open(SEQUENCE);
  const version = body.openIf(0xa0)?.smallInteger() ?? 0;
  if (version > 2) throw new DerFault("has an unknown version");
  const serial = readSerial(body);
  confirmAlgorithm(body, signed);
  const issuerName = body.whole();
  const validity = body.open(SEQUENCE);
  const notBefore = validity.time();
  const notAfter = validity.time();
  validity.finish();
  const subjectName = body.whole();
  const publicKey = body.whole();
  body.openIf(0x81);
  body.openIf(0x82);
  const extensions = new Extensions();
  const tagged = body.openIf(0xa3);
  if (tagged !== null) {
    if (version !== 2) throw new DerFault("has extensions and is not of version 3");
    extensions.read(tagged.open(SEQUENCE));
    tagged.finish();
  }
  body.finish();
  return {
    ...signed,
    der,
    serial,
    issuerName,
    subjectName,
    issuer: formatName(issuerName),
    subject: formatName(subjectName),
    notBefore,
    notAfter,
    publicKey,
    isCa: extensions.isCa,
    pathLength: extensions.pathLength,
    keyUsage: extensions.keyUsage,
    keyUsageCritical: extensions.keyUsageCritical,
    purposes: extensions.purposes,
    names: extensions.names,
    nameConstraints: extensions.nameConstraints,
    unknownCritical: extensions.unknownCritical,
  };
}

/** RFC 5280 4.2. */
class Extensions {
  isCa = false;
  pathLength = -1;
  keyUsage = -1;
  keyUsageCritical = false;
  purposes: string[] | null = null;
  readonly names: AlternativeNames = { uri: [], dns: [], ip: [], email: [], other: [], unread: [] };
  nameConstraints: NameConstraints | null = null;
  unknownCritical = "";

  read(list: DerReader): void {
    const seen = new Set<string>();
    while (!list.done) {
      const { identifier, critical, value } = readExtension(list);
      if (seen.has(identifier)) throw new DerFault(`has extension ${identifier} twice`);
      seen.add(identifier);
      if (this.readOne(identifier, critical, value)) value.finish();
      else if (critical && this.unknownCritical === "") this.unknownCritical = identifier;
    }
  }

  /** False if it is not one of those that are understood. */
  private readOne(identifier: string, critical: boolean, value: DerReader): boolean {
    switch (identifier) {
      case "2.5.29.19": {
        const constraints = value.open(SEQUENCE);
        this.isCa = constraints.tag === BOOLEAN ? constraints.boolean() : false;
        if (!constraints.done) this.pathLength = constraints.smallInteger();
        constraints.finish();
        return true;
      }
      case "2.5.29.15":
        this.keyUsage = value.bits();
        this.keyUsageCritical = critical;
        return true;
      case "2.5.29.37": {
        this.purposes = [];
        const purposes = value.open(SEQUENCE);
        while (!purposes.done) this.purposes.push(purposes.objectIdentifier());
        return true;
      }
      case "2.5.29.17": {
        const names = value.open(SEQUENCE);
        for (let count = 0; !names.done; count++) {
          if (count === MAX_NAMES) throw new DerFault("has too many alternative names");
          this.readName(names);
        }
        return true;
      }
      case "2.5.29.30":
        this.nameConstraints = readNameConstraints(value.open(SEQUENCE));
        return true;
      case "2.5.29.32": // policies: none is asked for, so any will do (RFC 5280 6.1.1 c)
        value.skip();
        return true;
      default:
        return false;
    }
  }

  /** A GeneralName (RFC 5280 4.2.1.6). */
  private readName(list: DerReader): void {
    const { names } = this;
    switch (list.tag) {
      case 0x81:
        names.email.push(asciiText(list.content(0x81)));
        return;
      case 0x82:
        names.dns.push(lowerCase(asciiText(list.content(0x82))));
        return;
      case 0x86:
        names.uri.push(asciiText(list.content(0x86)));
        return;
      case 0x87: {
        const ip = ipText(list.content(0x87));
        if (ip === "") throw new DerFault("has an IP address that is none");
        names.ip.push(ip);
        return;
      }
      case 0xa0: {
        const other = list.open(0xa0);
        const type = other.objectIdentifier();
        const value = other.content(0xa0);
        other.finish();
        names.other.push({ type, value });
        return;
      }
      default:
        names.unread.push(list.tag);
        list.skip();
    }
  }
}

function readNameConstraints(sequence: DerReader): NameConstraints {
  const subtrees = (tag: number): Constraint[] => {
    const list = sequence.openIf(tag);
    const found: Constraint[] = [];
    while (list !== null && !list.done) {
      const subtree = list.open(SEQUENCE);
      const base = subtree.tag;
      const content = subtree.content(base);
      subtree.finish(); // RFC 5280 4.2.1.10: no minimum, no maximum
      found.push({ tag: base, content });
      if (found.length > MAX_NAMES) throw new DerFault("has too many name constraints");
    }
    return found;
  };
  const permitted = subtrees(0xa0);
  const excluded = subtrees(0xa1);
  sequence.finish();
  return { permitted, excluded };
}

/** IA5String without controls: a NUL or a line break in a name is there to deceive. */
function asciiText(content: Uint8Array): string {
  for (const byte of content)
    if (byte < 0x20 || byte >= 0x7f) throw new DerFault("has an alternative name that is not text");
  return latin1(content, 0, content.length);
}
