/**
 * A server that speaks first, behind an http_inspector, on each runtime: the first client of a destination waits for the
 * listener's timeout, the next one does not, and a request that comes with its connection is a request all the same.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, createServer, type Server } from "node:net";
import { freePorts } from "../support/child-process.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  httpListener,
  loopback,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../support/sidecar-process.ts";

const INSPECTOR = "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector";
const TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const GREETING = "220 mail.example\r\n";
const WAIT = 1000;
/** Addresses of the listener, each a destination of its own. */
const DESTINATIONS = 10;

let server: Server;
let mail = 0;

beforeAll(async () => {
  [mail] = await freePorts(1);
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write(GREETING);
  });
  await new Promise<void>((resolve) => server.listen(mail, "127.0.0.1", resolve));
});

afterAll(() => {
  server.close();
});

/** What is heard first by a client that says that as soon as it is connected, and after how many ms. */
function hear(port: number, says = "", said?: () => void): Promise<[text: string, after: number]> {
  return new Promise((resolve) => {
    const began = performance.now();
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => {
      if (says !== "") socket.write(says, said);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(["", performance.now() - began]));
    socket.once("data", (data) => {
      resolve([data.toString("latin1"), performance.now() - began]);
      socket.destroy();
    });
  });
}

/** The same of one client for each port, all of whose words are there before the proxy accepts any of them. */
async function hearAll(ports: readonly number[], says: string, proxy: number): Promise<string[]> {
  process.kill(proxy, "SIGSTOP");
  const said = ports.map((port) => {
    let heard: Promise<[string, number]> | null = null;
    const written = new Promise<void>((resolve) => {
      heard = hear(port, says, resolve);
    });
    return { heard: heard as unknown as Promise<[string, number]>, written };
  });
  await Promise.all(said.map(({ written }) => written));
  process.kill(proxy, "SIGCONT");
  return (await Promise.all(said.map(({ heard }) => heard))).map(([text]) => text);
}

for (const runtime of installedRuntimes) {
  test(`on ${runtime.name}`, async () => {
    const ports = await freePorts(DESTINATIONS);
    const workspace = new Workspace();
    const http = httpListener("in", ports[0], { route_config: answering("a page") }) as {
      filter_chains: [object];
    };
    const tcp = { "@type": TCP_PROXY, stat_prefix: "mail", cluster: "mail" };
    const sidecar = await new SidecarProcess(runtime, workspace, {
      admin: { address: loopback(0) },
      static_resources: {
        listeners: [
          {
            ...http,
            stat_prefix: "in",
            additional_addresses: ports.slice(1).map((port) => ({ address: loopback(port) })),
            listener_filters: [{ name: "http_inspector", typed_config: { "@type": INSPECTOR } }],
            listener_filters_timeout: `${WAIT / 1000}s`,
            continue_on_listener_filters_timeout: true,
            filter_chains: [
              {
                ...http.filter_chains[0],
                filter_chain_match: { application_protocols: ["http/1.0", "http/1.1", "h2c"] },
              },
              { filters: [{ name: "tcp", typed_config: tcp }] },
            ],
          },
        ],
        clusters: [staticCluster("mail", mail)],
      },
    }).ready();
    const stat = (name: string) => sidecar.stat(`listener.in.protocol_detection.server_first_${name}`);
    try {
      for (const [text, after] of await Promise.all(ports.map((port) => hear(port)))) {
        expect(text).toBe(GREETING);
        expect(after).toBeGreaterThan(WAIT - 50);
      }
      expect(
        await eventually(
          () => stat("learned"),
          (value) => value === DESTINATIONS,
        ),
      ).toBe(DESTINATIONS);
      for (const port of ports) {
        const [text, after] = await hear(port);
        expect(text).toBe(GREETING);
        expect(after).toBeLessThan(WAIT / 2);
      }
      expect(
        await eventually(
          () => stat("used"),
          (value) => value === DESTINATIONS,
        ),
      ).toBe(DESTINATIONS);
      const request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
      for (const text of await hearAll(ports, request, sidecar.pid)) {
        expect(text).toStartWith("HTTP/1.1 200 OK\r\n");
      }
      expect(
        await eventually(
          () => stat("forgotten"),
          (value) => value === DESTINATIONS,
        ),
      ).toBe(DESTINATIONS);
      const [, after] = await hear(ports[0]);
      expect(after).toBeGreaterThan(WAIT - 50);
    } finally {
      await sidecar.kill();
      workspace.remove();
    }
  }, 60_000);
}
