/**
 * Says who a peer is and whether it is let in, from the certificates that it showed in the handshake (which has
 * proved that it has the key of the first). One per validation context and version of its secrets; synchronous, so
 * that no byte of a peer is handled before the verdict.
 *
 * Laws:
 * - A certificate that claims a SPIFFE ID is held to the X.509-SVID standard by whichever validator, for its ID will
 *   be believed: one URI, well-formed, of a workload, no CA, no key that signs certificates.
 * - With the SPIFFE validator the bundle of the peer's own trust domain decides, and no other.
 * - Who was let in is remembered for as long as nothing that it rests on expires.
 * - A session that is resumed is judged like a handshake: who must not come any more does not come back by a ticket. What
 *   it may lack is the CAs between the leaf and the trusted one, where the engine remembers the leaf alone; so these are
 *   remembered there, and for it alone. Not where whoever is not trusted is let in as well: whether they were shown when
 *   the session began is not known, and nobody is to be believed more than then.
 */
import { toBase64 } from "../bytes/base64.ts";
import type { ConfigFault } from "../config/config-fault.ts";
import type { TlsValidation } from "../config/tls.ts";
import type { Cryptography } from "../io/cryptography.ts";
import {
  type Certificate,
  CLIENT_AUTH,
  CRL_SIGN,
  DIGITAL_SIGNATURE,
  KEY_CERT_SIGN,
  readCertificate,
  SERVER_AUTH,
} from "./certificate.ts";
import { hex } from "./der.ts";
import type { KnownIssuers } from "./known-issuers.ts";
import { NameMatcher } from "./name-match.ts";
import { Peer } from "./peer.ts";
import type { PeerFault } from "./peer-fault.ts";
import { pemContents } from "./pem.ts";
import { type RevocationList, readRevocationList } from "./revocation-list.ts";
import { claimsSpiffe, readSpiffeId, type SpiffeId } from "./spiffe-id.ts";
import { MAX_SHOWN, TrustPath, type TrustRules } from "./trust-path.ts";

/** Certificates and chains that are remembered; when there are more, all are forgotten. */
const MAX_REMEMBERED = 1024;
/** Before the digest of a leaf that may come alone, in a session that is resumed. */
const RESUMED = "resumed ";

/** What became of a peer. */
export interface PeerVerdict {
  /** Null: it is let in. */
  readonly fault: PeerFault | null;
  /** Which certificate or name the fault is about, or "". */
  readonly detail: string;
  /** Who it is; null if it showed nothing that can be read. `peer.verified` says whether to believe it. */
  readonly peer: Peer | null;
}

interface Remembered {
  readonly verdict: PeerVerdict;
  /** Unix time in ms, both inclusive. */
  readonly from: number;
  readonly until: number;
}

/** What a look at the certificates came to. */
interface Examined {
  readonly fault: PeerFault | null;
  readonly detail: string;
  /** From the leaf to the trusted one; empty if there was none to find. */
  readonly path: readonly Certificate[];
  /** The SPIFFE ID of the leaf; null = it claims none. */
  readonly workload: SpiffeId | null;
}

export class PeerJudge {
  private readonly config: TlsValidation;
  private readonly cryptography: Cryptography;
  private readonly purpose: string;
  private readonly anchors: readonly Certificate[];
  /** By trust domain; null without the SPIFFE validator. */
  private readonly bundles: ReadonlyMap<string, readonly Certificate[]> | null;
  private readonly lists: readonly RevocationList[];
  private readonly names: readonly NameMatcher[];
  private readonly issuers: KnownIssuers | null;
  /** See `KnownIssuers`. */
  private readonly realm: Uint8Array;
  private readonly remembered = new Map<string, Remembered>();

  /**
   * `peerIs`: the other side. What is wrong with the configuration, which was checked before, goes to `faults`, and
   * the judge then lets nobody in who would have needed it. `issuers`: where sessions remember the leaf alone, what
   * others know of those above; null = they remember the whole.
   */
  constructor(
    config: TlsValidation,
    peerIs: "client" | "server",
    cryptography: Cryptography,
    faults: ConfigFault[] = [],
    issuers: KnownIssuers | null = null,
  ) {
    this.config = config;
    this.cryptography = cryptography;
    this.issuers = config.acceptUntrusted ? null : issuers;
    this.purpose = peerIs === "client" ? CLIENT_AUTH : SERVER_AUTH;
    this.anchors = config.trustedCa === "" ? [] : readAnchors(config.trustedCa, "trusted_ca", faults);
    this.bundles =
      config.trustDomains === null
        ? null
        : new Map(
            config.trustDomains.map(({ name, bundle }, i) => [
              name,
              readAnchors(
                bundle,
                `custom_validator_config.typed_config.trust_domains[${i}].trust_bundle`,
                faults,
              ),
            ]),
          );
    const trusted = [this.anchors, ...(this.bundles?.values() ?? [])].flat();
    this.realm = cryptography.sha256(joined(trusted.map(({ der }) => der)));
    this.lists =
      config.crl === "" ? [] : readAll(config.crl, "X509 CRL", "list", readRevocationList, "crl", faults);
    this.names = config.names.map(
      (each, i) => new NameMatcher(each, `match_typed_subject_alt_names[${i}].matcher`, faults),
    );
  }

