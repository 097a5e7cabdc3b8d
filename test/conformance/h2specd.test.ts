/**
 * The public suite h2specd, a hostile server of HTTP/2 for each of its cases, against the upstream side of real sidecars on
 * each runtime. Each case has a cluster of its own; curl asks the sidecar as it would ask a proxy.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { staticCluster, toCluster, upstreamHttp2 } from "../support/bootstrap.ts";
import { findProgram, freePortRange } from "../support/child-process.ts";
import { CLIENT_CASES, h2specProgram, runH2specd } from "../support/h2spec.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import { eventually, httpListener, loopback, SidecarProcess, Workspace } from "../support/sidecar-process.ts";

const workspace = new Workspace();
let program = "";
const curl = findProgram("curl");

beforeAll(async () => {
  program = await h2specProgram("h2specd");
  if (program === "") console.log("skipped: h2specd is not here, and neither is Go to install it with");
  if (curl === "") console.log("skipped: h2specd needs curl");
}, 300_000);
afterAll(() => workspace.remove());

test.each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))(
  "h2specd on %s",
  async (_name, runtime) => {
    if (program === "" || curl === "") return;
    const from = await freePortRange(CLIENT_CASES);
    const ports = Array.from({ length: CLIENT_CASES }, (_, index) => from + index);
    const hosts = ports.map((port) => ({
      name: `case-${port}`,
      domains: [`127.0.0.1:${port}`],
      routes: [toCluster(`case-${port}`)],
    }));
    const sidecar = await new SidecarProcess(runtime, workspace, {
      admin: { address: loopback(0) },
      static_resources: {
        listeners: [httpListener("web", 0, { route_config: { name: "cases", virtual_hosts: hosts } })],
        clusters: ports.map((port) => staticCluster(`case-${port}`, [port], upstreamHttp2())),
      },
    }).ready();
    try {
      const proxy = await sidecar.url("web");
      const { passed, failed } = await runH2specd(program, from, `${curl} -s -m 2 -x ${proxy}`);
      expect(failed).toEqual([]);
      expect(passed).toBe(CLIENT_CASES);
      // Everybody was told something, and nothing is left of them.
      const sum = async (name: string) => {
        const lines = (await sidecar.get(`/stats?filter=\\.${name}$`)).trim().split("\n");
        return lines.reduce((total, line) => total + Number(line.split(": ")[1] ?? 0), 0);
      };
      expect(await sum("upstream_rq_total")).toBeGreaterThanOrEqual(CLIENT_CASES);
      expect(await sum("upstream_cx_protocol_error")).toBeGreaterThan(CLIENT_CASES / 2);
      for (const gauge of ["upstream_cx_active", "upstream_rq_active", "streams_active"])
        expect(
          await eventually(
            () => sum(gauge),
            (left) => left === 0,
          ),
        ).toBe(0);
    } finally {
      await sidecar.kill();
    }
  },
  60_000,
);
