/**
 * The endpoints of one cluster: kept in step with its load assignment, and picked from.
 *
 * An assignment replaces the whole content, but by difference: an address that was there keeps its
 * `EndpointState` (and with it pool and counters) whatever else about it changes; one that is gone is reported
 * to `onRemoved` *after* the new content is in force, so that whoever reacts already picks from the new set.
 * An address listed twice counts once, where it comes first.
 *
 * Knows no DNS, no xDS and no connection; addresses are resolved.
 */
import type { ClusterLoadAssignment, Endpoint, Locality } from "../config/model.ts";
import { type Address, formatAddress } from "../io/socket.ts";
import type { Balancer, Random } from "./balancer.ts";
import { EndpointState, PendingRemoval } from "./endpoint.ts";
import { type LocalityGroup, PriorityLevel } from "./priority-level.ts";
import { type PriorityLoad, priorityLoad } from "./priority-load.ts";

/** How a request narrows the choice, e.g. a retry that avoids hosts that it tried. */
export interface SelectionContext {
  /** Further picks allowed after a rejected one; the last pick is taken even if rejected (as Envoy). */
  readonly hostSelectionAttempts: number;
  rejects(endpoint: EndpointState): boolean;
}

/** What the set needs from its cluster. */
export interface EndpointSetOptions {
  readonly makeBalancer: () => Balancer;
  readonly random: Random;
  /** Percent. */
  readonly panicThreshold: number;
  /** Balance between localities by their weights first. */
  readonly byLocality: boolean;
  /** Told of a new endpoint before anybody picks it. */
  readonly onAdded?: (endpoint: EndpointState) => void;
  /** True if it stays although the assignment does not name it any more. */
  readonly keeps?: (endpoint: EndpointState) => boolean;
  /** `endpoint.live` is false already; its pool is still there for the engine to drain. */
  readonly onRemoved: (endpoint: EndpointState) => void;
  /** `lbHealthyPanic` counts picks made while the chosen level was in panic. */
  readonly stats: { lbHealthyPanic: number };
}

/** What an assignment changed. */
export interface EndpointChange {
  readonly added: number;
  readonly removed: number;
  /** Something that matters for picking is different. */
  readonly changed: boolean;
}

interface Group extends LocalityGroup {
  readonly priority: number;
  readonly locality: Locality;
  weight: number;
  readonly endpoints: EndpointState[];
}

export class EndpointSet {
  private options: EndpointSetOptions;
  private states = new Map<string, EndpointState>();
  private groups: readonly Group[] = [];
  private overprovisioningFactor = 140;
  private levels: PriorityLevel[] = [];
  private load: PriorityLoad = priorityLoad([], 140, 0);
  /** The level that gets all load on healthy endpoints, or -1 if load is split: spares the usual draw. */
  private soleLevel = -1;

  constructor(options: EndpointSetOptions) {
    this.options = options;
  }

  /** Every endpoint, in the order of the assignment. */
  get endpoints(): Iterable<EndpointState> {
    return this.states.values();
  }

  get total(): number {
    return this.states.size;
  }

  get healthy(): number {
    return this.levels.reduce((sum, level) => sum + level.healthy, 0);
  }

  get degraded(): number {
    return this.levels.reduce((sum, level) => sum + level.degraded, 0);
  }

  /** Draining ones. */
  get excluded(): number {
    return this.levels.reduce((sum, level) => sum + level.excluded, 0);
  }

  /** The endpoint at that address text (`formatAddress`), or null. */
  find(text: string): EndpointState | null {
    return this.states.get(text) ?? null;
  }

  /** New balancers, thresholds or callbacks (a changed cluster); endpoints stay. */
  configure(options: EndpointSetOptions): void {
    this.options = options;
    this.levels = [];
    this.rebuild();
  }

  /** The address of an endpoint changed but it stays the same endpoint: its connections live on (LOGICAL_DNS). */
  move(endpoint: EndpointState, address: Address): void {
    this.states.delete(endpoint.text);
    endpoint.moveTo(address);
    this.states.set(endpoint.text, endpoint);
  }

  /** Replaces the content. Cost O(endpoints). */
  apply(assignment: ClusterLoadAssignment): EndpointChange {
    const previous = this.states;
    const next = new Map<string, EndpointState>();
    const groups = new Map<string, Group>();
    let added = 0;
    let changed = assignment.overprovisioningFactor !== this.overprovisioningFactor;

    for (const { locality, priority, weight, endpoints, metadata = {} } of assignment.localities) {
      const key = groupKey(priority, locality);
      let group = groups.get(key);
      if (group === undefined) {
        group = { priority, locality, weight, endpoints: [] };
        groups.set(key, group);
      }
      group.weight = weight; // the same locality again continues the list; its last weight holds
      for (const endpoint of endpoints) {
        const text = formatAddress(endpoint.address);
        if (next.has(text)) continue;
        let state = previous.get(text);
        if (state === undefined) {
          state = new EndpointState(endpoint, locality, priority, metadata);
          this.options.onAdded?.(state);
          added++;
        } else if (refresh(state, endpoint, locality, priority)) {
          changed = true;
        }
        state.localityMetadata = metadata;
        next.set(text, state);
        group.endpoints.push(state);
      }
    }

    const removed: EndpointState[] = [];
    for (const [text, state] of previous) {
      if (next.has(text)) state.clear(PendingRemoval);
      else if (this.options.keeps?.(state)) {
        state.mark(PendingRemoval);
        next.set(text, state);
        this.groupOf(state, groups).endpoints.push(state);
      } else removed.push(state);
    }
    const nextGroups = [...groups.values()];
    changed ||= added > 0 || removed.length > 0 || !sameWeights(this.groups, nextGroups);
    // A mere new order must not restart the schedules: DNS answers rotate.
    if (!changed) return { added: 0, removed: 0, changed };

    this.states = next;
    this.groups = nextGroups;
    this.overprovisioningFactor = assignment.overprovisioningFactor;
    this.rebuild();
    for (const state of removed) state.live = false;
    for (const state of removed) this.options.onRemoved(state);
    return { added, removed: removed.length, changed };
  }

