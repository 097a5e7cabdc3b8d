/** Configuration for engine tests: every default filled in, and functions that change just what a test is about. */
import type {
  Cluster,
  CommonHttpProtocolOptions,
  Endpoint,
  HeaderOperations,
  Http1ProtocolOptions,
  Http2ProtocolOptions,
  HttpConnectionManager,
  Listener,
  RetryPolicy,
  Route,
  RouteAction,
  RouteConfiguration,
  Snapshot,
  TcpProxy,
  Thresholds,
  VirtualHost,
} from "../../core/config/model.ts";
import type { Address } from "../../core/io/socket.ts";
import { readHttp2Options } from "../../core/xds/http2-options.ts";
import { ROUTER_DEFAULTS } from "../../core/xds/router-options.ts";

export const NO_HEADERS: HeaderOperations = {
  requestAdd: [],
  requestRemove: [],
  responseAdd: [],
  responseRemove: [],
};

export const COMMON: CommonHttpProtocolOptions = {
  idleTimeout: 3_600_000,
  maxConnectionDuration: 0,
  maxHeadersCount: 100,
  maxStreamDuration: 0,
  headersWithUnderscoresAction: "ALLOW",
  maxRequestsPerConnection: 0,
};

/** As configured by who says nothing of it. */
export const HTTP2: Http2ProtocolOptions = readHttp2Options(null);

export const HTTP1: Http1ProtocolOptions = {
  allowAbsoluteUrl: true,
  acceptHttp10: true,
  defaultHostForHttp10: "",
  headerKeyFormat: "DEFAULT",
  enableTrailers: false,
};

const THRESHOLDS: Thresholds = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  retryBudget: null,
  trackRemaining: false,
  maxConnectionPools: 1024,
};

export function ip(address: string, port: number): Address {
  return { ip: address, port, path: "" };
}

export function endpoint(address: Address, change: Partial<Endpoint> = {}): Endpoint {
  return { address, hostname: "", weight: 1, health: "UNKNOWN", metadata: {}, ...change };
}

/** A STATIC round-robin cluster with these endpoints. */
export function cluster(name: string, addresses: readonly Address[], change: Partial<Cluster> = {}): Cluster {
  return {
    name,
    version: JSON.stringify([name, addresses, change]),
    altStatName: "",
    type: "STATIC",
    lbPolicy: "ROUND_ROBIN",
    leastRequestChoiceCount: 2,
    leastRequestActiveRequestBias: 1,
    connectTimeout: 5000,
    perConnectionBufferLimitBytes: 1024 * 1024,
    loadAssignment: {
      clusterName: name,
      version: JSON.stringify(addresses),
      localities: [
        {
          locality: { region: "", zone: "", subZone: "" },
          priority: 0,
          weight: 0,
          endpoints: addresses.map((address) => endpoint(address)),
        },
      ],
      overprovisioningFactor: 140,
    },
    edsServiceName: "",
    dns: {
      refreshRate: 5000,
      failureRefreshBase: 5000,
      failureRefreshMax: 5000,
      jitter: 0,
      respectTtl: false,
      lookupFamily: "auto",
    },
    circuitBreakers: { default: THRESHOLDS, high: THRESHOLDS },
    common: COMMON,
    http1: HTTP1,
    http2: null,
    maxResponseHeadersBytes: 60 * 1024,
    healthyPanicThreshold: 50,
    tcpPoolIdleTimeout: 600_000,
    tcpKeepalive: null,
    ...change,
  };
}

export function routeTo(clusterName: string, change: Partial<RouteAction> = {}): RouteAction {
  return {
    kind: "route",
    cluster: clusterName,
    clusterHeader: "",
    weightedClusters: [],
    totalWeight: 0,
    clusterNotFoundStatus: 503,
    prefixRewrite: "",
    regexRewrite: null,
    hostRewriteLiteral: "",
    hostRewriteHeader: "",
    hostRewritePathRegex: null,
    autoHostRewrite: false,
    appendXForwardedHost: false,
    timeout: 15_000,
    idleTimeout: null,
    grpcTimeout: null,
    maxStreamDuration: null,
    retryPolicy: null,
    priority: "DEFAULT",
    upgrades: [],
    ...change,
  };
}

/** Retries nothing, once, with Envoy's back-off. */
export function retryPolicy(change: Partial<RetryPolicy>): RetryPolicy {
  return {
    retryOn: [],
    numRetries: 1,
    perTryTimeout: 0,
    perTryIdleTimeout: 0,
    retriableStatusCodes: [],
    retriableHeaders: [],
    retriableRequestHeaders: [],
    backOffBase: 25,
    backOffMax: 250,
    previousHosts: false,
    hostSelectionAttempts: 1,
    ...change,
  };
}

