/**
 * Static and dynamic resources → what is in force. Knows the order of things: a cluster is usable when its
 * endpoints are there, a listener when its routes are. Nothing is fetched here.
 */
import type { Cluster, Listener, Snapshot } from "../config/model.ts";
import type { Bootstrap, Dynamic, Resource, SnapshotResult, Subscription, Warming } from "./resource.ts";

/** What is there before anything was delivered. */
export const NOTHING_DYNAMIC: Dynamic = {
  listeners: new Map(),
  clusters: new Map(),
  routes: new Map(),
  endpoints: new Map(),
};

/**
 * Combines static and dynamic resources. A resource that waits for another is warming: its predecessor in
 * `previous` stays in force, or it is left out. `givenUp` holds "RDS/<name>" and "EDS/<name>" of subscriptions
 * whose initial fetch timed out or failed: nobody waits for those, and a listener then answers 404, a cluster
 * has no endpoint. A static resource wins over a dynamic one of the same name.
 */
export function buildSnapshot(
  bootstrap: Bootstrap,
  dynamic: Dynamic,
  previous: Snapshot | null = null,
  givenUp: ReadonlySet<string> = new Set(),
): SnapshotResult {
  const warming: Warming[] = [];
  const missing = (wanted: Subscription): boolean =>
    !givenUp.has(`${wanted.kind}/${wanted.name}`) &&
    !(wanted.kind === "RDS" ? dynamic.routes : dynamic.endpoints).has(wanted.name);

  function inForce<T extends Listener | Cluster>(
    kind: "LDS" | "CDS",
    given: readonly Resource<T>[],
    added: ReadonlyMap<string, Resource<T>>,
    before: readonly T[],
  ): T[] {
    const names = new Set(given.map((resource) => resource.name));
    const all = [...given, ...[...added.values()].filter((resource) => !names.has(resource.name))];
    const result: T[] = [];
    for (const resource of all) {
      const waitsFor = resource.wants.filter(missing);
      if (waitsFor.length === 0) {
        result.push(resource.model);
        continue;
      }
      warming.push({ kind, name: resource.name, waitsFor });
      const predecessor = before.find((model) => model.name === resource.name);
      if (predecessor !== undefined) result.push(predecessor);
    }
    return result;
  }

  const clusters = inForce("CDS", bootstrap.clusters, dynamic.clusters, previous?.clusters ?? []);
  const listeners = inForce("LDS", bootstrap.listeners, dynamic.listeners, previous?.listeners ?? []);
  return {
    snapshot: {
      node: bootstrap.node,
      listeners,
      clusters,
      routes: [...dynamic.routes.values()].map((resource) => resource.model),
      endpoints: [...dynamic.endpoints.values()].map((resource) => resource.model),
      extensions: [],
      runtime: bootstrap.runtime,
    },
    warming,
  };
}
