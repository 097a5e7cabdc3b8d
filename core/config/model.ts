/**
 * The configuration as the core reads it: plain, immutable, structured-cloneable data with every default
 * filled in. `core/xds` makes it from Envoy's messages; nothing here knows YAML or protobuf.
 *
 * Names follow Envoy's v3 API in camelCase. Durations are milliseconds; 0 means "off" unless a field says
 * otherwise; `null` means "not configured". Text that reaches the wire is a byte string (UTF-8 already applied).
 */
import type { LookupFamily } from "../io/platform.ts";
import type { Address, Keepalive } from "../io/socket.ts";
import type { EndpointHealthCheck, HealthCheck } from "./health-check.ts";
import type { DownstreamTls, ListenerFilters, Secret, UpstreamTls } from "./tls.ts";

/** Everything in force at one moment. Broadcast to the workers as a whole; `version` of a resource tells what changed. */
export interface Snapshot {
  readonly node: Node;
  readonly listeners: readonly Listener[];
  readonly clusters: readonly Cluster[];
  /** Route configurations delivered by RDS, by name. */
  readonly routes: readonly RouteConfiguration[];
  /** Endpoints delivered by EDS, by cluster (or service) name. */
  readonly endpoints: readonly ClusterLoadAssignment[];
  /** Filters that are configured apart from their listeners (ECDS), by name. */
  readonly extensions: readonly ExtensionConfig[];
  /** Certificates and what peers are judged by, delivered by SDS or read from files, by name. Absent = none. */
  readonly secrets?: readonly Secret[] | undefined;
  /** Layered runtime, already merged: key → value. */
  readonly runtime: { readonly [key: string]: string | number | boolean };
}

export interface Node {
  readonly id: string;
  readonly cluster: string;
  readonly locality: Locality;
  readonly metadata: Json;
}

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** What Envoy calls filter metadata: values for whoever asks, by namespace; keys and texts are byte strings. */
export interface Metadata {
  readonly [namespace: string]: Json;
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

// ── Listeners ───────────────────────────────────────────────────────────────────────────────────────────────

export interface Listener {
  readonly name: string;
  /** Hash of the resource: equal versions are the same resource. */
  readonly version: string;
  readonly addresses: readonly Address[];
  readonly statPrefix: string;
  readonly filterChains: readonly FilterChain[];
  readonly defaultFilterChain: FilterChain | null;
  /** Bytes buffered per connection before reading pauses (default 1 MiB). */
  readonly perConnectionBufferLimitBytes: number;
  readonly reusePort: boolean;
  readonly bindToPort: boolean;
  readonly backlog: number;
  readonly trafficDirection: "UNSPECIFIED" | "INBOUND" | "OUTBOUND";
  /** Absent = none. */
  readonly metadata?: Metadata | undefined;
  readonly accessLog: readonly AccessLog[];
  /** Absent = nothing looks at the first bytes. */
  readonly filters?: ListenerFilters | undefined;
}

export interface FilterChain {
  readonly name: string;
  readonly match: FilterChainMatch;
  /** Null or absent = plain text. */
  readonly tls?: DownstreamTls | null | undefined;
  /** ms until the handshake is over; absent or 0 = for ever. */
  readonly handshakeTimeout?: number | undefined;
  /** What stands before `filter`, in order. */
  readonly networkFilters: readonly NetworkFilterConfig[];
  readonly filter: HttpConnectionManager | TcpProxy;
}

/** A network filter other than the last. */
export interface NetworkFilterConfig extends FilterConfig {
  readonly name: string;
}

/** Keys in Envoy's order of precedence; empty lists match anything. Matching is staged without going back. */
export interface FilterChainMatch {
  /** 0 = any. */
  readonly destinationPort: number;
  readonly prefixRanges: readonly CidrRange[];
  readonly serverNames: readonly string[];
  /** "", "raw_buffer" or "tls". */
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
  readonly directSourcePrefixRanges: readonly CidrRange[];
  readonly sourceType: "ANY" | "SAME_IP_OR_LOOPBACK" | "EXTERNAL";
  readonly sourcePrefixRanges: readonly CidrRange[];
  readonly sourcePorts: readonly number[];
}

export interface CidrRange {
  readonly ip: string;
  readonly prefixLength: number;
}

export interface TcpProxy {
  readonly kind: "tcp_proxy";
  readonly statPrefix: string;
  /** One entry for a single cluster. */
  readonly clusters: readonly WeightedCluster[];
  /** Default 1 h; 0 = off. */
  readonly idleTimeout: number;
  /** 0 = off. */
  readonly maxDownstreamConnectionDuration: number;
  readonly maxConnectAttempts: number;
  readonly accessLog: readonly AccessLog[];
}

export interface HttpConnectionManager {
  readonly kind: "http_connection_manager";
  readonly statPrefix: string;
  readonly codecType: "AUTO" | "HTTP1" | "HTTP2";
  /** Name to look up in `Snapshot.routes`, or "" if `routeConfig` is inline. */
  readonly rds: string;
  readonly routeConfig: RouteConfiguration | null;
  /** In chain order; the last is the router. */
  readonly httpFilters: readonly HttpFilter[];
  readonly router: RouterOptions;
  readonly accessLog: readonly AccessLog[];

  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  /** Pseudonym for `via`, "" = none added (Envoy's default). */
  readonly via: string;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly internalCidrRanges: readonly CidrRange[];
  readonly serverName: string;
  readonly serverHeaderTransformation: "OVERWRITE" | "APPEND_IF_ABSENT" | "PASS_THROUGH";
  /** "" = from the connection. */
  readonly schemeToOverwrite: "" | "http" | "https";
  readonly forwardClientCertDetails:
    | "SANITIZE"
    | "FORWARD_ONLY"
    | "APPEND_FORWARD"
    | "SANITIZE_SET"
    | "ALWAYS_FORWARD_ONLY";
  /** What our element of `x-forwarded-client-cert` says beside the hash. */
  readonly clientCertDetails: ClientCertDetails;

  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly pathWithEscapedSlashesAction:
    | "KEEP_UNCHANGED"
    | "REJECT_REQUEST"
    | "UNESCAPE_AND_REDIRECT"
    | "UNESCAPE_AND_FORWARD";
  readonly stripMatchingHostPort: boolean;
  readonly stripAnyHostPort: boolean;
  readonly stripTrailingHostDot: boolean;

