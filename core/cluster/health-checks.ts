/**
 * The active health checks of one cluster in one worker: a session for each endpoint, which asks, waits and asks again.
 *
 *   start ─(initial jitter)─▶ ASKING ──answer, failure, time-out──▶ WAITING ──interval──▶ ASKING …
 *
 * Knows no connection: a `Prober` has them. Laws: what is thought of an endpoint is in its marks, and outlives a change of
 * the configuration; whoever picks endpoints is told that marks changed, not before the poll is over.
 */
import type { HealthCheck } from "../config/health-check.ts";
import type { HealthCheckStats } from "../telemetry/health-check-stats.ts";
import type { Clock } from "../time/clock.ts";
import { Timer, type Timers } from "../time/timers.ts";
import type { Random } from "./balancer.ts";
import { CHECKED, DegradedActive, type EndpointState, ExcludedAtOnce, FailedActive } from "./endpoint.ts";
import type { HealthEventLog } from "./health-event-log.ts";
import {
  Changed,
  type HealthFailure,
  HealthMonitor,
  isNetwork,
  type Transition,
  Unchanged,
} from "./health-monitor.ts";
import type { HealthNote } from "./health-note.ts";
import type { Probe, Prober, ProbeSink } from "./health-probe.ts";

/** Beyond the time-out of a check, so long is waited for what another worker has to tell, ms. */
const SLACK = 1000;

/** A time-out that is noticed later than this, ms, says that we were busy: the answer may be there, and not be read yet. */
const BUSY = 10;
/** Then there is so much time to read it, ms. */
const GRACE = 20;

/** Whose endpoints they are. */
export interface HealthOwner {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Which worker it is. */
  readonly index: number;
  /** A connection was made for a request. */
  hadTraffic: boolean;
  readonly healthStats: HealthCheckStats;
  /** Marks of an endpoint changed, or it was asked for the first time. `failed`: it has just become unhealthy. */
  onHealth(endpoint: EndpointState, failed: boolean): void;
  /** What other workers have to be told. */
  tell(endpoint: EndpointState, note: Omit<HealthNote, "cluster" | "endpoint">): void;
  /** What other workers have told, if it is not too old: by so many ms beyond its own time. */
  heard(endpoint: EndpointState, patience: number): HealthNote | null;
  /** That endpoint is gone. */
  unhear(endpoint: EndpointState): void;
}

/** What the checks of a cluster are made with; all of it changes at once. */
export interface HealthMeans {
  readonly check: HealthCheck;
  readonly prober: Prober;
  readonly events: HealthEventLog;
}

export class HealthChecks {
  private readonly owner: HealthOwner;
  private means: HealthMeans;
  private readonly sessions = new Map<EndpointState, HealthSession>();
  /** What the gauges have of this cluster; another one of the same `alt_stat_name` may have its share in them. */
  private healthy = 0;
  private degraded = 0;

  constructor(owner: HealthOwner, means: HealthMeans) {
    this.owner = owner;
    this.means = means;
  }

  /** New means: what is under way is asked again, and if the check is another one, whoever waits is asked soon. */
  configure(means: HealthMeans): void {
    const { prober, check } = this.means;
    const other = JSON.stringify(check) !== JSON.stringify(means.check);
    this.means = means;
    for (const session of this.sessions.values()) session.configure(means, other);
    prober.close();
  }

  /** Asks every one of `endpoints` that wants to be asked. Those that are gone were forgotten. */
  follow(endpoints: Iterable<EndpointState>): void {
    for (const endpoint of endpoints) {
      const session = this.sessions.get(endpoint);
      if (endpoint.healthCheck?.disabled === true) {
        this.forget(endpoint);
        if (!endpoint.has(CHECKED)) continue;
        endpoint.clear(CHECKED);
        this.owner.onHealth(endpoint, false);
      } else if (session === undefined) {
        const made = new HealthSession(endpoint, this.owner, this.means);
        this.sessions.set(endpoint, made);
        made.start();
      } else session.review();
    }
    this.count();
  }

  /** The endpoint is gone. */
  forget(endpoint: EndpointState): void {
    this.sessions.get(endpoint)?.close();
    this.sessions.delete(endpoint);
    this.owner.unhear(endpoint);
  }

