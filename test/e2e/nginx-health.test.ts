/**
 * A pair of nginx behind real sidecars, on each runtime, while requests go on: one is stopped and started again. What it
 * takes to notice is the thresholds' time; from then on no request fails.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { anyHost, bootstrap, httpListener, staticCluster, toCluster } from "../support/bootstrap.ts";
import { findProgram, freePorts } from "../support/child-process.ts";
import { FAILED, flagsOf, HEALTHY, statOf, untilReady, WORKERS } from "../support/health-watch.ts";
import { type OurProxy, RUNTIMES, startTulle } from "../support/our-proxy.ts";
import { type Rival, startNginx } from "../support/rivals.ts";
import { eventually } from "../support/sidecar-process.ts";

const installed = findProgram("nginx") !== "";
if (!installed) console.log("health checks of nginx: skipped: nginx is not installed");

/** Both fail for the second time at most so long after a server is gone, ms; and what a loaded machine takes. */
const INTERVAL = 200;
const THRESHOLD = 2;
const SLACK = 2500;

const serve = (port: number): Promise<Rival | null> =>
  startNginx(
    (folder) => `
daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000;
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server {
    listen 127.0.0.1:${port};
    default_type text/plain;
    location = /health { return 204; }
    location / { return 200 "$server_port"; }
  }
}`,
    port,
  );

/** Clients that ask one request after the other, each by a connection of its own, until they are told to stop. */
class Load {
  /** What was answered since `look`: the port of who did, or why nobody. */
  private seen: string[] = [];
  private readonly clients: Promise<void>[];
  private going = true;

  constructor(port: number) {
    this.clients = Array.from({ length: 3 }, async () => {
      while (this.going) this.seen.push(await ask(port));
    });
  }

  /** What there was since the last look, at the earliest so many answers later: who answered, and how often. */
  async look(answers: number): Promise<{ [who: string]: number }> {
    this.seen = [];
    await eventually(
      async () => this.seen.length,
      (count) => count >= answers,
    );
    return this.soFar();
  }

  /** What there was since the last look. */
  soFar(): { [who: string]: number } {
    const counts: { [who: string]: number } = {};
    for (const who of this.seen) counts[who] = (counts[who] ?? 0) + 1;
    return counts;
  }

  async stop(): Promise<void> {
    this.going = false;
    await Promise.all(this.clients);
  }
}

async function ask(port: number): Promise<string> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { connection: "close" },
      keepalive: false,
    });
    const text = await answer.text();
    return answer.status === 200 ? text : `${answer.status} ${text}`;
  } catch (error) {
    return String(error);
  }
}

const cases = RUNTIMES.flatMap((runtime) => WORKERS.map((workers) => [runtime, workers] as const));
describe.each(installed ? cases : [])("nginx behind %s with %i worker(s)", (runtime, workers) => {
  let [port, admin, a, b] = [0, 0, 0, 0];
  let [first, second]: (Rival | null)[] = [null, null];
  let sidecar: OurProxy;

  beforeAll(async () => {
    [port, admin, a, b] = await freePorts(4);
    first = await serve(a);
    second = await serve(b);
    const seconds = `${INTERVAL / 1000}s`;
    const check = {
      timeout: "1s",
      interval: seconds,
      no_traffic_interval: seconds,
      unhealthy_threshold: THRESHOLD,
      healthy_threshold: THRESHOLD,
      http_health_check: { path: "/health", expected_statuses: [{ start: 204, end: 205 }] },
    };
    sidecar = await startTulle(
      bootstrap(
        [httpListener("main", port, { route_config: anyHost("main", [toCluster("pair")]) })],
        [staticCluster("pair", [a, b], { health_checks: [check] })],
        admin,
      ),
      port,
      runtime,
      ["--concurrency", String(workers)],
    );
    await untilReady(admin);
  }, 60_000);

  afterAll(async () => {
    await sidecar?.stop();
    await first?.stop();
    await second?.stop();
  });

  test("one is stopped and started again while requests go on", async () => {
    const healthy = () => statOf(admin, "cluster.pair.membership_healthy");
    const flags = async () => (await flagsOf(admin, "pair"))[a];
    const load = new Load(port);
    try {
      expect(Object.keys(await load.look(60)).sort()).toEqual([String(a), String(b)].sort());

      const stopped = performance.now();
      await first?.stop();
      // The largest number that any worker has: one asks, and tells the others.
      expect(await eventually(healthy, (count) => count === 1)).toBe(1);
      expect(performance.now() - stopped).toBeLessThan(THRESHOLD * INTERVAL + SLACK);
      expect(await flags()).toBe(FAILED);
      await load.look(6); // what was under way
      expect(Object.keys(await load.look(200))).toEqual([String(b)]);

      first = await serve(a);
      expect(await eventually(flags, (said) => said === HEALTHY)).toBe(HEALTHY);
      expect(Object.keys(load.soFar()).filter((who) => who !== String(a) && who !== String(b))).toEqual([]);
      const both = await load.look(200);
      expect(Object.keys(both).sort()).toEqual([String(a), String(b)].sort());
    } finally {
      await load.stop();
    }
    const failures = await statOf(admin, "cluster.pair.health_check.network_failure");
    expect(failures).toBeGreaterThanOrEqual(THRESHOLD);
    expect(await statOf(admin, "cluster.pair.membership_change")).toBe(1);
  }, 60_000);

  test("an endpoint is asked once per process, not once per worker", async () => {
    const attempts = () => statOf(admin, "cluster.pair.health_check.attempt");
    const [before, from] = [await attempts(), performance.now()];
    await eventually(attempts, (count) => count >= before + 16);
    const [after, to] = [await attempts(), performance.now()];
    // Two endpoints; one more of each may come just now.
    expect(after - before).toBeLessThanOrEqual(2 * ((to - from) / INTERVAL + 2));
  });
});
