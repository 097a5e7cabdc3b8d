/**
 * Node's own TLS on a connected `net.Socket`: `tls.TLSSocket` takes over its handle, so that bytes are encrypted and
 * decrypted below JavaScript. Also on Deno, where the socket below is made of JavaScript.
 */
import type { X509Certificate } from "node:crypto";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { GainedSessions } from "./gained-sessions.ts";
import type { HostTlsContext } from "./host-tls-context.ts";
import type { KeptSession, SessionStore } from "./session-store.ts";

/** Undocumented members of `tls.TLSSocket`. */
export interface SecureNative extends TLSSocket {
  readonly _handle: {
    /** Bytes of the peer, as if they had just been read. */
    receive(bytes: Uint8Array): void;
    verifyError(): { readonly code?: string } | null | undefined;
    /** Deno's alone. */
    getPeerCertificateChain?(): { readonly certificates?: readonly Uint8Array[] } | null | undefined;
    /** Of a client: what it may resume. */
    onnewsession?(id: Buffer, session: Buffer): void;
    enableSessionCallbacks?(): void;
    readonly fd?: number;
    readonly writeQueueSize?: number;
  } | null;
  setServername(name: string): void;
  setSession(session: Buffer): void;
  /** Begins the handshake of a client. */
  _start(): void;
  /** Errors are reported from now on. */
  _releaseControl(): boolean;
  /** Ours: the session that a client came with. */
  brought?: KeptSession | null;
  /** Ours: those that it gets. */
  gained?: GainedSessions;
  /** Ours: see `peerChain`. */
  shown?: readonly Uint8Array[];
}

/**
 * Makes `below` TLS. "secure" follows, or "error" and "close". `sessions`: from where and to where a client has them; those
 * that it gets wait in `gained` for the verdict on the peer.
 */
export function makeSecure(
  below: Duplex,
  context: HostTlsContext,
  serverName: string,
  sessions: SessionStore | null = null,
): SecureNative {
  const { native, alpn, options } = context;
  const secure = new TLSSocket(
    below as never,
    {
      isServer: options.server,
      secureContext: native as NonNullable<typeof native>,
      requestCert: !options.server || options.requestCertificate,
      rejectUnauthorized: false,
      allowHalfOpen: true,
      ...(alpn === undefined ? {} : { ALPNProtocols: alpn }),
    } as never,
  ) as SecureNative;
  secure._releaseControl();
  if (!options.server) {
    if (serverName !== "") secure.setServername(serverName);
    if (sessions !== null) resumeAndKeep(secure, sessions);
    secure._start();
  }
  return secure;
}

function resumeAndKeep(secure: SecureNative, sessions: SessionStore): void {
  const { _handle: handle } = secure;
  if (handle === null) return;
  secure.brought = sessions.take();
  if (secure.brought !== null) secure.setSession(secure.brought.session);
  const gained = new GainedSessions(sessions);
  secure.gained = gained;
  // Node has the event "session" for those alone whom `tls.connect` has verified.
  handle.enableSessionCallbacks?.();
  handle.onnewsession = (_id, session) =>
    gained.gain({ session, once: secure.getProtocol() === "TLSv1.3", shown: peerChain(secure) });
}

/** What the peer has shown, DER, leaf first; in this session, or when it began. */
export function peerChain(native: SecureNative): readonly Uint8Array[] {
  native.shown ??= askForChain(native);
  return native.shown;
}

function askForChain(native: SecureNative): readonly Uint8Array[] {
  // Of a client's resumed session Node tells nothing.
  if (native.brought != null && native.isSessionReused()) return native.brought.shown;
  // What Deno has instead of OpenSSL's objects knows the first two certificates; its handle knows all.
  const certificates = native._handle?.getPeerCertificateChain?.()?.certificates;
  if (certificates !== undefined) return certificates;
  const chain: Uint8Array[] = [];
  let one: X509Certificate | undefined = native.getPeerX509Certificate();
  while (one !== undefined && one !== null) {
    chain.push(one.raw);
    one = one.issuerCertificate;
  }
  return chain;
}

/** The name that was asked for: by us as a client, who know it as `asked`, or else by the peer. "" = none. */
export function serverNameOf(native: SecureNative, asked: string): string {
  return asked || (native as { servername?: string | false }).servername || "";
}

/** OpenSSL's name of what is wrong with it. */
export function verifyError(native: SecureNative): string {
  return native._handle?.verifyError()?.code ?? "";
}