/** A route for every path below `prefix`. */
export function route(prefix: string, action: Route["action"], change: Partial<Route> = {}): Route {
  return {
    name: "",
    match: {
      path: { kind: "prefix", text: prefix },
      caseSensitive: true,
      runtimeFraction: null,
      headers: [],
      queryParameters: [],
      grpc: false,
      tls: null,
    },
    action,
    headers: NO_HEADERS,
    perRequestBufferLimitBytes: null,
    perFilter: [],
    statPrefix: "",
    decorator: "",
    ...change,
  };
}

export function virtualHost(routes: readonly Route[], change: Partial<VirtualHost> = {}): VirtualHost {
  return {
    name: "all",
    domains: ["*"],
    routes,
    requireTls: "NONE",
    headers: NO_HEADERS,
    includeRequestAttemptCount: false,
    includeAttemptCountInResponse: false,
    retryPolicy: null,
    perRequestBufferLimitBytes: null,
    perFilter: [],
    ...change,
  };
}

export function routeConfiguration(
  hosts: readonly VirtualHost[],
  change: Partial<RouteConfiguration> = {},
): RouteConfiguration {
  return {
    name: "routes",
    version: JSON.stringify([hosts, change]),
    virtualHosts: hosts,
    headers: NO_HEADERS,
    internalOnlyHeaders: [],
    mostSpecificHeaderMutationsWins: false,
    perFilter: [],
    ignorePortInHostMatching: false,
    ignorePathParametersInPathMatching: false,
    maxDirectResponseBodySizeBytes: 4096,
    ...change,
  };
}

/** A tcp_proxy to the cluster `to`; an hour of silence is allowed, and one attempt. */
export function tcpProxy(to = "app", change: Partial<TcpProxy> = {}): TcpProxy {
  return {
    kind: "tcp_proxy",
    statPrefix: "test",
    clusters: [{ name: to, weight: 1, headers: NO_HEADERS, hostRewriteLiteral: "" }],
    idleTimeout: 3_600_000,
    maxDownstreamConnectionDuration: 0,
    maxConnectAttempts: 1,
    accessLog: [],
    ...change,
  };
}

export function httpManager(
  routeConfig: RouteConfiguration,
  change: Partial<HttpConnectionManager> = {},
): HttpConnectionManager {
  return {
    kind: "http_connection_manager",
    statPrefix: "test",
    codecType: "AUTO",
    rds: "",
    routeConfig,
    httpFilters: [],
    router: ROUTER_DEFAULTS,
    accessLog: [],
    useRemoteAddress: false,
    xffNumTrustedHops: 0,
    skipXffAppend: false,
    via: "",
    generateRequestId: true,
    preserveExternalRequestId: false,
    alwaysSetRequestIdInResponse: false,
    internalCidrRanges: [],
    serverName: "envoy",
    serverHeaderTransformation: "OVERWRITE",
    schemeToOverwrite: "",
    forwardClientCertDetails: "SANITIZE",
    clientCertDetails: { subject: false, cert: false, chain: false, dns: false, uri: false },
    normalizePath: true,
    mergeSlashes: false,
    pathWithEscapedSlashesAction: "KEEP_UNCHANGED",
    stripMatchingHostPort: false,
    stripAnyHostPort: false,
    stripTrailingHostDot: false,
    requestTimeout: 0,
    requestHeadersTimeout: 0,
    streamIdleTimeout: 300_000,
    drainTimeout: 5000,
    delayedCloseTimeout: 1000,
    common: COMMON,
    http1: HTTP1,
    http2: HTTP2,
    maxRequestHeadersBytes: 60 * 1024,
    upgrades: [{ upgradeType: "websocket", enabled: true, terminateConnect: false }],
    localReply: { bodyFormat: null, mappers: [] },
    proxy100Continue: false,
    ...change,
  };
}

/** A listener whose only filter chain takes everything. */
export function listener(
  name: string,
  address: Address,
  filter: Listener["filterChains"][number]["filter"],
  change: Partial<Listener> = {},
): Listener {
  return {
    name,
    version: JSON.stringify([name, address, filter, change]),
    addresses: [address],
    statPrefix: "",
    filterChains: [
      {
        name: "",
        match: {
          destinationPort: 0,
          prefixRanges: [],
          serverNames: [],
          transportProtocol: "",
          applicationProtocols: [],
          directSourcePrefixRanges: [],
          sourceType: "ANY",
          sourcePrefixRanges: [],
          sourcePorts: [],
        },
        networkFilters: [],
        filter,
      },
    ],
    defaultFilterChain: null,
    perConnectionBufferLimitBytes: 1024 * 1024,
    reusePort: true,
    bindToPort: true,
    backlog: 128,
    trafficDirection: "UNSPECIFIED",
    accessLog: [],
    ...change,
  };
}

export function snapshot(
  listeners: readonly Listener[],
  clusters: readonly Cluster[],
  change: Partial<Snapshot> = {},
): Snapshot {
  return {
    node: { id: "", cluster: "", locality: { region: "", zone: "", subZone: "" }, metadata: {} },
    listeners,
    clusters,
    routes: [],
    endpoints: [],
    extensions: [],
    runtime: {},
    ...change,
  };
}
