/**
 * The dynamic resources that come from files: which files are wanted now, what they delivered, what was refused.
 * Listener and cluster files are complete (absence removes a resource); those of routes, endpoints, filters and secrets
 * are not.
 * Knows neither workers nor statistics: it reports outcomes and hands out snapshots.
 *
 * Laws: what cannot be read or is refused changes nothing that is in force; everything that changed together is
 * handed out as one snapshot.
 */
import type { Snapshot } from "../../core/config/model.ts";
import type { Checks } from "../../core/xds/checks.ts";
import {
  type Bootstrap,
  type Dynamic,
  filedAs,
  type ModelOf,
  type Resource,
  type ResourceKind,
  type Subscription,
  type Warming,
} from "../../core/xds/resource.ts";
import { buildSnapshot } from "../../core/xds/snapshot.ts";
import { findResource, type ResourceFile, readResourceFile } from "./config-file.ts";
import { FileWatch } from "./file-watch.ts";
import { SecretFiles } from "./secret-files.ts";

/** What became of one reading of one subscription. */
export interface Outcome {
  readonly kind: ResourceKind;
  /** Route configuration, cluster (service), filter or secret name; "" for listeners and clusters. */
  readonly name: string;
  /** "rejected": something in it was refused; "failure": it could not be read at all. */
  readonly result: "success" | "rejected" | "failure";
  /** True if there is no such file. */
  readonly missing: boolean;
  /** True if something is now there that was not, or was another. */
  readonly changed: boolean;
  readonly versionInfo: string;
  /** Finished lines, empty on success. */
  readonly faults: readonly string[];
}

/** Why the last version of a resource is not in force; Envoy's `UpdateFailureState`. */
export interface ErrorState {
  readonly details: string;
  /** Unix time, ms. */
  readonly at: number;
  readonly versionInfo: string;
}

/** What is remembered about a resource beside the resource itself, for `/config_dump`. */
export interface Delivery {
  readonly name: string;
  readonly resource: Resource<ModelOf[ResourceKind]> | null;
  readonly versionInfo: string;
  /** Unix time, ms; 0 = never delivered. */
  readonly lastUpdated: number;
  readonly error: ErrorState | null;
}

/** A resource that was read without a fault, and is not in force all the same. */
export interface NotInForce {
  readonly kind: keyof Settled;
  /** See `filedAs`. */
  readonly key: string;
  /** Finished lines, why it was refused; none = it waits for something, and is still wanted. */
  readonly faults: readonly string[];
}

/** Deliveries of the kinds that can still be refused after they were read. */
interface Settled {
  readonly LDS: ReadonlyMap<string, Delivery>;
  readonly RDS: ReadonlyMap<string, Delivery>;
  readonly ECDS: ReadonlyMap<string, Delivery>;
}

/** Hears what happened. */
export interface SubscriptionsObserver {
  onOutcome(outcome: Outcome): void;
  onSnapshot(snapshot: Snapshot, warming: readonly Warming[]): void;
}

export class Subscriptions {
  /** Everything delivered or refused so far, by kind and name (`filedAs`). */
  readonly deliveries: { readonly [K in ResourceKind]: Map<string, Delivery> } = {
    LDS: new Map(),
    CDS: new Map(),
    RDS: new Map(),
    EDS: new Map(),
    ECDS: new Map(),
    SDS: new Map(),
  };
  /** Version of the last listener and cluster files. */
  readonly versionInfo = { LDS: "", CDS: "" };
  /** What cannot be used yet; what waits for another reason than another resource is told by `settled`. */
  warming: readonly Warming[] = [];

  private readonly bootstrap: Bootstrap;
  private readonly checks: Checks;
  private readonly observer: SubscriptionsObserver;
  private readonly watch: FileWatch;
  private readonly secretFiles = new SecretFiles();
  /**
   * "<kind>/<filedAs>" of what was asked for and not delivered. A file answers at once, so nobody waits for these
   * (`initial_fetch_timeout` has nothing to end): see `buildSnapshot` for what is done without.
   */
  private readonly givenUp = new Set<string>();
  /** Subscriptions as "<kind>/<filedAs>" that have been read at least once. */
  private readonly subscribed = new Set<string>();
  private latest: Snapshot | null = null;
  /** What is in force, as far as that is known: the predecessors of what is warming. */
  private previous: Snapshot | null = null;
  /** What each snapshot was made of that was handed out and not answered (`settled`) yet. */
  private readonly handedOut = new Map<Snapshot, Settled>();
  /** What was made of the last one that was answered. */
  private inForce: Settled = { LDS: new Map(), RDS: new Map(), ECDS: new Map() };

  constructor(bootstrap: Bootstrap, checks: Checks, observer: SubscriptionsObserver) {
    this.bootstrap = bootstrap;
    this.checks = checks;
    this.observer = observer;
    this.watch = new FileWatch((paths) => this.update(new Set(paths)));
  }

  /** Reads everything once and goes on watching. */
  start(): void {
    this.update(null);
  }

  /** What was handed out last, null before the first time. */
  get current(): Snapshot | null {
    return this.latest;
  }

