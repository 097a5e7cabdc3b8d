/**
 * A connection on its way from plain to TLS, either side: the engine shakes hands, and the peer is judged, before anybody
 * else hears of it. It stands in the place of the handler that comes after it.
 *
 * Laws: whoever is let in was judged; nothing of a peer is handled before. It ends in exactly one word to its owner:
 * `onTrusted`, or `onRefused`, after which the socket is closed or about to be.
 */
import { lowerCase } from "../bytes/ascii.ts";
import type { CloseReason, PlainSocket, SocketHandler } from "../io/socket.ts";
import { type TlsInfo, tlsFailureOf } from "../io/tls.ts";
import type { Inspection } from "../route/filter-chain-match.ts";
import type { Scope } from "../telemetry/stats.ts";
import { countHandshake, type TlsCounts, type TlsStats } from "../telemetry/tls-stats.ts";
import { Timer } from "../time/timers.ts";
import type { Peer } from "../tls/peer.ts";
import { countPeerFault, peerFaultText } from "../tls/peer-fault.ts";
import { SecureConnection } from "../tls/secure-connection.ts";
import type { Services } from "./services.ts";
import type { ReadyTls } from "./tls-side.ts";

/** Who goes on with the connection. */
export interface HandshakeOwner {
  onTrusted(secure: SecureConnection): void;
  /** It took too long; `onRefused` follows. */
  onSlow?(): void;
  /** It did not become TLS. `reason` is the socket's; `why` is for logs, without secrets, "" if the peer just went. */
  onRefused(reason: CloseReason, why: string): void;
}

const NOTHING = new Uint8Array(0);

/** For logs. */
export const TOO_LONG = "the handshake took too long";

export class Handshake implements SocketHandler {
  private readonly services: Services;
  private readonly socket: PlainSocket;
  private readonly material: ReadyTls;
  private readonly stats: TlsStats;
  /** Of its listener or cluster, for what is counted by name. */
  private readonly scope: Scope;
  private readonly owner: HandshakeOwner;
  private readonly timer: Timer;
  /** What the client asks for. Null: that is us. */
  private hello: Inspection | null = null;
  private over = false;

  constructor(
    services: Services,
    socket: PlainSocket,
    material: ReadyTls,
    { stats, scope }: TlsCounts,
    owner: HandshakeOwner,
  ) {
    this.services = services;
    this.socket = socket;
    this.material = material;
    this.stats = stats;
    this.scope = scope;
    this.owner = owner;
    this.timer = new Timer(() => {
      owner.onSlow?.();
      this.fail(TOO_LONG);
    });
  }

  /**
   * Begins; `unread` is what was read before, `timeout` in ms, 0 = none, `hello` what was found in it, null for a client.
   * The socket's handler is this from here on.
   */
  start(unread: Uint8Array = NOTHING, timeout = 0, hello: Inspection | null = null): void {
    const { services, socket, material } = this;
    socket.handler = this;
    this.hello = hello;
    // Who shakes hands shows what he has now; a session only what he had.
    const { sessions } = material.context;
    if (sessions != null && sessions.until <= services.clock.wall) sessions.forget();
    if (timeout > 0) services.timers.arm(this.timer, services.clock.now + timeout);
    socket.secure(material.context, unread, material.serverName);
  }

  onSecured(told: TlsInfo): void {
    if (this.over) return;
    const info = this.named(told);
    if (info === null) {
      this.fail("a session is resumed by a ClientHello that cannot be read");
      return;
    }
    const { material, stats, services } = this;
    const { judge, mustName, mustShow } = material;
    const { sessions } = material.context;
    const shown = info.peerCertificates.length > 0;
    let peer: Peer | null = null;
    if (mustName && info.serverName === "") {
      this.fail("the client names no server");
      return;
    }
    if (judge !== null && (shown || mustShow)) {
      const verdict = judge.judge(info.peerCertificates, services.clock.wall, info.resumed);
      if (verdict.fault !== null) {
        countPeerFault(stats, verdict.fault);
        if (info.resumed) sessions?.forget();
        this.fail(peerFaultText(verdict.fault, verdict.detail));
        return;
      }
      peer = verdict.peer;
      if (sessions != null && peer !== null)
        for (const { notAfter } of peer.path) sessions.until = Math.min(sessions.until, notAfter);
    } else if (!shown && mustShow) {
      stats.failVerifyNoCert++;
      this.fail("the peer showed no certificate");
      return;
    } else if (!shown) stats.noCertificate++;
    const secure = new SecureConnection(info, peer, material.local, stats);
    countHandshake(this.scope, stats, secure.version, secure.cipher, info.resumed);
    this.end();
    this.owner.onTrusted(secure);
  }

  /**
   * A client's name for us is that of its hello, by which the chain was chosen, in lower case. An engine may have none of
   * a session that is resumed: if the hello could not be read either, nobody knows, and null is returned.
   */
  private named(info: TlsInfo): TlsInfo | null {
    const { hello } = this;
    if (hello === null) return info;
    const read = hello.transportProtocol === "tls";
    if (!read && info.resumed && info.serverName === "") return null;
    const serverName = read ? hello.serverName : lowerCase(info.serverName);
    return info.serverName === serverName ? info : { ...info, serverName };
  }

  onConnect(): void {}
  onData(): void {}
  onBlocked(): void {}
  onDrain(): void {}

  onEnd(): void {
    this.fail("");
  }

  onClose(reason: CloseReason): void {
    if (this.over) return;
    const failure = tlsFailureOf(reason);
    if (failure !== null) {
      this.stats.connectionError++;
      this.material.context.sessions?.forget(); // RFC 5246 7.2.2: what ends with an alert is not resumed
    }
    this.end();
    this.owner.onRefused(reason, failure ?? "");
  }

  /** Gives it up from outside. */
  cancel(): void {
    if (this.over) return;
    this.end();
    this.socket.close();
  }

  private fail(why: string): void {
    if (this.over) return;
    this.end();
    this.socket.reset();
    this.owner.onRefused("", why);
  }

  private end(): void {
    this.over = true;
    this.services.timers.release(this.timer);
  }
}
