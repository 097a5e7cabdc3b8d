/** One sidecar, reached and reaching out over IPv4, IPv6, Unix sockets and names: every kind on both sides, on each runtime. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  eventually,
  forwarding,
  httpListener,
  loopback,
  PATIENCE,
  SidecarProcess,
  Workspace,
} from "../support/sidecar-process.ts";

const TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";

const workspace = new Workspace();
const upstreams: { [name: string]: Bun.Server<undefined> } = {};
const said = (name: string) => () => new Response(`from ${name}`);

beforeAll(() => {
  upstreams.v4 = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: said("v4") });
  upstreams.v6 = Bun.serve({ hostname: "::1", port: 0, fetch: said("v6") });
  upstreams.unix = Bun.serve({ unix: workspace.file("up.sock"), fetch: said("unix") });
});
afterAll(async () => {
  for (const server of Object.values(upstreams)) await server.stop(true);
  workspace.remove();
});

const socketAddress = (address: string, port_value: number) => ({ socket_address: { address, port_value } });
const pipe = (name: string) => ({ pipe: { path: workspace.file(name) } });

function cluster(name: string, address: object, more: object = {}): object {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address } }] }];
  return { name, type: "STATIC", load_assignment: { cluster_name: name, endpoints }, ...more };
}

/** Where a client goes, which cluster that listener has, who answers, and what the log calls it. */
type Way = readonly [listener: string, cluster: string, address: object, upstream: string];

test.each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))(
  "on %s",
  async (name, runtime) => {
    const port = (upstream: string) => upstreams[upstream].port as number;
    const ways: readonly Way[] = [
      ["v4", "to-v6", loopback(0), "v6"],
      ["v6", "to-unix", socketAddress("::1", 0), "unix"],
      ["unix", "to-v4", pipe(`${name}.sock`), "v4"],
      ["named", "to-name", loopback(0), "v4"],
    ];
    const format = "%UPSTREAM_HOST% %DOWNSTREAM_LOCAL_ADDRESS%\n";
    const log = workspace.file(`${name}.log`);
    const access_log = [
      {
        name: "file",
        typed_config: {
          "@type": FILE_LOG,
          path: log,
          log_format: { text_format_source: { inline_string: format } },
        },
      },
    ];
    const proxy = await new SidecarProcess(runtime, workspace, {
      admin: { address: loopback(0) },
      static_resources: {
        listeners: [
          ...ways.map(([listener, to, address]) => ({
            ...httpListener(listener, 0, { access_log, route_config: forwarding(to) }),
            address,
          })),
          {
            name: "raw",
            address: socketAddress("::1", 0),
            filter_chains: [
              {
                filters: [
                  { name: "t", typed_config: { "@type": TCP_PROXY, stat_prefix: "raw", cluster: "to-unix" } },
                ],
              },
            ],
          },
        ],
        clusters: [
          cluster("to-v4", loopback(port("v4"))),
          cluster("to-v6", socketAddress("::1", port("v6"))),
          cluster("to-unix", pipe("up.sock")),
          cluster("to-name", socketAddress("localhost", port("v4")), {
            type: "STRICT_DNS",
            dns_lookup_family: "V4_ONLY",
          }),
        ],
      },
    }).ready();
    try {
      for (const [listener, , , upstream] of ways) {
        const answer =
          listener === "unix"
            ? await fetch("http://any.name/", { unix: workspace.file(`${name}.sock`) })
            : await fetch(await proxy.url(listener));
        expect([listener, await answer.text()]).toEqual([listener, `from ${upstream}`]);
      }
      const url = new URL(await proxy.url("raw"));
      const raw = await new Promise<string>((resolve, reject) => {
        let text = "";
        const socket = connect(Number(url.port), "::1", () =>
          socket.end("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        );
        socket.on("data", (data) => {
          text += data;
        });
        socket.on("close", () => resolve(text));
        socket.on("error", reject);
      });
      expect(raw).toEndWith("from unix");

      const where = async (listener: string) => (await proxy.url(listener)).slice("http://".length);
      const lines = [
        `[::1]:${port("v6")} ${await where("v4")}`,
        `${workspace.file("up.sock")} ${await where("v6")}`,
        `127.0.0.1:${port("v4")} ${workspace.file(`${name}.sock`)}`,
        `127.0.0.1:${port("v4")} ${await where("named")}`,
      ];
      expect(await where("v6")).toStartWith("[::1]:");
      const written = await eventually(
        () => Bun.file(log).text(),
        (text) => text.split("\n").length > lines.length,
      );
      expect(written).toBe(`${lines.join("\n")}\n`);
    } finally {
      proxy.signal("SIGTERM");
      expect((await proxy.ended()).code).toBe(0);
    }
  },
  3 * PATIENCE,
);
