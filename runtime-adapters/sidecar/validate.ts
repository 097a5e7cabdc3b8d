/**
 * `tulle validate`: reads a bootstrap file and every resource file that it leads to, and says all that is wrong. WASM
 * plugins are loaded and tried. Binds no port and resolves no name (but that of a server that has a module).
 *
 * Law: a fault hides no other. What could be read of a faulty document still leads to further files.
 */
import type { Snapshot } from "../../core/config/model.ts";
import type { Checks } from "../../core/xds/checks.ts";
import type { Lead, ModelOf, ResourceKind } from "../../core/xds/resource.ts";
import { findResource, type ResourceFile, readBootstrapFile, readResourceFile } from "./config-file.ts";
import { LateModules } from "./modules/late-modules.ts";
import { refusalLine } from "./modules/refusal.ts";

/** What a configuration says, wherever it stands. */
export interface Survey {
  /** As finished lines; none = it is sound, its plugins aside. */
  readonly faults: readonly string[];
  /** Everything that may configure a plugin, null if the bootstrap file is of no use. */
  readonly snapshot: Snapshot | null;
}

/** Every fault of the configuration that begins at `configPath`, as finished lines; none = it is sound. */
export function validate(configPath: string, checks: Checks): readonly string[] {
  return survey(configPath, checks).faults;
}

/**
 * The faults of its WASM plugins: modules that cannot be had, and configurations that they refuse. `entry` is the URL
 * of the entry file.
 */
export async function validatePlugins({ snapshot }: Survey, entry: string): Promise<readonly string[]> {
  if (snapshot === null) return [];
  const nobody = (): void => undefined;
  let arrive = nobody;
  const onWanted = (): void => arrive();
  const modules = new LateModules(entry, {
    node: snapshot.node,
    threads: 1,
    log: nobody,
    onChange: nobody,
    onWanted,
  });
  for (;;) {
    const arrival = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const { refusals, waiting } = await modules.prepare(snapshot);
    if (waiting.length === 0) {
      modules.close();
      return refusals.map(refusalLine);
    }
    await arrival;
  }
}

/** Reads everything. */
export function survey(configPath: string, checks: Checks): Survey {
  const { faults, leads, bootstrap } = readBootstrapFile(configPath, checks);
  const all = new Set(faults);
  const files = new Map<string, { readonly kind: ResourceKind; readonly file: ResourceFile<ResourceKind> }>();
  const pending: Lead[] = [...leads];

  // A listener file may lead to route and filter files, a cluster file to endpoint files: the list grows while it is
  // walked.
  for (const lead of pending) {
    const { kind, path } = lead;
    if (path === "") continue; // its source was refused, which is reported where it stands
    const key = `${kind} ${path}`;
    const before = files.get(key);
    const file = before?.file ?? readResourceFile(kind, path, checks);
    if (before === undefined) {
      files.set(key, { kind, file });
      for (const fault of file.faults) all.add(fault);
      for (const { wants } of [...file.resources, ...file.refusals]) pending.push(...wants);
    }
    if (lead.kind === "LDS" || lead.kind === "CDS") continue;
    for (const fault of findResource(file, lead).faults) all.add(fault);
  }
  if (bootstrap === null) return { faults: [...all], snapshot: null };
  const models = <K extends ResourceKind>(kind: K): ModelOf[K][] =>
    [...files.values()].flatMap((each) =>
      each.kind === kind ? each.file.resources.map(({ model }) => model as ModelOf[K]) : [],
    );
  const snapshot: Snapshot = {
    node: bootstrap.node,
    runtime: bootstrap.runtime,
    listeners: [...bootstrap.listeners.map(({ model }) => model), ...models("LDS")],
    routes: models("RDS"),
    extensions: models("ECDS"),
    clusters: [],
    endpoints: [],
  };
  return { faults: [...all], snapshot };
}
