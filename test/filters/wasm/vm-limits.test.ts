/** What a VM may use, from a file's runtime layers. */
import { describe, expect, test } from "bun:test";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import { checkVmLimit, vmLimits } from "../../../filters/wasm/vm-limits.ts";
import { checks } from "../../../runtime-adapters/sidecar/engine.ts";
import { yaml } from "../../support/config-document.ts";

const MIB = 1024 * 1024;

function read(layer: string) {
  const text = `{ layered_runtime: { layers: [{ name: ours, static_layer: ${layer} }] } }`;
  const { bootstrap, faults } = readBootstrap(yaml(text), checks);
  const at = "layered_runtime.layers[0].static_layer.";
  return {
    runtime: bootstrap?.runtime ?? {},
    faults: faults.map(({ path, message }) => `${path.replace(at, "")}: ${message}`),
  };
}

test("nothing said: fuel is on, and memory has a cap", () => {
  expect(vmLimits({}, "authz")).toEqual({
    maxMemoryBytes: 128 * MIB,
    fuel: true,
    fuelPerCall: 100_000_000,
    recycleAboveBytes: 96 * MIB,
  });
});

test("what is said of one plugin goes before what is said of all; the rest has its default", () => {
  const own = `{ fuel: false, max_memory_bytes: ${512 * MIB}, recycle_above_bytes: 0 }`;
  const all = `max_memory_bytes: ${64 * MIB}, fuel_per_call: 5000000`;
  const { runtime, faults } = read(`{ tulle.wasm: { ${all}, plugins: { my.own: ${own} } } }`);
  expect(faults).toEqual([]);
  expect(vmLimits(runtime, "other")).toEqual({
    maxMemoryBytes: 64 * MIB,
    fuel: true,
    fuelPerCall: 5_000_000,
    recycleAboveBytes: 48 * MIB,
  });
  expect(vmLimits(runtime, "my.own")).toEqual({
    maxMemoryBytes: 512 * MIB,
    fuel: false,
    fuelPerCall: 5_000_000,
    recycleAboveBytes: 0,
  });
});

describe("refused", () => {
  const none = "no such limit; there are max_memory_bytes, fuel, fuel_per_call, recycle_above_bytes";
  test.each<[layer: string, fault: string]>([
    ["{ tulle.wasm.memory: 5 }", `tulle.wasm.memory: ${none}`],
    ["{ tulle: { wasm: { plugins: { fuel: true } } } }", `tulle.wasm.plugins.fuel: ${none}`],
    ["{ tulle: { wasm: { plugins: { a: { trusted: true } } } } }", `tulle.wasm.plugins.a.trusted: ${none}`],
    ["{ tulle.wasm.fuel: 0 }", "tulle.wasm.fuel: must be a boolean"],
    [
      "{ tulle.wasm.max_memory_bytes: 0 }",
      "tulle.wasm.max_memory_bytes: must be an integer from 65536 to 4294967296",
    ],
    [
      "{ tulle.wasm.fuel_per_call: 1e10 }",
      "tulle.wasm.fuel_per_call: must be an integer from 1000 to 2147483647",
    ],
    [
      "{ tulle.wasm.recycle_above_bytes: 1.5 }",
      "tulle.wasm.recycle_above_bytes: must be an integer from 65536 to 4294967296, or 0",
    ],
  ])("%s", (layer, fault) => {
    expect(read(layer).faults).toEqual([fault]);
  });

  test("nothing that is not ours", () => {
    expect(read("{ envoy.reloadable_features.x: true, tulle.other: 5, a: { b: c } }").faults).toEqual([]);
  });

  test("and at run time not used: an operator's slip leaves the limit that was", () => {
    const runtime = {
      "tulle.wasm.fuel": "no",
      "tulle.wasm.max_memory_bytes": "12",
      "tulle.wasm.fuel_per_call": "2000",
    };
    expect(vmLimits(runtime, "a")).toEqual({ ...vmLimits({}, "a"), fuelPerCall: 2000 });
    expect(checkVmLimit("tulle.wasm.fuel", "false")).toBe("");
  });
});
