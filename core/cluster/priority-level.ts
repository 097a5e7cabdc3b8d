/**
 * The endpoints of one priority, sorted by health and, if the cluster balances by locality weights, by locality.
 * Each such list has a balancer of its own, brought up to date when it is first asked: most are never asked.
 *
 * Knows no other level: who gets how much of the load is decided in `priority-load.ts`.
 */
import type { Balancer } from "./balancer.ts";
import { Edf } from "./edf.ts";
import { Degraded, type EndpointState, Healthy } from "./endpoint.ts";
import type { LevelHealth } from "./priority-load.ts";

/** The endpoints of one locality in a level. `weight` 0 = gets nothing when localities are weighted. */
export interface LocalityGroup {
  readonly weight: number;
  readonly endpoints: readonly EndpointState[];
}

/** A list and its balancer. */
class Source {
  private readonly balancer: Balancer;
  private stale = true;
  endpoints: readonly EndpointState[] = [];

  constructor(balancer: Balancer) {
    this.balancer = balancer;
  }

  set(endpoints: readonly EndpointState[]): void {
    this.endpoints = endpoints;
    this.stale = true;
  }

  pick(): EndpointState | null {
    if (this.stale) {
      this.stale = false;
      this.balancer.update(this.endpoints);
    }
    return this.balancer.pick();
  }
}

/** Picks a locality by weight × availability, then an endpoint of it. */
class LocalitySources {
  private readonly sources: Source[];
  private readonly shares: number[];
  private readonly schedule = new Edf();

  constructor(sources: Source[], shares: number[], phase: number) {
    this.sources = sources;
    this.shares = shares;
    this.schedule.build(shares, phase);
  }

  pick(): EndpointState | null {
    const locality = this.schedule.next();
    if (locality < 0) return null;
    this.schedule.advance(this.shares[locality]);
    return this.sources[locality].pick();
  }
}

export class PriorityLevel implements LevelHealth {
  private readonly makeBalancer: () => Balancer;
  private readonly allSource: Source;
  private readonly healthySource: Source;
  private readonly degradedSource: Source;
  private healthyLocalities: LocalitySources | null = null;
  private degradedLocalities: LocalitySources | null = null;
  total = 0;
  excluded = 0;
  healthy = 0;
  degraded = 0;

  constructor(makeBalancer: () => Balancer) {
    this.makeBalancer = makeBalancer;
    this.allSource = new Source(makeBalancer());
    this.healthySource = new Source(makeBalancer());
    this.degradedSource = new Source(makeBalancer());
  }

  /** Takes the level's new content. With `byLocality` the groups' weights count, else only the endpoints'. */
  update(
    groups: readonly LocalityGroup[],
    byLocality: boolean,
    overprovisioningFactor: number,
    random: () => number,
  ): void {
    const all = groups.flatMap((group) => group.endpoints);
    const healthy = all.filter(isHealthy);
    const degraded = all.filter(isDegraded);
    this.total = all.length;
    this.excluded = all.filter((endpoint) => endpoint.excluded).length;
    this.healthy = healthy.length;
    this.degraded = degraded.length;
    this.allSource.set(all);
    this.healthySource.set(healthy);
    this.degradedSource.set(degraded);
    const localities = (accept: (endpoint: EndpointState) => boolean): LocalitySources | null =>
      byLocality ? this.localitySources(groups, accept, overprovisioningFactor, random()) : null;
    this.healthyLocalities = localities(isHealthy);
    this.degradedLocalities = localities(isDegraded);
  }

  /** Of all endpoints, whatever their health. */
  pickAny(): EndpointState | null {
    return this.allSource.pick();
  }

  pickHealthy(): EndpointState | null {
    return this.healthyLocalities?.pick() ?? this.healthySource.pick();
  }

  pickDegraded(): EndpointState | null {
    return this.degradedLocalities?.pick() ?? this.degradedSource.pick();
  }

  private localitySources(
    groups: readonly LocalityGroup[],
    accept: (endpoint: EndpointState) => boolean,
    overprovisioningFactor: number,
    phase: number,
  ): LocalitySources {
    const sources: Source[] = [];
    const shares: number[] = [];
    for (const group of groups) {
      const usable = group.endpoints.filter(accept);
      const source = new Source(this.makeBalancer());
      source.set(usable);
      sources.push(source);
      const counted = group.endpoints.filter((endpoint) => !endpoint.excluded).length;
      const availability = counted === 0 ? 0 : ((overprovisioningFactor / 100) * usable.length) / counted;
      shares.push(group.weight * Math.min(1, availability));
    }
    return new LocalitySources(sources, shares, phase);
  }
}

function isHealthy(endpoint: EndpointState): boolean {
  return endpoint.health === Healthy;
}

function isDegraded(endpoint: EndpointState): boolean {
  return endpoint.health === Degraded;
}
