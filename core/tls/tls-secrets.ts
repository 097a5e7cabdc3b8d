/**
 * What the TLS of a listener or cluster comes to with the secrets that are there now: the certificates to show, and
 * the judge of those that are shown. One per worker; the same configuration with the same secrets gives the same
 * object, so whoever holds it knows by comparing whether there is something new.
 *
 * Laws: a secret that has not arrived makes the whole unusable, never laxer; a secret that is rotated makes a new
 * object for the connections that come, and changes nothing about those that are there.
 */
import type { ConfigFault } from "../config/config-fault.ts";
import type { CommonTls, Secret, TlsCertificate, TlsValidation } from "../config/tls.ts";
import type { Cryptography } from "../io/cryptography.ts";
import type { Certificate } from "./certificate.ts";
import type { KnownIssuers } from "./known-issuers.ts";
import { PeerJudge, readAnchors } from "./peer-judge.ts";

/** Certificates and rules, as they are in force. */
export interface TlsMaterial {
  /** Equal versions are the same content. */
  readonly version: string;
  readonly certificates: readonly TlsCertificate[];
  /** The leaf of each of `certificates`, read. */
  readonly identities: readonly Certificate[];
  /** Null: peers are not asked who they are. */
  readonly judge: PeerJudge | null;
  /** What the judge goes by. */
  readonly validation: TlsValidation | null;
  /** When the first certificate that this rests on expires, Unix time in ms; +Infinity if there is none. */
  readonly expires: number;
}

export class TlsSecrets {
  private readonly cryptography: Cryptography;
  private readonly issuers: KnownIssuers | null;
  private secrets = new Map<string, Secret>();
  private readonly made = new Map<string, TlsMaterial>();

  /** `issuers`: see `PeerJudge`; for clients, whose sessions are ours. */
  constructor(cryptography: Cryptography, issuers: KnownIssuers | null = null) {
    this.cryptography = cryptography;
    this.issuers = issuers;
  }

  /** Takes the secrets of a new snapshot. What nobody asks for any more is forgotten. */
  update(secrets: readonly Secret[]): void {
    this.secrets = new Map(secrets.map((secret) => [secret.name, secret]));
    const versions = new Set(secrets.map(({ name, version }) => `${name} ${version}`));
    for (const [key, { version }] of this.made)
      if (version.split("\n").some((part) => part !== "" && !versions.has(part))) this.made.delete(key);
  }

  /**
   * What `tls` comes to, or null: a secret is not there, and no connection can be had (Envoy's
   * `…_context_secrets_not_ready`). `owner`: name and version of the listener or cluster and which socket of it, so
   * that the same question gets the same object. `peerIs`: the other side.
   */
  resolve(owner: string, tls: CommonTls, peerIs: "client" | "server"): TlsMaterial | null {
    const used = secretsOf(tls, this.secrets);
    if (used === null) return null;
    const version = used.map(({ name, version }) => `${name} ${version}`).join("\n");
    const known = this.made.get(owner);
    if (known !== undefined && known.version === version) return known;
    const material = this.make(tls, used, version, peerIs);
    this.made.set(owner, material);
    return material;
  }

  /** Forgets what was made for an owner that is gone. */
  release(owner: string): void {
    this.made.delete(owner);
  }

  /** When the first certificate of all that is in use expires (`server.days_until_first_cert_expiring`). */
  get expires(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { expires } of this.made.values()) first = Math.min(first, expires);
    return first;
  }

  private make(
    tls: CommonTls,
    used: readonly Secret[],
    version: string,
    peerIs: "client" | "server",
  ): TlsMaterial {
    const certificates = [...tls.certificates, ...used.flatMap(({ certificate }) => certificate ?? [])];
    const asked = "requireClientCertificate" in tls && tls.requireClientCertificate === true;
    const validation = validationOf(tls, used) ?? (asked ? ANY_CERTIFICATE : null);
    const faults: ConfigFault[] = []; // there is none: each part was checked when it was read
    const issuers = peerIs === "client" ? this.issuers : null;
    const judge =
      validation === null ? null : new PeerJudge(validation, peerIs, this.cryptography, faults, issuers);
    const identities = certificates.flatMap(({ chain }) => readAnchors(chain, "", faults).slice(0, 1));
    return {
      version,
      certificates,
      identities,
      judge,
      validation,
      expires: Math.min(
        judge?.expires ?? Number.POSITIVE_INFINITY,
        ...identities.map((each) => each.notAfter),
      ),
    };
  }
}

/** A client has to show one, and nothing is asked of it: it is let in, and not believed. */
const ANY_CERTIFICATE: TlsValidation = {
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

/** The secrets that `tls` names, those of certificates first; null = one is not there, or is of another kind. */
export function secretsOf(tls: CommonTls, secrets: ReadonlyMap<string, Secret>): readonly Secret[] | null {
  const used: Secret[] = [];
  for (const name of tls.certificateSecrets) {
    const secret = secrets.get(name);
    if (secret === undefined || secret.certificate === null) return null;
    used.push(secret);
  }
  for (const name of [tls.ownValidationSecret ?? "", tls.validationSecret]) {
    if (name === "") continue;
    const secret = secrets.get(name);
    if (secret === undefined || secret.validation === null) return null;
    used.push(secret);
  }
  return used;
}

/** How peers are judged; null = they are not. `used`: see `secretsOf`. */
export function validationOf(tls: CommonTls, used: readonly Secret[]): TlsValidation | null {
  const called = (wanted = "") =>
    used.find(({ name, validation }) => name === wanted && validation !== null)?.validation ?? null;
  return combined(tls.validation ?? called(tls.ownValidationSecret), called(tls.validationSecret));
}

/** As protobuf merges two messages, which is what Envoy does: lists one behind the other, the delivered value wins. */
function combined(own: TlsValidation | null, delivered: TlsValidation | null): TlsValidation | null {
  if (own === null || delivered === null) return own ?? delivered;
  const { trustedCaFile } = delivered.trustedCa === "" ? own : delivered;
  return {
    trustedCa: delivered.trustedCa || own.trustedCa,
    ...(trustedCaFile === undefined ? {} : { trustedCaFile }),
    trustDomains: delivered.trustDomains ?? own.trustDomains,
    names: [...own.names, ...delivered.names],
    certificateHashes: [...own.certificateHashes, ...delivered.certificateHashes],
    publicKeyHashes: [...own.publicKeyHashes, ...delivered.publicKeyHashes],
    crl: delivered.crl || own.crl,
    crlOfLeafOnly: own.crlOfLeafOnly || delivered.crlOfLeafOnly,
    allowExpired: own.allowExpired || delivered.allowExpired,
    acceptUntrusted: own.acceptUntrusted || delivered.acceptUntrusted,
    maxDepth: Math.min(own.maxDepth, delivered.maxDepth),
  };
}