  /** True once every endpoint was asked. */
  get begun(): boolean {
    for (const session of this.sessions.values()) if (session.first) return false;
    return true;
  }

  /** The endpoint told a request that it fails (`x-envoy-immediate-health-check-fail`). */
  failAtOnce(endpoint: EndpointState): void {
    this.sessions.get(endpoint)?.failAtOnce();
  }

  /** Another worker has asked the endpoint. */
  learn(endpoint: EndpointState, note: HealthNote): void {
    this.sessions.get(endpoint)?.learn(note);
  }

  /** Brings the gauges up to date. */
  count(): void {
    const { healthStats } = this.owner;
    healthStats.healthy -= this.healthy;
    healthStats.degraded -= this.degraded;
    this.healthy = 0;
    this.degraded = 0;
    for (const { endpoint } of this.sessions.values()) {
      if (!endpoint.has(FailedActive)) this.healthy++;
      if (endpoint.has(DegradedActive)) this.degraded++;
    }
    healthStats.healthy += this.healthy;
    healthStats.degraded += this.degraded;
  }

  /** Asks no more. */
  close(): void {
    for (const session of this.sessions.values()) session.close();
    this.sessions.clear();
    this.means.prober.close();
    this.count();
  }
}

class HealthSession implements ProbeSink {
  readonly endpoint: EndpointState;
  private readonly owner: HealthOwner;
  private readonly monitor: HealthMonitor;
  private means: HealthMeans;
  private probe: Probe;
  /** What the probe was made for. */
  private target: string;
  private asking = false;
  /** When the answer has to be there; Infinity once it has got some grace. */
  private deadline = 0;
  private readonly interval = new Timer(() => this.ask());
  private readonly timeout = new Timer(() => this.onTimeout());

  constructor(endpoint: EndpointState, owner: HealthOwner, means: HealthMeans) {
    this.endpoint = endpoint;
    this.owner = owner;
    this.means = means;
    this.monitor = new HealthMonitor(endpoint);
    this.probe = means.prober.probe(endpoint, this);
    this.target = targetOf(endpoint);
  }

  get first(): boolean {
    return this.monitor.first;
  }

  /** Asks, unless another worker has just done so. */
  start(): void {
    const { owner } = this;
    const { initialJitter } = this.means.check;
    const note = owner.heard(this.endpoint, this.patience);
    if (note !== null) this.learn(note);
    else if (initialJitter === 0 && owner.index === 0) this.ask();
    else this.arm(Math.floor(owner.random() * initialJitter));
  }

  /** How long another worker may take to ask, and to tell, ms. */
  private get patience(): number {
    return this.means.check.timeout + SLACK;
  }

  /** Asks after so many ms, and later if other workers come first; for the first time not very much later. */
  private arm(wait: number): void {
    const { timers, clock, index } = this.owner;
    const others = this.first ? Math.min(index, 1) : index;
    timers.arm(this.interval, clock.now + wait + others * this.patience);
  }

  /** Another worker has asked. */
  learn(note: HealthNote): void {
    const { owner, monitor, endpoint } = this;
    const { first } = monitor;
    const before = endpoint.marks;
    const passed = !endpoint.has(FailedActive);
    monitor.learn(note);
    if (note.traffic) owner.hadTraffic = true;
    if (first || endpoint.marks !== before) owner.onHealth(endpoint, passed && endpoint.has(FailedActive));
    if (this.asking) return; // what comes of that is told in turn
    this.probe.giveUp(); // a connection that nobody needs would break one day, which is no failure
    this.arm(
      note.traffic === owner.hadTraffic ? note.wait : this.next(!endpoint.has(FailedActive), Unchanged),
    );
  }

  /** How long to wait until the next check. */
  private next(healthy: boolean, transition: Transition): number {
    const { owner, monitor, means } = this;
    return monitor.wait(means.check, healthy, transition, owner.hadTraffic, owner.random);
  }

  /** `other`: the check is another one, by which it may be another endpoint. */
  configure(means: HealthMeans, other: boolean): void {
    const { owner, endpoint } = this;
    this.means = means;
    this.renew();
    if (this.asking || !other) return;
    const soon = endpoint.has(FailedActive) ? 0 : this.next(true, Unchanged);
    if (owner.clock.now + soon < this.interval.due) this.arm(soon);
  }

