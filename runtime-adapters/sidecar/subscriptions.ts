/**
 * The dynamic resources that come from files: which files are wanted now, what they delivered, what was refused.
 * Listener and cluster files are complete (absence removes a resource); route and endpoint files are not.
 * Knows neither workers nor statistics: it reports outcomes and hands out snapshots.
 *
 * Laws: what cannot be read or is refused changes nothing that is in force; everything that changed together is
 * handed out as one snapshot.
 */
import type { Snapshot } from "../../core/config/model.ts";
import type { Checks } from "../../core/xds/checks.ts";
import type {
  Bootstrap,
  Dynamic,
  ModelOf,
  Resource,
  ResourceKind,
  Subscription,
  Warming,
} from "../../core/xds/resource.ts";
import { buildSnapshot } from "../../core/xds/snapshot.ts";
import { type ResourceFile, readResourceFile } from "./config-file.ts";
import { FileWatch } from "./file-watch.ts";

/** What became of one reading of one subscription. */
export interface Outcome {
  readonly kind: ResourceKind;
  /** Route configuration or cluster (service) name; "" for listeners and clusters. */
  readonly name: string;
  /** "rejected": something in it was refused; "failure": it could not be read at all. */
  readonly result: "success" | "rejected" | "failure";
  /** True if there is no such file. */
  readonly missing: boolean;
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
  readonly resource: Resource<ModelOf[ResourceKind]> | null;
  readonly versionInfo: string;
  /** Unix time, ms; 0 = never delivered. */
  readonly lastUpdated: number;
  readonly error: ErrorState | null;
}

/** Hears what happened. */
export interface SubscriptionsObserver {
  onOutcome(outcome: Outcome): void;
  onSnapshot(snapshot: Snapshot, warming: readonly Warming[]): void;
}

export class Subscriptions {
  /** Everything delivered or refused so far, by kind and name. */
  readonly deliveries: { readonly [K in ResourceKind]: Map<string, Delivery> } = {
    LDS: new Map(),
    CDS: new Map(),
    RDS: new Map(),
    EDS: new Map(),
  };
  /** Version of the last listener and cluster files. */
  readonly versionInfo = { LDS: "", CDS: "" };
  /** What cannot be used yet. */
  warming: readonly Warming[] = [];

  private readonly bootstrap: Bootstrap;
  private readonly checks: Checks;
  private readonly observer: SubscriptionsObserver;
  private readonly watch: FileWatch;
  /**
   * "<kind>/<name>" of what was asked for and not delivered. A file answers at once, so nobody waits for these
   * (`initial_fetch_timeout` has nothing to end): a listener then answers 404, a cluster has no endpoints.
   */
  private readonly givenUp = new Set<string>();
  /** Subscriptions as "<kind>/<name>" that have been read at least once. */
  private readonly subscribed = new Set<string>();
  private previous: Snapshot | null = null;

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
    return this.previous;
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
    const files = new Map<string, ResourceFile<"RDS" | "EDS">>();
    for (const [key, { kind, name, path }] of wants) {
      if (this.subscribed.has(key) && !isDue(path)) continue;
      this.subscribed.add(key);
      const fileKey = `${kind} ${path}`;
      const file = files.get(fileKey) ?? readResourceFile(kind, path, this.checks);
      files.set(fileKey, file);
      this.readNamed(kind, name, path, file);
      if (this.deliveries[kind].get(name)?.resource == null) this.givenUp.add(key);
      else this.givenUp.delete(key);
    }
    this.forget(wants);
    this.watch.watch(
      new Set([lds, cds, ...[...wants.values()].map((want) => want.path)].filter((path) => path !== "")),
    );
    this.publish();
  }

  /** What the listeners and clusters that are there want, by "<kind>/<name>". */
  private wants(): Map<string, Subscription> {
    const wants = new Map<string, Subscription>();
    const add = (resource: { readonly wants: readonly Subscription[] }) => {
      for (const want of resource.wants) wants.set(`${want.kind}/${want.name}`, want);
    };
    for (const resource of this.bootstrap.clusters) add(resource);
    for (const resource of this.bootstrap.listeners) add(resource);
    for (const kind of ["CDS", "LDS"] as const) {
      for (const { resource } of this.deliveries[kind].values()) if (resource !== null) add(resource);
    }
    return wants;
  }

  private readComplete(kind: "LDS" | "CDS", path: string): void {
    const file = readResourceFile(kind, path, this.checks);
    const known = this.deliveries[kind];
    const now = Date.now();
    if (!file.unreadable) {
      this.versionInfo[kind] = file.versionInfo;
      for (const resource of file.resources) this.deliver(kind, resource, file.versionInfo, now);
      // A refused resource keeps its predecessor. If one cannot even be named, it may be any: nothing goes.
      const kept = new Set([...file.resources, ...file.refusals].map(({ name }) => name));
      if (!kept.has("")) {
        for (const name of known.keys()) if (!kept.has(name)) known.delete(name);
      }
      for (const { name, faults } of file.refusals) this.refuse(kind, name, file.versionInfo, faults, now);
    }
    this.report(kind, "", file, file.faults);
  }

  private readNamed(
    kind: "RDS" | "EDS",
    name: string,
    path: string,
    file: ResourceFile<"RDS" | "EDS">,
  ): void {
    const now = Date.now();
    const resource = file.resources.find((each) => each.name === name);
    const refusal = file.refusals.find((each) => each.name === name || each.name === "");
    let faults = file.unreadable ? file.faults : (refusal?.faults ?? []);
    if (resource !== undefined) {
      faults = [];
      this.deliver(kind, resource, file.versionInfo, now);
    } else if (refusal !== undefined) {
      this.refuse(kind, name, file.versionInfo, refusal.faults, now);
    } else if (!file.unreadable) {
      faults = [`${path}: has no ${kind} resource "${name}"`];
    }
    this.report(kind, name, file, faults);
  }

  private report(
    kind: ResourceKind,
    name: string,
    file: ResourceFile<ResourceKind>,
    faults: readonly string[],
  ): void {
    const result = faults.length === 0 ? "success" : file.unreadable ? "failure" : "rejected";
    const { versionInfo, missing } = file;
    this.observer.onOutcome({ kind, name, result, missing, versionInfo, faults });
  }

  private deliver(
    kind: ResourceKind,
    resource: Resource<ModelOf[ResourceKind]>,
    versionInfo: string,
    now: number,
  ): void {
    const before = this.deliveries[kind].get(resource.name);
    const unchanged =
      before !== undefined && before.resource !== null && before.resource.version === resource.version;
    this.deliveries[kind].set(resource.name, {
      resource,
      versionInfo,
      lastUpdated: unchanged ? before.lastUpdated : now,
      error: null,
    });
  }

  private refuse(
    kind: ResourceKind,
    name: string,
    versionInfo: string,
    faults: readonly string[],
    now: number,
  ): void {
    const before = this.deliveries[kind].get(name);
    this.deliveries[kind].set(name, {
      resource: before?.resource ?? null,
      versionInfo: before?.versionInfo ?? "",
      lastUpdated: before?.lastUpdated ?? 0,
      error: { details: faults.join("\n"), at: now, versionInfo },
    });
  }

  /** Drops routes and endpoints that nobody wants any more. */
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
    };
    const { snapshot, warming } = buildSnapshot(this.bootstrap, dynamic, this.previous, this.givenUp);
    this.previous = snapshot;
    this.warming = warming;
    this.observer.onSnapshot(snapshot, warming);
  }
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
