/**
 * Endpoints by name: STRICT_DNS (every address of every name is an endpoint) and LOGICAL_DNS (one endpoint,
 * whose new connections go to the first address of the newest answer). Asks again for ever, and turns what it
 * hears into load assignments with addresses instead of names.
 *
 *   start ─▶ asking ──answer──▶ waiting refresh rate (or the answer's TTL) ─▶ asking …
 *                └───failure──▶ waiting failure back-off ────────────────────┘
 *
 * A failure never takes endpoints away: the last good answer stays in force. An answer without error and
 * without addresses is an answer: a STRICT_DNS name then has no endpoints.
 *
 * Knows no endpoint state and no sockets: it asks `Platform.resolve` and sets timers.
 */
import type { Cluster, ClusterLoadAssignment, Endpoint, LocalityEndpoints } from "../config/model.ts";
import type { Platform, Resolution } from "../io/platform.ts";
import type { Clock } from "../time/clock.ts";
import { Timer, type Timers } from "../time/timers.ts";
import { BackOff } from "./back-off.ts";
import type { Random } from "./balancer.ts";

/** What name resolution needs from its worker. */
export interface DnsEnvironment {
  readonly platform: Platform;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** Who is told. Never called after `stop`. */
export interface DnsHandler {
  /** The addresses changed, or are known for the first time. */
  onEndpoints(assignment: ClusterLoadAssignment): void;
  /** Once: some name has an address, or every name was asked. The cluster need not be waited for any longer. */
  onReady(): void;
  /** A name was asked for; then, for each, how it went. */
  onAttempt(): void;
  onSuccess(empty: boolean): void;
  onFailure(hostname: string, error: string): void;
}

/** One name to resolve, and the endpoints of the configuration that stand for it. */
class Target {
  readonly hostname: string;
  readonly backOff: BackOff;
  readonly timer: Timer;
  /** Null until the first answer. */
  addresses: readonly string[] | null = null;
  asked = false;

  constructor(hostname: string, random: Random, ask: (target: Target) => void) {
    this.hostname = hostname;
    this.backOff = new BackOff(random);
    this.timer = new Timer(() => ask(this));
  }
}

export class DnsCluster {
  private readonly cluster: Cluster;
  private readonly assignment: ClusterLoadAssignment;
  private readonly environment: DnsEnvironment;
  private readonly handler: DnsHandler;
  /** By host name: a name that several endpoints use is asked for once. */
  private readonly targets = new Map<string, Target>();
  private ready = false;
  private stopped = false;

  /**
   * `cluster` is of type STRICT_DNS or LOGICAL_DNS and has a load assignment. `previous` is what this one
   * replaces after a configuration change: names in both keep their addresses until the next answer.
   */
  constructor(
    cluster: Cluster,
    environment: DnsEnvironment,
    handler: DnsHandler,
    previous: DnsCluster | null,
  ) {
    this.cluster = cluster;
    this.assignment = cluster.loadAssignment ?? {
      clusterName: cluster.name,
      version: "",
      localities: [],
      overprovisioningFactor: 140,
    };
    this.environment = environment;
    this.handler = handler;
    for (const { endpoints } of this.assignment.localities) {
      for (const { address } of endpoints) {
        if (this.targets.has(address.ip)) continue;
        const target = new Target(address.ip, environment.random, (due) => this.ask(due));
        target.backOff.configure(cluster.dns.failureRefreshBase, cluster.dns.failureRefreshMax);
        target.addresses = previous?.targets.get(address.ip)?.addresses ?? null;
        this.targets.set(address.ip, target);
      }
    }
  }

  /** Asks for every name. Reports at once if there is nothing to ask for, or addresses are known already. */
  start(): void {
    let known = this.targets.size === 0;
    for (const target of this.targets.values()) {
      known ||= target.addresses !== null;
      this.ask(target);
    }
    if (known) this.publish();
  }

  /** Asks no more and reports no more, not even an answer that is on its way. */
  stop(): void {
    this.stopped = true;
    for (const target of this.targets.values()) this.environment.timers.release(target.timer);
  }

  private ask(target: Target): void {
    this.handler.onAttempt();
    this.environment.platform.resolve(target.hostname, this.cluster.dns.lookupFamily, (result) => {
      if (!this.stopped) this.answered(target, result);
    });
  }

  private answered(target: Target, { addresses, ttl, error }: Resolution): void {
    target.asked = true;
    const { timers, clock } = this.environment;
    // A logical host without address would be no host: such an answer is a failure for it.
    if (error !== "" || (addresses.length === 0 && this.cluster.type === "LOGICAL_DNS")) {
      timers.arm(target.timer, clock.now + this.failureWait(target));
      this.handler.onFailure(target.hostname, error === "" ? "no address" : error);
      this.checkReady();
      return;
    }
    target.backOff.reset();
    timers.arm(target.timer, clock.now + this.refreshWait(ttl));
    this.handler.onSuccess(addresses.length === 0);
    const known = target.addresses;
    target.addresses = addresses;
    if (known === null || !this.same(known, addresses)) this.publish();
    else this.checkReady();
  }

  /** LOGICAL_DNS cares for the first address only, STRICT_DNS for the set. */
  private same(a: readonly string[], b: readonly string[]): boolean {
    if (this.cluster.type === "LOGICAL_DNS") return a[0] === b[0];
    return a.length === b.length && a.every((address) => b.includes(address));
  }

  private refreshWait(ttl: number): number {
    const { refreshRate, respectTtl, jitter } = this.cluster.dns;
    return (respectTtl && ttl > 0 ? ttl : refreshRate) + this.environment.random() * jitter;
  }

  /** Equal bounds are not a back-off but an interval: without configured bounds, the refresh rate (as Envoy). */
  private failureWait(target: Target): number {
    const { failureRefreshBase, failureRefreshMax } = this.cluster.dns;
    return failureRefreshMax > failureRefreshBase ? target.backOff.next() : failureRefreshBase;
  }

  private publish(): void {
    this.handler.onEndpoints({
      ...this.assignment,
      localities: this.assignment.localities.map((locality) => this.resolved(locality)),
    });
    this.checkReady();
  }

  private resolved(locality: LocalityEndpoints): LocalityEndpoints {
    const endpoints: Endpoint[] = [];
    for (const endpoint of locality.endpoints) {
      const { address, hostname } = endpoint;
      const addresses = this.targets.get(address.ip)?.addresses ?? [];
      const wanted = this.cluster.type === "LOGICAL_DNS" ? addresses.slice(0, 1) : addresses;
      for (const ip of wanted) {
        endpoints.push({
          ...endpoint,
          address: { ip, port: address.port, path: "" },
          hostname: hostname === "" ? address.ip : hostname,
        });
      }
    }
    return { ...locality, endpoints };
  }

  private checkReady(): void {
    if (this.ready) return;
    let all = true;
    let some = this.targets.size === 0;
    for (const target of this.targets.values()) {
      all &&= target.asked;
      some ||= target.addresses !== null && target.addresses.length > 0;
    }
    if (!all && !some) return;
    this.ready = true;
    this.handler.onReady();
  }
}