  /** The endpoint may say something else about its checks. */
  review(): void {
    if (this.target !== targetOf(this.endpoint)) this.renew();
  }

  private renew(): void {
    this.probe.close();
    this.probe = this.means.prober.probe(this.endpoint, this);
    this.target = targetOf(this.endpoint);
    if (this.asking) this.probe.ask(); // in the time that is left
  }

  close(): void {
    const { timers } = this.owner;
    timers.release(this.interval);
    timers.release(this.timeout);
    this.probe.close();
  }

  failAtOnce(): void {
    const { owner } = this;
    const news = this.exclude();
    this.fail("PASSIVE", false, 0, "it told a request so");
    if (!news) return;
    const { due } = this.asking ? this.timeout : this.interval;
    this.tell(Math.max(0, due - owner.clock.now - owner.index * this.patience));
  }

  /** It does not count any more; false if it did not before. */
  private exclude(): boolean {
    const { endpoint, owner } = this;
    if (endpoint.has(ExcludedAtOnce)) return false;
    endpoint.mark(ExcludedAtOnce);
    owner.onHealth(endpoint, false);
    return true;
  }

  private ask(): void {
    const { owner, means } = this;
    this.asking = true;
    owner.healthStats.attempt++;
    this.deadline = owner.clock.now + means.check.timeout;
    owner.timers.arm(this.timeout, this.deadline);
    this.probe.ask();
  }

  private onTimeout(): void {
    const { clock, timers } = this.owner;
    if (clock.now > this.deadline + BUSY) {
      this.deadline = Number.POSITIVE_INFINITY;
      timers.arm(this.timeout, clock.now + GRACE);
      return;
    }
    this.probe.giveUp();
    const transition = this.fail("NETWORK_TIMEOUT", false, 0, "no answer in time");
    this.wait(false, transition);
  }

  onWell(degraded: boolean): void {
    const { owner, monitor, endpoint } = this;
    const { check, events } = this.means;
    const { first } = monitor;
    const failed = endpoint.has(FailedActive);
    const wasDegraded = endpoint.has(DegradedActive);
    const transition = monitor.succeed(check, degraded);
    owner.healthStats.success++;
    if (failed && !endpoint.has(FailedActive)) events.added(endpoint, first);
    else if (check.events.everySuccess) events.passed(endpoint);
    if (degraded !== wasDegraded) events.degraded(endpoint, degraded);
    if (first || transition === Changed) owner.onHealth(endpoint, false);
    this.wait(true, transition);
  }

  onUnwell(failure: HealthFailure, retriable: boolean, atOnce: boolean, status: number, why: string): void {
    if (atOnce) this.exclude();
    const transition = this.fail(failure, retriable, status, why);
    this.wait(false, transition);
  }

  private fail(failure: HealthFailure, retriable: boolean, status: number, why: string): Transition {
    const { owner, monitor, endpoint } = this;
    const { check, events } = this.means;
    const { healthStats } = owner;
    const { first } = monitor;
    const passed = !endpoint.has(FailedActive);
    const transition = monitor.fail(check, failure, retriable);
    const ejected = passed && endpoint.has(FailedActive);
    if (ejected) events.ejected(endpoint, failure, status, why);
    if (first || check.events.everyFailure) events.failed(endpoint, failure, status, first);
    healthStats.failure++;
    if (isNetwork(failure)) healthStats.networkFailure++;
    else if (failure === "PASSIVE") healthStats.passiveFailure++;
    if (first || transition === Changed) owner.onHealth(endpoint, ejected);
    return transition;
  }

  private wait(healthy: boolean, transition: Transition): void {
    this.asking = false;
    this.owner.timers.cancel(this.timeout);
    const wait = this.next(healthy, transition);
    this.tell(wait);
    this.arm(wait);
  }

  /** Tells the other workers what is known, and when it is asked again. */
  private tell(wait: number): void {
    const { owner, monitor, endpoint } = this;
    const { successes, failures } = monitor;
    owner.tell(endpoint, { marks: endpoint.marks, successes, failures, wait, traffic: owner.hadTraffic });
  }
}

/** Where and as whom an endpoint is asked, as far as it says so itself; that its address moves is the probe's business. */
function targetOf({ healthCheck }: EndpointState): string {
  return healthCheck === null ? "" : JSON.stringify(healthCheck);
}
