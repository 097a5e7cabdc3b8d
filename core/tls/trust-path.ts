/**
 * The way from a certificate to a trusted one (RFC 5280 6.1): names chain, every issuer is a CA that may sign, the
 * times hold, no constraint is broken, nothing was revoked, and at last every signature is right. Knows nothing of
 * what the leaf claims to be: see peer-judge.ts.
 *
 * Laws: whatever the peer sends, at most MAX_SIGNATURES signatures are checked; a trusted certificate ends the way
 * even if it is no root (as in Envoy), and its own signature is not looked at; of several faults the one on the way
 * that led farthest is told.
 */
import type { Cryptography } from "../io/cryptography.ts";
import { ANY_PURPOSE, type Certificate, CRL_SIGN, KEY_CERT_SIGN } from "./certificate.ts";
import { signatureScheme } from "./cryptography.ts";
import { sameBytes } from "./der.ts";
import { forbiddenName } from "./name-constraints.ts";
import type { PeerFault } from "./peer-fault.ts";
import type { RevocationList } from "./revocation-list.ts";

/** Certificates that a peer may show. */
export const MAX_SHOWN = 16;
/** Signatures that are checked for one peer. */
const MAX_SIGNATURES = 32;

/** Whom to trust, and what for. */
export interface TrustRules {
  readonly anchors: readonly Certificate[];
  readonly lists: readonly RevocationList[];
  readonly listsForLeafOnly: boolean;
  readonly allowExpired: boolean;
  /** CAs on the way, the trusted one included. */
  readonly maxDepth: number;
  /** What the leaf is used for: SERVER_AUTH or CLIENT_AUTH. */
  readonly purpose: string;
}

export class TrustPath {
  /** The way that was found, leaf first, trusted one last; empty if none was. */
  path: readonly Certificate[] = [];
  /** Why there is none. */
  fault: PeerFault = "unknown_issuer";
  /** Which certificate or name it is about. */
  detail = "";

  private readonly rules: TrustRules;
  private readonly cryptography: Cryptography;
  private readonly now: number;
  private shown: readonly Certificate[] = [];
  private signatures = 0;
  /** How far the way led that `fault` is about. */
  private reached = -1;

  /** `now`: Unix time in ms. */
  constructor(rules: TrustRules, cryptography: Cryptography, now: number) {
    this.rules = rules;
    this.cryptography = cryptography;
    this.now = now;
  }

  /** True if there is a way; then `path` is it, otherwise `fault` says why not. `shown`: what else the peer sent. */
  find(leaf: Certificate, shown: readonly Certificate[]): boolean {
    this.shown = shown;
    if (!this.holds(leaf, 0)) return false;
    if (!this.isMeant(leaf)) return this.fail("wrong_purpose", leaf.subject, 0);
    if (this.rules.anchors.some((anchor) => sameBytes(anchor.der, leaf.der))) {
      this.path = [leaf];
      return true;
    }
    return this.climb([leaf]);
  }

  /** Looks for an issuer of the last of `path`, among the trusted first. */
  private climb(path: readonly Certificate[]): boolean {
    const child = path[path.length - 1];
    const { rules } = this;
    for (const anchor of rules.anchors) {
      if (!sameBytes(anchor.subjectName, child.issuerName)) continue;
      if (path.length > rules.maxDepth) return this.fail("too_deep", child.issuer, path.length);
      if (!this.mayIssue(anchor, path, true) || !this.signed(anchor, child, path.length)) continue;
      const whole = [...path, anchor];
      if (!this.isNotRevoked(whole)) continue;
      this.path = whole;
      return true;
    }
    for (const issuer of this.shown) {
      if (!sameBytes(issuer.subjectName, child.issuerName)) continue;
      if (path.some((each) => each === issuer || sameBytes(each.der, issuer.der))) continue;
      if (path.length >= rules.maxDepth) return this.fail("too_deep", child.issuer, path.length);
      if (!this.mayIssue(issuer, path, false) || !this.signed(issuer, child, path.length)) continue;
      if (this.climb([...path, issuer])) return true;
    }
    return this.fail("unknown_issuer", child.issuer, path.length - 1);
  }

  /** Notes a fault; false. A later fault at the same place says no more. */
  private fail(fault: PeerFault, detail: string, reached: number): false {
    if (reached > this.reached) {
      this.fault = fault;
      this.detail = detail;
      this.reached = reached;
    }
    return false;
  }

