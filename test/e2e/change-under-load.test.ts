/**
 * Nothing is lost when the proxy is told to stop, or its configuration changes, while requests run: keep-alive
 * clients ask without pause, and not one request may fail. Skipped with a line where nginx is missing.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  anyHost,
  bootstrap,
  httpListener,
  staticCluster,
  toCluster,
  type YamlMap,
} from "../support/bootstrap.ts";
import { findProgram, freePorts, temporaryFolder } from "../support/child-process.ts";
import { type OurProxy, RUNTIMES, startTulle } from "../support/our-proxy.ts";
import { valuesOf } from "../support/wire-reader.ts";
import { Load } from "./load.ts";
import { startUpstream, type Upstream } from "./nginx-upstream.ts";

const missing = findProgram("nginx") === "";
if (missing) console.log("e2e: skipped, not installed: nginx");

const CLIENTS = 16;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A resource file as `path_config_source` reads it, replaced in one step. */
function publish(
  folder: string,
  name: string,
  type: string,
  resources: readonly YamlMap[],
  version: string,
): void {
  const body = JSON.stringify({
    version_info: version,
    resources: resources.map((resource) => ({ "@type": `type.googleapis.com/${type}`, ...resource })),
  });
  const path = join(folder, name);
  writeFileSync(`${path}.new`, body);
  renameSync(`${path}.new`, path);
}

const LISTENER = "envoy.config.listener.v3.Listener";
const CLUSTER = "envoy.config.cluster.v3.Cluster";
const ROUTES = "envoy.config.route.v3.RouteConfiguration";
const ENDPOINTS = "envoy.config.endpoint.v3.ClusterLoadAssignment";

for (const runtime of missing ? [] : RUNTIMES) {
  describe(`under load on ${runtime}`, () => {
    let upstream: Upstream;

    beforeAll(async () => {
      upstream = (await startUpstream()) as Upstream;
    }, 30_000);

    afterAll(async () => {
      await upstream?.stop();
    });

    for (const workers of [1, 2]) {
      test(`SIGTERM loses no request (${workers} worker${workers > 1 ? "s" : ""})`, async () => {
        const [port, admin] = await freePorts(2);
        const file = bootstrap(
          [httpListener("main", port, { route_config: anyHost("all", [toCluster("nginx")]) })],
          [staticCluster("nginx", [upstream.port])],
          admin,
        );
        const proxy = await startTulle(file, port, runtime, [
          "--drain-time-s",
          "10",
          "--concurrency",
          String(workers),
        ]);
        const load = new Load(port, CLIENTS);
        await load.reach(500);
        load.stopping = true;
        proxy.program.child.kill("SIGTERM");
        const code = await proxy.program.exited;
        await load.stop();
        await proxy.stop();
        expect(load.failures).toEqual([]);
        expect(load.answered).toBeGreaterThan(500);
        expect(code).toBe(0);
      }, 30_000);
    }

    test("routes, clusters, endpoints and listeners change from files without losing a request", async () => {
      const folder = temporaryFolder();
      const dynamic = join(folder.path, "xds");
      mkdirSync(dynamic);
      const [port, admin] = await freePorts(2);
      const source = (name: string) => ({ path_config_source: { path: join(dynamic, name) } });
      const listener = (prefix: string): YamlMap =>
        httpListener("main", port, {
          stat_prefix: prefix,
          rds: { route_config_name: "routes", config_source: source("rds.json") },
        });
      const routes = (mark: string, cluster: string): YamlMap =>
        anyHost("routes", [
          toCluster(cluster, {}, { response_headers_to_add: [{ header: { key: "x-mark", value: mark } }] }),
        ]);
      const assignment = (name: string) => staticCluster(name, [upstream.port]).load_assignment as YamlMap;
      const eds: YamlMap = {
        name: "by-eds",
        type: "EDS",
        connect_timeout: "1s",
        eds_cluster_config: { eds_config: source("eds.json") },
      };
      publish(dynamic, "eds.json", ENDPOINTS, [assignment("by-eds")], "1");
      publish(dynamic, "cds.json", CLUSTER, [staticCluster("first", [upstream.port])], "1");
      publish(dynamic, "rds.json", ROUTES, [routes("one", "first")], "1");
      publish(dynamic, "lds.json", LISTENER, [listener("a")], "1");
      let proxy: OurProxy | null = null;
      try {
        proxy = await startTulle(
          bootstrap([], [], admin, {
            dynamic_resources: { lds_config: source("lds.json"), cds_config: source("cds.json") },
          }),
          port,
          runtime,
        );
        const load = new Load(port, CLIENTS, (response) => valuesOf(response, "x-mark").join());
        await load.reach(200);
        const becomes = async (mark: string, ms = 2000) => {
          const end = performance.now() + ms;
          while (!load.seen.has(mark) && performance.now() < end) await pause(5);
          return load.seen.has(mark);
        };

        publish(dynamic, "rds.json", ROUTES, [routes("two", "first")], "2");
        expect(await becomes("two")).toBe(true);

        publish(dynamic, "cds.json", CLUSTER, [staticCluster("first", [upstream.port]), eds], "2");
        await pause(300);
        publish(dynamic, "rds.json", ROUTES, [routes("three", "by-eds")], "3");
        expect(await becomes("three")).toBe(true);

        publish(dynamic, "cds.json", CLUSTER, [eds], "3"); // "first" goes, with its connections
        publish(dynamic, "lds.json", LISTENER, [listener("b")], "2"); // the listener is replaced
        await pause(500);
        publish(dynamic, "rds.json", ROUTES, [routes("four", "by-eds")], "4");
        expect(await becomes("four")).toBe(true);

        // A broken file changes nothing and says why.
        writeFileSync(join(dynamic, "rds.json.new"), '{"resources": [{"@type": ');
        renameSync(join(dynamic, "rds.json.new"), join(dynamic, "rds.json"));
        await pause(500);
        publish(dynamic, "eds.json", ENDPOINTS, [{ cluster_name: "by-eds", no_such_field: 1 }], "2");
        await pause(500);
        const before = load.answered;
        await load.reach(before + 100);
        expect(proxy.program.output()).toContain("rds.json");
        expect(proxy.program.output()).toContain("no_such_field");
        publish(dynamic, "eds.json", ENDPOINTS, [assignment("by-eds")], "3");
        publish(dynamic, "rds.json", ROUTES, [routes("five", "by-eds")], "5");
        expect(await becomes("five")).toBe(true);

        await load.stop();
        expect(load.failures).toEqual([]);
      } finally {
        await proxy?.stop();
        folder.remove();
      }
    }, 40_000);
  });
}
