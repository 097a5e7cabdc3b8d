/** What the admin server's commands do to a running process, with one worker and with two, on each runtime. (How the pages look is admin-oracle.test.ts.) */
import { afterAll, expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { connect } from "node:net";
import { installedRuntimes } from "../../support/runtimes.ts";
import {
  eventually,
  httpListener,
  loopback,
  PATIENCE,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../../support/sidecar-process.ts";

const FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
const workspace = new Workspace();
const processes: SidecarProcess[] = [];
afterAll(async () => {
  for (const process of processes) await process.kill();
  workspace.remove();
});

/** "new" for the share of requests that the runtime key `share` says, else "old". */
const runtime_fraction = { default_value: { numerator: 0, denominator: "HUNDRED" }, runtime_key: "share" };
const says = (match: object, text: string) => ({
  match: { prefix: "/", ...match },
  direct_response: { status: 200, body: { inline_string: text } },
});

function bootstrap(log: string): object {
  const access_log = [
    {
      name: "file",
      typed_config: {
        "@type": FILE_LOG,
        path: log,
        log_format: { text_format_source: { inline_string: "%REQ(:PATH)%\n" } },
      },
    },
  ];
  const virtual_hosts = [
    { name: "all", domains: ["*"], routes: [says({ runtime_fraction }, "new"), says({}, "old")] },
  ];
  const route_config = { name: "local", virtual_hosts };
  return {
    admin: { address: loopback(0) },
    layered_runtime: {
      layers: [
        { name: "base", static_layer: { share: 0 } },
        { name: "admin", admin_layer: {} },
      ],
    },
    static_resources: {
      listeners: [
        httpListener("in", 0, { access_log, route_config }, { traffic_direction: "INBOUND" }),
        httpListener("out", 0, { route_config }, { traffic_direction: "OUTBOUND" }),
      ],
      clusters: [staticCluster("app", 1)],
    },
  };
}

/** One request on a connection of its own: its body, and whether the answer said `connection: close`. */
function ask(url: string, path = "/"): Promise<{ body: string; close: boolean }> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => {
      socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
    });
    socket.on("data", (data) => {
      received += data;
      if (received.endsWith("\r\n\r\nold") || received.endsWith("\r\n\r\nnew")) socket.end();
    });
    socket.on("error", reject);
    socket.on("close", () =>
      resolve({ body: received.slice(-3), close: received.includes("connection: close") }),
    );
  });
}

const kinds = installedRuntimes.flatMap((runtime) =>
  (runtime.name === "bun" ? [1, 2] : [2]).map((workers) => [runtime.name, workers, runtime] as const),
);

test.each(kinds)(
  "on %s with %d worker(s)",
  async (name, workers, runtime) => {
    const log = workspace.file(`${name}-${workers}.log`);
    const proxy = new SidecarProcess(runtime, workspace, bootstrap(log), [
      "--concurrency",
      String(workers),
      "--drain-time-s",
      "1",
    ]);
    processes.push(proxy);
    await proxy.ready();
    const inbound = await proxy.url("in");
    const outbound = await proxy.url("out");
    /** As many connections as surely reach every worker. */
    const several = async (url = inbound) => {
      const all = await Promise.all(Array.from({ length: 8 * workers }, () => ask(url)));
      return {
        bodies: [...new Set(all.map(({ body }) => body))],
        closes: [...new Set(all.map(({ close }) => close))],
      };
    };
    const status = async (path: string, method: string) =>
      (await fetch(proxy.admin + path, { method })).status;

    // What changes something is not for GET, and what is not there is not there.
    expect(await status("/quitquitquit", "GET")).toBe(405);
    expect(await status("/no-such-page", "GET")).toBe(404);

    expect(await several()).toEqual({ bodies: ["old"], closes: [false] });
    expect(await proxy.post("/runtime_modify?share=100")).toBe("OK\n");
    expect((await several()).bodies).toEqual(["new"]);
    expect(JSON.parse(await proxy.get("/runtime")).entries.share.final_value).toBe("100");
    expect(await proxy.post("/runtime_modify?share=")).toBe("OK\n");
    expect((await several()).bodies).toEqual(["old"]);

    expect(await proxy.stat("http.in.downstream_rq_total")).toBe(3 * 8 * workers);
    expect(await proxy.post("/reset_counters")).toBe("OK\n");
    expect(await proxy.stat("http.in.downstream_rq_total")).toBe(0);
    expect(await proxy.stat("server.live")).toBe(1);

    await proxy.post("/healthcheck/fail");
    expect(await proxy.get("/ready")).toBe("DRAINING\n");
    expect(await status("/ready", "GET")).toBe(503);
    expect((await several()).closes).toEqual([true]);
    await proxy.post("/healthcheck/ok");
    expect(await proxy.get("/ready")).toBe("LIVE\n");
    expect((await several()).closes).toEqual([false]);

    await ask(inbound, "/before");
    await eventually(
      async () => existsSync(log) && readFileSync(log, "utf8").includes("/before\n"),
      (written) => written,
    );
    renameSync(log, `${log}.1`);
    await ask(inbound, "/between"); // still into the file that was renamed
    await eventually(
      async () => readFileSync(`${log}.1`, "utf8").includes("/between\n"),
      (written) => written,
    );
    await proxy.post("/reopen_logs");
    await Promise.all(Array.from({ length: 8 * workers }, () => ask(inbound, "/after")));
    const after = await eventually(
      async () => (existsSync(log) ? readFileSync(log, "utf8") : ""),
      (text) => text.split("/after\n").length > 8 * workers,
    );
    expect(after).toBe("/after\n".repeat(8 * workers));

    expect(await proxy.post("/logging?config=debug")).toContain("  config: debug\n");
    expect(await proxy.post("/logging")).toContain("  main: info\n");
    expect(await status("/logging?config=loud", "POST")).toBe(400);
    expect(await proxy.post("/logging?level=off")).toContain("  main: off\n");
    await proxy.post("/healthcheck/fail");
    await proxy.post("/healthcheck/ok");
    await proxy.post("/logging?level=info");

    // Draining: politely first, then what listens inbound, then everything.
    await proxy.post("/drain_listeners?skip_exit");
    expect((await several()).closes).toEqual([true]);
    await proxy.post("/drain_listeners?inboundonly");
    expect(await ask(inbound).catch(() => "refused")).toBe("refused");
    expect((await ask(outbound)).body).toBe("old");
    await proxy.post("/drain_listeners?graceful");
    expect((await ask(outbound)).body).toBe("old");
    const refused = await eventually(
      () => ask(outbound).catch(() => "refused"),
      (answer) => answer === "refused",
    );
    expect(refused).toBe("refused");
    expect(await proxy.get("/listeners")).toBe("");

    expect(await proxy.post("/quitquitquit")).toBe("OK\n");
    const { code, stderr } = await proxy.ended();
    expect(code).toBe(0);
    const told = stderr.match(/health check (failed|restored)/g);
    expect(told).toEqual(["health check failed", "health check restored"]); // the second time it was off
  },
  3 * PATIENCE,
);
