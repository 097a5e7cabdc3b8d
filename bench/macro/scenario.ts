/**
 * What is measured: the list of scenarios as data. How each kind is run is in run-*.ts; what must come out in bars.ts.
 */
import {
  authz,
  chainOf,
  type FilterChain,
  headers,
  minimal,
  NO_FILTERS,
  nativeAuthz,
  nativeHeaders,
  nativeRatelimit,
  pathsOfRules,
  ratelimit,
  ratelimitByKey,
} from "./filter-chains.ts";
import type { Http2Sides, TlsUse } from "./topology.ts";
import { BLOB, SMALL } from "./upstream.ts";

/**
 * wrk, 50 connections (over HTTP/2 h2load, 10 with 10 streams each; over TLS h2load, too), as fast as it goes: CPU per
 * request and requests per second.
 */
export interface ThroughputScenario {
  readonly kind: "throughput";
  readonly id: string;
  readonly title: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly newConnections: boolean;
  /** `server`: clients come over TLS 1.3. A pair: between its two. */
  readonly tls?: TlsUse;
  /** A message there, and one back, with trailers. */
  readonly grpc?: true;
  /** Where HTTP/2 is spoken; absent: nowhere. */
  readonly http2?: Http2Sides;
  /** CPU is told per request in µs, or per MiB of body in ms. */
  readonly unit: "µs/request" | "ms/MiB";
}

/** Open loop: latency that the hop adds. */
export interface LatencyScenario {
  readonly kind: "latency";
  readonly id: string;
  readonly title: string;
  readonly rate: number;
  readonly connections: number;
  /** Two sidecars instead of one. */
  readonly tls?: TlsUse;
}

/** Open loop for a minute: the longest pause, and the collector's share of it. */
export interface PauseScenario {
  readonly kind: "pause";
  readonly id: string;
  readonly title: string;
  readonly rate: number;
  readonly connections: number;
}

/** Memory of a fresh process. */
export interface MemoryScenario {
  readonly kind: "memory";
  readonly id: string;
  readonly title: string;
  readonly what: "load" | "idle-connections" | "burst";
  readonly connections: number;
  /** What idle connections speak; absent: HTTP/1. `mtls`: HTTP/1 over TLS, with a client's certificate. */
  readonly over?: "http2" | "mtls";
}

/** New connections over TLS 1.3, with a client's certificate: CPU per handshake. */
export interface HandshakeScenario {
  readonly kind: "handshakes";
  readonly id: string;
  readonly title: string;
  /** Connections that are being made at once. */
  readonly inFlight: number;
}

/** Keep-alive GET against tables of growing size. */
export interface SweepScenario {
  readonly kind: "sweep";
  readonly id: string;
  readonly title: string;
  readonly over: "routes" | "clusters";
  readonly sizes: readonly number[];
}

/** Keep-alive GET through chains of filters; what each adds to the proxy without any, in the same run. */
export interface FiltersScenario {
  readonly kind: "filters";
  readonly id: string;
  readonly title: string;
  readonly paths: readonly string[];
  /** How many values the header that tells senders apart takes. `few` in a quick run. */
  readonly keys: { readonly count: number; readonly few: number };
  /** The first is the one without filters. A cell's `variant` is a place in this list. */
  readonly variants: readonly FilterVariant[];
}

export interface FilterVariant {
  readonly title: string;
  /** The chain for a contestant, `keys` as above; null if it has no part in this. May compile modules. */
  chain(contestant: string, keys: number): FilterChain | null;
  /** Instead of the scenario's. */
  readonly paths?: readonly string[];
  /** Every key must have come before anything is timed. */
  readonly fill?: true;
}

/** Open loop while a filter's module is replaced again and again. */
export interface SwapScenario {
  readonly kind: "swap";
  readonly id: string;
  readonly title: string;
  readonly rate: number;
  readonly connections: number;
  readonly seconds: number;
}

export type Scenario =
  | ThroughputScenario
  | LatencyScenario
  | PauseScenario
  | MemoryScenario
  | HandshakeScenario
  | SweepScenario
  | FiltersScenario
  | SwapScenario;

