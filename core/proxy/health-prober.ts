/**
 * Asks the endpoints of one cluster whether they are well: by connections of its own, which count nowhere among the
 * cluster's (Envoy), but speak TLS with what the cluster's speak it with.
 */
import { Breaker } from "../cluster/breaker.ts";
import type { ClusterState } from "../cluster/cluster.ts";
import { EndpointState } from "../cluster/endpoint.ts";
import type { Probe, Prober, ProbeSink } from "../cluster/health-probe.ts";
import type { HealthCheck } from "../config/health-check.ts";
import type { Http2ProtocolOptions, Thresholds } from "../config/model.ts";
import type { FormatEnvironment } from "../http/formatter.ts";
import type { RequestHead } from "../http/head.ts";
import type { Address } from "../io/socket.ts";
import { compileHeaderMutation, type HeaderMutation, NO_MUTATION } from "../route/header-mutation.ts";
import { BreakerStats, ClusterStats } from "../telemetry/cluster-stats.ts";
import type { Http2Stats } from "../telemetry/http2-stats.ts";
import type { TlsCounts } from "../telemetry/tls-stats.ts";
import { GrpcProbe } from "./grpc-probe.ts";
import { HttpProbe } from "./http-probe.ts";
import { ConnectionPool, type PoolCluster, type PoolOptions } from "./pool.ts";
import { ProbeInfo } from "./probe-info.ts";
import type { Services } from "./services.ts";
import { TcpProbe } from "./tcp-probe.ts";
import { TlsSide } from "./tls-side.ts";

const MANY = 0xffffffff;
const NO_LIMITS: Thresholds = {
  maxConnections: MANY,
  maxPendingRequests: MANY,
  maxRequests: MANY,
  maxRetries: 0,
  retryBudget: null,
  trackRemaining: false,
  maxConnectionPools: MANY,
};

export class HealthProber implements Prober, PoolCluster {
  readonly services: Services;
  readonly cluster: ClusterState;
  readonly check: HealthCheck;
  /** Nobody looks at them. */
  readonly stats = new ClusterStats();
  private readonly breaker = new Breaker(new BreakerStats());
  private readonly options: () => PoolOptions;
  private readonly mutation: HeaderMutation;
  /** Where other protocols are offered than by the cluster's requests. */
  private ownTransport: TlsSide | null = null;

  /** `options`: those of the cluster's pools, as they are when a connection is made. */
  constructor(
    services: Services,
    cluster: ClusterState,
    check: HealthCheck,
    options: () => PoolOptions,
    formats: FormatEnvironment,
  ) {
    this.services = services;
    this.cluster = cluster;
    this.check = check;
    this.options = options;
    this.breaker.configure(NO_LIMITS, null);
    this.mutation = mutationOf(check.question, formats);
    const { config } = cluster;
    if (check.alpn === null || config.tls == null) return;
    const tls = { ...config.tls, alpn: check.alpn };
    this.ownTransport = new TlsSide(services, `health check of ${config.name}`, config.version, tls, false);
  }

  probe(endpoint: EndpointState, sink: ProbeSink): Probe {
    const { question } = this.check;
    switch (question.kind) {
      case "HTTP":
        return new HttpProbe(this, question, endpoint, sink);
      case "GRPC":
        return new GrpcProbe(this, question, endpoint, sink);
      case "TCP":
        return new TcpProbe(this, question, endpoint, sink);
    }
  }

  close(): void {
    this.ownTransport?.release();
  }

  /** A pool for the questions to one endpoint; `http2` null = HTTP/1. */
  pool(address: Address, http2: Http2ProtocolOptions | null): ConnectionPool {
    const host = { address, hostname: "", weight: 1, health: "HEALTHY", metadata: {} } as const;
    const endpoint = new EndpointState(host, { region: "", zone: "", subZone: "" }, 0);
    return new ConnectionPool(this.services, endpoint, this, this.breaker, {
      ...this.options(),
      // The check's own time-out ends it before.
      connectTimeout: 2 * this.check.timeout,
      maxRequests: this.check.reuseConnection ? 0 : 1,
      http2,
    });
  }

  /** Changes the fields of a question as it is configured. */
  mutate(head: RequestHead, endpoint: EndpointState): void {
    if (this.mutation.isEmpty) return;
    const info = new ProbeInfo(askedAt(endpoint), head.version, this.services.clock.wall);
    this.mutation.apply(head.fields, info);
  }

  // ── What connections ask of the cluster ───────────────────────────────────────────────────────────────────

  get transport(): unknown {
    return this.ownTransport ?? this.cluster.transport;
  }

  get ssl(): TlsCounts {
    return this.cluster.ssl;
  }

  get http2Stats(): Http2Stats {
    return this.cluster.http2Stats;
  }
}

function mutationOf(question: HealthCheck["question"], formats: FormatEnvironment): HeaderMutation {
  switch (question.kind) {
    case "HTTP":
      return compileHeaderMutation(
        question.headersToAdd,
        question.headersToRemove,
        "request",
        "",
        formats,
        [],
      );
    case "GRPC":
      return compileHeaderMutation(question.metadata, [], "request", "", formats, []);
    case "TCP":
      return NO_MUTATION;
  }
}

/** Where an endpoint is asked. */
export function askedAt({ address, healthCheck }: EndpointState): Address {
  if (healthCheck === null) return address;
  const asked = healthCheck.address ?? address;
  return healthCheck.port === 0 ? asked : { ...asked, port: healthCheck.port };
}
