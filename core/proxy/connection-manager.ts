/**
 * One `http_connection_manager`, compiled for one filter chain of one listener in one worker: everything that its
 * connections and streams look up, resolved once.
 */
import type { Http2ProtocolOptions, HttpConnectionManager, Listener } from "../config/model.ts";
import type { AuthorityOptions } from "../http/authority.ts";
import { PathPolicy } from "../http/path.ts";
import type { NameCase } from "../http1/head-writer.ts";
import { DEFAULT_LIMITS, type Http1Limits } from "../http1/limits.ts";
import { type Http2Limits, http2Limits } from "../http2/limits.ts";
import type { RouteTable } from "../route/route-table.ts";
import type { Runtime } from "../route/runtime-fraction.ts";
import type { AccessLogger } from "../telemetry/access-log.ts";
import { type HttpStats, httpScope, httpStats } from "../telemetry/http-stats.ts";
import { listenerHttpScope, responseClassStats } from "../telemetry/listener-stats.ts";
import type { ResponseClassStats } from "../telemetry/response-stats.ts";
import type { Scope } from "../telemetry/stats.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import type { Clusters } from "./clusters.ts";
import { type FilterEnvironment, HttpFilters } from "./http-filters.ts";
import { LocalReplies } from "./local-reply.ts";
import type { LogCompiler } from "./log-compiler.ts";
import { nameCaseOf } from "./name-case.ts";
import { RequestHeaderRules } from "./request-headers.ts";
import type { Services } from "./services.ts";

/** What a connection speaks, as far as that is known. */
export const Unspoken = 0;
export const Http1 = 1;
export const Http2 = 2;
export type Spoken = typeof Unspoken | typeof Http1 | typeof Http2;

export class ConnectionManager {
  readonly config: HttpConnectionManager;
  readonly stats: HttpStats;
  readonly listenerResponses: ResponseClassStats;
  readonly limits: Http1Limits;
  readonly http2Limits: Http2Limits;
  readonly http2Options: Http2ProtocolOptions;
  readonly nameCase: NameCase;
  readonly pathPolicy: PathPolicy;
  readonly authorityOptions: AuthorityOptions;
  readonly headerRules: RequestHeaderRules;
  readonly localReplies: LocalReplies;
  readonly loggers: readonly AccessLogger[];
  /** Lower-case tokens that are configured, "connect" for CONNECT, and whether they may be switched to. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  readonly filterChainName: string;
  readonly listener: Listener;
  readonly clusters: Clusters;
  readonly filters: HttpFilters;
  /** Bytes of a request body that may wait for an upstream. */
  readonly bufferLimit: number;
  /** How long a head may take from its first byte, ms, 0 = off; and if that is the stream idle timeout. */
  readonly headTimeout: number;
  readonly headIdles: boolean;
  /** Swapped whole when RDS or the listener brings another one; null until the first arrives. */
  routeTable: RouteTable | null = null;
  /** Merged runtime values. */
  runtime: Runtime;
  private readonly scopes: readonly Scope[];