/** Variants of the scenario `handshakes`. */
export const FULL = 0;
export const RESUMED = 1;

/** Variants of the scenario `filters`, by their place in it. */
export const PLAIN_PROXY = 0;
export const MINIMAL = 1;
export const AUTHZ = 2;
export const RATELIMIT = 3;
export const HEADERS = 4;
export const THREE = 5;
export const NATIVE = 8;

/** The chain of the filters that ship. */
export const threeFilters = (fuel: boolean) => chainOf([authz(20), ratelimit(), headers()], fuel);

function oursOnly(make: () => FilterChain) {
  return (contestant: string) => (contestant === "tulle-bun" || contestant === "tulle-node" ? make() : null);
}

const FILTER_VARIANTS: readonly FilterVariant[] = [
  { title: "none", chain: () => NO_FILTERS },
  { title: "minimal", chain: () => minimal() },
  { title: "authz", chain: oursOnly(() => authz(20)) },
  { title: "ratelimit", chain: oursOnly(ratelimit) },
  { title: "headers", chain: oursOnly(headers) },
  { title: "the three", chain: () => threeFilters(true) },
  { title: "minimal, no fuel", chain: oursOnly(() => chainOf([minimal()], false)) },
  { title: "the three, no fuel", chain: oursOnly(() => threeFilters(false)) },
  {
    title: "its native three",
    chain: (contestant) =>
      contestant === "envoy" ? chainOf([nativeAuthz(20), nativeRatelimit(), nativeHeaders()]) : null,
  },
];

/** Variants of the scenario `filter-scaling`. */
export const AUTHZ_10 = 1;
export const AUTHZ_1000 = 2;

function notOnDeno(make: (contestant: string, keys: number) => FilterChain | null) {
  return (contestant: string, keys: number) => (contestant === "tulle-deno" ? null : make(contestant, keys));
}

const rules = (count: number) =>
  notOnDeno((contestant) => (contestant === "envoy" ? nativeAuthz(count) : authz(count)));

const SCALING_VARIANTS: readonly FilterVariant[] = [
  { title: "none", chain: notOnDeno(() => NO_FILTERS) },
  { title: "authz, 10 rules", chain: rules(10) },
  { title: "authz, 1000 rules", chain: rules(1000), paths: pathsOfRules(1000, 1000) },
  { title: "ratelimit, 1 bucket", chain: oursOnly(() => ratelimitByKey(1)) },
  {
    title: "ratelimit, a bucket per key",
    chain: (contestant, keys) => oursOnly(() => ratelimitByKey(keys))(contestant),
    fill: true,
  },
];

const throughput = {
  kind: "throughput",
  method: "GET",
  path: "/",
  requestBytes: 0,
  responseBytes: SMALL,
  newConnections: false,
  unit: "µs/request",
} as const;