  /** True if peers have to prove something; if not, any certificate will do and none is believed. */
  get demands(): boolean {
    const { config } = this;
    return this.trusts || config.certificateHashes.length > 0 || config.publicKeyHashes.length > 0;
  }

  /** When the first of the trusted certificates expires, Unix time in ms; +Infinity if there is none. */
  get expires(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const list of [this.anchors, ...(this.bundles?.values() ?? [])])
      for (const { notAfter } of list) first = Math.min(first, notAfter);
    return first;
  }

  private get trusts(): boolean {
    return this.config.trustedCa !== "" || this.bundles !== null;
  }

  /**
   * The verdict on a peer that showed `chain` (DER, leaf first, empty = nothing; kept). `now`: Unix time in ms. Whether
   * a client must show something at all is not asked here but for what it would have to prove. `resumed`: it is what a
   * session remembers.
   */
  judge(chain: readonly Uint8Array[], now: number, resumed = false): PeerVerdict {
    if (chain.length === 0) return { fault: "no_certificate", detail: "", peer: null };
    if (chain.length > MAX_SHOWN) return { fault: "too_many_certificates", detail: "", peer: null };
    const digest = hex(this.cryptography.sha256(joined(chain)));
    const alone = resumed && chain.length === 1 && this.issuers !== null;
    const known = this.remembered.get(digest) ?? (alone ? this.remembered.get(RESUMED + digest) : undefined);
    if (known !== undefined && known.from <= now && now <= known.until) return known.verdict;

    const certificates: Certificate[] = [];
    for (const der of chain) {
      const certificate = readCertificate(der);
      if (typeof certificate === "string") return { fault: "unreadable", detail: certificate, peer: null };
      certificates.push(certificate);
    }
    const verdict = this.judgeCertificates(certificates, now, alone);
    if (verdict.fault === null) {
      const ofLeaf = RESUMED + (verdict.peer?.sha256 ?? "");
      this.remember(alone ? [ofLeaf] : chain.length > 1 ? [digest, ofLeaf] : [digest], verdict, now);
    }
    return verdict;
  }

  /** `alone`: what else was shown when the session began is not known any more. */
  private judgeCertificates(chain: readonly Certificate[], now: number, alone: boolean): PeerVerdict {
    const [leaf] = chain;
    const sha256 = hex(this.cryptography.sha256(leaf.der));
    const others = alone ? this.above(leaf, now) : chain.slice(1);
    const { fault, detail, path, workload } = this.examine(leaf, others, sha256, now);
    const verified = fault === null && this.demands;
    const shown = alone && path.length > 1 ? path.slice(0, -1) : chain;
    const peer = new Peer(shown, sha256, verified, verified ? workload : null, path);
    if (fault !== null && this.config.acceptUntrusted) return { fault: null, detail: "", peer };
    return { fault, detail, peer };
  }

  /** The CAs that `leaf` may have been shown with. */
  private above(leaf: Certificate, now: number): readonly Certificate[] {
    const { config, issuers, realm, cryptography } = this;
    const at = config.allowExpired ? Number.NEGATIVE_INFINITY : now;
    return issuers === null ? [] : issuers.above(leaf, realm, at, cryptography);
  }

  private examine(leaf: Certificate, shown: readonly Certificate[], sha256: string, now: number): Examined {
    const refuse = (fault: PeerFault, detail: string) => ({ fault, detail, path: [], workload: null });
    const { config, bundles } = this;
    let { anchors } = this;
    let workload: SpiffeId | null = null;
    if (bundles !== null || leaf.names.uri.some(claimsSpiffe)) {
      const { fault, detail, id } = readWorkload(leaf);
      if (id === null) return refuse(fault, detail);
      workload = id;
      if (bundles !== null) {
        const bundle = bundles.get(id.trustDomain);
        if (bundle === undefined) return refuse("no_bundle", id.trustDomain);
        anchors = bundle;
      }
    }
    let path: readonly Certificate[] = [];
    if (this.trusts) {
      const way = new TrustPath(this.rules(anchors), this.cryptography, now);
      if (!way.find(leaf, shown)) return refuse(way.fault, way.detail);
      path = way.path;
      const stranger = workload === null ? "" : strangerAmong(path, workload.trustDomain);
      if (stranger !== "") return refuse("issuer_spiffe_id", stranger);
    }
    // Names that nobody vouches for are worth nothing: a secret may have come without the CA that it was to bring.
    else if (config.names.length > 0) return refuse("unknown_issuer", leaf.issuer);
    if (!this.hashFits(leaf, sha256)) return refuse("hash_mismatch", sha256);
    if (config.names.length > 0 && !this.names.some((name) => name.matches(leaf.names)))
      return refuse("name_mismatch", namesText(leaf));
    return { fault: null, detail: "", path, workload };
  }

  private rules(anchors: readonly Certificate[]): TrustRules {
    const { config, lists, purpose } = this;
    return {
      anchors,
      lists,
      listsForLeafOnly: config.crlOfLeafOnly,
      allowExpired: config.allowExpired,
      maxDepth: config.maxDepth,
      purpose,
    };
  }

  private hashFits(leaf: Certificate, sha256: string): boolean {
    const { certificateHashes, publicKeyHashes } = this.config;
    if (certificateHashes.length === 0 && publicKeyHashes.length === 0) return true;
    if (certificateHashes.includes(sha256)) return true;
    return publicKeyHashes.includes(toBase64(this.cryptography.sha256(leaf.publicKey)));
  }

  private remember(digests: readonly string[], verdict: PeerVerdict, now: number): void {
    const { peer } = verdict;
    // Others cost nothing to look at again, and anybody could fill the memory with them.
    if (peer === null || !peer.verified) return;
    this.issuers?.learn(peer.path, this.realm, now);
    let from = Number.NEGATIVE_INFINITY;
    let until = Number.POSITIVE_INFINITY;
    if (!this.config.allowExpired)
      for (const { notBefore, notAfter } of peer.path) {
        from = Math.max(from, notBefore);
        until = Math.min(until, notAfter);
      }
    for (const { thisUpdate, nextUpdate } of this.lists) {
      from = Math.max(from, thisUpdate);
      until = Math.min(until, nextUpdate);
    }
    if (now > until) return;
    if (this.remembered.size + digests.length > MAX_REMEMBERED) this.remembered.clear();
    for (const digest of digests) this.remembered.set(digest, { verdict, from, until });
  }
}

