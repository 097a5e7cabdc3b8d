/**
 * Tries a plugin before any stream meets it: a VM of its own is started and configured as it would be in a worker, and
 * thrown away. What it says in its log while it refuses is the reason.
 *
 * Law: nothing that a canary does is felt elsewhere: its data, metrics and requests go nowhere.
 */
import { toBytes } from "../../core/bytes/ascii.ts";
import type { Node } from "../../core/config/model.ts";
import { NO_NODE } from "../../core/config/node.ts";
import { type Callouts, NoSuchCluster } from "../../core/filter/callout.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";
import { StatsStore } from "../../core/telemetry/stats.ts";
import { Clock } from "../../core/time/clock.ts";
import { Timers } from "../../core/time/timers.ts";
import type { CompiledModule } from "./compiled-module.ts";
import { Generation } from "./generation.ts";
import { environmentOf } from "./guest-environment.ts";
import type { PluginConfig } from "./plugin-config.ts";
import { PluginStats } from "./plugin-stats.ts";
import { SharedSpace } from "./shared-space.ts";
import type { VmLimits } from "./vm-limits.ts";

/** Lines of a refusal that are passed on. */
const MAX_REASONS = 5;

/** What a canary is given of the process. */
export interface CanaryHost {
  /** Unix time, ms. */
  readonly now: number;
  readonly variables: { readonly [name: string]: string };
  /** Who the proxy is that it will serve in; absent = nobody knows. */
  readonly node?: Node;
  fillRandom(into: Uint8Array): void;
}

/** Starts and configures the plugin once; the reasons why it cannot be used, none if it can. */
export function tryPlugin(
  config: PluginConfig,
  module: CompiledModule,
  limits: VmLimits,
  { now, variables, node = NO_NODE, fillRandom }: CanaryHost,
): readonly string[] {
  const reasons: string[] = [];
  const clock = new Clock();
  clock.epoch = now;
  const stats = new StatsStore();
  const context: FilterContext = {
    clock,
    timers: new Timers(),
    stats,
    callouts: SILENT,
    node,
    random: () => 0.5,
    fillRandom,
    logs: () => true,
    log: (level, _component, message) => {
      if (level !== "error" && level !== "critical") return;
      if (reasons.length < MAX_REASONS) reasons.push(message);
    },
  };
  const shared = SharedSpace.lonely(context);
  const generation = new Generation(
    module,
    {
      context,
      shared,
      namespace: shared.store.open(toBytes(config.vm.id)),
      name: config.name,
      config,
      limits,
      environment: environmentOf(config, variables),
      customStats: stats.scope("wasmcustom.", "wasmcustom.", {}),
      metricNames: new Set(),
      onFailure: () => undefined,
    },
    new PluginStats(),
    () => undefined,
  );
  const failure = generation.begin();
  if (failure === "") {
    generation.retire();
    return [];
  }
  const said = reasons.filter((reason) => !reason.includes(failure));
  return [failure, ...said];
}

/** Whoever is called is there, and never answers. */
const SILENT: Callouts = {
  has: (cluster) => cluster !== "",
  send: (cluster) => (cluster === "" ? NoSuchCluster : { cancel: () => undefined }),
  open: (cluster) =>
    cluster === "" ? NoSuchCluster : { send: () => undefined, end: () => undefined, cancel: () => undefined },
};
