/** What is known of a connection once it is TLS: what was agreed upon, and who is at either end. */
import type { TlsView } from "../http/stream-info.ts";
import type { TlsInfo } from "../io/tls.ts";
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

  constructor(info: TlsInfo, peer: Peer | null, local: Certificate | null) {
    this.info = info;
    this.peer = peer;
    this.local = local;
  }

  /** As Envoy writes it. */
  get version(): string {
    return this.info.version === "TLSv1.0" ? "TLSv1" : this.info.version;
  }

  get cipher(): string {
    return this.info.cipher;
  }
}
