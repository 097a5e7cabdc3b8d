/**
 * The bars that Tulle has set itself, judged from one result: each a number of ours against a limit, met, missed or not
 * measured. Ratios are medians of the per-round ratios. Pure.
 */

import { BURST_LIMIT, type Cell, DIRECT, type Metric, type Result, valuesOf } from "./result.ts";
import {
  AUTHZ,
  AUTHZ_10,
  AUTHZ_1000,
  FULL,
  HEADERS,
  MINIMAL,
  NATIVE,
  PLAIN_PROXY,
  RATELIMIT,
  THREE,
} from "./scenario.ts";
import { differences, median, medianDifference, medianRatio } from "./statistics.ts";

export interface Bar {
  /** "65 B GET, CPU: Bun ≤ 1.1 × nginx". */
  readonly claim: string;
  /** Id of the scenario that it is judged from. */
  readonly section: string;
  /** NaN if not measured. */
  readonly value: number;
  readonly limit: number;
  readonly verdict: "met" | "missed" | "not measured";
}

export function barsOf(result: Result): Bar[] {
  const judge = new Judge(result);
  for (const [id, what] of [
    ["get", "65 B GET, CPU"],
    ["post", "1 KiB POST, CPU"],
  ]) {
    judge.against(what, id, "cpuUs", "tulle-bun", 1.1, "nginx");
    judge.against(what, id, "cpuUs", "tulle-bun", 0.35, "envoy");
    judge.against(what, id, "cpuUs", "tulle-node", 1.4, "nginx");
    judge.against(what, id, "cpuUs", "tulle-node", 0.5, "envoy");
    judge.against(what, id, "cpuUs", "tulle-deno", 1.8, "nginx");
  }
  judge.against("65 B GET over TLS, CPU", "tls", "cpuUs", "tulle-bun", 1.15, "nginx");
  judge.against("65 B GET over TLS, CPU", "tls", "cpuUs", "tulle-bun", 0.45, "envoy");
  judge.against("65 B GET over TLS, CPU", "tls", "cpuUs", "tulle-node", 1.5, "nginx");
  judge.against("65 B GET over TLS, CPU", "tls", "cpuUs", "tulle-node", 0.6, "envoy");
  for (const [id, what] of [
    ["tls-http2", "65 B GET over TLS and HTTP/2, CPU"],
    ["http2", "65 B GET over HTTP/2, CPU"],
    ["http2-both", "the same to HTTP/2, CPU"],
    ["grpc", "gRPC unary, CPU"],
  ]) {
    judge.against(what, id, "cpuUs", "tulle-bun", 0.5, "envoy");
    judge.against(what, id, "cpuUs", "tulle-node", 0.65, "envoy");
  }
  for (const [id, what] of [
    ["http2-download", "1 MiB download over HTTP/2, CPU"],
    ["http2-upload", "1 MiB upload over HTTP/2, CPU"],
  ]) {
    for (const ours of ["tulle-bun", "tulle-node"]) judge.against(what, id, "cpuMsPerMiB", ours, 1, "envoy");
  }
  judge.against("65 B GET through a pair of sidecars, CPU", "pair", "cpuUs", "tulle-bun", 0.5, "envoy");
  for (const ours of ["tulle-bun", "tulle-node"]) {
    judge.added("pair-latency", "p50 added by a pair", ours, 0.6, "envoy");
    judge.added("pair-latency", "p99 added by a pair", ours, 1, "envoy");
    judge.handshakes(ours, 0.7, "nginx");
    judge.against("memory with 1000 idle mTLS connections", "idle-mtls", "loadPss", ours, 1, "envoy");
    judge.against("memory with 1000 idle HTTP/2 connections", "idle-http2", "loadPss", ours, 1, "envoy");
  }
  for (const [id, what] of [
    ["download", "1 MiB download, CPU"],
    ["upload", "1 MiB upload, CPU"],
  ]) {
    judge.against(what, id, "cpuMsPerMiB", "tulle-bun", 0.9, "nginx");
    judge.against(what, id, "cpuMsPerMiB", "tulle-node", 1.05, "nginx");
  }
  for (const ours of ["tulle-bun", "tulle-node"]) {
    judge.against("new connection per request, CPU", "connections", "cpuUs", ours, 0.75, "envoy");
  }
  for (const ours of ["tulle-bun", "tulle-node"]) {
    judge.added("latency", "p50 added", ours, 1, "nginx");
    judge.added("latency", "p50 added", ours, 0.6, "envoy");
    judge.added("latency", "p99 added", ours, 1, "envoy");
  }
  for (const ours of ["tulle-bun", "tulle-node"]) {
    judge.atMost("longest pause in 60 s, ms", "pause", "max", ours, 20);
  }
  judge.against("memory idle", "memory", "idlePss", "tulle-bun", 0.75, "envoy");
  judge.against("memory with 1000 idle connections", "idle-connections", "loadPss", "tulle-bun", 1, "envoy");
  judge.burst("tulle-bun");
  for (const ours of ["tulle-bun", "tulle-node"]) {
    judge.growth("10 000 routes, CPU", "routes", ours, 10_000, 10, 1.15);
    judge.growth("1000 clusters, CPU", "clusters", ours, 1000, 10, 1.15);
  }
  for (const [ours, share] of [
    ["tulle-bun", 0.4],
    ["tulle-node", 0.55],
  ] as const) {
    judge.filters("three WASM filters", ours, THREE, 6);
    judge.filters("authz of 20 rules", ours, AUTHZ, 2);
    judge.filters("ratelimit with two descriptors", ours, RATELIMIT, 2);
    judge.filters("headers with five operations", ours, HEADERS, 2);
    judge.filters("a minimal WASM filter", ours, MINIMAL, 1.5);
    judge.withFilters(ours, share);
    judge.manyRules(ours, 2);
  }
  for (const ours of ["tulle-bun", "tulle-node", "tulle-deno"]) judge.swap(ours, 20, 100_000);
  for (const ours of ["tulle-bun", "tulle-node", "tulle-deno"]) {
    for (const id of ["download", "upload"])
      judge.atMost(`1 MiB ${id}, copied_bytes`, id, "copiedBytes", ours, 0);
  }
  return judge.bars;
}

