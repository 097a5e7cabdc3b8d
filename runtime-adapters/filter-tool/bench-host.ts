/**
 * One plugin on the real host (filters/wasm), with the surroundings that a worker would give it: a clock that stands
 * still, statistics that nobody reads, and clusters that answer every call of the filter with 200.
 */
import { randomFillSync } from "node:crypto";
import { NO_NODE } from "../../core/config/node.ts";
import type { CalloutSink, Callouts } from "../../core/filter/callout.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";
import { ResponseHead } from "../../core/http/head.ts";
import { StatsStore } from "../../core/telemetry/stats.ts";
import { Clock } from "../../core/time/clock.ts";
import { Timers } from "../../core/time/timers.ts";
import type { CompiledModule } from "../../filters/wasm/compiled-module.ts";
import { Generation } from "../../filters/wasm/generation.ts";
import { readPluginConfig } from "../../filters/wasm/plugin-config.ts";
import { PluginStats } from "../../filters/wasm/plugin-stats.ts";
import { SharedSpace } from "../../filters/wasm/shared-space.ts";
import type { VmLimits } from "../../filters/wasm/vm-limits.ts";

const NO_BODY = new Uint8Array(0);
const TEXT = "type.googleapis.com/google.protobuf.StringValue";

export class BenchHost {
  readonly generation: Generation;
  private readonly waiting: CalloutSink[] = [];
  /** What the filter said at warning or above; the first lines. */
  readonly complaints: string[] = [];

  /** The plugin is made and not begun. */
  constructor(name: string, module: CompiledModule, limits: VmLimits, configuration: string) {
    const { plugin } = readPluginConfig({
      config: {
        name,
        vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: name } } },
        ...(configuration === "" ? {} : { configuration: { "@type": TEXT, value: configuration } }),
      },
    });
    if (plugin === null) throw new Error(`${name}: is no name for a plugin`);
    const context = this.context();
    const stats = context.stats;
    const shared = SharedSpace.lonely(context);
    this.generation = new Generation(
      module,
      {
        context,
        shared,
        namespace: shared.store.open(new Uint8Array(0)),
        name,
        config: plugin,
        limits,
        environment: [],
        customStats: stats.scope("wasmcustom.", "wasmcustom.", {}),
        metricNames: new Set(),
        onFailure: () => undefined,
      },
      new PluginStats(),
      () => undefined,
    );
  }

  /** Answers the calls that wait; false if there are none. */
  answerCalls(): boolean {
    const sinks = this.waiting.splice(0);
    for (const sink of sinks) {
      const head = new ResponseHead();
      head.status = 200;
      sink.onAnswer(head, NO_BODY, null);
    }
    return sinks.length > 0;
  }

  private context(): FilterContext {
    const clock = new Clock();
    clock.epoch = Date.now();
    const callouts: Callouts = {
      has: () => true,
      send: (_cluster, _head, _body, _timeout, sink) => {
        this.waiting.push(sink);
        return {
          cancel: () => {
            const at = this.waiting.indexOf(sink);
            if (at >= 0) this.waiting.splice(at, 1);
          },
        };
      },
      // Nobody answers: gRPC is not what is measured.
      open: () => ({ send: () => undefined, end: () => undefined, cancel: () => undefined }),
    };
    return {
      clock,
      timers: new Timers(),
      stats: new StatsStore(),
      callouts,
      node: NO_NODE,
      random: Math.random,
      fillRandom: (into) => void randomFillSync(into),
      logs: () => true,
      log: (level, _component, message) => {
        if (level !== "warning" && level !== "error" && level !== "critical") return;
        if (this.complaints.length < 5) this.complaints.push(message);
      },
    };
  }
}
