/**
 * How the endpoints of a cluster are asked whether they are well (`envoy.config.core.v3.HealthCheck`), every default
 * filled in. Times are ms, texts are byte strings.
 */
import type { Address } from "../io/socket.ts";
import type { HeaderToAdd, Http2ProtocolOptions, StringMatch } from "./model.ts";

export interface HealthCheck {
  /** An answer that takes longer is a failure. */
  readonly timeout: number;
  /** From the end of one check to the next, while nothing of what follows says otherwise. */
  readonly interval: number;
  /** Before the first check: a random time below it. */
  readonly initialJitter: number;
  /** Added to every wait: a random time below it, and a random part of the wait below so many percent. */
  readonly intervalJitter: number;
  readonly intervalJitterPercent: number;
  /** Failures in a row after which an endpoint is unhealthy, successes in a row after which it is healthy again. */
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  /** Default true. */
  readonly reuseConnection: boolean;
  /** While no connection was ever made for a request of the cluster (default 60 s); the second for healthy endpoints. */
  readonly noTrafficInterval: number;
  readonly noTrafficHealthyInterval: number;
  /** While an endpoint is unhealthy. */
  readonly unhealthyInterval: number;
  /** After a failure (a success) that did not yet change what is thought of the endpoint. */
  readonly unhealthyEdgeInterval: number;
  readonly healthyEdgeInterval: number;
  /** What is offered by ALPN; null = as requests of the cluster do. */
  readonly alpn: readonly string[] | null;
  readonly question: HttpQuestion | TcpQuestion | GrpcQuestion;
  readonly events: HealthEvents;
}

/** A range of statuses, the end not included. */
export interface StatusRange {
  readonly start: number;
  readonly end: number;
}

export interface HttpQuestion {
  readonly kind: "HTTP";
  /** Null = HTTP/1. */
  readonly http2: Http2ProtocolOptions | null;
  readonly method: string;
  /** "" = the cluster's name. An endpoint's own name takes its place. */
  readonly host: string;
  readonly path: string;
  readonly payload: string;
  /** All of them, in this order, must be in the body of the answer. */
  readonly receive: readonly string[];
  /** Bytes of the body that are looked at; 0 = all. */
  readonly bodyLimit: number;
  readonly headersToAdd: readonly HeaderToAdd[];
  readonly headersToRemove: readonly string[];
  /** Default 200. */
  readonly expected: readonly StatusRange[];
  /** Statuses that count to the threshold, where others make the endpoint unhealthy at once. */
  readonly retriable: readonly StatusRange[];
  /** Of `x-envoy-upstream-healthchecked-cluster` in the answer; null = any. */
  readonly serviceName: StringMatch | null;
}

export interface TcpQuestion {
  readonly kind: "TCP";
  readonly send: string;
  /** Without any, it is enough that there is a connection. */
  readonly receive: readonly string[];
}

/** `grpc.health.v1.Health/Check`. */
export interface GrpcQuestion {
  readonly kind: "GRPC";
  readonly http2: Http2ProtocolOptions;
  /** "" = the server as a whole. */
  readonly service: string;
  /** "" = the cluster's name. An endpoint's own name takes its place. */
  readonly authority: string;
  readonly metadata: readonly HeaderToAdd[];
}

/** What is written of events, as JSON lines. */
export interface HealthEvents {
  readonly paths: readonly string[];
  /** Every failure (success), not only what changes what is thought of the endpoint. */
  readonly everyFailure: boolean;
  readonly everySuccess: boolean;
}

/** What an endpoint says about its checks (`Endpoint.HealthCheckConfig`). */
export interface EndpointHealthCheck {
  /** Asked instead of the endpoint; null = the endpoint. */
  readonly address: Address | null;
  /** Asked instead of the endpoint's port; 0 = the same. */
  readonly port: number;
  /** "" = as the question says. */
  readonly hostname: string;
  readonly disabled: boolean;
}
