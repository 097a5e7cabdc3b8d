/**
 * The seam between the core and a runtime's TLS engine: what a context is made of, and what a handshake came to.
 * Which certificates, which peers and when is the core's; how records are made, and of which keys, the engine's.
 *
 * A connection begins as plain bytes, in order to be looked at: `PlainSocket.secure` makes it TLS afterwards, with
 * what was read handed on. Then the same socket and the same handler speak plaintext, by the same laws (socket.ts).
 *
 * Laws:
 * - The engine judges nobody. It lets every peer in that has the key of the certificate that it shows, and one that
 *   shows none; the core hears of the chain in `onSecured`, before any byte of the peer, and closes if it will not.
 * - The engine never asks for a certificate again, and refuses who wants to negotiate anew.
 */

export type TlsVersion = "TLSv1.0" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";

/** What a context is made of. Texts are PEM as configured. */
export interface TlsContextOptions {
  /** Which side it is for. */
  readonly server: boolean;
  /** At most one per kind of key (RSA, ECDSA); the chain's leaf first. A client may have none. */
  readonly certificates: readonly {
    readonly chain: string;
    readonly privateKey: string;
    readonly password: string;
  }[];
  /**
   * Who may vouch for peers: servers name them when they ask, and `TlsInfo.verifyError` says whether they do.
   * "" = the engine does not look, and the chain is exactly what the peer sent.
   */
  readonly authorities: string;
  /** For servers: clients are asked for a certificate. They need not have one. */
  readonly requestCertificate: boolean;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL's names of TLS 1.2 suites; empty = those with forward secrecy and AEAD. */
  readonly cipherSuites: readonly string[];
  /** OpenSSL's names; empty = X25519, P-256. */
  readonly curves: readonly string[];
  /** OpenSSL's or RFC 8446's names; empty = the engine's. */
  readonly signatureAlgorithms: readonly string[];
  /** In order of preference; a server takes its first one that the client has. Empty = no ALPN. */
  readonly alpn: readonly string[];
  /** For servers: they give out tickets. */
  readonly resumption: boolean;
  /**
   * For servers: where a session may be resumed. A context of the same scope takes it, in whichever worker of the process
   * (as far as the engine can be told), and no other one. "" = none but the context itself.
   */
  readonly sessionScope: string;
  /** Seconds that a session may be resumed, 0 = the engine's. */
  readonly sessionTimeout: number;
  /** For clients: how many sessions are kept to be resumed, by this context alone. Not every engine can. */
  readonly maxSessions: number;
}

/** Certificates and rules, ready for use: made once per configuration, used by any number of connections at a time. */
export interface TlsContext {
  /** Why it cannot be used (in the engine's words, without secrets), or "". `secure` with it closes. */
  readonly fault: string;
  /** Of a client that keeps any. */
  readonly sessions?: KeptSessions | null;
}

/** What a client may resume. Of a peer that the core has closed in `onSecured`, or before, nothing is kept. */
export interface KeptSessions {
  /** The core's: when the first of those expires who began them, Unix time in ms; +Infinity until it says so. */
  until: number;
  /** Those that there are are not used any more; `until` begins anew. */
  forget(): void;
}

/** What a handshake came to. */
export interface TlsInfo {
  readonly version: TlsVersion;
  /** OpenSSL's name, or that of RFC 8446. */
  readonly cipher: string;
  /** What was agreed upon, or "". */
  readonly alpn: string;
  /** The name that the client asked for, or "". Of a session that is resumed a server's engine may not know it. */
  readonly serverName: string;
  /** No certificate was shown or proved; `peerCertificates` is what the session remembers: the leaf, or nothing. */
  readonly resumed: boolean;
  /** DER, leaf first, as the peer sent them (where there are authorities: up to the one that vouched). */
  readonly peerCertificates: readonly Uint8Array[];
  /** OpenSSL's name of what is wrong with the chain ("CERT_HAS_EXPIRED"); "" if nothing is, or nobody looked. */
  readonly verifyError: string;
}

const FAILURE = "TLS:";

/** The reason of a connection that the engine gave up. `detail` is the engine's name for it. */
export function tlsFailure(detail: string): string {
  return FAILURE + detail;
}

/** The engine's name for why it gave up a connection that closed for `reason`, or null if it was not the engine. */
export function tlsFailureOf(reason: string): string | null {
  return reason.startsWith(FAILURE) ? reason.slice(FAILURE.length) : null;
}