  /** Where an endpoint that is kept belongs. */
  private groupOf({ priority, locality }: EndpointState, groups: Map<string, Group>): Group {
    const key = groupKey(priority, locality);
    let group = groups.get(key);
    if (group === undefined) {
      const before = this.groups.find(
        (each) => each.priority === priority && sameLocality(each.locality, locality),
      );
      group = { priority, locality, weight: before?.weight ?? 0, endpoints: [] };
      groups.set(key, group);
    }
    return group;
  }

  /** Takes out endpoints that were kept, and brings the rest into force as `rebuild` does. */
  discard(gone: readonly EndpointState[]): void {
    for (const state of gone) this.states.delete(state.text);
    if (gone.length > 0) {
      const discarded = new Set(gone);
      this.groups = this.groups.map((group) => ({
        ...group,
        endpoints: group.endpoints.filter((each) => !discarded.has(each)),
      }));
    }
    this.rebuild();
    for (const state of gone) state.live = false;
    for (const state of gone) this.options.onRemoved(state);
  }

  /** Call after changing an endpoint's `health` or `weight` from outside (health checks, outlier ejection). */
  rebuild(): void {
    const { options } = this;
    let count = 0;
    for (const group of this.groups) count = Math.max(count, group.priority + 1);
    this.levels.length = Math.min(this.levels.length, count);
    while (this.levels.length < count) this.levels.push(new PriorityLevel(options.makeBalancer));
    for (let priority = 0; priority < count; priority++) {
      const groups = this.groups.filter((group) => group.priority === priority);
      this.levels[priority].update(groups, options.byLocality, this.overprovisioningFactor, options.random);
    }
    this.load = priorityLoad(this.levels, this.overprovisioningFactor, options.panicThreshold);
    this.soleLevel = this.load.healthy.indexOf(100);
  }

  /** The endpoint for a new try, or null if there is none to be had. `context` null = take what comes. */
  choose(context: SelectionContext | null): EndpointState | null {
    let picked = this.pick();
    if (context === null) return picked;
    for (let left = context.hostSelectionAttempts; left > 0; left--) {
      if (picked === null || !context.rejects(picked)) return picked;
      picked = this.pick();
    }
    return picked;
  }

  private pick(): EndpointState | null {
    if (this.soleLevel >= 0) return this.pickHealthy(this.soleLevel);
    const { healthy, degraded } = this.load;
    let point = Math.floor(this.options.random() * 100); // in [0, 100), the loads add up to 100
    for (let i = 0; i < healthy.length; i++) {
      if (point < healthy[i]) return this.pickHealthy(i);
      point -= healthy[i];
    }
    for (let i = 0; i < degraded.length; i++) {
      if (point < degraded[i]) return this.load.panic[i] ? this.pickAny(i) : this.levels[i].pickDegraded();
      point -= degraded[i];
    }
    return null;
  }

  private pickHealthy(level: number): EndpointState | null {
    if (this.load.panic[level]) return this.pickAny(level);
    return level < this.levels.length ? this.levels[level].pickHealthy() : null;
  }

  private pickAny(level: number): EndpointState | null {
    this.options.stats.lbHealthyPanic++;
    return level < this.levels.length ? this.levels[level].pickAny() : null;
  }
}

/** Brings `state` up to date in place; true if a balancer must know. */
function refresh(state: EndpointState, endpoint: Endpoint, locality: Locality, priority: number): boolean {
  const changed =
    state.weight !== endpoint.weight ||
    state.configuredHealth !== endpoint.health ||
    state.priority !== priority ||
    !sameLocality(state.locality, locality);
  state.weight = endpoint.weight;
  if (state.configuredHealth !== endpoint.health) state.configure(endpoint.health);
  state.healthCheck = endpoint.healthCheck ?? null;
  state.priority = priority;
  state.locality = locality;
  state.hostname = endpoint.hostname;
  state.metadata = endpoint.metadata;
  return changed;
}

function groupKey(priority: number, { region, zone, subZone }: Locality): string {
  return `${priority}\n${region}\n${zone}\n${subZone}`;
}

function sameLocality(a: Locality, b: Locality): boolean {
  return a.region === b.region && a.zone === b.zone && a.subZone === b.subZone;
}

/** True if both have the same localities, priorities and weights, in any order. */
function sameWeights(a: readonly Group[], b: readonly Group[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((group) =>
    b.some(
      (other) =>
        other.priority === group.priority &&
        other.weight === group.weight &&
        sameLocality(other.locality, group.locality),
    ),
  );
}
