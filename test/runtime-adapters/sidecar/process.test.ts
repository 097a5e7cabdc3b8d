/**
 * The process, end to end, on each runtime: starting, files that change while it runs, bad files, ports in use,
 * draining, signals. Every port is one that the kernel gave.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { Agent, get } from "node:http";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type Socket } from "node:net";
import { installedRuntimes } from "../../support/runtimes.ts";
import {
  answering,
  eventually,
  forwarding,
  httpListener,
  loopback,
  PATIENCE,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../../support/sidecar-process.ts";

const ADMIN = { address: loopback(0) };
const SLOW = { timeout: 3 * PATIENCE };

let workspace: Workspace;
let processes: SidecarProcess[];
let servers: (Server | Bun.Server<undefined>)[];

beforeEach(() => {
  workspace = new Workspace();
  processes = [];
  servers = [];
});

afterEach(async () => {
  for (const process of processes) await process.kill();
  for (const server of servers) {
    if ("stop" in server) await server.stop(true);
    else server.close();
  }
  workspace.remove();
});

/** Listens on a port that the kernel gives. */
async function occupied(): Promise<number> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** An HTTP upstream. */
function upstream(answer: (request: Request) => Response | Promise<Response>): number {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    reusePort: true,
    idleTimeout: 255,
    fetch: answer,
  });
  servers.push(server);
  return server.port as number;
}

/** Moves new content over a file, as Envoy asks its users to. */
function replace(name: string, content: unknown): void {
  const next = workspace.write(`${name}.next`, content);
  renameSync(next, workspace.file(name));
}

function resources(type: string, ...list: object[]): object {
  return {
    resources: list.map((each) => ({ "@type": `type.googleapis.com/envoy.config.${type}`, ...each })),
  };
}
const listeners = (...list: object[]) => resources("listener.v3.Listener", ...list);
const clusters = (...list: object[]) => resources("cluster.v3.Cluster", ...list);
const routes = (...list: object[]) => resources("route.v3.RouteConfiguration", ...list);
const endpoints = (cluster_name: string, port: number) =>
  resources("endpoint.v3.ClusterLoadAssignment", {
    cluster_name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(port) } }] }],
  });
const stdoutLog = (format: string) => ({
  "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
  log_format: { text_format_source: { inline_string: format } },
});
const fromFile = (name: string) => ({ path_config_source: { path: workspace.file(name) } });
const text = async (url: string) => (await fetch(url, { headers: { connection: "close" } })).text();