export const SCENARIOS: readonly Scenario[] = [
  { ...throughput, id: "get", title: "65 B keep-alive GET" },
  { ...throughput, id: "post", title: "1 KiB POST", method: "POST", path: "/upload", requestBytes: 1024 },
  { ...throughput, id: "tls", title: "65 B keep-alive GET over TLS 1.3", tls: "server" },
  {
    ...throughput,
    id: "tls-http2",
    title: "65 B GET over TLS 1.3 and HTTP/2, upstream HTTP/1",
    tls: "server",
    http2: { down: true, up: false },
  },
  {
    ...throughput,
    id: "http2",
    title: "65 B GET over HTTP/2, upstream HTTP/1",
    http2: { down: true, up: false },
  },
  {
    ...throughput,
    id: "http2-both",
    title: "65 B GET over HTTP/2, upstream HTTP/2",
    http2: { down: true, up: true },
  },
  {
    ...throughput,
    id: "http2-post",
    title: "1 KiB POST over HTTP/2, upstream HTTP/2",
    method: "POST",
    path: "/upload",
    requestBytes: 1024,
    http2: { down: true, up: true },
  },
  {
    ...throughput,
    id: "grpc",
    title: "65 B gRPC unary over HTTP/2 on both sides",
    method: "POST",
    path: "/unary",
    requestBytes: SMALL,
    http2: { down: true, up: true },
    grpc: true,
  },
  {
    ...throughput,
    id: "http2-download",
    title: "1 MiB download over HTTP/2, upstream HTTP/2",
    path: "/blob",
    responseBytes: BLOB,
    unit: "ms/MiB",
    http2: { down: true, up: true },
  },
  {
    ...throughput,
    id: "http2-upload",
    title: "1 MiB upload over HTTP/2, upstream HTTP/2",
    method: "POST",
    path: "/upload",
    requestBytes: BLOB,
    unit: "ms/MiB",
    http2: { down: true, up: true },
  },
  {
    ...throughput,
    id: "pair",
    title: "65 B GET through a pair, HTTP/2 over mTLS between",
    tls: "pair-http2",
  },
  {
    ...throughput,
    id: "pair-http1",
    title: "65 B GET through a pair, HTTP/1 over mTLS between",
    tls: "pair-http1",
  },
  {
    ...throughput,
    id: "download",
    title: "1 MiB download",
    path: "/blob",
    responseBytes: BLOB,
    unit: "ms/MiB",
  },
  {
    ...throughput,
    id: "upload",
    title: "1 MiB upload",
    method: "POST",
    path: "/upload",
    requestBytes: BLOB,
    unit: "ms/MiB",
  },
  { ...throughput, id: "connections", title: "new connection per request", newConnections: true },
  { kind: "handshakes", id: "handshakes", title: "mTLS handshakes", inFlight: 8 },
  { kind: "latency", id: "latency", title: "latency at 1000 requests/s", rate: 1000, connections: 8 },
  {
    kind: "latency",
    id: "pair-latency",
    title: "latency at 1000 requests/s of a pair, HTTP/2 between",
    rate: 1000,
    connections: 8,
    tls: "pair-http2",
  },
  {
    kind: "latency",
    id: "pair-http1-latency",
    title: "latency at 1000 requests/s of a pair, HTTP/1 between",
    rate: 1000,
    connections: 8,
    tls: "pair-http1",
  },
  { kind: "memory", id: "memory", title: "memory idle and under load", what: "load", connections: 8 },
  {
    kind: "memory",
    id: "idle-connections",
    title: "memory with 1000 idle connections",
    what: "idle-connections",
    connections: 1000,
  },
  {
    kind: "memory",
    id: "idle-http2",
    title: "memory with 1000 idle HTTP/2 connections",
    what: "idle-connections",
    connections: 1000,
    over: "http2",
  },
  {
    kind: "memory",
    id: "idle-mtls",
    title: "memory with 1000 idle mTLS connections",
    what: "idle-connections",
    connections: 1000,
    over: "mtls",
  },
  {
    kind: "memory",
    id: "burst",
    title: "memory after a burst of 10 000 connections",
    what: "burst",
    connections: 10_000,
  },
  { kind: "sweep", id: "routes", title: "cost of routes", over: "routes", sizes: [10, 100, 1000, 10_000] },
  { kind: "sweep", id: "clusters", title: "cost of clusters", over: "clusters", sizes: [10, 1000] },
  {
    kind: "filters",
    id: "filters",
    title: "what filters cost",
    paths: pathsOfRules(20, 19),
    keys: { count: 10, few: 10 },
    variants: FILTER_VARIANTS,
  },
  {
    kind: "filters",
    id: "filter-scaling",
    title: "filters with many rules and keys",
    paths: pathsOfRules(10, 1000),
    keys: { count: 1_000_000, few: 50_000 },
    variants: SCALING_VARIANTS,
  },
  {
    kind: "swap",
    id: "filter-swap",
    title: "swapping a module of 200 KiB under load",
    rate: 2000,
    connections: 16,
    seconds: 60,
  },
  { kind: "pause", id: "pause", title: "longest pause in 60 s", rate: 1000, connections: 8 },
];
