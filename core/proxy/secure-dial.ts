/**
 * Connects to an endpoint, and makes the connection TLS where its cluster wants that, before whoever is going to use it
 * hears that it is there.
 *
 * Law: who dials hears what it would hear of a plain connection: `onConnect` when it can be used, or `onClose`.
 */
import type { Address, CloseReason, PlainSocket, SocketHandler } from "../io/socket.ts";
import { tlsFailure } from "../io/tls.ts";
import { countUnready, type TlsCounts } from "../telemetry/tls-stats.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import { Handshake, type HandshakeOwner } from "./handshake.ts";
import type { Services } from "./services.ts";
import type { TlsSide } from "./tls-side.ts";

/** What is offered by ALPN to an endpoint: by what speaks no HTTP, one version of it, or either. */
export const NO_ALPN: readonly string[] = [];
export const HTTP1_ALPN: readonly string[] = ["http/1.1"];
export const HTTP2_ALPN: readonly string[] = ["h2"];
export const EITHER_ALPN: readonly string[] = ["h2", "http/1.1"];

/** Who uses the connection. */
export interface Dialler extends SocketHandler {
  /** Null if it is plain; set before `onConnect`. */
  secure: SecureConnection | null;
  /** What it speaks whatever ALPN says, unless ALPN says HTTP/1; "" = whatever ALPN says. */
  readonly protocol: string;
  /** What it offers by ALPN where the configuration names nothing; always the same object. */
  readonly alpn: readonly string[];
}

/** What has to be known of the cluster. */
export interface SecuredCluster {
  /** A `TlsSide`, or null: its connections are plain. */
  readonly transport: unknown;
  readonly ssl: TlsCounts;
}

/** Starts connecting to an endpoint of that cluster. */
export function dial(
  services: Services,
  to: Address,
  dialler: Dialler,
  cluster: SecuredCluster,
): PlainSocket {
  if (cluster.transport === null) return services.platform.connect(to, dialler);
  const secure = new SecureDial(services, dialler, cluster);
  const socket = services.platform.connect(to, secure);
  secure.socket = socket;
  return socket;
}

class SecureDial implements SocketHandler, HandshakeOwner {
  socket: PlainSocket | null = null;
  private readonly services: Services;
  private readonly dialler: Dialler;
  private readonly cluster: SecuredCluster;
  private refused = false;

  constructor(services: Services, dialler: Dialler, cluster: SecuredCluster) {
    this.services = services;
    this.dialler = dialler;
    this.cluster = cluster;
  }

  onConnect(): void {
    const { services, cluster, dialler } = this;
    const socket = this.socket as PlainSocket;
    const side = cluster.transport as TlsSide | null;
    if (side === null) {
      this.refuse("the cluster does not speak TLS any more");
      return;
    }
    const ready = side.ready(dialler.alpn);
    if (ready === null) {
      countUnready(cluster.ssl.scope, "client");
      this.refuse(side.fault);
    } else new Handshake(services, socket, ready, cluster.ssl, this).start();
  }

  onTrusted(secure: SecureConnection): void {
    const { dialler } = this;
    const socket = this.socket as PlainSocket;
    const { alpn } = secure.info;
    if (dialler.protocol !== "" && alpn.startsWith("http/1")) {
      this.refuse(`the endpoint does not speak ${dialler.protocol}`);
      return;
    }
    dialler.secure = secure;
    socket.handler = dialler;
    dialler.onConnect();
  }

  onRefused(reason: CloseReason, why: string): void {
    if (why !== "") this.log(why);
    this.dialler.onClose(why === "" ? reason : tlsFailure(why));
  }

  private log(why: string): void {
    this.services.logConnection((this.socket as PlainSocket).remote, why);
  }

  private refuse(why: string): void {
    this.log(why);
    this.refused = true;
    (this.socket as PlainSocket).close();
    this.dialler.onClose(tlsFailure(why));
  }

  onData(): void {}
  onEnd(): void {}
  onBlocked(): void {}
  onDrain(): void {}

  onClose(reason: CloseReason): void {
    if (!this.refused) this.dialler.onClose(reason);
  }
}
