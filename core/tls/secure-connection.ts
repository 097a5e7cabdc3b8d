/** What is known of a connection once it is TLS: what was agreed upon, and who is at either end. */
import type { TlsView } from "../http/stream-info.ts";
import type { CloseReason } from "../io/socket.ts";
import { type TlsInfo, tlsFailureOf } from "../io/tls.ts";
import type { TlsStats } from "../telemetry/tls-stats.ts";
import type { Certificate } from "./certificate.ts";
import type { Peer } from "./peer.ts";

/** A TLS connection, for those who have to do with it. */
export class SecureConnection implements TlsView {
  readonly info: TlsInfo;
  /** Null if the peer showed nothing. `peer.verified` says whether to believe it. */
  readonly peer: Peer | null;
  /** The certificate that we have shown, null if there is none. */
  readonly local: Certificate | null;
  /** What `x-forwarded-client-cert` says of the peer; set by whoever forwards it first, "" = not yet. */
  forwarded = "";

  private readonly stats: TlsStats;

  /** `stats`: of its listener or cluster. */
  constructor(info: TlsInfo, peer: Peer | null, local: Certificate | null, stats: TlsStats) {
    this.info = info;
    this.peer = peer;
    this.local = local;
    this.stats = stats;
  }

  /**
   * Its socket is closed. What the engine finds wrong after the handshake counts as well: garbage, and in TLS 1.3 the alert
   * of a server to which the client was not good enough.
   */
  closed(reason: CloseReason): void {
    if (tlsFailureOf(reason) !== null) this.stats.connectionError++;
  }

  /** As Envoy writes it. */
  get version(): string {
    return this.info.version === "TLSv1.0" ? "TLSv1" : this.info.version;
  }

  get cipher(): string {
    return this.info.cipher;
  }
}
