/**
 * `TlsContext` for the real runtimes. All three make one by `node:tls`: on Node it is OpenSSL's, on Bun BoringSSL's,
 * on Deno that of rustls. Also what their engines have in common: which options a connection takes, and what they
 * call the same thing.
 *
 * Law: nothing of the machine's own (root certificates, defaults of the runtime's command line) gets into a context.
 */
import { constants, createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureVersion } from "node:tls";
import type { TlsContext, TlsContextOptions, TlsInfo, TlsVersion } from "../core/io/tls.ts";
import { SessionStore } from "./session-store.ts";
import { shareTickets } from "./ticket-keys.ts";
import type { TicketSecrets } from "./ticket-secrets.ts";

const TLS13_SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
/** Envoy's, in its order. */
const TLS12_SUITES = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
];
const CURVES = ["X25519", "P-256"];

const VERSIONS: { readonly [version in TlsVersion]: SecureVersion } = {
  "TLSv1.0": "TLSv1",
  "TLSv1.1": "TLSv1.1",
  "TLSv1.2": "TLSv1.2",
  "TLSv1.3": "TLSv1.3",
};

/** Bytes, OpenSSL's limit. */
const MAX_SESSION_ID_CONTEXT = 32;
/** `SSL_OP_NO_TICKET`. */
const NO_TICKET = constants.SSL_OP_NO_TICKET ?? 0;
/** Bun has no such option and needs none: BoringSSL refuses by itself. Not in the type declarations. */
const NO_RENEGOTIATION = (constants as { SSL_OP_NO_RENEGOTIATION?: number }).SSL_OP_NO_RENEGOTIATION ?? 0;

export class HostTlsContext implements TlsContext {
  readonly options: TlsContextOptions;
  readonly fault: string = "";
  /** Null if there is a fault. */
  readonly native: SecureContext | null = null;
  /** What was agreed to be offered, as `tls.TLSSocket` takes it. Undefined = no ALPN. */
  readonly alpn: Uint8Array | undefined;
  /** Null for servers, and if none are kept. */
  readonly sessions: SessionStore | null;

  /**
   * `unheeded`: why the runtime cannot do as it is told, "" if it can. `tickets`: what contexts of one scope share, null
   * = nothing.
   */
  constructor(options: TlsContextOptions, unheeded = "", tickets: TicketSecrets | null = null) {
    this.options = options;
    const keepsSessions = !options.server && options.maxSessions > 0;
    this.sessions = keepsSessions ? new SessionStore(options.maxSessions) : null;
    this.alpn = options.alpn.length === 0 ? undefined : wireFormat(options.alpn);
    const ciphers = options.cipherSuites.length === 0 ? TLS12_SUITES : options.cipherSuites;
    try {
      if (unheeded !== "") throw new Error(unheeded);
      if (options.server && options.certificates.length === 0) throw new Error("no certificate");
      this.native = createSecureContext({
        cert: options.certificates.map(({ chain }) => chain),
        key: options.certificates.map(readKey),
        // An empty list is no list: without one, the root certificates of the machine would be trusted.
        ca: options.authorities === "" ? [] : [options.authorities],
        minVersion: VERSIONS[options.minVersion],
        maxVersion: VERSIONS[options.maxVersion],
        ciphers: [...TLS13_SUITES, ...ciphers].join(":"),
        ecdhCurve: (options.curves.length === 0 ? CURVES : options.curves).join(":"),
        ...(options.signatureAlgorithms.length === 0
          ? {}
          : { sigalgs: options.signatureAlgorithms.join(":") }),
        ...(options.sessionTimeout === 0 ? {} : { sessionTimeout: options.sessionTimeout }),
        // Without one, OpenSSL refuses whoever comes back with a ticket to a server that asks for certificates.
        sessionIdContext: options.sessionScope.slice(0, MAX_SESSION_ID_CONTEXT) || "tulle",
        secureOptions: NO_RENEGOTIATION | (resumes(options) ? 0 : NO_TICKET),
      });
      if (options.server && options.resumption && options.sessionScope !== "" && tickets !== null)
        shareTickets(this.native, tickets, options.sessionScope);
    } catch (error) {
      this.fault = (error as Error).message || "unusable";
    }
  }
}

/** Whether tickets are given out, or taken. */
function resumes({ server, resumption, maxSessions }: TlsContextOptions): boolean {
  return server ? resumption : maxSessions > 0;
}

/**
 * The key as PEM without a password. Throws if it is none, or not that of the certificate: not every engine looks, and
 * those that do say so in the middle of a handshake.
 */
function readKey({ chain, privateKey, password }: TlsContextOptions["certificates"][number]): string {
  const key = createPrivateKey({ key: privateKey, ...(password === "" ? {} : { passphrase: password }) });
  if (!new X509Certificate(chain).checkPrivateKey(key))
    throw new Error("the key is not that of the certificate");
  return key.export({ type: "pkcs8", format: "pem" }) as string;
}

/** RFC 7301 3.1: each name behind its length. */
function wireFormat(names: readonly string[]): Uint8Array {
  return Buffer.from(names.map((name) => String.fromCharCode(name.length) + name).join(""), "latin1");
}

/** What is asked of an established connection of the runtime's. */
export interface Established {
  getTLSVersion?(): string | null;
  getProtocol?(): string | null;
  getCipher(): { readonly name?: string } | undefined;
  isSessionReused(): boolean;
  readonly alpnProtocol?: string | false | null;
}

/** `TlsInfo` of a handshake that is done. */
export function tlsInfo(
  native: Established,
  serverName: string,
  peerCertificates: readonly Uint8Array[],
  verifyError: string,
): TlsInfo {
  const version = native.getTLSVersion?.() ?? native.getProtocol?.() ?? "";
  return {
    version: (version === "TLSv1" ? "TLSv1.0" : version) as TlsVersion,
    cipher: native.getCipher()?.name ?? "",
    alpn: native.alpnProtocol || "",
    serverName,
    resumed: native.isSessionReused(),
    peerCertificates,
    verifyError,
  };
}

/**
 * Of a runtime's name for a failure ("ERR_SSL_WRONG_VERSION_NUMBER"), what `tlsFailure` takes. Where the code says
 * nothing, the name may be in the message, as BoringSSL's.
 */
export function failureName(code: string | undefined, message = ""): string {
  const named = /OPENSSL_internal:([A-Z0-9_]+)/.exec(message);
  if (named !== null) return named[1];
  if (code === undefined || code === "") return "HANDSHAKE_FAILED";
  return code.startsWith("ERR_SSL_") ? code.slice("ERR_SSL_".length) : code;
}
