/**
 * `tulle validate`: reads a bootstrap file and every resource file that it leads to, and says all that is wrong.
 * Binds no port and resolves no name.
 */
import type { Checks } from "../../core/xds/checks.ts";
import type { ResourceKind, Subscription } from "../../core/xds/resource.ts";
import { readBootstrapFile, readResourceFile } from "./config-file.ts";

/** Every fault of the configuration that begins at `configPath`, as finished lines; none = it is sound. */
export function validate(configPath: string, checks: Checks): readonly string[] {
  const { bootstrap, faults } = readBootstrapFile(configPath, checks);
  if (bootstrap === null) return faults;

  const all: string[] = [];
  const seen = new Set<string>();
  const pending: { readonly kind: ResourceKind; readonly path: string; readonly name: string }[] = [];
  const want = (wants: readonly Subscription[]) => pending.push(...wants);
  if (bootstrap.dynamic.lds !== "") pending.push({ kind: "LDS", path: bootstrap.dynamic.lds, name: "" });
  if (bootstrap.dynamic.cds !== "") pending.push({ kind: "CDS", path: bootstrap.dynamic.cds, name: "" });
  for (const resource of [...bootstrap.listeners, ...bootstrap.clusters]) want(resource.wants);

  // A listener file may lead to route files, a cluster file to endpoint files: the list grows while it is walked.
  for (const { kind, path, name } of pending) {
    const file = readResourceFile(kind, path, checks);
    if (!seen.has(`${kind} ${path}`)) {
      seen.add(`${kind} ${path}`);
      all.push(...file.faults);
      for (const resource of file.resources) want(resource.wants);
    }
    const known = file.unreadable || [...file.resources, ...file.refusals].some((each) => each.name === name);
    if (name !== "" && !known) all.push(`${path}: has no ${kind} resource "${name}"`);
  }
  return all;
}
