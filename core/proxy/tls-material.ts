/**
 * What TLS is spoken with on one side of one filter chain or cluster, in one worker: the engine's context, and the judge
 * of peers, made of the configuration and of the secrets that it names. Made anew when one of those was delivered anew;
 * connections keep what they began with.
 *
 * Law: what is missing or unusable makes the side refuse, never makes it laxer.
 */
import type {
  CommonTls,
  DownstreamTls,
  Secret,
  TlsCertificate,
  TlsValidation,
  UpstreamTls,
} from "../config/tls.ts";
import type { TlsContext } from "../io/tls.ts";
import { PeerJudge } from "../tls/peer-judge.ts";
import type { Services } from "./services.ts";

/** Ready for use. */
export interface TlsMaterial {
  readonly context: TlsContext;
  /** Null if peers are not asked who they are. */
  readonly judge: PeerJudge | null;
  /** A peer that shows no certificate is refused. */
  readonly mustShow: boolean;
  /** What a client asks for, "" = nothing. */
  readonly serverName: string;
  /** A client must name a server. */
  readonly mustName: boolean;
}

/** Secrets in force, by name. */
export type Secrets = ReadonlyMap<string, Secret>;

export class TlsSide {
  /** Null while something is missing or unusable: `fault` says what. */
  material: TlsMaterial | null = null;
  fault = "";
  private readonly services: Services;
  private readonly config: DownstreamTls | UpstreamTls;
  private readonly server: boolean;
  private readonly alpn: readonly string[];
  private readonly what: string;
  /** Versions of the secrets that it was made of. */
  private made = "";

  /** `alpn`: used where the configuration says nothing. `what`: who it is for, in logs. */
  constructor(
    services: Services,
    config: DownstreamTls | UpstreamTls,
    server: boolean,
    alpn: readonly string[],
    what: string,
  ) {
    this.services = services;
    this.config = config;
    this.server = server;
    this.alpn = alpn;
    this.what = what;
  }

  /** Secrets were delivered: makes it anew if they are others than before. */
  update(secrets: Secrets): void {
    const { config } = this;
    const names = [...config.certificateSecrets, config.validationSecret].filter((name) => name !== "");
    const made = names.map((name) => `${name}=${secrets.get(name)?.version ?? ""}`).join();
    if (made === this.made && (this.material !== null || this.fault !== "")) return;
    this.made = made;
    this.fault = "";
    this.material = this.make(secrets);
    if (this.fault !== "") this.services.platform.log("error", "config", `${this.what}: TLS: ${this.fault}`);
  }

  private make(secrets: Secrets): TlsMaterial | null {
    const { config, server, services } = this;
    const certificates: TlsCertificate[] = [...config.certificates];
    for (const name of config.certificateSecrets) {
      const certificate = secrets.get(name)?.certificate ?? null;
      if (certificate === null) return this.refuse(`secret ${name} has not been delivered`);
      certificates.push(certificate);
    }
    if (server && certificates.length === 0) return this.refuse("there is no certificate");
    const validation = this.validation(secrets);
    if (validation === undefined) return null;
    const mustShow = server ? (config as DownstreamTls).requireClientCertificate : validation !== null;
    const { parameters } = config;
    const context = services.platform.tlsContext({
      server,
      certificates,
      authorities: "",
      requestCertificate: server && (mustShow || validation !== null),
      minVersion: parameters.minVersion,
      maxVersion: parameters.maxVersion,
      cipherSuites: parameters.cipherSuites,
      curves: parameters.curves,
      signatureAlgorithms: parameters.signatureAlgorithms,
      alpn: config.alpn.length > 0 ? config.alpn : this.alpn,
      resumption: server
        ? (config as DownstreamTls).sessionTickets
        : (config as UpstreamTls).maxSessionKeys > 0,
      sessionTimeout: server ? (config as DownstreamTls).sessionTimeout / 1000 : 0,
    });
    if (context.fault !== "") return this.refuse(context.fault);
    const judge =
      validation === null
        ? null
        : new PeerJudge(validation, server ? "client" : "server", services.platform.cryptography);
    return {
      context,
      judge,
      mustShow,
      serverName: server ? "" : (config as UpstreamTls).sni,
      mustName: server && (config as DownstreamTls).requireSni,
    };
  }

  private refuse(fault: string): null {
    this.fault = fault;
    return null;
  }

  /** How peers are judged; undefined if a secret is missing. */
  private validation(secrets: Secrets): TlsValidation | null | undefined {
    const { validation, validationSecret } = this.config as CommonTls;
    if (validationSecret === "") return validation;
    const delivered = secrets.get(validationSecret)?.validation ?? null;
    if (delivered === null) {
      this.refuse(`secret ${validationSecret} has not been delivered`);
      return undefined;
    }
    return validation === null ? delivered : merged(validation, delivered);
  }
}

/** As Envoy completes a default context: what was delivered counts more, and lists are joined. */
function merged(base: TlsValidation, delivered: TlsValidation): TlsValidation {
  return {
    trustedCa: delivered.trustedCa || base.trustedCa,
    trustDomains: delivered.trustDomains ?? base.trustDomains,
    names: [...base.names, ...delivered.names],
    certificateHashes: [...base.certificateHashes, ...delivered.certificateHashes],
    publicKeyHashes: [...base.publicKeyHashes, ...delivered.publicKeyHashes],
    crl: delivered.crl || base.crl,
    crlOfLeafOnly: delivered.crlOfLeafOnly || base.crlOfLeafOnly,
    allowExpired: delivered.allowExpired || base.allowExpired,
    acceptUntrusted: delivered.acceptUntrusted || base.acceptUntrusted,
    maxDepth: Math.min(delivered.maxDepth, base.maxDepth),
  };
}
