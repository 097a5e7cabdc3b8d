/** Counts what became of a peer, by the counters that Envoy has for it. */
import type { TlsStats } from "../telemetry/tls-stats.ts";
import { type PeerFault, peerFaultCounter } from "./peer-fault.ts";

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