  /** Reads everything anew: what was refused may be sound by now. */
  reread(): void {
    this.update(null);
  }

  /**
   * What became of a snapshot: `applied` is in force instead, without `missing`. What was refused is what it was before,
   * for whoever asks and for the next snapshot, which follows at once.
   */
  settled(snapshot: Snapshot, applied: Snapshot, missing: readonly NotInForce[]): void {
    const handed = this.handedOut.get(snapshot);
    if (handed === undefined) return;
    // Those handed out before it were answered, or never will be.
    for (const each of this.handedOut.keys()) {
      this.handedOut.delete(each);
      if (each === snapshot) break;
    }
    const { inForce } = this;
    const now = { LDS: new Map(handed.LDS), RDS: new Map(handed.RDS), ECDS: new Map(handed.ECDS) };
    const refused = missing.filter(({ faults }) => faults.length > 0);
    for (const { kind, key } of missing) {
      const before = inForce[kind].get(key);
      if (before === undefined) now[kind].delete(key);
      else now[kind].set(key, before);
    }
    for (const { kind, key, faults } of refused) {
      const before = inForce[kind].get(key);
      const delivery = this.deliveries[kind].get(key);
      const version = handed[kind].get(key)?.resource?.version;
      if (delivery === undefined || delivery.resource?.version !== version) continue; // there is a newer one
      const { name, versionInfo } = delivery;
      this.deliveries[kind].set(key, refusedDelivery(name, before, faults, Date.now(), versionInfo));
      if (before === undefined) this.givenUp.add(`${kind}/${key}`);
    }
    this.inForce = now;
    if (this.latest === snapshot) {
      this.previous = applied;
      this.warming = withWaiting(this.warming, missing);
    }
    if (refused.length > 0) this.update(new Set());
  }

  /** Watches no more; what was delivered stays readable. */
  close(): void {
    this.watch.close();
  }

  /** Reads what `changed` (null: everything) touches, then whatever that made wanted. */
  private update(changed: ReadonlySet<string> | null): void {
    const { lds, cds } = this.bootstrap.dynamic;
    const isDue = (path: string) => path !== "" && (changed === null || changed.has(path));
    if (isDue(cds)) this.readComplete("CDS", cds);
    if (isDue(lds)) this.readComplete("LDS", lds);

    const wants = this.wants();
    const files = new Map<string, ResourceFile<Subscription["kind"]>>();
    for (const [key, want] of wants) {
      const { kind, path } = want;
      const touched = isDue(path) || (want.kind === "SDS" && this.secretFiles.isDue(want, isDue));
      if (this.subscribed.has(key) && !touched) continue;
      this.subscribed.add(key);
      const fileKey = `${kind} ${path || want.name}`;
      const file = files.get(fileKey) ?? this.readFile(want);
      files.set(fileKey, file);
      this.readNamed(want, file);
      if (this.deliveries[kind].get(filedAs(want))?.resource == null) this.givenUp.add(key);
      else this.givenUp.delete(key);
    }
    this.forget(wants);
    const wanted = [...wants.values()];
    const quoted = this.secretFiles.paths(wanted.filter((want) => want.kind === "SDS"));
    const paths = [lds, cds, ...wanted.map((want) => want.path), ...quoted];
    this.watch.watch(new Set(paths.filter((path) => path !== "")));
    this.publish();
  }

  /** What the listeners and clusters that are there want, by "<kind>/<filedAs>". */
  private wants(): Map<string, Subscription> {
    const wants = new Map<string, Subscription>();
    const add = (resource: { readonly wants: readonly Subscription[] }) => {
      for (const want of resource.wants) {
        const key = `${want.kind}/${filedAs(want)}`;
        wants.set(key, together(wants.get(key), want));
      }
    };
    for (const resource of this.bootstrap.clusters) add(resource);
    for (const resource of this.bootstrap.listeners) add(resource);
    for (const kind of ["CDS", "LDS"] as const) {
      for (const { resource } of this.deliveries[kind].values()) if (resource !== null) add(resource);
    }
    return wants;
  }

  private readFile(want: Subscription): ResourceFile<Subscription["kind"]> {
    if (want.kind === "SDS") return this.secretFiles.read(want, this.checks);
    return readResourceFile(want.kind, want.path, this.checks);
  }

  private readComplete(kind: "LDS" | "CDS", path: string): void {
    const file = readResourceFile(kind, path, this.checks);
    const known = this.deliveries[kind];
    const now = Date.now();
    let changed = false;
    if (!file.unreadable) {
      this.versionInfo[kind] = file.versionInfo;
      for (const resource of file.resources) {
        changed = this.deliver(kind, resource.name, resource, file.versionInfo, now) || changed;
      }
      // A refused resource keeps its predecessor. If one cannot even be named, it may be any: nothing goes.
      const kept = new Set([...file.resources, ...file.refusals].map(({ name }) => name));
      if (!kept.has("")) {
        for (const name of known.keys()) if (!kept.has(name)) changed = known.delete(name);
      }
      for (const { name, faults } of file.refusals)
        this.refuse(kind, name, name, file.versionInfo, faults, now);
    }
    this.report(kind, "", file, file.faults, changed);
  }