describe.each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))(
  "on %s",
  (_name, runtime) => {
    function start(bootstrap: object, ...options: string[]): SidecarProcess {
      const process = new SidecarProcess(runtime, workspace, bootstrap, options);
      processes.push(process);
      return process;
    }
    const serving = (...list: object[]) => ({ admin: ADMIN, static_resources: { listeners: list } });

    test(
      "serves, says LIVE, and SIGTERM ends it with 0",
      async () => {
        const proxy = await start(
          serving(httpListener("in", 0, { route_config: answering("hello") })),
        ).ready();
        expect(await text(await proxy.url("in"))).toBe("hello");
        expect(await proxy.get("/ready")).toBe("LIVE\n");
        proxy.signal("SIGTERM");
        const { code, stderr } = await proxy.ended();
        expect(code).toBe(0);
        expect(stderr).toContain("SIGTERM: draining");
      },
      SLOW,
    );

    test(
      "every fault of the bootstrap is told at once, and the exit code is 1",
      async () => {
        const proxy = start({
          admin: { addres: loopback(0) },
          static_resources: { listeners: [{ name: "in", bogus: 1 }] },
        });
        const { code, stderr } = await proxy.ended();
        expect(code).toBe(1);
        expect(stderr).toMatch(/bootstrap\.json:\d+:\d+: admin\.addres: unknown field/);
        expect(stderr).toMatch(
          /bootstrap\.json:\d+:\d+: static_resources\.listeners\[0\]\.bogus: unknown field/,
        );
      },
      SLOW,
    );

    test(
      "a file that is not there at the start is a misspelt path",
      async () => {
        workspace.write("lds.json", listeners());
        const { code, stderr } = await start({
          admin: ADMIN,
          dynamic_resources: { lds_config: fromFile("lds.json"), cds_config: fromFile("sdc.json") },
        }).ended();
        expect(code).toBe(1);
        expect(stderr).toContain(`${workspace.file("sdc.json")}: no such file`);
      },
      SLOW,
    );

    test(
      "routes that are broken from the start: 404 until they are mended",
      async () => {
        const rds = { rds: { route_config_name: "r", config_source: fromFile("rds.json") } };
        workspace.write("rds.json", routes({ name: "r", bogus: 1 }));
        const access_log = [
          { name: "admin", typed_config: stdoutLog("%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%\n") },
        ];
        const proxy = await start({
          admin: { ...ADMIN, access_log },
          static_resources: { listeners: [httpListener("in", 0, rds)] },
        }).ready();
        const url = await proxy.url("in");
        expect((await fetch(url)).status).toBe(404);
        replace("rds.json", routes(answering("mended", "r")));
        expect(
          await eventually(
            () => text(url),
            (answer) => answer === "mended",
          ),
        ).toBe("mended");
        await proxy.get("/certs?x=1");
        proxy.signal("SIGTERM");
        expect((await proxy.ended()).stdout).toContain("GET /certs?x=1 200\n");
      },
      SLOW,
    );

    test(
      "two signals of one key press are one",
      async () => {
        const port = upstream(async () => {
          await Bun.sleep(500);
          return new Response("whole");
        });
        const proxy = await start({
          admin: ADMIN,
          static_resources: {
            listeners: [httpListener("in", 0, { route_config: forwarding("app") })],
            clusters: [staticCluster("app", port)],
          },
        }).ready();
        const answer = text(await proxy.url("in"));
        await eventually(
          () => proxy.stat("http.in.downstream_rq_active"),
          (active) => active === 1,
        );
        // A terminal signals the whole group, and npm then passes its own on.
        proxy.signal("SIGINT");
        proxy.signal("SIGINT");
        expect(await answer).toBe("whole");
        expect((await proxy.ended()).code).toBe(0);
      },
      SLOW,
    );

    test(
      "a port in use: which listener, which address, why",
      async () => {
        const port = await occupied();
        const proxy = start(serving(httpListener("busy", port, { route_config: answering("x") })));
        const { code, stderr } = await proxy.ended();
        expect(code).toBe(1);
        expect(stderr).toContain(
          `listener busy: cannot listen on 127.0.0.1:${port}: the address is in use (EADDRINUSE)`,
        );
      },
      SLOW,
    );

    test(
      "a port in use is seen although workers share theirs",
      async () => {
        const port = upstream(() => new Response("somebody else")); // shares its port, as another proxy would
        const busy = serving(httpListener("busy", port, { route_config: answering("x") }));
        const { code, stderr } = await start(busy, "--concurrency", "2").ended();
        expect(code).toBe(1);
        expect(stderr).toContain(`listener busy: cannot listen on 127.0.0.1:${port}: the address is in use`);
      },
      SLOW,
    );

    test(
      "the admin port in use",
      async () => {
        const port = await occupied();
        const { code, stderr } = await start({ admin: { address: loopback(port) } }).ended();
        expect(code).toBe(1);
        expect(stderr).toContain(
          `admin: cannot listen on 127.0.0.1:${port}: the address is in use (EADDRINUSE)`,
        );
      },
      SLOW,
    );

    test(
      "the admin port of another proxy of the same kind",
      async () => {
        const first = await start({ admin: ADMIN }).ready();
        const port = Number(new URL(first.admin).port);
        const { code, stderr } = await start({ admin: { address: loopback(port) } }).ended();
        expect(code).toBe(1);
        expect(stderr).toContain(`admin: cannot listen on 127.0.0.1:${port}: the address is in use`);
        expect(await first.get("/ready")).toBe("LIVE\n");
      },
      SLOW,
    );

    test(
      "file descriptors run out: clients are refused and counted, the admin answers, and all is well afterwards",
      async () => {
        const few = {
          ...runtime,
          command: ["sh", "-c", 'ulimit -n 100; exec "$@"', "sh", ...runtime.command],
        };
        const bootstrap = serving(httpListener("in", 0, { route_config: answering("served") }));
        const proxy = new SidecarProcess(few, workspace, bootstrap);
        processes.push(proxy);
        const url = await (await proxy.ready()).url("in");
        const crowd = Array.from({ length: 150 }, () => connect(Number(new URL(url).port), "127.0.0.1"));
        for (const socket of crowd) socket.on("error", () => {});
        const failures = await eventually(
          () => proxy.stat("tulle.accept_failures"),
          (count) => count > 0,
        );
        expect(failures).toBeGreaterThan(0);
        expect(await proxy.get("/ready")).toBe("LIVE\n");
        for (const socket of crowd) socket.destroy();
        const answer = await eventually(
          () => text(url).catch(String),
          (said) => said === "served",
        );
        expect(answer).toBe("served");
        proxy.signal("SIGTERM");
        const { code, stderr } = await proxy.ended();
        expect(code).toBe(0);
        expect(stderr).toContain("out of file descriptors: refusing connections");
      },
      SLOW,
    );

    test(
      "files that change are followed within a second, and open connections live on",
      async () => {
        const one = upstream(() => new Response("one"));
        const two = upstream(() => new Response("two"));
        const rds = { rds: { route_config_name: "r", config_source: fromFile("rds.json") } };
        workspace.write("lds.json", listeners(httpListener("in", 0, rds)));
        workspace.write("rds.json", routes(forwarding("app", "r")));
        const eds_cluster_config = { service_name: "app-eds", eds_config: fromFile("eds.json") };
        workspace.write("cds.json", clusters({ name: "app", type: "EDS", eds_cluster_config }));
        workspace.write("eds.json", endpoints("app-eds", one));
        const proxy = await start({
          admin: ADMIN,
          dynamic_resources: { lds_config: fromFile("lds.json"), cds_config: fromFile("cds.json") },
        }).ready();
        const url = await proxy.url("in");
        expect(await text(url)).toBe("one");

        // A client that keeps its connection through all that follows.
        const client = new Keeper(Number(new URL(url).port));
        expect(await client.get()).toEndWith("one");

        const changedAt = performance.now();
        replace("eds.json", endpoints("app-eds", two));
        expect(
          await eventually(
            () => text(url),
            (answer) => answer === "two",
          ),
        ).toBe("two");
        const took = performance.now() - changedAt;
        replace("rds.json", routes(answering("three", "r")));
        expect(
          await eventually(
            () => text(url),
            (answer) => answer === "three",
          ),
        ).toBe("three");
        expect(await client.get()).toEndWith("three");
        expect(client.isOpen).toBe(true);

        replace(
          "lds.json",
          listeners(httpListener("in", 0, rds), httpListener("more", 0, { route_config: answering("four") })),
        );
        await eventually(
          () => proxy.get("/listeners"),
          (answer) => answer.includes("more::"),
        );
        expect(await text(await proxy.url("more"))).toBe("four");
        expect(await client.get()).toEndWith("three");
        client.close();

        replace("lds.json", listeners(httpListener("in", 0, rds)));
        const left = await eventually(
          () => proxy.get("/listeners"),
          (answer) => !answer.includes("more::"),
        );
        expect(left).toBe(`in::${url.slice("http://".length)}\n`);
        // The promise is a second on a machine that is not overloaded; see file-watch.test.ts for the exact one.
        expect(took).toBeLessThan(5000);
      },
      SLOW,
    );

    test(
      "a listener that changes again and again loses no request",
      async () => {
        const version = (n: number) =>
          listeners(httpListener("in", 0, { via: `v${n}`, route_config: answering(`version ${n}`) }));
        workspace.write("lds.json", version(0));
        const proxy = await start({
          admin: ADMIN,
          dynamic_resources: { lds_config: fromFile("lds.json") },
        }).ready();
        const url = await proxy.url("in");
        const agent = new Agent({ keepAlive: true, maxSockets: 4 });
        const outcomes = new Map<string, number>();
        let running = true;
        const client = async () => {
          while (running) {
            const outcome = await ask(url, agent);
            outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          }
        };
        const clients = [client(), client(), client(), client()];
        for (let n = 1; n <= 4; n++) {
          replace("lds.json", version(n));
          await eventually(
            async () => outcomes.has(`200 version ${n}`),
            (seen) => seen,
          );
        }
        running = false;
        await Promise.all(clients);
        agent.destroy();
        expect([...outcomes.keys()].sort()).toEqual([0, 1, 2, 3, 4].map((n) => `200 version ${n}`));
      },
      SLOW,
    );

    test(
      "a broken file changes nothing, and says why in the log, the counters and the dump",
      async () => {
        const rds = { rds: { route_config_name: "r", config_source: fromFile("rds.json") } };
        const lds_config = fromFile("lds.json");
        workspace.write("lds.json", listeners(httpListener("in", 0, rds)));
        workspace.write("rds.json", routes(answering("good", "r")));
        const proxy = await start({ admin: ADMIN, dynamic_resources: { lds_config } }).ready();
        const url = await proxy.url("in");

        replace("rds.json", routes({ name: "r", virtual_hosts: [{ name: "all", domain: ["*"] }] }));
        const rejected = "http.in.rds.r.update_rejected";
        expect(
          await eventually(
            () => proxy.stat(rejected),
            (count) => count === 1,
          ),
        ).toBe(1);
        replace("lds.json", "resources: [");
        expect(
          await eventually(
            () => proxy.stat("listener_manager.lds.update_failure"),
            (count) => count === 1,
          ),
        ).toBe(1);
        expect(await text(url)).toBe("good");

        const dump = JSON.parse(await proxy.get("/config_dump?resource=dynamic_route_configs"));
        expect(dump.configs[0].route_config.virtual_hosts[0].domains).toEqual(["*"]);
        expect(dump.configs[0].error_state.details).toMatch(/rds\.json:\d+:\d+: .*domain: unknown field/);

        replace("rds.json", routes(answering("better", "r")));
        expect(
          await eventually(
            () => text(url),
            (answer) => answer === "better",
          ),
        ).toBe("better");
        proxy.signal("SIGTERM");
        const { stderr } = await proxy.ended();
        expect(stderr).toMatch(/RDS r rejected: .*rds\.json:\d+:\d+: .*domain: unknown field/);
        expect(stderr).toMatch(/LDS failure: .*lds\.json:\d+:\d+: /);
      },
      SLOW,
    );

    test(
      "an update whose port is in use keeps the listener as it was",
      async () => {
        const port = await occupied();
        workspace.write("lds.json", listeners(httpListener("in", 0, { route_config: answering("old") })));
        const proxy = await start({
          admin: ADMIN,
          dynamic_resources: { lds_config: fromFile("lds.json") },
        }).ready();
        const url = await proxy.url("in");
        replace(
          "lds.json",
          listeners(
            httpListener("in", port, { route_config: answering("new") }),
            httpListener("other", 0, { route_config: answering("other") }),
          ),
        );
        await eventually(
          () => proxy.get("/listeners"),
          (answer) => answer.includes("other::"),
        );
        expect(await text(url)).toBe("old");
        expect(await text(await proxy.url("other"))).toBe("other");
        expect(await proxy.stat("listener_manager.listener_create_failure")).toBe(1);
      },
      SLOW,
    );

    test(
      "draining answers what is under way, refuses what is new, then exits 0",
      async () => {
        let arrived = () => {};
        let answer = () => {};
        const isThere = new Promise<void>((resolve) => {
          arrived = resolve;
        });
        const mayAnswer = new Promise<void>((resolve) => {
          answer = resolve;
        });
        const port = upstream(async () => {
          arrived();
          await mayAnswer;
          return new Response("late but whole");
        });
        const proxy = await start({
          admin: ADMIN,
          static_resources: {
            listeners: [httpListener("in", 0, { route_config: forwarding("app") })],
            clusters: [staticCluster("app", port)],
          },
        }).ready();
        const url = await proxy.url("in");
        const slow = fetch(url);
        await isThere;
        proxy.signal("SIGTERM");
        // Only a connect: a request that comes in just before would have to be waited for.
        expect(
          await eventually(
            () => isRefused(url),
            (refused) => refused,
          ),
        ).toBe(true);
        expect(await proxy.get("/ready")).toBe("DRAINING\n");
        answer();
        const response = await slow;
        expect(await response.text()).toBe("late but whole");
        expect(response.headers.get("connection")).toBe("close");
        expect((await proxy.ended()).code).toBe(0);
      },
      SLOW,
    );

    test(
      "the drain time ends the waiting, a second signal ends it at once",
      async () => {
        const port = upstream(() => new Promise<Response>(() => {}));
        const bootstrap = {
          admin: ADMIN,
          static_resources: {
            listeners: [httpListener("in", 0, { route_config: forwarding("app") })],
            clusters: [staticCluster("app", port)],
          },
        };
        const impatient = await start(bootstrap, "--drain-time-s", "1").ready();
        fetch(await impatient.url("in")).catch(() => {});
        await eventually(
          () => impatient.stat("http.in.downstream_rq_active"),
          (active) => active === 1,
        );
        impatient.signal("SIGTERM");
        const timedOut = await impatient.ended();
        expect(timedOut.code).toBe(0);
        expect(timedOut.stderr).toContain("drain time is over, closing 1 connection(s)");

        const twice = await start(bootstrap).ready();
        fetch(await twice.url("in")).catch(() => {});
        await eventually(
          () => twice.stat("http.in.downstream_rq_active"),
          (active) => active === 1,
        );
        twice.signal("SIGINT");
        await Bun.sleep(300);
        twice.signal("SIGINT");
        expect((await twice.ended()).code).toBe(130);
      },
      SLOW,
    );

    test(
      "access logs are reopened on SIGUSR1, SIGHUP is survived",
      async () => {
        const access_log = [
          {
            name: "file",
            typed_config: {
              "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
              path: workspace.file("access.log"),
              log_format: { text_format_source: { inline_string: "%REQ(:PATH)%\n" } },
            },
          },
        ];
        const proxy = await start(
          serving(httpListener("in", 0, { access_log, route_config: answering("x") })),
        ).ready();
        const url = await proxy.url("in");
        await text(`${url}/first`);
        const read = (name: string) => Bun.file(workspace.file(name)).text();
        await eventually(
          () => read("access.log"),
          (lines) => lines !== "",
        );
        renameSync(workspace.file("access.log"), workspace.file("access.log.1"));
        proxy.signal("SIGHUP");
        proxy.signal("SIGUSR1");
        await eventually(
          () => Bun.file(workspace.file("access.log")).exists(),
          (exists) => exists,
        );
        await text(`${url}/second`);
        await eventually(
          () => read("access.log"),
          (lines) => lines !== "",
        );
        expect(await read("access.log.1")).toBe("/first\n");
        expect(await read("access.log")).toBe("/second\n");
      },
      SLOW,
    );

    test.each(["1", "2"])(
      "Unix sockets for everything, with %s worker(s)",
      async (concurrency) => {
        const pipe = (name: string) => ({ pipe: { path: workspace.file(name) } });
        const proxy = start(
          {
            admin: { address: pipe("admin.sock") },
            static_resources: {
              listeners: [
                { ...httpListener("in", 0, { route_config: answering("ok") }), address: pipe("in.sock") },
              ],
            },
          },
          "--concurrency",
          concurrency,
        );
        const ask = (socket: string, path: string) =>
          fetch(`http://any.name${path}`, { unix: workspace.file(socket) }).then(
            (response) => response.text(),
            () => "",
          );
        expect(
          await eventually(
            () => ask("admin.sock", "/ready"),
            (answer) => answer === "LIVE\n",
          ),
        ).toBe("LIVE\n");
        for (let i = 0; i < 5; i++) expect(await ask("in.sock", "/")).toBe("ok");
        expect(await ask("admin.sock", "/listeners")).toBe(`in::${workspace.file("in.sock")}\n`);
        proxy.signal("SIGTERM");
        expect((await proxy.ended()).code).toBe(0);
      },
      SLOW,
    );

    test(
      "two workers share a port and are one to the admin",
      async () => {
        // A port that was free a moment ago: unlike port 0 it is asked for alone first.
        const free = createServer();
        await new Promise<void>((resolve) => free.listen(0, "127.0.0.1", resolve));
        const { port } = free.address() as AddressInfo;
        await new Promise((resolve) => free.close(resolve));
        const proxy = await start(
          serving(httpListener("in", port, { route_config: answering("both") })),
          "--concurrency",
          "2",
        ).ready();
        const url = await proxy.url("in");
        for (let i = 0; i < 40; i++) expect(await text(url)).toBe("both");
        expect(await proxy.stat("http.in.downstream_rq_total")).toBe(40);
        expect(await proxy.stat("server.concurrency")).toBe(2);
        proxy.signal("SIGTERM");
        expect((await proxy.ended()).code).toBe(0);
      },
      SLOW,
    );
  },
);

function isRefused(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.on("error", () => resolve(true));
  });
}

/** One request on a connection that the agent keeps: "200 body", or what went wrong. */
function ask(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    const request = get(url, { agent }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve(`${response.statusCode} ${body}`));
      response.on("error", (error) => resolve(String(error)));
    });
    request.on("error", (error) => resolve(String(error)));
  });
}

/** A client with one connection that it keeps. */
class Keeper {
  isOpen = true;
  private readonly socket: Socket;
  private received = "";
  private wake = () => {};

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (data) => {
      this.received += data;
      this.wake();
    });
    this.socket.on("close", () => {
      this.isOpen = false;
      this.wake();
    });
  }

  /** The answer to one more request, head and body. */
  async get(): Promise<string> {
    this.received = "";
    this.socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    while (this.isOpen) {
      const head = this.received.indexOf("\r\n\r\n");
      const length = /content-length: (\d+)/i.exec(this.received);
      if (head >= 0 && length !== null && this.received.length >= head + 4 + Number(length[1])) break;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.received;
  }

  close(): void {
    this.socket.destroy();
  }
}
