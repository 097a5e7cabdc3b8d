/**
 * What is measured: the list of scenarios as data. How each kind is run is in run-*.ts; what must come out in bars.ts.
 */
import { BLOB, SMALL } from "./upstream.ts";

/** wrk, 50 connections, as fast as it goes: CPU per request and requests per second. */
export interface ThroughputScenario {
  readonly kind: "throughput";
  readonly id: string;
  readonly title: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly newConnections: boolean;
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
}

/** Keep-alive GET against tables of growing size. */
export interface SweepScenario {
  readonly kind: "sweep";
  readonly id: string;
  readonly title: string;
  readonly over: "routes" | "clusters";
  readonly sizes: readonly number[];
}

export type Scenario = ThroughputScenario | LatencyScenario | PauseScenario | MemoryScenario | SweepScenario;

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
  { kind: "latency", id: "latency", title: "latency at 1000 requests/s", rate: 1000, connections: 8 },
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
    id: "burst",
    title: "memory after a burst of 10 000 connections",
    what: "burst",
    connections: 10_000,
  },
  { kind: "sweep", id: "routes", title: "cost of routes", over: "routes", sizes: [10, 100, 1000, 10_000] },
  { kind: "sweep", id: "clusters", title: "cost of clusters", over: "clusters", sizes: [10, 1000] },
  { kind: "pause", id: "pause", title: "longest pause in 60 s", rate: 1000, connections: 8 },
];
