/**
 * gRPC health checks of real sidecars, on each runtime, against grpc-go's health service, which changes its mind: in plain
 * text and over mutual TLS. Skipped with a line where there is no Go.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  anyHost,
  bootstrap,
  httpListener,
  staticCluster,
  toCluster,
  upstreamHttp2,
  type YamlMap,
} from "../support/bootstrap.ts";
import { rootCa, workload } from "../support/certificates.ts";
import {
  freePorts,
  type Program,
  startProgram,
  temporaryFolder,
  untilListening,
} from "../support/child-process.ts";
import { BUILD_PATIENCE, buildGoProgram } from "../support/go-program.ts";
import { FAILED, flagsOf, HEALTHY, statOf, untilReady, WORKERS } from "../support/health-watch.ts";
import { identity, mutualTls, vouchedFor } from "../support/mutual-tls.ts";
import { type OurProxy, RUNTIMES, startTulle } from "../support/our-proxy.ts";
import { eventually } from "../support/sidecar-process.ts";

const HOUR = 3_600_000;
/** Quick checks; what fails gets nothing, even if there is nobody else. */
const checked = (check: YamlMap): YamlMap => ({
  common_lb_config: { healthy_panic_threshold: { value: 0 } },
  health_checks: [
    {
      timeout: "2s",
      interval: "0.1s",
      no_traffic_interval: "0.1s",
      unhealthy_threshold: 2,
      healthy_threshold: 2,
      ...check,
    },
  ],
});