  private readNamed(want: Subscription, file: ResourceFile<Subscription["kind"]>): void {
    const { kind, name } = want;
    const key = filedAs(want);
    const now = Date.now();
    const { resource, faults, refused } = findResource(file, want);
    const changed = resource !== null && this.deliver(kind, key, resource, file.versionInfo, now);
    if (refused) this.refuse(kind, key, name, file.versionInfo, faults, now);
    this.report(kind, name, file, faults, changed);
  }

  private report(
    kind: ResourceKind,
    name: string,
    file: ResourceFile<ResourceKind>,
    faults: readonly string[],
    changed: boolean,
  ): void {
    const result = faults.length === 0 ? "success" : file.unreadable ? "failure" : "rejected";
    const { versionInfo, missing } = file;
    this.observer.onOutcome({ kind, name, result, missing, changed, versionInfo, faults });
  }

  /** True if that is something new. */
  private deliver(
    kind: ResourceKind,
    key: string,
    resource: Resource<ModelOf[ResourceKind]>,
    versionInfo: string,
    now: number,
  ): boolean {
    const before = this.deliveries[kind].get(key);
    const unchanged =
      before !== undefined && before.resource !== null && before.resource.version === resource.version;
    this.deliveries[kind].set(key, {
      name: resource.name,
      resource,
      versionInfo,
      lastUpdated: unchanged ? before.lastUpdated : now,
      error: null,
    });
    return !unchanged;
  }

  private refuse(
    kind: ResourceKind,
    key: string,
    name: string,
    versionInfo: string,
    faults: readonly string[],
    now: number,
  ): void {
    const before = this.deliveries[kind].get(key);
    this.deliveries[kind].set(key, refusedDelivery(name, before, faults, now, versionInfo));
  }

  /** Drops routes, endpoints, filters and secrets that nobody wants any more. */
  private forget(wants: ReadonlyMap<string, Subscription>): void {
    for (const key of this.subscribed) {
      if (wants.has(key)) continue;
      this.subscribed.delete(key);
      this.givenUp.delete(key);
      const slash = key.indexOf("/");
      this.deliveries[key.slice(0, slash) as ResourceKind].delete(key.slice(slash + 1));
    }
  }

  private publish(): void {
    const dynamic: Dynamic = {
      listeners: usable("LDS", this.deliveries.LDS),
      clusters: usable("CDS", this.deliveries.CDS),
      routes: usable("RDS", this.deliveries.RDS),
      endpoints: usable("EDS", this.deliveries.EDS),
      extensions: usable("ECDS", this.deliveries.ECDS),
      secrets: usable("SDS", this.deliveries.SDS),
    };
    const { snapshot, warming } = buildSnapshot(this.bootstrap, dynamic, this.previous, this.givenUp);
    this.latest = snapshot;
    this.previous = snapshot;
    this.warming = warming;
    const { LDS, RDS, ECDS } = this.deliveries;
    this.handedOut.set(snapshot, { LDS: new Map(LDS), RDS: new Map(RDS), ECDS: new Map(ECDS) });
    this.observer.onSnapshot(snapshot, warming);
  }
}

/** What was there `before` stays, and says why it is not that version. */
function refusedDelivery(
  name: string,
  before: Delivery | undefined,
  faults: readonly string[],
  at: number,
  versionInfo: string,
): Delivery {
  return {
    name,
    resource: before?.resource ?? null,
    versionInfo: before?.versionInfo ?? "",
    lastUpdated: before?.lastUpdated ?? 0,
    error: { details: faults.join("\n"), at, versionInfo },
  };
}

function usable<K extends ResourceKind>(
  _kind: K,
  deliveries: ReadonlyMap<string, Delivery>,
): Map<string, Resource<ModelOf[K]>> {
  const resources = new Map<string, Resource<ModelOf[K]>>();
  for (const [name, { resource }] of deliveries) {
    if (resource !== null) resources.set(name, resource as Resource<ModelOf[K]>);
  }
  return resources;
}

/** Several filters may want one configuration: it must be of a type that each of them takes. */
function together(before: Subscription | undefined, want: Subscription): Subscription {
  if (before?.kind !== "ECDS" || want.kind !== "ECDS") return want;
  const typeNames = want.discovery.typeNames.filter((each) => before.discovery.typeNames.includes(each));
  return { ...want, discovery: { ...want.discovery, typeNames } };
}

/** What a resource waits for, for a log. */
export function warmingLine({ kind, name, waitsFor }: Warming): string {
  return `${kind} ${name} waits for ${waitsFor.map((want) => `${want.kind} ${want.name}`).join(", ")}`;
}

/** With the listeners that wait for something that is no resource. */
export function withWaiting(warming: readonly Warming[], missing: readonly NotInForce[]): readonly Warming[] {
  const listeners = missing.filter(({ kind, faults }) => kind === "LDS" && faults.length === 0);
  return [...warming, ...listeners.map(({ key }): Warming => ({ kind: "LDS", name: key, waitsFor: [] }))];
}
