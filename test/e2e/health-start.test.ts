/** A real sidecar starts while one of its endpoints is mute: nobody is served until it was asked once, and an operator sees why. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, createServer, type Server, type Socket } from "node:net";
import { anyHost, bootstrap, httpListener, staticCluster, toCluster } from "../support/bootstrap.ts";
import { freePorts } from "../support/child-process.ts";
import { FAILED, flagsOf, untilReady } from "../support/health-watch.ts";
import { RUNTIMES, startTulle } from "../support/our-proxy.ts";
import { eventually } from "../support/sidecar-process.ts";

const TIMEOUT = 1500;
let mute: Server;
let muteAt = 0;
const held = new Set<Socket>();

beforeAll(async () => {
  mute = createServer((socket) => {
    held.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  muteAt = (mute.address() as { port: number }).port;
});

afterAll(() => {
  for (const socket of held) socket.destroy();
  mute.close();
});

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("error", () => resolve(false));
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

test.each(RUNTIMES)(
  "%s: listeners open after the timeout of the first check",
  async (runtime) => {
    const [port, admin] = await freePorts(2);
    const check = {
      timeout: `${TIMEOUT / 1000}s`,
      interval: "60s",
      unhealthy_threshold: 3,
      healthy_threshold: 1,
      http_health_check: { path: "/health" },
    };
    const cluster = staticCluster("mute", [muteAt], {
      health_checks: [check],
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
    });
    const listener = httpListener("main", port, { route_config: anyHost("main", [toCluster("mute")]) });
    const sidecar = await startTulle(bootstrap([listener], [cluster], admin), admin, runtime);
    try {
      const flags = async () => (await flagsOf(admin, "mute"))[muteAt] ?? "";
      expect(await eventually(flags, (said) => said !== "")).toBe(FAILED);
      expect(await accepts(port)).toBe(false);
      await untilReady(admin);
      expect(await flags()).toBe(`${FAILED}/active_hc_timeout`);
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      expect([answer.status, await answer.text()]).toEqual([503, "no healthy upstream"]);
    } finally {
      await sidecar.stop();
    }
  },
  60_000,
);
