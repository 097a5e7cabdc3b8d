/**
 * Certificates, made while a test runs by @peculiar/x509, which shares no code with ours. Each has every property that
 * a sound one has, and whatever a test changes about it.
 */
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

/** For whoever wants more of it; it must be loaded after "reflect-metadata". */
export { x509 };

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY = 86_400_000;

/** The moment at which all of them are valid, unless they say otherwise. */
export const NOW = Date.UTC(2026, 10, 22, 12);

export type Keys = CryptoKeyPair;

/** Who can sign: a name, a key, and the certificate. */
export interface Issuer {
  readonly subject: string;
  readonly keys: Keys;
  readonly certificate: x509.X509Certificate;
}

/** A certificate with its key. */
export interface Issued extends Issuer {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly keyPem: string;
}

export interface Wish {
  readonly subject?: string;
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly ips?: readonly string[];
  readonly emails?: readonly string[];
  readonly ca?: boolean;
  readonly pathLength?: number;
  /** Null: no such extension. */
  readonly usage?: x509.KeyUsageFlags | null;
  readonly usageCritical?: boolean;
  readonly purposes?: readonly string[] | null;
  readonly from?: number;
  readonly until?: number;
  readonly serial?: string;
  readonly extensions?: readonly x509.Extension[];
  readonly algorithm?: AnyAlgorithm;
  /** To sign with another key than the issuer's. */
  readonly signingKey?: CryptoKey;
}

type AnyAlgorithm = EcKeyGenParams | RsaHashedKeyGenParams | Algorithm;

let serials = 0x1000;

/** A new pair of keys. */
export async function newKeys(algorithm: AnyAlgorithm = ECDSA): Promise<Keys> {
  return (await crypto.subtle.generateKey(algorithm as EcKeyGenParams, true, ["sign", "verify"])) as Keys;
}

/** A CA that signs itself. */
export function rootCa(subject = "CN=root", wish: Wish = {}): Promise<Issued> {
  return make(null, { subject, ca: true, usage: CA_USAGE, purposes: null, ...wish });
}

/** A CA that another one signs. */
export function subCa(issuer: Issuer, subject = "CN=intermediate", wish: Wish = {}): Promise<Issued> {
  return make(issuer, { subject, ca: true, usage: CA_USAGE, purposes: null, ...wish });
}

/** A workload's certificate, sound but for what `wish` says. */
export function workload(
  issuer: Issuer,
  uri = "spiffe://mesh.test/ns/a/sa/b",
  wish: Wish = {},
): Promise<Issued> {
  return make(issuer, { subject: "O=tulle", uris: [uri], ...wish });
}

/** Any certificate. */
export function leaf(issuer: Issuer | null, wish: Wish = {}): Promise<Issued> {
  return make(issuer, { subject: "CN=leaf", ...wish });
}

const { cRLSign, digitalSignature, keyCertSign, keyEncipherment } = x509.KeyUsageFlags;
export const CA_USAGE = keyCertSign | cRLSign;
export const LEAF_USAGE = digitalSignature | keyEncipherment;
export const SERVER = "1.3.6.1.5.5.7.3.1";
export const CLIENT = "1.3.6.1.5.5.7.3.2";

async function make(issuer: Issuer | null, wish: Wish): Promise<Issued> {
  const subject = wish.subject ?? "CN=leaf";
  const algorithm = wish.algorithm ?? ECDSA;
  const keys = await newKeys(algorithm);
  const usage = wish.usage === undefined ? LEAF_USAGE : wish.usage;
  const purposes = wish.purposes === undefined ? [SERVER, CLIENT] : wish.purposes;
  const names = [
    ...(wish.uris ?? []).map((value) => ({ type: "url" as const, value })),
    ...(wish.dns ?? []).map((value) => ({ type: "dns" as const, value })),
    ...(wish.ips ?? []).map((value) => ({ type: "ip" as const, value })),
    ...(wish.emails ?? []).map((value) => ({ type: "email" as const, value })),
  ];
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(wish.ca ?? false, wish.pathLength, true),
    ...(usage === null ? [] : [new x509.KeyUsagesExtension(usage, wish.usageCritical ?? true)]),
    ...(purposes === null ? [] : [new x509.ExtendedKeyUsageExtension([...purposes], false)]),
    ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names, false)]),
    ...(wish.extensions ?? []),
  ];
  const signer = issuer?.keys ?? keys;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: wish.serial ?? (serials++).toString(16),
    subject,
    issuer: issuer?.subject ?? subject,
    notBefore: new Date(wish.from ?? NOW - DAY),
    notAfter: new Date(wish.until ?? NOW + DAY),
    publicKey: keys.publicKey,
    signingKey: wish.signingKey ?? signer.privateKey,
    signingAlgorithm: signingAlgorithm(signer.privateKey),
    extensions,
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    subject,
    keys,
    certificate,
    der: new Uint8Array(certificate.rawData),
    pem: `${certificate.toString("pem")}\n`,
    keyPem: `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`,
  };
}

function signingAlgorithm(key: CryptoKey): EcdsaParams {
  return { ...key.algorithm, hash: "SHA-256", saltLength: 32 } as never;
}

/** A list of revoked serial numbers, as PEM. */
export async function revocationList(
  issuer: Issuer,
  serials: readonly string[],
  wish: { from?: number; until?: number | null; signingKey?: CryptoKey } = {},
): Promise<string> {
  const until = wish.until === undefined ? NOW + DAY : wish.until;
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.subject,
    thisUpdate: new Date(wish.from ?? NOW - DAY),
    ...(until === null ? {} : { nextUpdate: new Date(until) }),
    // With a reason: without one it writes an empty list of extensions, which BoringSSL refuses.
    entries: serials.map((serialNumber) => ({
      serialNumber,
      revocationDate: new Date(NOW - DAY),
      reason: x509.X509CrlReason.superseded,
    })),
    signingAlgorithm: signingAlgorithm(issuer.keys.privateKey),
    signingKey: wish.signingKey ?? issuer.keys.privateKey,
  });
  return `${x509.PemConverter.encode(list.rawData, "X509 CRL")}\n`;
}
