/** Statistics of TLS on one side, `listener.<address>.ssl.*` and `cluster.<name>.ssl.*`. Names are Envoy's. */
import { layoutOf } from "./stat-layout.ts";
import type { Scope } from "./stats.ts";

/** Where a peer that was refused is counted (`ssl.fail_verify_…`). */
export type PeerFaultCounter = "no_cert" | "error" | "san" | "cert_hash";

export class SslStats {
  /** Handshakes that were completed, and whose peers were let in. */
  handshake = 0;
  sessionReused = 0;
  /** Peers that showed no certificate, and did not have to. */
  noCertificate = 0;
  /** Handshakes that the engine gave up. */
  connectionError = 0;
  failVerifyNoCert = 0;
  failVerifyError = 0;
  failVerifySan = 0;
  failVerifyCertHash = 0;
}

const SSL = layoutOf("ssl", () => new SslStats());

/** The numbers of a listener's or cluster's scope. */
export function sslStats(scope: Scope): SslStats {
  return scope.set(SSL, "ssl.");
}

/** Counts a peer that was refused. */
export function countRefusal(stats: SslStats, counter: PeerFaultCounter): void {
  if (counter === "no_cert") stats.failVerifyNoCert++;
  else if (counter === "san") stats.failVerifySan++;
  else if (counter === "cert_hash") stats.failVerifyCertHash++;
  else stats.failVerifyError++;
}
