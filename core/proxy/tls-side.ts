/**
 * How one filter chain or cluster speaks TLS, in one worker: the engine's context, and the judge of peers, as the
 * secrets of the moment have it. Connections keep what they began with.
 *
 * Law: what is missing or unusable makes it refuse, never makes it laxer.
 */
import type { DownstreamTls, UpstreamTls } from "../config/tls.ts";
import type { TlsContext } from "../io/tls.ts";
import type { Certificate } from "../tls/certificate.ts";
import type { PeerJudge } from "../tls/peer-judge.ts";
import type { TlsMaterial } from "../tls/tls-secrets.ts";
import type { Services } from "./services.ts";

/** Ready for use. */
export interface ReadyTls {
  readonly context: TlsContext;
  /** Null if peers are not asked who they are. */
  readonly judge: PeerJudge | null;
  /** A peer that shows no certificate is refused. */
  readonly mustShow: boolean;
  /** What a client asks for, "" = nothing. */
  readonly serverName: string;
  /** A client must name a server. */
  readonly mustName: boolean;
  /** The certificate that is shown, null if there is none. */
  readonly local: Certificate | null;
}

const NONE: readonly string[] = [];

/** Who has not renewed a certificate in this last part of its life is told. */
const LATE = 0.2;

export class TlsSide {
  /** Why it is not ready. */
  fault = "";
  private readonly services: Services;
  private readonly place: string;
  private readonly owner: string;
  private readonly config: DownstreamTls | UpstreamTls;
  private readonly server: boolean;
  private released = false;
  private material: TlsMaterial | null = null;
  /** By what is offered. */
  private readonly made = new Map<readonly string[], ReadyTls | null>();

  /** `place`: which filter chain of which listener, or which cluster; `version` of it. */
  constructor(
    services: Services,
    place: string,
    version: string,
    config: DownstreamTls | UpstreamTls,
    server: boolean,
  ) {
    this.services = services;
    this.place = place;
    this.owner = `${place}, version ${version}`;
    this.config = config;
    this.server = server;
    services.contexts.hold(place);
  }

  /**
   * As it is now; null while something is missing or unusable. `alpn`: what is offered where the configuration names
   * nothing, one of few lists, each of which is always the same object. `asked`: what a client asks for, as far as it is
   * known; if there is nothing of it here, it is served without ALPN, as by Envoy, where our engines would turn it away.
   */
  ready(alpn: readonly string[], asked: readonly string[] = NONE): ReadyTls | null {
    const { config, server, services, made } = this;
    const material = services.secrets.resolve(this.owner, config, server ? "client" : "server");
    if (this.released) services.secrets.release(this.owner);
    if (material === null) {
      this.material = null;
      made.clear();
      this.fault = "a secret has not been delivered";
      return null;
    }
    if (material !== this.material) {
      this.material = material;
      made.clear();
      this.warn(material);
    }
    let offer = config.alpn.length > 0 ? config.alpn : alpn;
    if (asked.length > 0 && offer.length > 0 && !asked.some((name) => offer.includes(name))) offer = NONE;
    let ready = made.get(offer);
    if (ready === undefined) {
      ready = this.make(material, offer);
      made.set(offer, ready);
    }
    return ready;
  }

  /** Its listener or cluster is gone, or has another version. What is under way may still ask. */
  release(): void {
    if (this.released) return;
    this.released = true;
    this.services.secrets.release(this.owner);
    this.services.contexts.release(this.place);
  }

  private make(material: TlsMaterial, alpn: readonly string[]): ReadyTls | null {
    const { certificates, judge, identities, validation } = material;
    const { config, server, services } = this;
    const { parameters } = config;
    const down = server ? (config as DownstreamTls) : null;
    const up = server ? null : (config as UpstreamTls);
    const mustShow = down === null ? judge !== null : down.requireClientCertificate;
    const mustName = down?.requireSni === true;
    const context = services.contexts.make(this.place, [validation, mustShow, mustName, up?.sni], {
      server,
      certificates,
      authorities: "",
      requestCertificate: server && (mustShow || judge !== null),
      minVersion: parameters.minVersion,
      maxVersion: parameters.maxVersion,
      cipherSuites: parameters.cipherSuites,
      curves: parameters.curves,
      signatureAlgorithms: parameters.signatureAlgorithms,
      alpn,
      resumption: down?.sessionTickets === true,
      sessionTimeout: down === null ? 0 : down.sessionTimeout / 1000,
      maxSessions: up?.maxSessionKeys ?? 0,
    });
    this.fault = context.fault;
    if (this.fault !== "") {
      services.platform.log("error", "config", `${this.owner}: TLS: ${this.fault}`);
      return null;
    }
    return {
      context,
      judge,
      mustShow,
      serverName: up?.sni ?? "",
      mustName,
      local: identities[0] ?? null,
    };
  }

  private warn({ identities }: TlsMaterial): void {
    const { services } = this;
    for (const { notBefore, notAfter } of identities) {
      const left = notAfter - services.clock.wall;
      if (left > (notAfter - notBefore) * LATE) continue;
      const minutes = Math.max(0, Math.round(left / 60_000));
      services.platform.log("warning", "config", `${this.owner}: its certificate expires in ${minutes} min`);
    }
  }
}
