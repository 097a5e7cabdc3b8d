/** The public suite h2spec against real sidecars on each runtime: clients of HTTP/2, an upstream of HTTP/1. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { h2specProgram, runH2spec } from "../support/h2spec.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  eventually,
  forwarding,
  httpListener,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../support/sidecar-process.ts";

/** A stream that depends on itself was an error in RFC 7540. RFC 9113 5.3.2 took priorities out: they are ignored. */
const OBSOLETE = [
  "http2/5.3.1 Sends HEADERS frame that depend on itself",
  "http2/5.3.1 Sends PRIORITY frame that depend on itself",
];
/** Of 146 in version 2.2.1. */
const CASES = 144;

const workspace = new Workspace();
let upstream: Bun.Server<undefined>;
let program = "";

beforeAll(async () => {
  upstream = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      // Only whole requests: one that is answered before its end would be reset without a fault.
      await request.arrayBuffer();
      return new Response("an answer that windows can cut");
    },
  });
  program = await h2specProgram("h2spec");
  if (program === "") console.log("skipped: h2spec is not here, and neither is Go to install it with");
}, 300_000);
afterAll(async () => {
  await upstream.stop(true);
  workspace.remove();
});

test.each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))(
  "h2spec on %s",
  async (_name, runtime) => {
    if (program === "") return;
    const routes = { route_config: forwarding("app"), codec_type: "HTTP2" };
    const sidecar = await new SidecarProcess(runtime, workspace, {
      admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
      static_resources: {
        listeners: [httpListener("web", 0, routes)],
        clusters: [staticCluster("app", upstream.port as number)],
      },
    }).ready();
    try {
      const { port } = new URL(await sidecar.url("web"));
      const { passed, failed } = await runH2spec(program, port, workspace);
      expect(failed.filter((one) => !OBSOLETE.includes(one))).toEqual([]);
      expect(passed).toBeGreaterThanOrEqual(CASES);
      const active = () => sidecar.stat("http2.streams_active");
      expect(await eventually(active, (streams) => streams === 0)).toBe(0);
    } finally {
      await sidecar.kill();
    }
  },
  120_000,
);