  constructor(
    config: HttpConnectionManager,
    listener: Listener,
    listenerName: string,
    filterChainName: string,
    services: Services,
    clusters: Clusters,
    logs: LogCompiler,
    filters: FilterEnvironment,
    runtime: Runtime,
  ) {
    this.config = config;
    this.filterChainName = filterChainName;
    this.listener = listener;
    this.bufferLimit = listener.perConnectionBufferLimitBytes;
    this.clusters = clusters;
    this.filters = new HttpFilters(config.httpFilters, filters);
    this.runtime = runtime;
    const { requestHeadersTimeout, streamIdleTimeout } = config;
    this.headIdles =
      streamIdleTimeout > 0 && (requestHeadersTimeout === 0 || streamIdleTimeout < requestHeadersTimeout);
    this.headTimeout = this.headIdles ? streamIdleTimeout : requestHeadersTimeout;
    const scope = httpScope(services.stats, config.statPrefix);
    const listenerScope = listenerHttpScope(services.stats, listenerName, config.statPrefix);
    this.scopes = [scope, listenerScope];
    this.stats = httpStats(scope);
    this.listenerResponses = responseClassStats(listenerScope);
    this.limits = {
      ...DEFAULT_LIMITS,
      maxHeadBytes: config.maxRequestHeadersBytes,
      maxFields: config.common.maxHeadersCount,
    };
    this.http2Limits = http2Limits(config.maxRequestHeadersBytes, config.common.maxHeadersCount);
    this.http2Options = {
      ...config.http2,
      // Whoever configures upgrades wants them, whatever version they are asked for in.
      allowConnect: config.http2.allowConnect || config.upgrades.some((upgrade) => upgrade.enabled),
    };
    this.nameCase = nameCaseOf(config.http1.headerKeyFormat);
    this.pathPolicy = new PathPolicy(config);
    this.authorityOptions = config;
    this.headerRules = new RequestHeaderRules(config, services.platform);
    this.localReplies = new LocalReplies(config.localReply, logs.context, logs.environment);
    this.loggers = logs.compile(config.accessLog);
    this.upgrades = new Map(config.upgrades.map((u) => [u.upgradeType, u.enabled]));
  }

  /** Counts an accepted connection. */
  connectionOpened(secure: boolean): void {
    const { stats } = this;
    stats.downstreamCxTotal++;
    stats.downstreamCxActive++;
    if (!secure) return;
    stats.downstreamCxSslTotal++;
    stats.downstreamCxSslActive++;
  }

  /** Counts a connection by what it turned out to speak. */
  protocolKnown(spoken: Spoken): void {
    const { stats } = this;
    if (spoken === Http2) {
      stats.downstreamCxHttp2Total++;
      stats.downstreamCxHttp2Active++;
    } else if (spoken === Http1) {
      stats.downstreamCxHttp1Total++;
      stats.downstreamCxHttp1Active++;
    }
  }

  /** Counts a request that begins. */
  requestBegun(http2: boolean): void {
    const { stats } = this;
    stats.downstreamRqTotal++;
    if (http2) stats.downstreamRqHttp2Total++;
    else stats.downstreamRqHttp1Total++;
    stats.downstreamRqActive++;
  }

  /** Counts its end: `remote` if the client ended it, `busy` if a request was under way; its life in ms. */
  connectionClosed(remote: boolean, busy: boolean, life: number, spoken: Spoken, secure: boolean): void {
    const { stats } = this;
    stats.downstreamCxActive--;
    if (secure) stats.downstreamCxSslActive--;
    if (spoken === Http2) stats.downstreamCxHttp2Active--;
    else if (spoken === Http1) stats.downstreamCxHttp1Active--;
    stats.downstreamCxDestroy++;
    if (remote) stats.downstreamCxDestroyRemote++;
    else stats.downstreamCxDestroyLocal++;
    stats.downstreamCxLengthMs.record(life);
    if (!busy) return;
    stats.downstreamCxDestroyActiveRq++;
    if (remote) stats.downstreamCxDestroyRemoteActiveRq++;
    else stats.downstreamCxDestroyLocalActiveRq++;
  }

  /** False while something has not arrived that requests cannot be served without. */
  get ready(): boolean {
    return this.routeTable !== null && this.filters.ready;
  }

  /** Its last connection is gone: gives its statistics and filters back. */
  release(): void {
    this.filters.release();
    for (const scope of this.scopes) scope.release();
  }
}

/** What was agreed upon by ALPN counts where the configuration leaves it open. */
export function codecOf(
  { config }: ConnectionManager,
  secure: SecureConnection | null,
): HttpConnectionManager["codecType"] {
  if (config.codecType !== "AUTO" || secure === null) return config.codecType;
  const { alpn } = secure.info;
  return alpn === "h2" ? "HTTP2" : alpn === "http/1.1" ? "HTTP1" : "AUTO";
}