class Judge {
  readonly bars: Bar[] = [];
  readonly #result: Result;

  constructor(result: Result) {
    this.#result = result;
  }

  against(what: string, section: string, metric: Metric, ours: string, limit: number, theirs: string): void {
    const a = cellOf(this.#result, section, ours);
    const b = cellOf(this.#result, section, theirs);
    const value = a && b ? medianRatio(valuesOf(a, metric), valuesOf(b, metric)) : Number.NaN;
    this.#add(section, `${what}: ${nameOf(ours)} ≤ ${limit} × ${nameOf(theirs)}`, value, limit);
  }

  added(
    section: string,
    what: "p50 added" | "p99 added" | "p50 added by a pair" | "p99 added by a pair",
    ours: string,
    limit: number,
    theirs: string,
  ): void {
    const metric = what.startsWith("p50") ? "p50" : "p99";
    const added = (who: string) => {
      const cell = cellOf(this.#result, section, who);
      const direct = cellOf(this.#result, section, DIRECT);
      return cell && direct ? differences(valuesOf(cell, metric), valuesOf(direct, metric)) : [];
    };
    const value = medianRatio(added(ours), added(theirs));
    this.#add(section, `${what} at 1000/s: ${nameOf(ours)} ≤ ${limit} × ${nameOf(theirs)}`, value, limit);
  }

  /** How many full ones a CPU second is enough for: the other way round than what one costs. */
  handshakes(ours: string, least: number, theirs: string): void {
    const [a, b] = [ours, theirs].map((who) => cellOf(this.#result, "handshakes", who, FULL));
    const value = a && b ? medianRatio(valuesOf(b, "cpuUs"), valuesOf(a, "cpuUs")) : Number.NaN;
    const claim = `full mTLS handshakes in a CPU second: ${nameOf(ours)} ≥ ${least} × ${nameOf(theirs)}`;
    const verdict = Number.isNaN(value) ? "not measured" : value >= least ? "met" : "missed";
    this.bars.push({ claim, section: "handshakes", value, limit: least, verdict });
  }

  atMost(what: string, section: string, metric: Metric, ours: string, limit: number): void {
    const cell = cellOf(this.#result, section, ours);
    const values = cell ? valuesOf(cell, metric).filter((value) => !Number.isNaN(value)) : [];
    const value = values.length > 0 ? Math.max(...values) : Number.NaN;
    this.#add(section, `${what}: ${nameOf(ours)} ≤ ${limit}`, value, limit);
  }

  burst(ours: string): void {
    const cell = cellOf(this.#result, "burst", ours);
    const value = cell ? medianRatio(valuesOf(cell, "afterPss"), valuesOf(cell, "idlePss")) : Number.NaN;
    this.#add(
      "burst",
      `memory within 60 s after a burst of 10 000: ${nameOf(ours)} ≤ ${BURST_LIMIT} × idle`,
      value,
      BURST_LIMIT,
    );
  }

  growth(what: string, section: string, ours: string, large: number, small: number, limit: number): void {
    const a = cellOf(this.#result, section, ours, large);
    const b = cellOf(this.#result, section, ours, small);
    const value = a && b ? medianRatio(valuesOf(a, "cpuUs"), valuesOf(b, "cpuUs")) : Number.NaN;
    this.#add(section, `${what}: ${nameOf(ours)} ≤ ${limit} × ${small}`, value, limit);
  }

  /** What a chain of filters adds to the same proxy without any, µs of CPU. */
  filters(what: string, ours: string, variant: number, limit: number): void {
    const claim = `added by ${what}, CPU µs: ${nameOf(ours)} ≤ ${limit}`;
    this.#add("filters", claim, this.#addedBy("filters", ours, variant), limit);
  }

  withFilters(ours: string, limit: number): void {
    const a = cellOf(this.#result, "filters", ours, THREE);
    const b = cellOf(this.#result, "filters", "envoy", NATIVE);
    const value = a && b ? medianRatio(valuesOf(a, "cpuUs"), valuesOf(b, "cpuUs")) : Number.NaN;
    this.#add(
      "filters",
      `with three WASM filters, CPU: ${nameOf(ours)} ≤ ${limit} × Envoy with its native ones`,
      value,
      limit,
    );
  }

  /** A ratio of what is added: both are small, so one of medians is steadier than the median of ratios. */
  manyRules(ours: string, limit: number): void {
    const [many, few] = [AUTHZ_1000, AUTHZ_10].map((variant) =>
      this.#addedBy("filter-scaling", ours, variant),
    );
    this.#add(
      "filter-scaling",
      `authz of 1000 rules adds: ${nameOf(ours)} ≤ ${limit} × what 10 add`,
      many / few,
      limit,
    );
  }

  swap(ours: string, limitMs: number, leastRequests: number): void {
    const cell = cellOf(this.#result, "filter-swap", ours);
    const late = cell ? figure(cell, "max") - figure(cell, "p99") : Number.NaN;
    this.#add(
      "filter-swap",
      `slowest request while modules are swapped: ${nameOf(ours)} ≤ p99 + ${limitMs} ms`,
      late,
      limitMs,
    );
    const enough = cell !== null && figure(cell, "requests") >= leastRequests;
    this.#add(
      "filter-swap",
      `failed requests of ${leastRequests} while modules are swapped: ${nameOf(ours)} ≤ 0`,
      enough ? figure(cell, "failed") : Number.NaN,
      0,
    );
  }

  #addedBy(section: string, ours: string, variant: number): number {
    const cell = cellOf(this.#result, section, ours, variant);
    const plain = cellOf(this.#result, section, ours, PLAIN_PROXY);
    return cell && plain ? medianDifference(valuesOf(cell, "cpuUs"), valuesOf(plain, "cpuUs")) : Number.NaN;
  }

  #add(section: string, claim: string, measured: number, limit: number): void {
    // A quick run hunts pauses for 3 s and bursts with 1000 connections: it cannot tell.
    const tooSmall = this.#result.settings.quick && ["pause", "burst", "filter-swap"].includes(section);
    const value = tooSmall ? Number.NaN : measured;
    const verdict = Number.isNaN(value) ? "not measured" : value <= limit ? "met" : "missed";
    this.bars.push({ claim, section, value, limit, verdict });
  }
}

/** The valid cell of a contestant, or null. */
export function cellOf(result: Result, section: string, contestant: string, variant = 0): Cell | null {
  const cells = result.sections.find(({ id }) => id === section)?.cells ?? [];
  const cell = cells.find((each) => each.contestant === contestant && each.variant === variant);
  return cell && cell.invalid === "" && cell.rounds.length > 0 ? cell : null;
}

/** How a contestant is called in tables. */
export function nameOf(contestant: string): string {
  const names: { readonly [name: string]: string } = {
    "nginx-tuned": "nginx, 64 KiB buffers",
    haproxy: "HAProxy",
    envoy: "Envoy",
    "node-http": "node:http + undici",
    "tulle-bun": "Tulle, Bun",
    "tulle-node": "Tulle, Node",
    "tulle-deno": "Tulle, Deno",
  };
  return names[contestant] ?? contestant;
}

/** Median over the rounds of a valid cell, NaN without one. */
export function figure(cell: Cell | null, metric: Metric): number {
  return cell ? median(valuesOf(cell, metric)) : Number.NaN;
}
