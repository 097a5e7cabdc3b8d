/**
 * The first bytes of a connection as hostile or clumsy peers send them, to real engines on each runtime: a ClientHello in
 * records or segments of one byte, and what is no TLS behind one. With a tls_inspector and without, where the core looks
 * at the hello all the same.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, createServer, type Server, type Socket } from "node:net";
import { connect as secureConnect } from "node:tls";
import { HELLOS } from "../core/tls/hellos.ts";
import { freePorts } from "../support/child-process.ts";
import { type InstalledRuntime, installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  httpListener,
  SidecarProcess,
  Workspace,
} from "../support/sidecar-process.ts";
import { SERVER } from "../support/tls-fixture.ts";
import { curl, hasCurl } from "./curl.ts";

const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const INSPECTOR = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";

if (!hasCurl()) console.log("first bytes end to end: without curl, which is not installed");

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** The records of a client's first flight, cut to one byte each. */
function inRecords(flight: Buffer): Buffer {
  const out: Buffer[] = [];
  for (let at = 0; at < flight.length; ) {
    const end = at + 5 + flight.readUInt16BE(at + 3);
    for (let i = at + 5; i < end; i++) out.push(Buffer.from([22, 3, 1, 0, 1, flight[i]]));
    at = end;
  }
  return Buffer.concat(out);
}

/** What a relay makes of the first flight of a client. */
type Cut = "records of one byte" | "segments of one byte" | "both";

async function send(to: Socket, flight: Buffer, cut: Cut): Promise<void> {
  const bytes = cut === "segments of one byte" ? flight : inRecords(flight);
  if (cut === "records of one byte") {
    to.write(bytes);
    return;
  }
  for (let i = 0; i < bytes.length; i++) {
    to.write(bytes.subarray(i, i + 1));
    await turn();
  }
}

/** Stands between a client and the proxy, and cuts what the client says first. */
async function relay(port: number, target: number, cut: Cut): Promise<Server> {
  const server = createServer((client) => {
    const proxy = connect({ port: target, host: "127.0.0.1", noDelay: true });
    for (const socket of [client, proxy]) socket.on("error", () => undefined);
    client.once("data", async (flight) => {
      client.pause();
      await send(proxy, flight as Buffer, cut);
      client.pipe(proxy);
      client.resume();
    });
    proxy.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}

/** Says that and waits: what came back, once the proxy has closed. */
function say(port: number, pieces: readonly Buffer[], end = false): Promise<Buffer> {
  return new Promise((resolve) => {
    const heard: Buffer[] = [];
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, async () => {
      for (const piece of pieces) {
        socket.write(piece);
        for (let i = 0; i < 20; i++) await turn();
      }
      if (end) socket.end();
    });
    socket.on("data", (chunk) => heard.push(chunk as Buffer));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(Buffer.concat(heard)));
  });
}

