/** Numbers of the admin pages that the process puts together from its workers and its own doings. */
import { afterAll, expect, test } from "bun:test";
import { renameSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { mergeExports } from "../../../core/telemetry/merge-exports.ts";
import { tulleStats } from "../../../core/telemetry/server-stats.ts";
import { listStats } from "../../../core/telemetry/stat-list.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import { ProcessStats } from "../../../runtime-adapters/sidecar/process-stats.ts";
import type { WorkerReport } from "../../../runtime-adapters/sidecar/worker-control.ts";
import { installedRuntimes } from "../../support/runtimes.ts";
import {
  eventually,
  forwarding,
  httpListener,
  loopback,
  PATIENCE,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../../support/sidecar-process.ts";
import { snapshot } from "../../support/snapshot-fixture.ts";

const workspace = new Workspace();
/** Takes requests and never answers. */
const origin = createServer((socket) => socket.on("error", () => {}));
let proxy: SidecarProcess;

afterAll(async () => {
  await proxy.kill();
  origin.close();
  workspace.remove();
});

test("tulle.copied_bytes: what the cores copied and what their drivers copied, over all workers", () => {
  const report = (core: number, driver: number): WorkerReport => {
    const store = new StatsStore();
    tulleStats(store).copiedBytes = core;
    return {
      stats: store.export(),
      clusters: [],
      connections: 0,
      drainingListeners: 0,
      acceptFailures: 0,
      faults: 0,
      copiedBytes: driver,
    };
  };
  const reports = [report(1, 20), report(300, 4000)];
  const rest = { startedAt: 0, concurrency: 2, workerRestarts: 0, exceptions: 0 };
  const facts = { state: "LIVE", snapshot: snapshot([], []), ...rest } as const;
  const own = new ProcessStats().export(facts, reports);
  const { numbers } = listStats(mergeExports([...reports.map(({ stats }) => stats), own]));
  expect(numbers.filter(({ name }) => name === "tulle.copied_bytes").map(({ value }) => value)).toEqual([
    4321,
  ]);
});

function listeners(statPrefix: string): object {
  const listener = httpListener("in", 0, { route_config: forwarding("app"), stat_prefix: statPrefix });
  return {
    resources: [{ "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", ...listener }],
  };
}

test(
  "waiting requests, draining and stopped listeners, layers and loads of the runtime",
  async () => {
    await new Promise<void>((resolve) => origin.listen(0, "127.0.0.1", resolve));
    const { port } = origin.address() as AddressInfo;
    workspace.write("lds.json", listeners("one"));
    const app = staticCluster("app", port);
    const circuit_breakers = { thresholds: [{ max_connections: 1 }] };
    proxy = await new SidecarProcess(installedRuntimes[0], workspace, {
      admin: { address: loopback(0) },
      static_resources: { clusters: [{ ...app, circuit_breakers }] },
      layered_runtime: {
        layers: [
          { name: "one", static_layer: { a: 1 } },
          { name: "admin", admin_layer: {} },
        ],
      },
      dynamic_resources: { lds_config: { path_config_source: { path: workspace.file("lds.json") } } },
    }).ready();
    const url = await proxy.url("in");
    const leave = new AbortController();
    const asked = [1, 2, 3].map(() => fetch(url, { signal: leave.signal }).catch(() => "left"));

    const of = (page: string, name: string) => Number(new RegExp(`::${name}::(\\d+)`).exec(page)?.[1]);
    const waiting = await eventually(
      () => proxy.get("/clusters"),
      (page) => of(page, "rq_pending_active") === 2,
    );
    expect([of(waiting, "rq_active"), of(waiting, "rq_pending_active")]).toEqual([1, 2]);
    const json = JSON.parse(await proxy.get("/clusters?format=json"));
    expect(json.cluster_statuses[0].host_statuses[0].stats).toContainEqual({
      type: "GAUGE",
      value: "2",
      name: "rq_pending_active",
    });

    const draining = () => proxy.stat("listener_manager.total_listeners_draining");
    expect(await draining()).toBe(0);
    renameSync(workspace.write("lds.next", listeners("two")), workspace.file("lds.json"));
    expect(await eventually(draining, (count) => count === 1)).toBe(1);
    leave.abort();
    expect(await Promise.all(asked)).toEqual(["left", "left", "left"]);

    expect(await proxy.stat("listener_manager.listener_stopped")).toBe(0);
    await proxy.post("/drain_listeners");
    expect(await proxy.stat("listener_manager.listener_stopped")).toBe(1);
    await proxy.post("/drain_listeners");
    expect(await proxy.stat("listener_manager.listener_stopped")).toBe(1);

    expect([await proxy.stat("runtime.num_layers"), await proxy.stat("runtime.load_success")]).toEqual([
      2, 1,
    ]);
    await proxy.post("/runtime_modify?a=2");
    expect(await proxy.stat("runtime.load_success")).toBe(2);
  },
  3 * PATIENCE,
);
