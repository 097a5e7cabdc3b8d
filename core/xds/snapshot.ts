/**
 * Static and dynamic resources → what is in force. Knows the order of things: a cluster is usable when its
 * endpoints are there, a listener when its routes are. Nothing is fetched here.
 */
import type { Cluster, Listener, Snapshot } from "../config/model.ts";
import {
  type Bootstrap,
  type Dynamic,
  filedAs,
  type Resource,
  type SnapshotResult,
  type Subscription,
  type Warming,
} from "./resource.ts";

/** What is there before anything was delivered. */
export const NOTHING_DYNAMIC: Dynamic = {
  listeners: new Map(),
  clusters: new Map(),
  routes: new Map(),
  endpoints: new Map(),
  extensions: new Map(),
  secrets: new Map(),
};

/**
 * Combines static and dynamic resources. A resource that waits for another is warming: its predecessor in
 * `previous` stays in force, or it is left out. `givenUp` holds "<kind>/<filedAs>" of subscriptions whose initial
 * fetch timed out or failed: nobody waits for those, and a listener then answers 404, a cluster has no endpoint, a
 * filter has its default configuration, a TLS socket without its secrets refuses every connection. A listener with a
 * filter that has no default goes on waiting: it must not serve without. A static resource wins over a dynamic one of
 * the same name.
 */
export function buildSnapshot(
  bootstrap: Bootstrap,
  dynamic: Dynamic,
  previous: Snapshot | null = null,
  givenUp: ReadonlySet<string> = new Set(),
): SnapshotResult {
  const warming: Warming[] = [];
  const missing = (wanted: Subscription): boolean => {
    const name = filedAs(wanted);
    const waits = !givenUp.has(`${wanted.kind}/${name}`);
    switch (wanted.kind) {
      case "RDS":
        return waits && !dynamic.routes.has(name);
      case "EDS":
        return waits && !dynamic.endpoints.has(name);
      case "SDS":
        return waits && !dynamic.secrets.has(name);
      case "ECDS": {
        const { typeNames, fallback, withoutWarming } = wanted.discovery;
        const delivered = dynamic.extensions.get(name);
        // Another listener may have asked for it first, and take what this one does not.
        if (delivered !== undefined && typeNames.includes(delivered.model.typeName)) return false;
        return !withoutWarming && (fallback === null || (waits && delivered === undefined));
      }
    }
  };

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
      extensions: [...dynamic.extensions].map(([name, { model }]) => ({ ...model, name })),
      secrets: [...dynamic.secrets].map(([name, { model }]) => ({ ...model, name })),
      runtime: bootstrap.runtime,
    },
    warming,
  };
}