  /** What every certificate on the way has to fulfil. */
  private holds(certificate: Certificate, reached: number): boolean {
    const { now, rules } = this;
    const { subject, unknownCritical, notBefore, notAfter } = certificate;
    if (unknownCritical !== "")
      return this.fail("unknown_critical", `${subject} (${unknownCritical})`, reached);
    if (rules.allowExpired) return true;
    if (now < notBefore) return this.fail("not_yet_valid", subject, reached);
    return now <= notAfter || this.fail("expired", subject, reached);
  }

  /** True unless it names its purposes, and ours is not among them. */
  private isMeant({ purposes }: Certificate): boolean {
    return purposes === null || purposes.includes(this.rules.purpose) || purposes.includes(ANY_PURPOSE);
  }

  /** Whether `issuer` may stand above `path`, but for its signature. */
  private mayIssue(issuer: Certificate, path: readonly Certificate[], trusted: boolean): boolean {
    const reached = path.length;
    const { subject, keyUsage, pathLength, nameConstraints } = issuer;
    if (!issuer.isCa) return this.fail("issuer_not_ca", subject, reached);
    if (keyUsage !== -1 && (keyUsage & KEY_CERT_SIGN) === 0)
      return this.fail("issuer_may_not_sign", subject, reached);
    const below = path.slice(1).filter((each) => !sameBytes(each.subjectName, each.issuerName)).length;
    if (pathLength !== -1 && below > pathLength) return this.fail("path_too_long", subject, reached);
    if (!trusted && !this.isMeant(issuer)) return this.fail("wrong_purpose", subject, reached);
    if (!this.holds(issuer, reached)) return false;
    if (nameConstraints === null) return true;
    for (const [i, each] of path.entries()) {
      if (i > 0 && sameBytes(each.subjectName, each.issuerName)) continue; // RFC 5280 6.1.3 b
      const name = forbiddenName(nameConstraints, each);
      if (name !== "") return this.fail("name_not_permitted", name, reached);
    }
    return true;
  }

  private signed(issuer: Certificate, child: Certificate, reached: number): boolean {
    const scheme = signatureScheme(child.signatureAlgorithm);
    if (scheme === null) return this.fail("weak_signature", child.subject, reached);
    if (++this.signatures > MAX_SIGNATURES) return this.fail("too_many_signatures", child.subject, reached);
    const { publicKey } = issuer;
    return (
      this.cryptography.verify(scheme, publicKey, child.signedPart, child.signature) ||
      this.fail("bad_signature", child.subject, reached)
    );
  }

  /** As in Envoy: where there are lists at all, every CA on the way has to have one. */
  private isNotRevoked(path: readonly Certificate[]): boolean {
    const { lists, listsForLeafOnly } = this.rules;
    if (lists.length === 0) return true;
    const judged = listsForLeafOnly ? 1 : path.length - 1;
    for (let i = 0; i < judged; i++) if (!this.isCleared(path[i], path[i + 1], path.length)) return false;
    return true;
  }

  /** True if `issuer` has a list that is in force, and none of its lists names `certificate`. */
  private isCleared(certificate: Certificate, issuer: Certificate, reached: number): boolean {
    const { now, cryptography } = this;
    const { subject } = certificate;
    let fault: PeerFault = "no_revocation_list";
    let cleared = false;
    for (const list of this.rules.lists) {
      if (!sameBytes(list.issuerName, issuer.subjectName)) continue;
      if (issuer.keyUsage !== -1 && (issuer.keyUsage & CRL_SIGN) === 0) continue;
      const scheme = signatureScheme(list.signatureAlgorithm);
      if (++this.signatures > MAX_SIGNATURES) return this.fail("too_many_signatures", subject, reached);
      if (
        scheme === null ||
        !cryptography.verify(scheme, issuer.publicKey, list.signedPart, list.signature)
      ) {
        fault = "bad_revocation_list";
      } else if (list.revoked.has(certificate.serial)) {
        return this.fail("revoked", subject, reached);
      } else if (now < list.thisUpdate || now > list.nextUpdate) {
        fault = "stale_revocation_list";
      } else cleared = true;
    }
    return cleared || this.fail(fault, issuer.subject, reached);
  }
}
