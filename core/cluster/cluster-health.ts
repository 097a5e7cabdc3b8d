/**
 * What a cluster makes of its health checks: whom it asks, what a new endpoint is thought of, which ones stay although
 * they were taken away, and when the cluster may be used for the first time.
 *
 * Laws: without `health_checks` it does nothing. Endpoints that are there when checks are first configured are trusted
 * until they were asked: a change of the configuration takes nobody out of service by itself.
 */
import type { HealthCheck } from "../config/health-check.ts";
import { type HealthCheckStats, healthCheckStats } from "../telemetry/health-check-stats.ts";
import type { Scope } from "../telemetry/stats.ts";
import type { Clock } from "../time/clock.ts";
import { Timer, type Timers } from "../time/timers.ts";
import type { Random } from "./balancer.ts";
import type { ClusterEnvironment, ClusterHandler, ClusterState } from "./cluster.ts";
import {
  CHECKED,
  type EndpointState,
  FailedActive,
  PendingActive,
  PendingRemoval,
  Unhealthy,
} from "./endpoint.ts";
import { HealthChecks, type HealthMeans, type HealthOwner } from "./health-checks.ts";
import { HealthEventLog } from "./health-event-log.ts";
import type { HealthNote } from "./health-note.ts";

/** Verdicts wait a ms for each so many endpoints, and no longer than that, ms. */
const PER_MS = 100;
const MOST_WAITING = 50;

export class ClusterHealth implements HealthOwner {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  private readonly cluster: ClusterState;
  private readonly scope: Scope;
  private readonly environment: ClusterEnvironment;
  private readonly handler: ClusterHandler;
  private checks: HealthChecks | null = null;
  private counts: HealthCheckStats | null = null;
  private traffic = false;
  /** Endpoints may stay that are taken away: those who take them speak of the same ones as before. */
  private keeping = true;
  /** The cluster waits for the first round. */
  private awaited = false;
  /** What was found out is brought into force when the poll is over: many answers may come in one. */
  private readonly timer = new Timer(() => this.settle());

  constructor(cluster: ClusterState, scope: Scope, environment: ClusterEnvironment, handler: ClusterHandler) {
    this.clock = environment.clock;
    this.timers = environment.timers;
    this.random = environment.random;
    this.cluster = cluster;
    this.scope = scope;
    this.environment = environment;
    this.handler = handler;
    this.configure();
  }

  /** The cluster's configuration is there, or has changed. */
  configure(): void {
    const { healthCheck } = this.cluster.config;
    if (healthCheck != null) {
      const means = this.means(healthCheck);
      if (this.checks === null) this.checks = new HealthChecks(this, means);
      else {
        this.checks.configure(means);
        this.timers.arm(this.timer, this.clock.now); // who stays may have changed
      }
      this.checks.follow(this.cluster.endpoints.endpoints);
    } else if (this.checks !== null) {
      this.checks.close();
      this.checks = null;
      for (const endpoint of this.cluster.endpoints.endpoints) endpoint.clear(CHECKED);
      this.settle();
    }
  }

  /** Endpoints come from elsewhere from now on: of those that are here nobody stays but who is named there. */
  changeSource(): void {
    this.keeping = false;
  }

  /** Asks the endpoints that there are now, after a new assignment. */
  follow(): void {
    this.keeping = true;
    this.checks?.follow(this.cluster.endpoints.endpoints);
  }

  /** True if the cluster may be used: every endpoint was asked. If not, `ClusterState.onReady` is called then. */
  begin(): boolean {
    this.awaited = this.checks?.begun === false;
    return !this.awaited;
  }

  onAdded(endpoint: EndpointState): void {
    if (this.checks === null || endpoint.healthCheck?.disabled === true) return;
    const early = this.cluster.config.ignoreNewUntilChecked === true ? PendingActive : 0;
    endpoint.mark(FailedActive | early);
  }

  onRemoved(endpoint: EndpointState): void {
    this.checks?.forget(endpoint);
    if (this.awaited) this.timers.arm(this.timer, this.clock.now);
  }

  /** True for an endpoint that stays though it was taken away: it is well, and those who took it may be mistaken. */
  keeps(endpoint: EndpointState): boolean {
    const { type, ignoreHealthOnRemoval } = this.cluster.config;
    if (this.checks === null || !this.keeping || ignoreHealthOnRemoval === true) return false;
    if (type !== "EDS" && type !== "STRICT_DNS") return false;
    return endpoint.healthCheck?.disabled !== true && endpoint.health !== Unhealthy;
  }

  /** An answer of the endpoint may say that it fails; others are of no interest. */
  get listens(): boolean {
    return this.checks !== null;
  }

  /** An answer to a request said that its endpoint fails (`x-envoy-immediate-health-check-fail`). */
  failAtOnce(endpoint: EndpointState): void {
    this.checks?.failAtOnce(endpoint);
  }

  /** Another worker has asked an endpoint. */
  learn(note: HealthNote): void {
    const endpoint = this.cluster.endpoints.find(note.endpoint);
    if (endpoint !== null) this.checks?.learn(endpoint, note);
  }

  /** The cluster is gone. */
  close(): void {
    this.awaited = false;
    this.checks?.close();
    this.checks = null;
    this.timers.release(this.timer);
  }

  // ── What the checks need and say ──────────────────────────────────────────────────────────────────────────

  get index(): number {
    return this.environment.sharing.index;
  }

  get hadTraffic(): boolean {
    this.traffic ||= this.cluster.stats.upstreamCxTotal > 0;
    return this.traffic;
  }

  set hadTraffic(had: boolean) {
    this.traffic = had;
  }

  tell(endpoint: EndpointState, note: Omit<HealthNote, "cluster" | "endpoint">): void {
    this.handler.onHealthNote({ cluster: this.cluster.name, endpoint: endpoint.text, ...note });
  }

  heard({ text }: EndpointState, patience: number): HealthNote | null {
    return this.handler.heardHealth(this.cluster.name)?.of(text, this.clock.now, patience) ?? null;
  }

  unhear({ text }: EndpointState): void {
    this.handler.heardHealth(this.cluster.name)?.forget(text);
  }

  get healthStats(): HealthCheckStats {
    this.counts ??= healthCheckStats(this.scope);
    return this.counts;
  }

  onHealth(endpoint: EndpointState, failed: boolean): void {
    // To sort many endpoints takes its time: it is done once for what is found out in a few ms.
    const wait = Math.min(MOST_WAITING, Math.floor(this.cluster.endpoints.total / PER_MS));
    if (!this.timer.armed) this.timers.arm(this.timer, this.clock.now + wait);
    if (failed) this.handler.onEndpointFailed(this.cluster, endpoint);
  }

  private settle(): void {
    const { cluster } = this;
    const { endpoints } = cluster;
    const gone = [...endpoints.endpoints].filter((each) => each.has(PendingRemoval) && !this.keeps(each));
    if (gone.length > 0) cluster.stats.membershipChange++;
    endpoints.discard(gone);
    this.checks?.count();
    cluster.reportMembers();
    if (this.awaited) cluster.onReady();
  }

  private means(check: HealthCheck): HealthMeans {
    const { platform } = this.environment;
    return {
      check,
      prober: this.handler.prober(this.cluster, check),
      events: new HealthEventLog(this.cluster.name, check, platform, this.clock),
    };
  }
}
