/**
 * One worker asks for all of them (core/cluster/health-note.ts), and workers can crash: whoever is left, or comes back,
 * goes on asking, and sends nothing to an endpoint that fails. Real sidecars with two workers, on each runtime.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { resolve } from "node:path";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  forwarding,
  httpListener,
  loopback,
  SidecarProcess,
  Workspace,
} from "../support/sidecar-process.ts";

/** Whoever takes a connection to the listener "crash" ends. */
const CRASHING = resolve(import.meta.dir, "../support/crashing-entry.ts");
const WORKERS = 2;
const CRASHES = 3;

const workspace = new Workspace();
let checks = 0;
const serve = (name: string, health: number) =>
  Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      if (new URL(request.url).pathname !== "/health") return new Response(name);
      if (health === 200) checks++;
      return new Response("", { status: health });
    },
  });
const well = serve("well", 200);
const ill = serve("ill", 500);
afterAll(async () => {
  await well.stop(true);
  await ill.stop(true);
  workspace.remove();
});

describe.each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))("on %s", (_, runtime) => {
  let sidecar: SidecarProcess;
  let main = "";
  let crash = 0;

  beforeAll(async () => {
    const check = {
      timeout: "1s",
      interval: "0.2s",
      no_traffic_interval: "0.2s",
      unhealthy_threshold: 2,
      healthy_threshold: 2,
      http_health_check: { path: "/health" },
    };
    const lb_endpoints = [well, ill].map(({ port }) => ({ endpoint: { address: loopback(port as number) } }));
    const cluster = {
      name: "pair",
      type: "STATIC",
      load_assignment: { cluster_name: "pair", endpoints: [{ lb_endpoints }] },
      health_checks: [check],
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
    };
    const document = {
      node: { id: "n", cluster: "c" },
      admin: { address: loopback(0) },
      static_resources: {
        listeners: [
          httpListener("main", 0, { route_config: forwarding("pair") }),
          httpListener("crash", 0, { route_config: answering("never") }),
        ],
        clusters: [cluster],
      },
    };
    const options = ["-l", "critical", "--concurrency", `${WORKERS}`];
    sidecar = await new SidecarProcess(runtime, workspace, document, options, { entry: CRASHING }).ready();
    main = await sidecar.url("main");
    crash = Number(new URL(await sidecar.url("crash")).port);
  }, 30_000);
  afterAll(() => sidecar?.kill());

  const ask = async () => {
    try {
      const answer = await fetch(main, { headers: { connection: "close" }, keepalive: false });
      return `${answer.status} ${await answer.text()}`;
    } catch {
      return "lost";
    }
  };
  /** Ends one of the workers. */
  const end = () =>
    new Promise<void>((done) => {
      const socket = connect({ host: "127.0.0.1", port: crash });
      socket.on("error", () => done());
      socket.on("close", () => done());
    });

  test("checks go on, and what fails gets nothing", async () => {
    const restarts = () => sidecar.stat("tulle.worker_restarts");
    for (let crashes = 1; crashes <= CRASHES; crashes++) {
      await end();
      const answers = new Set<string>();
      // A connection that the dead one had taken is lost; nothing else may happen to a request.
      await eventually(
        async () => {
          answers.add(await ask());
          return restarts();
        },
        (count) => count === crashes,
      );
      for (let i = 0; i < 40; i++) answers.add(await ask());
      expect([...answers].filter((answer) => answer !== "lost")).toEqual(["200 well"]);
      const before = checks;
      expect(
        await eventually(
          async () => checks,
          (count) => count >= before + 3,
        ),
      ).toBeGreaterThanOrEqual(before + 3);
    }
    const flags = (await sidecar.get("/clusters"))
      .split("\n")
      .filter((line) => line.includes("health_flags"));
    expect(flags.map((line) => line.split("::").at(-1))).toEqual(["healthy", "/failed_active_hc"]);
  }, 60_000);
});
