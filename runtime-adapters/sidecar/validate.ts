/**
 * `tulle validate`: reads a bootstrap file and every resource file that it leads to, and says all that is wrong.
 * Binds no port and resolves no name.
 *
 * Law: a fault hides no other. What could be read of a faulty document still leads to further files.
 */
import type { Checks } from "../../core/xds/checks.ts";
import type { Lead, ResourceKind } from "../../core/xds/resource.ts";
import { findResource, type ResourceFile, readBootstrapFile, readResourceFile } from "./config-file.ts";

/** Every fault of the configuration that begins at `configPath`, as finished lines; none = it is sound. */
export function validate(configPath: string, checks: Checks): readonly string[] {
  const { faults, leads } = readBootstrapFile(configPath, checks);
  const all = new Set(faults);
  const files = new Map<string, ResourceFile<ResourceKind>>();
  const pending: Lead[] = [...leads];

  // A listener file may lead to route and filter files, a cluster file to endpoint files: the list grows while it is
  // walked.
  for (const lead of pending) {
    const { kind, path } = lead;
    if (path === "") continue; // its source was refused, which is reported where it stands
    const key = `${kind} ${path}`;
    const before = files.get(key);
    const file = before ?? readResourceFile(kind, path, checks);
    if (before === undefined) {
      files.set(key, file);
      for (const fault of file.faults) all.add(fault);
      for (const { wants } of [...file.resources, ...file.refusals]) pending.push(...wants);
    }
    if (lead.kind === "LDS" || lead.kind === "CDS") continue;
    for (const fault of findResource(file, lead).faults) all.add(fault);
  }
  return [...all];
}
