/** What Bun's sockets have once they are TLS. Undocumented members, as `node:tls` uses them on Bun. */
import type { Established } from "../host-tls-context.ts";
import type { NativeSocket } from "./socket.ts";

interface PeerCertificate {
  readonly raw?: Uint8Array;
  readonly issuerCertificate?: PeerCertificate;
}

export interface SecureNative extends NativeSocket, Established {
  getServername(): string | undefined;
  /** Of a client, before the handshake. */
  setSession(session: Buffer): void;
  /** @param abbreviated without those who issued it. */
  getPeerCertificate(abbreviated: boolean): PeerCertificate | undefined;
}

/** What the peer has shown, DER, leaf first. A root is its own issuer. */
export function peerChain(native: SecureNative): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let one = native.getPeerCertificate(false);
  while (one?.raw !== undefined) {
    chain.push(one.raw);
    if (one.issuerCertificate === one) break;
    one = one.issuerCertificate;
  }
  return chain;
}
