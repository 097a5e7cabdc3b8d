/** What is known of a connection once it is TLS: what was agreed upon, and who is at the other end. */
import type { TlsInfo } from "../io/tls.ts";
import type { Peer } from "./peer.ts";

export interface SecureConnection {
  readonly info: TlsInfo;
  /** Null if the peer showed nothing. `peer.verified` says whether to believe it. */
  readonly peer: Peer | null;
  /** The URIs of the certificate that we have shown. */
  readonly localUris: readonly string[];
}
