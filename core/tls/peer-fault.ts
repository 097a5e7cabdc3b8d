/** Why a peer is refused: the words for logs, and where Envoy counts it. */
import type { TlsStats } from "../telemetry/tls-stats.ts";

/** Envoy's counters of refused peers (`ssl.fail_verify_…`). */
export type PeerFaultCounter = "no_cert" | "error" | "san" | "cert_hash";

const FAULTS = {
  no_certificate: ["no_cert", "the peer showed no certificate"],
  too_many_certificates: ["error", "the peer showed too many certificates"],
  unreadable: ["error", "the certificate cannot be read"],
  unknown_critical: ["error", "the certificate has a critical extension that is not understood"],
  expired: ["error", "the certificate has expired"],
  not_yet_valid: ["error", "the certificate is not valid yet"],
  wrong_purpose: ["error", "the certificate is not meant for this side of a connection"],
  unknown_issuer: ["error", "no trusted CA issued the certificate"],
  no_bundle: ["error", "there is no bundle for the trust domain"],
  bad_signature: ["error", "the signature of the issuer is wrong"],
  weak_signature: ["error", "the signature's algorithm is weak or not known"],
  too_many_signatures: ["error", "there are too many ways from the certificate to a trusted CA"],
  issuer_not_ca: ["error", "the issuer is not a CA"],
  issuer_may_not_sign: ["error", "the issuer may not sign certificates"],
  path_too_long: ["error", "the way to a trusted CA is longer than a CA allows"],
  too_deep: ["error", "the way to a trusted CA is longer than max_verify_depth"],
  name_not_permitted: ["error", "a CA does not permit the name"],
  revoked: ["error", "the certificate was revoked"],
  no_revocation_list: ["error", "there is no revocation list of the issuer"],
  bad_revocation_list: ["error", "the revocation list of the issuer is not signed by it"],
  stale_revocation_list: ["error", "the revocation list of the issuer is out of date"],
  no_spiffe_id: ["error", "the certificate has no SPIFFE ID"],
  several_uris: ["error", "a SPIFFE certificate has exactly one URI"],
  bad_spiffe_id: ["error", "the SPIFFE ID is malformed"],
  no_workload_path: ["error", "the SPIFFE ID is that of a trust domain, not of a workload"],
  leaf_is_ca: ["error", "the certificate of a workload is that of a CA"],
  leaf_may_sign: ["error", "the key of a workload may sign certificates or revocation lists"],
  leaf_key_usage: ["error", "the key usage of a workload must be critical and have digital signature"],
  issuer_spiffe_id: ["error", "the issuer's SPIFFE ID is not that of the trust domain"],
  name_mismatch: ["san", "none of the peer's names is one that is expected"],
  hash_mismatch: ["cert_hash", "the certificate is not one of those that are expected"],
} as const satisfies { readonly [name: string]: readonly [PeerFaultCounter, string] };

/** What a peer is refused for; a name for statistics and access logs. */
export type PeerFault = keyof typeof FAULTS;

/** The finished sentence for a log. `detail`: which name, which certificate; "" = nothing to add. */
export function peerFaultText(fault: PeerFault, detail: string): string {
  return detail === "" ? FAULTS[fault][1] : `${FAULTS[fault][1]}: ${detail}`;
}

/** Where it is counted. */
export function peerFaultCounter(fault: PeerFault): PeerFaultCounter {
  return FAULTS[fault][0];
}

/** Counts a peer that was refused. */
export function countPeerFault(stats: TlsStats, fault: PeerFault): void {
  switch (peerFaultCounter(fault)) {
    case "no_cert":
      stats.failVerifyNoCert++;
      break;
    case "error":
      stats.failVerifyError++;
      break;
    case "san":
      stats.failVerifySan++;
      break;
    case "cert_hash":
      stats.failVerifyCertHash++;
  }
}

/** Every fault there is, for tables of statistics. */
export const PEER_FAULTS = Object.keys(FAULTS) as PeerFault[];