  readonly requestTimeout: number;
  readonly requestHeadersTimeout: number;
  /** Default 5 min. */
  readonly streamIdleTimeout: number;
  /** Default 5 s. */
  readonly drainTimeout: number;
  /** Default 1 s. */
  readonly delayedCloseTimeout: number;
  readonly common: CommonHttpProtocolOptions;
  readonly http1: Http1ProtocolOptions;
  readonly http2: Http2ProtocolOptions;
  /** Bytes (default 60 KiB). */
  readonly maxRequestHeadersBytes: number;
  readonly upgrades: readonly UpgradeConfig[];
  readonly localReply: LocalReplyConfig;
  readonly proxy100Continue: boolean;
}

/** `set_current_client_cert_details`. */
export interface ClientCertDetails {
  readonly subject: boolean;
  readonly cert: boolean;
  readonly chain: boolean;
  readonly dns: boolean;
  readonly uri: boolean;
}

export interface HttpFilter {
  readonly name: string;
  /** Without "type.googleapis.com/". */
  readonly typeName: string;
  readonly disabled: boolean;
  /** The filter's own configuration, decoded by its factory; {} if it is to be discovered. */
  readonly config: Json;
  /** Where the configuration comes from if it is not here; `typeName` is "" then. */
  readonly discovery: FilterDiscovery | null;
}

/** A filter whose configuration is an `ExtensionConfig` of its own (ECDS). */
export interface FilterDiscovery {
  /** Its name. */
  readonly resource: string;
  /** Messages that it may be, without "type.googleapis.com/". */
  readonly typeNames: readonly string[];
  /** What serves until it arrives, or null. */
  readonly fallback: FilterConfig | null;
  /** The listener does not wait for it. */
  readonly withoutWarming: boolean;
}

/** A filter's configuration message. */
export interface FilterConfig {
  /** Without "type.googleapis.com/". */
  readonly typeName: string;
  /** Without `@type`. */
  readonly config: Json;
}

/** A filter that is configured apart from its listeners (`TypedExtensionConfig`, delivered by ECDS). */
export interface ExtensionConfig extends FilterConfig {
  readonly name: string;
  readonly version: string;
}

/** What a route says about a filter of the chain (`typed_per_filter_config`). */
export interface PerFilterConfig {
  /** The filter's name in the chain. */
  readonly name: string;
  readonly disabled: boolean;
  /** What replaces the chain's configuration on this route, or null. */
  readonly own: FilterConfig | null;
}

/** Options of the router filter. */
export interface RouterOptions {
  /** False: answers are not counted by code and time (`cluster.<name>.upstream_rq_<code>`). Default true. */
  readonly dynamicStats: boolean;
  /** The router adds no `x-envoy-…` field of its own to requests and answers. */
  readonly suppressEnvoyHeaders: boolean;
  /** Fields that must make sense or the request is answered with 400; lower case, of the five that Envoy knows. */
  readonly strictCheckHeaders: readonly string[];
  /** `x-envoy-expected-rq-timeout-ms`, which the proxy before us has set, is the route's timeout. */
  readonly respectExpectedRqTimeout: boolean;
}

export interface CommonHttpProtocolOptions {
  /** Default 1 h; 0 = off. */
  readonly idleTimeout: number;
  readonly maxConnectionDuration: number;
  /** Default 100. */
  readonly maxHeadersCount: number;
  readonly maxStreamDuration: number;
  readonly headersWithUnderscoresAction: "ALLOW" | "REJECT_REQUEST" | "DROP_HEADER";
  /** 0 = unlimited. */
  readonly maxRequestsPerConnection: number;
}

/** How HTTP/2 is spoken on one side. Defaults are Envoy's, but for the windows: docs/limits.md. */
export interface Http2ProtocolOptions {
  /** Streams open at once on a connection, default 1024: those that a client may open, or that we open. */
  readonly maxConcurrentStreams: number;
  /** What a peer may send ahead in one stream, and on the connection, bytes; defaults 256 KiB and 4 MiB. */
  readonly initialStreamWindowSize: number;
  readonly initialConnectionWindowSize: number;
  /** Most bytes of an HPACK table, ours and the peer's; default 4096. */
  readonly hpackTableSize: number;
  /** Clients may CONNECT, also for another protocol (RFC 8441). */
  readonly allowConnect: boolean;
  /** PINGs that ask whether the peer is still there; null = none. */
  readonly keepalive: Http2Keepalive | null;
}

export interface Http2Keepalive {
  /** Time between two of them, ms; 0 = only before a connection that was idle is used. */
  readonly interval: number;
  /** Within this time the peer answers, or the connection is closed, ms. */
  readonly timeout: number;
  /** Part of the interval that is added by chance, 0 to 1. */
  readonly jitter: number;
  /** A connection that was silent for so long is asked before it is used, ms; 0 = off. */
  readonly connectionIdleInterval: number;
}

export interface Http1ProtocolOptions {
  readonly allowAbsoluteUrl: boolean;
  readonly acceptHttp10: boolean;
  readonly defaultHostForHttp10: string;
  readonly headerKeyFormat: "DEFAULT" | "PROPER_CASE" | "PRESERVE_CASE";
  readonly enableTrailers: boolean;
}

export interface UpgradeConfig {
  /** Lower case, e.g. "websocket", "connect". */
  readonly upgradeType: string;
  readonly enabled: boolean;
  /** For "connect" on a route: end the CONNECT here and send its payload upstream as plain TCP. */
  readonly terminateConnect: boolean;
}

export interface LocalReplyConfig {
  readonly bodyFormat: SubstitutionFormat | null;
  readonly mappers: readonly LocalReplyMapper[];
}

export interface LocalReplyMapper {
  readonly filter: AccessLogFilter;
  readonly status: number | null;
  readonly body: string | null;
  readonly bodyFormat: SubstitutionFormat | null;
  readonly headersToAdd: readonly HeaderToAdd[];
}

// ── Access logs ─────────────────────────────────────────────────────────────────────────────────────────────

export interface AccessLog {
  /** A path; "/dev/stdout" and "/dev/stderr" for the standard streams. */
  readonly path: string;
  /** Null = Envoy's default text format. */
  readonly format: SubstitutionFormat | null;
  readonly filter: AccessLogFilter | null;
}

export type SubstitutionFormat =
  | {
      readonly kind: "text";
      readonly format: string;
      readonly omitEmptyValues: boolean;
      readonly contentType: string;
    }
  | {
      readonly kind: "json";
      readonly format: Json;
      readonly omitEmptyValues: boolean;
      readonly contentType: string;
    };

export type AccessLogFilter =
  | { readonly kind: "status_code"; readonly comparison: Comparison }
  | { readonly kind: "duration"; readonly comparison: Comparison }
  | { readonly kind: "not_health_check" }
  | { readonly kind: "traceable" }
  | { readonly kind: "runtime"; readonly fraction: RuntimeFraction }
  | { readonly kind: "and" | "or"; readonly filters: readonly AccessLogFilter[] }
  | { readonly kind: "header"; readonly header: HeaderMatcher }
  /** Empty = any flag. */
  | { readonly kind: "response_flag"; readonly flags: readonly string[] };

export interface Comparison {
  readonly op: "EQ" | "GE" | "LE" | "NE";
  readonly value: number;
  readonly runtimeKey: string;
}

// ── Routes ──────────────────────────────────────────────────────────────────────────────────────────────────

export interface RouteConfiguration {
  readonly name: string;
  readonly version: string;
  readonly virtualHosts: readonly VirtualHost[];
  readonly headers: HeaderOperations;
  readonly internalOnlyHeaders: readonly string[];
  readonly mostSpecificHeaderMutationsWins: boolean;
  readonly perFilter: readonly PerFilterConfig[];
  readonly ignorePortInHostMatching: boolean;
  readonly ignorePathParametersInPathMatching: boolean;
  /** Default 4096. */
  readonly maxDirectResponseBodySizeBytes: number;
}

/** In the order removals were given; names are lower case. */
export interface HeaderOperations {
  readonly requestAdd: readonly HeaderToAdd[];
  readonly requestRemove: readonly string[];
  readonly responseAdd: readonly HeaderToAdd[];
  readonly responseRemove: readonly string[];
}

export interface HeaderToAdd {
  /** Lower case. */
  readonly name: string;
  /** May contain `%…%` operators. */
  readonly value: string;
  readonly action:
    | "APPEND_IF_EXISTS_OR_ADD"
    | "ADD_IF_ABSENT"
    | "OVERWRITE_IF_EXISTS_OR_ADD"
    | "OVERWRITE_IF_EXISTS";
  readonly keepEmptyValue: boolean;
}

export interface VirtualHost {
  readonly name: string;
  /** Exact, "*.suffix", "prefix.*" or "*"; lower case. */
  readonly domains: readonly string[];
  readonly routes: readonly Route[];
  readonly requireTls: "NONE" | "EXTERNAL_ONLY" | "ALL";
  readonly headers: HeaderOperations;
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly retryPolicy: RetryPolicy | null;
  /** Null = the listener's buffer limit. */
  readonly perRequestBufferLimitBytes: number | null;
  readonly perFilter: readonly PerFilterConfig[];
  /** Absent = none. */
  readonly metadata?: Metadata | undefined;
}

export interface Route {
  readonly name: string;
  readonly match: RouteMatch;
  readonly action: RouteAction | RedirectAction | DirectResponseAction | { readonly kind: "non_forwarding" };
  readonly headers: HeaderOperations;
  readonly perRequestBufferLimitBytes: number | null;
  /** The most specific says: weighted cluster, route, virtual host, route configuration. */
  readonly perFilter: readonly PerFilterConfig[];
  readonly statPrefix: string;
  readonly decorator: string;
  /** Absent = none. */
  readonly metadata?: Metadata | undefined;
}

export interface RouteMatch {
  readonly path: PathMatch;
  readonly caseSensitive: boolean;
  readonly runtimeFraction: RuntimeFraction | null;
  readonly headers: readonly HeaderMatcher[];
  readonly queryParameters: readonly QueryParameterMatcher[];
  readonly grpc: boolean;
  /** Null = whatever the client's connection is. */
  readonly tls: TlsMatch | null;
}

/** Of the client's certificate; null = either will do. */
export interface TlsMatch {
  readonly presented: boolean | null;
  readonly validated: boolean | null;
}

export type PathMatch =
  | { readonly kind: "path" | "prefix" | "path_separated_prefix"; readonly text: string }
  | { readonly kind: "regex"; readonly regex: string }
  | { readonly kind: "connect" };

export interface RuntimeFraction {
  readonly runtimeKey: string;
  readonly numerator: number;
  readonly denominator: 100 | 10_000 | 1_000_000;
}

export type StringMatch =
  | {
      readonly kind: "exact" | "prefix" | "suffix" | "contains";
      readonly text: string;
      readonly ignoreCase: boolean;
    }
  | { readonly kind: "regex"; readonly regex: string };

export interface HeaderMatcher {
  /** Lower case; may begin with ":". */
  readonly name: string;
  readonly test:
    | { readonly kind: "string"; readonly match: StringMatch }
    | { readonly kind: "range"; readonly start: number; readonly end: number }
    | { readonly kind: "present"; readonly present: boolean };
  readonly invert: boolean;
  readonly treatMissingAsEmpty: boolean;
}

export interface QueryParameterMatcher {
  readonly name: string;
  readonly test:
    | { readonly kind: "string"; readonly match: StringMatch }
    | { readonly kind: "present"; readonly present: boolean };
}

export interface RegexRewrite {
  readonly regex: string;
  /** RE2 substitution: `\1` … `\9`, `\0` whole match. */
  readonly substitution: string;
}

export interface WeightedCluster {
  readonly name: string;
  readonly weight: number;
  readonly headers: HeaderOperations;
  readonly hostRewriteLiteral: string;
  /** Absent = it says nothing about filters. */
  readonly perFilter?: readonly PerFilterConfig[] | undefined;
}

export interface RouteAction {
  readonly kind: "route";
  /** Exactly one of these three is set. */
  readonly cluster: string;
  readonly clusterHeader: string;
  readonly weightedClusters: readonly WeightedCluster[];
  /** 0 = the sum of the weights. */
  readonly totalWeight: number;
  readonly clusterNotFoundStatus: 503 | 404 | 500;
  /** "" = none. */
  readonly prefixRewrite: string;
  readonly regexRewrite: RegexRewrite | null;
  readonly hostRewriteLiteral: string;
  readonly hostRewriteHeader: string;
  readonly hostRewritePathRegex: RegexRewrite | null;
  readonly autoHostRewrite: boolean;
  readonly appendXForwardedHost: boolean;
  /** Default 15 s; 0 = off, as where the route limits the duration of streams instead. */
  readonly timeout: number;
  /** Null = `grpc-timeout` means nothing to the proxy. */
  readonly grpcTimeout: GrpcTimeoutRules | null;
  /** Null = the connection manager's stream idle timeout. */
  readonly idleTimeout: number | null;
  /** Null = the connection manager's. */
  readonly maxStreamDuration: number | null;
  readonly retryPolicy: RetryPolicy | null;
  readonly priority: "DEFAULT" | "HIGH";
  readonly upgrades: readonly UpgradeConfig[];
}

/** What a request's `grpc-timeout` does on a route. */
export interface GrpcTimeoutRules {
  /** Whether it limits the stream (`max_stream_duration.grpc_timeout_header_*`), or the answer (`max_grpc_timeout`). */
  readonly of: "stream" | "answer";
  /** 0 = unlimited. */
  readonly max: number;
  /** What is taken off. */
  readonly offset: number;
}

export interface RetryPolicy {
  /** Envoy's conditions, e.g. "connect-failure", "reset-before-request", "5xx". */
  readonly retryOn: readonly string[];
  readonly numRetries: number;
  /** 0 = none. */
  readonly perTryTimeout: number;
  readonly perTryIdleTimeout: number;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderMatcher[];
  readonly retriableRequestHeaders: readonly HeaderMatcher[];
  readonly backOffBase: number;
  readonly backOffMax: number;
  readonly previousHosts: boolean;
  readonly hostSelectionAttempts: number;
}

export interface RedirectAction {
  readonly kind: "redirect";
  readonly httpsRedirect: boolean;
  readonly schemeRedirect: string;
  readonly hostRedirect: string;
  /** 0 = unchanged. */
  readonly portRedirect: number;
  /** "" = unchanged; at most one of the three. */
  readonly pathRedirect: string;
  readonly prefixRewrite: string;
  readonly regexRewrite: RegexRewrite | null;
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly stripQuery: boolean;
}

export interface DirectResponseAction {
  readonly kind: "direct_response";
  readonly status: number;
  /** Byte string; may contain `%…%` only if `bodyFormat` is set. */
  readonly body: string;
  readonly bodyFormat: SubstitutionFormat | null;
}

// ── Clusters ────────────────────────────────────────────────────────────────────────────────────────────────

export interface Cluster {
  readonly name: string;
  readonly version: string;
  /** Name in statistics; "" = `name`. */
  readonly altStatName: string;
  readonly type: "STATIC" | "STRICT_DNS" | "LOGICAL_DNS" | "EDS";
  readonly lbPolicy: "ROUND_ROBIN" | "LEAST_REQUEST" | "RANDOM";
  /** Default 2. */
  readonly leastRequestChoiceCount: number;
  readonly leastRequestActiveRequestBias: number;
  /** Default 5 s. */
  readonly connectTimeout: number;
  /** Bytes of a request that may wait for a connection (default 1 MiB); 0 = as the listener says. */
  readonly perConnectionBufferLimitBytes: number;
  /** For STATIC and DNS clusters; null for EDS. */
  readonly loadAssignment: ClusterLoadAssignment | null;
  /** EDS resource name; "" = `name`. */
  readonly edsServiceName: string;
  readonly dns: DnsOptions;
  readonly circuitBreakers: { readonly default: Thresholds; readonly high: Thresholds };
  readonly common: CommonHttpProtocolOptions;
  readonly http1: Http1ProtocolOptions;
  /** Null = HTTP/1. */
  readonly http2: Http2ProtocolOptions | null;
  /** Either version is spoken, with `http1` or `http2`: as ALPN says, or as the client does. Absent = see `http2`. */
  readonly protocolBy?: "ALPN" | "DOWNSTREAM" | undefined;
  /** Bytes (Envoy's default for responses: 60 KiB). */
  readonly maxResponseHeadersBytes: number;
  /** Percent; default 50. */
  readonly healthyPanicThreshold: number;
  /** `common_lb_config.locality_weighted_lb_config`: localities by their weights first. Absent = off. */
  readonly localityWeighted?: boolean;
  /** TCP pool idle timeout, default 10 min. */
  readonly tcpPoolIdleTimeout: number;
  /** TCP keepalive, null = off. */
  readonly tcpKeepalive: Keepalive | null;
  /** Null or absent = plain text. */
  readonly tls?: UpstreamTls | null | undefined;
  /** Null or absent = endpoints are not asked. */
  readonly healthCheck?: HealthCheck | null | undefined;
  /** What follows holds where endpoints are asked; absent = false. A new endpoint does not count before it was. */
  readonly ignoreNewUntilChecked?: boolean;
  /** An endpoint that is taken away goes at once, though it is well. */
  readonly ignoreHealthOnRemoval?: boolean;
  /** TCP connections to an endpoint that fails are closed. */
  readonly closeOnFailure?: boolean;
  /** Absent = none. */
  readonly metadata?: Metadata | undefined;
}

export interface DnsOptions {
  /** Default 5 s. */
  readonly refreshRate: number;
  /** After a failure: random back-off between these bounds; equal bounds wait exactly so long. */
  readonly failureRefreshBase: number;
  readonly failureRefreshMax: number;
  readonly jitter: number;
  readonly respectTtl: boolean;
  readonly lookupFamily: LookupFamily;
}

/** Envoy's defaults: 1024 connections, 1024 pending, 1024 requests, 3 retries. */
export interface Thresholds {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  readonly retryBudget: { readonly percent: number; readonly minConcurrency: number } | null;
  readonly trackRemaining: boolean;
  readonly maxConnectionPools: number;
}

export interface ClusterLoadAssignment {
  readonly clusterName: string;
  readonly version: string;
  readonly localities: readonly LocalityEndpoints[];
  /** Default 140. */
  readonly overprovisioningFactor: number;
}

export interface LocalityEndpoints {
  readonly locality: Locality;
  readonly priority: number;
  /** 0 = not weighted. */
  readonly weight: number;
  readonly endpoints: readonly Endpoint[];
  /** Absent = none. */
  readonly metadata?: Metadata | undefined;
}

export interface Endpoint {
  /** `address.ip` is a host name in DNS clusters. */
  readonly address: Address;
  readonly hostname: string;
  /** 1 … 128 and above; default 1. */
  readonly weight: number;
  readonly health: "UNKNOWN" | "HEALTHY" | "UNHEALTHY" | "DRAINING" | "TIMEOUT" | "DEGRADED";
  readonly metadata: Metadata;
  /** Null or absent = it is asked as it is. */
  readonly healthCheck?: EndpointHealthCheck | null | undefined;
}
