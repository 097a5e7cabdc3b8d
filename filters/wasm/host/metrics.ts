/** Metrics that guests define; they are ours under Envoy's prefix `wasmcustom.` (proxy-wasm.md 1.2, 1.10). */

import type { Histogram } from "../../../core/telemetry/histogram.ts";
import { Counter, type Gauge } from "../../../core/telemetry/stats.ts";
import {
  BadArgument,
  CounterMetric,
  GaugeMetric,
  HistogramMetric,
  InternalFailure,
  InvalidMemoryAccess,
  NotFound,
  Ok,
} from "../abi.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

/** Metrics that one plugin may define, its former lives included, and the length of a name. */
const MAX_METRICS = 4096;
const MAX_NAME = 256;

type Metric = Counter | Gauge | Histogram;

export function metricFunctions(vm: WasmVm): HostFunctions {
  const { memory } = vm;
  const metrics: Metric[] = [];
  const ids = new Map<string, number>();

  function find(id: number): Metric | undefined {
    return metrics[(id >>> 2) - 1];
  }

  /** The instrument of that name, null if the name is taken by another kind. */
  function instrument(kind: number, name: string): Metric | null {
    const scope = vm.statsScope;
    try {
      if (kind === CounterMetric) return scope.counter(name);
      return kind === GaugeMetric ? scope.gauge(name) : scope.histogram(name);
    } catch {
      return null;
    }
  }

  return {
    proxy_define_metric(kind: number, name: number, nameSize: number, idAt: number) {
      if (memory.closed) return InternalFailure;
      if (kind >>> 0 > HistogramMetric) return BadArgument;
      if (!memory.has(name >>> 0, nameSize >>> 0) || !memory.has(idAt >>> 0, 4)) return InvalidMemoryAccess;
      if (nameSize >>> 0 > MAX_NAME || nameSize === 0) return BadArgument;
      const text = printable(memory.text(name >>> 0, nameSize >>> 0));
      const key = `${kind} ${text}`;
      let id = ids.get(key);
      if (id === undefined) {
        const { metricNames } = vm.host;
        if (metricNames.size >= MAX_METRICS && !metricNames.has(key)) return InternalFailure;
        const made = instrument(kind, text);
        if (made === null) return BadArgument;
        metricNames.add(key);
        metrics.push(made);
        id = metrics.length * 4 + kind;
        ids.set(key, id);
      }
      memory.putU32(idAt >>> 0, id);
      return Ok;
    },

    proxy_increment_metric(id: number, by: bigint) {
      if (memory.closed) return InternalFailure;
      const metric = find(id);
      if (metric === undefined) return NotFound;
      const delta = Number(by);
      if (!("value" in metric)) return BadArgument;
      if (metric instanceof Counter && delta <= 0) return BadArgument;
      metric.value += delta;
      return Ok;
    },

    proxy_record_metric(id: number, value: bigint) {
      if (memory.closed) return InternalFailure;
      const metric = find(id);
      if (metric === undefined) return NotFound;
      const number = Number(BigInt.asUintN(64, value));
      if (!("value" in metric)) metric.record(number);
      else if (metric instanceof Counter) metric.value += number;
      else metric.value = number;
      return Ok;
    },

    proxy_get_metric(id: number, valueAt: number) {
      if (memory.closed) return InternalFailure;
      const metric = find(id);
      if (metric === undefined) return NotFound;
      if (!memory.has(valueAt >>> 0, 8)) return InvalidMemoryAccess;
      if (!("value" in metric)) return BadArgument;
      memory.put64(valueAt >>> 0, metric.value);
      return Ok;
    },
  };
}

/** A name is one word in every exposition. */
function printable(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, "_");
}
