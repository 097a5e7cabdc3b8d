/**
 * TLS as the core reads it, by the rules of model.ts. Certificates, keys and lists are PEM text as it was given: the
 * runtimes' TLS engines take that, and core/tls reads what it needs to know.
 *
 * Law: private keys and passwords are in `TlsCertificate` and nowhere else. Whoever shows configuration shows the
 * `source` of a resource, where they are "[redacted]".
 */
import type { TlsVersion } from "../io/tls.ts";
import type { StringMatch } from "./model.ts";

/** What may be agreed upon. */
export interface TlsParameters {
  /** Default 1.2. */
  readonly minVersion: TlsVersion;
  /** Default 1.3 for servers, 1.2 for clients, as in Envoy. */
  readonly maxVersion: TlsVersion;
  /** OpenSSL's names of TLS 1.2 suites, in order of preference; empty = the default. */
  readonly cipherSuites: readonly string[];
  /** OpenSSL's names; empty = the default. */
  readonly curves: readonly string[];
  /** Names such as "ecdsa_secp256r1_sha256"; empty = the default. */
  readonly signatureAlgorithms: readonly string[];
}

/** A certificate with its key, to be shown to peers. */
export interface TlsCertificate {
  /** Leaf first. */
  readonly chain: string;
  readonly privateKey: string;
  /** Of the private key, "" = none. */
  readonly password: string;
  /** Where `chain` was read, for who asks; absent = it is in no file of its own. */
  readonly chainFile?: string;
}

/** One alternative name that a peer may have. */
export interface NameMatch {
  readonly type: "EMAIL" | "DNS" | "URI" | "IP_ADDRESS" | "OTHER_NAME";
  /** Of OTHER_NAME: which kind. */
  readonly oid: string;
  readonly match: StringMatch;
}

/** The certificates that speak for one trust domain (SPIFFE). */
export interface TrustDomain {
  readonly name: string;
  /** PEM. */
  readonly bundle: string;
  /** As `chainFile`. */
  readonly bundleFile?: string;
}

/** How a peer's certificate is judged. */
export interface TlsValidation {
  /** PEM, "" = there is none. */
  readonly trustedCa: string;
  /** As `chainFile`. */
  readonly trustedCaFile?: string;
  /** The SPIFFE validator: a bundle for each trust domain, and `trustedCa` is not used. Null = not configured. */
  readonly trustDomains: readonly TrustDomain[] | null;
  /** One of them must fit one of the peer's names; empty = any will do. */
  readonly names: readonly NameMatch[];
  /** SHA-256 of the certificate (lower-case hexadecimal) or of its public key (Base64); one of all must fit. */
  readonly certificateHashes: readonly string[];
  readonly publicKeyHashes: readonly string[];
  /** PEM, "" = nothing is revoked. */
  readonly crl: string;
  readonly crlOfLeafOnly: boolean;
  readonly allowExpired: boolean;
  /** True: who fails is let in all the same, unverified (`ACCEPT_UNTRUSTED`). */
  readonly acceptUntrusted: boolean;
  /** CAs in a path, the trusted one included. */
  readonly maxDepth: number;
}

/** What both sides have. A secret that is named and has not been delivered makes the socket unusable, never laxer. */
export interface CommonTls {
  readonly parameters: TlsParameters;
  /** Empty if they are secrets. */
  readonly certificates: readonly TlsCertificate[];
  /** Names in `Snapshot.secrets`. */
  readonly certificateSecrets: readonly string[];
  /** In order of preference; byte strings. */
  readonly alpn: readonly string[];
  /** Null = peers are not asked who they are. */
  readonly validation: TlsValidation | null;
  /** Name in `Snapshot.secrets` of what stands for `validation`, which names files and is null here; absent = nothing. */
  readonly ownValidationSecret?: string;
  /** Name in `Snapshot.secrets` of what `validation` is completed with, "" = none. */
  readonly validationSecret: string;
}

/** `envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`. */
export interface DownstreamTls extends CommonTls {
  readonly requireClientCertificate: boolean;
  /** Clients that name no server are refused. */
  readonly requireSni: boolean;
  /** Sessions may be resumed from a ticket. */
  readonly sessionTickets: boolean;
  /** ms that a session may be resumed; 0 = the engine's default. */
  readonly sessionTimeout: number;
}

/** `envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`. */
export interface UpstreamTls extends CommonTls {
  /** "" = none is sent. */
  readonly sni: string;
  /** Sessions that are kept to be resumed; 0 = none. */
  readonly maxSessionKeys: number;
}

/** What SDS delivers. */
export interface Secret {
  readonly name: string;
  readonly version: string;
  /** Exactly one of the two is set. */
  readonly certificate: TlsCertificate | null;
  readonly validation: TlsValidation | null;
}

/** What looks at the first bytes of a connection before a filter chain is chosen. */
export interface ListenerFilters {
  readonly tlsInspector: boolean;
  readonly httpInspector: boolean;
  /** ms until the connection is given up, or goes on unread; default 15 s, 0 = never. */
  readonly timeout: number;
  /** After `timeout` it goes on as if nothing had been detected, instead of being closed. */
  readonly continueOnTimeout: boolean;
}