/** X.509-SVID 4 and 5.2: what the certificate of a workload has to be, but for who signed it. */
function readWorkload(leaf: Certificate): { fault: PeerFault; detail: string; id: SpiffeId | null } {
  const refuse = (fault: PeerFault, detail = "") => ({ fault, detail, id: null });
  const { uri } = leaf.names;
  if (uri.length === 0) return refuse("no_spiffe_id", leaf.subject);
  if (uri.length > 1) return refuse("several_uris", uri.slice(0, 4).join(", "));
  const id = readSpiffeId(uri[0]);
  if (id === null) return refuse("bad_spiffe_id", uri[0]);
  if (id.path === "") return refuse("no_workload_path", uri[0]);
  if (leaf.isCa) return refuse("leaf_is_ca", uri[0]);
  const { keyUsage, keyUsageCritical } = leaf;
  if (keyUsage !== -1 && (keyUsage & (KEY_CERT_SIGN | CRL_SIGN)) !== 0)
    return refuse("leaf_may_sign", uri[0]);
  if (keyUsage === -1 || (keyUsage & DIGITAL_SIGNATURE) === 0 || !keyUsageCritical)
    return refuse("leaf_key_usage", uri[0]);
  return { fault: "no_spiffe_id", detail: "", id };
}

/** A CA that has a SPIFFE ID has that of the trust domain itself (X.509-SVID 4.1 and 5.1). "" or the ID of one that has not. */
function strangerAmong(path: readonly Certificate[], trustDomain: string): string {
  for (const { names } of path.slice(1)) {
    for (const uri of names.uri) {
      if (!claimsSpiffe(uri)) continue;
      const id = readSpiffeId(uri);
      if (id === null || id.path !== "" || id.trustDomain !== trustDomain) return uri;
    }
  }
  return "";
}

/** The first few names, for a log. */
function namesText({ names, subject }: Certificate): string {
  const all = [...names.uri, ...names.dns, ...names.ip, ...names.email];
  return all.length === 0 ? subject : all.slice(0, 4).join(", ");
}

function joined(chain: readonly Uint8Array[]): Uint8Array {
  if (chain.length === 1) return chain[0];
  const all = new Uint8Array(chain.reduce((sum, der) => sum + der.length, 0));
  let at = 0;
  for (const der of chain) {
    all.set(der, at);
    at += der.length;
  }
  return all;
}

/** The certificates of a PEM text; what is wrong with it goes to `faults`, at `path`. */
export function readAnchors(pem: string, path: string, faults: ConfigFault[]): Certificate[] {
  return readAll(pem, "CERTIFICATE", "certificate", readCertificate, path, faults);
}

/** The documents of one kind that can be read. `noun`: what one of them is called. */
function readAll<T>(
  pem: string,
  label: string,
  noun: string,
  read: (der: Uint8Array) => T | string,
  path: string,
  faults: ConfigFault[],
): T[] {
  const contents = pemContents(pem, label);
  if (typeof contents === "string") {
    faults.push({ path, message: contents });
    return [];
  }
  const documents: T[] = [];
  contents.forEach((der, i) => {
    const document = read(der);
    if (typeof document !== "string") documents.push(document);
    else faults.push({ path, message: `${noun} ${i + 1} ${document}` });
  });
  return documents;
}