/** What was agreed upon with a client that asks for that protocol, and the body that it is sent. */
function secureAsk(port: number, protocol: string): Promise<[agreed: string | false | null, body: string]> {
  return new Promise((resolve) => {
    let heard = "";
    let agreed: string | false | null = null;
    const options = { port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: [protocol] };
    const socket = secureConnect(options, () => {
      agreed = socket.alpnProtocol || false;
      socket.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    });
    socket.on("data", (chunk) => {
      heard += chunk.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve([agreed, heard.split("\r\n\r\n")[1] ?? ""]));
  });
}

const hello = Buffer.from(HELLOS[0].hex, "hex");
const noise = Buffer.from(Array.from({ length: 400 }, (_, i) => (i * 167 + 91) & 255));
const record = (type: number, payload: Buffer) =>
  Buffer.concat([Buffer.from([type, 3, 3, payload.length >> 8, payload.length & 255]), payload]);

/** First flights that no handshake can come of. */
const HOSTILE: readonly (readonly [what: string, pieces: readonly Buffer[], end?: boolean])[] = [
  ["noise in the segment of the hello", [Buffer.concat([hello, noise])]],
  ["noise behind the hello", [hello, noise]],
  ["data that nobody can read yet behind the hello", [hello, record(23, noise)]],
  ["an alert of no known kind behind the hello", [hello, record(21, Buffer.from([9, 9]))]],
  ["the hello twice", [hello, hello]],
  ["a record of no length behind the hello", [hello, record(22, Buffer.alloc(0)), noise]],
  ["half a hello, and FIN", [hello.subarray(0, 100)], true],
  [
    "a hello whose lengths lie",
    [Buffer.concat([hello.subarray(0, 43), Buffer.alloc(hello.length - 43, 255)])],
  ],
  ["a request in plain text", [Buffer.from("GET / HTTP/1.1\r\nhost: a\r\n\r\n")]],
  ["noise alone", [noise]],
];

describe.skipIf(!hasCurl()).each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))(
  "on %s",
  (_name, runtime: InstalledRuntime) => {
    let workspace: Workspace;
    let sidecar: SidecarProcess;
    let ports: readonly number[];
    const relays: Server[] = [];

    beforeAll(async () => {
      ports = await freePorts(2);
      workspace = new Workspace();
      const secure = (name: string, port: number, more: object) => {
        const plain = httpListener(name, port, { route_config: answering(name) }, more) as {
          filter_chains: [object];
        };
        const certificate = {
          certificate_chain: { inline_string: SERVER.chain },
          private_key: { inline_string: SERVER.privateKey },
        };
        const context = { "@type": TLS, common_tls_context: { tls_certificates: [certificate] } };
        plain.filter_chains[0] = {
          ...plain.filter_chains[0],
          transport_socket: { name: "tls", typed_config: context },
          transport_socket_connect_timeout: "2s", // Node's engine waits for more behind some alerts
        };
        return plain;
      };
      const inspector = { name: "tls_inspector", typed_config: { "@type": INSPECTOR } };
      sidecar = await new SidecarProcess(runtime, workspace, {
        admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
        static_resources: {
          listeners: [
            secure("plain", ports[0], {}),
            secure("inspected", ports[1], { listener_filters: [inspector] }),
          ],
        },
      }).ready();
    }, 60_000);

    afterAll(async () => {
      for (const each of relays) each.close();
      await sidecar?.kill();
      workspace?.remove();
    });

    const ask = async (port: number, ...args: string[]) => {
      const { body, log } = await curl(["-k", ...args, `https://127.0.0.1:${port}/`]);
      return body.toString() || log;
    };

    const expectNobodyHeld = async (port: number) => {
      for (const gauge of ["downstream_pre_cx_active", "downstream_cx_active"]) {
        const name = `listener.127.0.0.1_${port}.${gauge}`;
        expect(
          await eventually(
            () => sidecar.stat(name),
            (value) => value === 0,
          ),
        ).toBe(0);
      }
    };

    for (const [at, name] of ["plain", "inspected"].entries()) {
      for (const cut of ["records of one byte", "segments of one byte", "both"] as const) {
        for (const version of ["1.2", "1.3"]) {
          test(`${name}: a hello of TLS ${version} in ${cut}`, async () => {
            const [port] = await freePorts(1);
            relays.push(await relay(port, ports[at], cut));
            expect(await ask(port, "--tls-max", version, `--tlsv${version}`)).toBe(name);
          }, 30_000);
        }
      }

      test(`${name}: a client that asks for no protocol that is offered is served without ALPN`, async () => {
        for (const [asked, agreed] of [
          ["foo", false],
          ["http/1.1", "http/1.1"],
        ] as const) {
          expect(await secureAsk(ports[at], asked)).toEqual([agreed, name]);
        }
      });

      for (const [what, pieces, end] of HOSTILE) {
        test(`${name}: ${what}`, async () => {
          const heard = await say(ports[at], pieces, end);
          expect(heard.includes("HTTP/1.1")).toBe(false);
          expect(heard.includes(name)).toBe(false);
          await expectNobodyHeld(ports[at]);
          expect(await ask(ports[at])).toBe(name); // and everybody else is served
        }, 30_000);
      }
    }
  },
);