describe("grpc-go's health service", () => {
  const folder = temporaryFolder();
  const file = (name: string) => join(folder.path, name);
  const missing = buildGoProgram("go-health-server", file("server"));
  if (missing !== "") console.log(`health checks of grpc-go: skipped: ${missing}`);
  const servers: { [name: string]: { port: number; program: Program } } = {};
  let vouched: Awaited<ReturnType<typeof vouchedFor>>;

  const serve = async (name: string, ...options: string[]) => {
    const [port] = await freePorts(1);
    const program = startProgram(file("server"), [
      "-address",
      `127.0.0.1:${port}`,
      "-name",
      name,
      ...options,
    ]);
    await untilListening(program, port);
    servers[name] = { port, program };
  };

  beforeAll(async () => {
    if (missing !== "") return;
    vouched = await vouchedFor("sidecar", "server");
    const other = await rootCa("CN=other", { from: Date.now() - HOUR, until: Date.now() + HOUR });
    const forged = await workload(other, identity("server"), {
      from: Date.now() - HOUR,
      until: Date.now() + HOUR,
    });
    writeFileSync(file("ca.pem"), vouched.ca.pem);
    for (const [name, issued] of Object.entries({ good: vouched.of.server, forged })) {
      writeFileSync(file(`${name}.pem`), issued.pem);
      writeFileSync(file(`${name}.key`), issued.keyPem);
    }
    const tls = (name: string) => [
      "-cert",
      file(`${name}.pem`),
      "-key",
      file(`${name}.key`),
      "-ca",
      file("ca.pem"),
    ];
    await serve("plain-a");
    await serve("plain-b");
    await serve("tls-a", ...tls("good"));
    await serve("tls-b", ...tls("good"));
    await serve("tls-forged", ...tls("forged"));
  }, BUILD_PATIENCE);

  afterAll(async () => {
    for (const { program } of Object.values(servers)) await program.stop();
    folder.remove();
  });

  const cases = RUNTIMES.flatMap((runtime) => WORKERS.map((workers) => [runtime, workers] as const));
  describe.each(missing === "" ? cases : [])("asked by %s with %i worker(s)", (runtime, workers) => {
    let sidecar: OurProxy;
    let [port, admin] = [0, 0];

    beforeAll(async () => {
      [port, admin] = await freePorts(2);
      const check = checked({ grpc_health_check: { service_name: "tea.Pot" } });
      const secret = mutualTls("UpstreamTlsContext", vouched.of.sidecar, vouched.ca, "server", []);
      const at = (...names: string[]) => names.map((name) => servers[name].port);
      sidecar = await startTulle(
        bootstrap(
          [
            httpListener("main", port, {
              route_config: anyHost(
                "main",
                [
                  toCluster("plain", {}, { match: { prefix: "/plain/" } }),
                  toCluster("tls", {}, { match: { prefix: "/tls/" } }),
                ].map((route) => ({ ...route, route: { ...(route.route as YamlMap), prefix_rewrite: "/" } })),
              ),
            }),
          ],
          [
            staticCluster("plain", at("plain-a", "plain-b"), { ...upstreamHttp2(), ...check }),
            staticCluster("tls", at("tls-a", "tls-b", "tls-forged"), {
              ...upstreamHttp2(),
              ...secret,
              ...check,
            }),
            staticCluster("unknown", at("plain-a"), {
              ...upstreamHttp2(),
              ...checked({ grpc_health_check: { service_name: "coffee.Pot" } }),
            }),
          ],
          admin,
        ),
        port,
        runtime,
        ["--concurrency", String(workers)],
      );
      await untilReady(admin);
    }, 60_000);

    afterAll(() => sidecar?.stop());

    /** Which servers answer so many calls. */
    const answering = async (cluster: string, calls = 12) => {
      const names = new Set<string>();
      for (let i = 0; i < calls; i++) {
        const answer = await fetch(`http://127.0.0.1:${port}/${cluster}/grpc.health.v1.Health/Check`, {
          method: "POST",
          headers: { "content-type": "application/grpc", te: "trailers", connection: "close" },
          body: new Uint8Array(5),
          keepalive: false,
        });
        await answer.arrayBuffer();
        names.add(answer.headers.get("x-server") ?? `status ${answer.status}`);
      }
      return [...names].sort();
    };
    const flags = (cluster: string, name: string) =>
      flagsOf(admin, cluster).then((all) => all[servers[name].port]);
    const becomes = (cluster: string, name: string, wanted: string) =>
      eventually(
        () => flags(cluster, name),
        (said) => said === wanted,
      );

    test.each(["plain", "tls"])("%s: traffic follows what the service says", async (cluster) => {
      const [a, b] = [`${cluster}-a`, `${cluster}-b`];
      expect(await flags(cluster, a)).toBe(HEALTHY);
      expect(await flags(cluster, b)).toBe(HEALTHY);
      expect(await answering(cluster)).toEqual([a, b]);
      servers[a].program.child.kill("SIGUSR1");
      try {
        expect(await becomes(cluster, a, FAILED)).toBe(FAILED);
        // The largest number that any worker has: one asks, and tells the others.
        const healthy = () => statOf(admin, `cluster.${cluster}.membership_healthy`);
        expect(await eventually(healthy, (count) => count === 1)).toBe(1);
        expect(await answering(cluster)).toEqual([b]);
      } finally {
        servers[a].program.child.kill("SIGUSR2");
      }
      expect(await becomes(cluster, a, HEALTHY)).toBe(HEALTHY);
      expect(await answering(cluster)).toEqual([a, b]);
      expect(await statOf(admin, `cluster.${cluster}.membership_healthy`)).toBe(2);
    });

    test("a server whose certificate is signed by somebody else never gets a request", async () => {
      expect(await flags("tls", "tls-forged")).toBe(FAILED);
      expect(await statOf(admin, "cluster.tls.ssl.fail_verify_error")).toBeGreaterThan(0);
      expect(await statOf(admin, "cluster.tls.health_check.network_failure")).toBeGreaterThan(0);
      expect(await answering("tls")).toEqual(["tls-a", "tls-b"]);
    });

    test("a service that the server does not know is not well", async () => {
      expect(await flags("unknown", "plain-a")).toBe(FAILED);
      expect(await statOf(admin, "cluster.unknown.health_check.network_failure")).toBe(0);
    });

    test("checks do not count as requests, and keep their connection", async () => {
      expect(await statOf(admin, "cluster.unknown.upstream_cx_total")).toBe(0);
      expect(await statOf(admin, "cluster.unknown.upstream_rq_total")).toBe(0);
      expect(await statOf(admin, "cluster.unknown.health_check.attempt")).toBeGreaterThan(workers);
    });
  });
});
