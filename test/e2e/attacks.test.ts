/**
 * Attacks over TLS on real sidecars, on each runtime: whoever attacks is closed or cut in bounded time, is counted, and
 * costs bounded memory; and somebody else's requests go on being answered meanwhile.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Bystander, clientHello, http2Client, Meddler, RawClient } from "../support/attackers.ts";
import { httpListener, ROUTER } from "../support/bootstrap.ts";
import { findProgram, type Program, startProgram } from "../support/child-process.ts";
import type { Http2Peer } from "../support/http2-peer.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  eventually,
  forwarding,
  loopback,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../support/sidecar-process.ts";
import { SERVER } from "../support/tls-fixture.ts";

/** What the sidecar bears, ms: of silence in a stream, and of a handshake. */
const PATIENCE = 2000;
/** Within which whoever attacks is to be gone, ms. */
const SOON = 5 * PATIENCE;
/** The longest that somebody else's answer may take, ms: two cores have attackers and upstream to run as well. */
const WORST = PATIENCE;
/** What an attack may cost, MiB of resident memory. */
const MOST = 128;
/** Of one connection, of 1024 that are allowed. */
const STREAMS = 500;
const asking = (path: string) =>
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", path],
    [":authority", "a"],
  ] as const;
const openssl = findProgram("openssl");

const workspace = new Workspace();
let origin: Program;
let upstream = 0;

beforeAll(async () => {
  origin = startProgram(process.execPath, [join(import.meta.dir, "../support/plain-origin.ts")]);
  upstream = Number(
    await eventually(
      async () => origin.output(),
      (text) => text.endsWith("\n"),
    ),
  );
});
afterAll(async () => {
  await origin.stop();
  workspace.remove();
});

function bootstrap(): object {
  const listener = httpListener("in", 0, {
    route_config: forwarding("app"),
    stream_idle_timeout: `${PATIENCE / 1000}s`,
    http_filters: [ROUTER],
  } as never) as { filter_chains: object[] };
  const typed_config = {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    common_tls_context: {
      alpn_protocols: ["h2", "http/1.1"],
      tls_certificates: [
        {
          certificate_chain: { inline_string: SERVER.chain },
          private_key: { inline_string: SERVER.privateKey },
        },
      ],
    },
  };
  const chain = {
    ...listener.filter_chains[0],
    transport_socket_connect_timeout: `${PATIENCE / 1000}s`,
    transport_socket: { name: "envoy.transport_sockets.tls", typed_config },
  };
  return {
    admin: { address: loopback(0) },
    static_resources: {
      listeners: [{ ...listener, stat_prefix: "in", filter_chains: [chain] }],
      clusters: [
        {
          ...staticCluster("app", upstream),
          circuit_breakers: { thresholds: [{ max_connections: 4096, max_requests: 4096 }] },
        },
      ],
    },
  };
}

describe.each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))(
  "%s",
  (_name, runtime) => {
    let sidecar: SidecarProcess;
    let port = 0;
    let bystander: Bystander;
    let resident = 0;
    let most = 0;

    const stat = async (name: string) => (await sidecar.stat(name)) || 0;
    /** MiB more than before the attack. */
    const growth = () => {
      const status = readFileSync(`/proc/${sidecar.pid}/status`, "latin1");
      most = Math.max(most, Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) / 1024 - resident);
      return most;
    };
    /** Waits until a number has grown by so much; by how much it has. Looks at the memory meanwhile. */
    const grows = async (name: string, by: number, attack: () => Promise<unknown>) => {
      const before = await stat(name);
      await attack();
      const end = performance.now() + SOON;
      let now = before;
      while (now < before + by && performance.now() < end) {
        growth();
        await Bun.sleep(20);
        now = await stat(name);
      }
      return now - before;
    };

    beforeAll(async () => {
      sidecar = await new SidecarProcess(runtime, workspace, bootstrap(), ["-l", "warning"]).ready();
      port = Number(new URL(await sidecar.url("in")).port);
      // Warm: what the first requests need is no attacker's doing.
      const warm = await RawClient.open(port, "http/1.1");
      warm.send("GET /big HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
      await warm.until(() => warm.closed, SOON);
    }, 30_000);
    afterAll(() => sidecar.kill());

    beforeEach(async () => {
      resident = 0;
      most = 0;
      resident = growth();
      most = 0;
      bystander = await Bystander.start(port);
    });

    afterEach(async () => {
      // Nothing of the attack is left, and nobody else has felt it.
      const { answers, failures, worst } = await bystander.stop();
      for (const name of ["http.in.downstream_cx_active", "http.in.downstream_rq_active"])
        expect([
          name,
          await eventually(
            () => stat(name),
            (open) => open === 0,
          ),
        ]).toEqual([name, 0]);
      expect(await stat("listener.in.downstream_pre_cx_active")).toBe(0);
      expect(failures).toBe(0);
      expect(answers).toBeGreaterThan(0);
      expect(worst).toBeLessThan(WORST);
      expect(growth()).toBeLessThan(MOST);
      expect(await stat("tulle.exceptions")).toBe(0);
    }, 30_000);

    const slow = "http.in.downstream_rq_idle_timeout";

    test("answers of HTTP/1 that nobody reads", async () => {
      const clients = await Promise.all(Array.from({ length: 12 }, () => RawClient.open(port, "http/1.1")));
      const cut = await grows(slow, 12, async () => {
        for (const client of clients) {
          client.socket.pause();
          client.send("GET /big HTTP/1.1\r\nhost: a\r\n\r\n");
        }
      });
      expect(cut).toBe(12);
      for (const client of clients) client.destroy();
    }, 30_000);

    test("heads of HTTP/1 that come a byte at a time", async () => {
      const clients = await Promise.all(Array.from({ length: 12 }, () => RawClient.open(port, "http/1.1")));
      const dripping = setInterval(() => {
        for (const client of clients) client.send("G");
      }, 100);
      // Never silent for long, and cut all the same: what counts is the time for the whole head.
      const cut = await grows(slow, 12, async () => {});
      clearInterval(dripping);
      expect(cut).toBe(12);
      for (const client of clients) expect(await client.until(() => client.closed, SOON)).toBe(true);
      for (const client of clients) expect(client.received).toStartWith("HTTP/1.1 408 ");
    }, 30_000);

    test("streams of HTTP/2 that open no window", async () => {
      const { client, peer } = await http2Client(port);
      peer.settings(4, 0).windowUpdate(0, 1 << 30);
      const reset = await grows("http2.tx_reset", STREAMS, async () => {
        for (let i = 0; i < STREAMS; i++) peer.head(2 * i + 1, asking("/some"), { end: true });
      });
      expect(reset).toBe(STREAMS);
      expect(await stat("http2.streams_active")).toBe(0);
      client.destroy();
    }, 30_000);

    test("windows of HTTP/2 that open a byte at a time", async () => {
      const { client, peer } = await http2Client(port);
      peer.settings(4, 1);
      const opening = setInterval(() => {
        for (let i = 0; i < 20; i++) peer.windowUpdate(2 * i + 1, 1);
      }, 100);
      // It takes so little that nothing more is let in: a second of that is enough.
      const reset = await grows("http2.tx_reset", 20, async () => {
        for (let i = 0; i < 20; i++) peer.head(2 * i + 1, asking("/some"), { end: true });
      });
      clearInterval(opening);
      expect(reset).toBe(20);
      client.destroy();
    }, 30_000);

    test("handshakes that come a byte at a time", async () => {
      const hello = await clientHello();
      const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(port, null)));
      let at = 0;
      const dripping = setInterval(() => {
        for (const client of clients) client.send(hello.subarray(at, at + 1));
        at++;
      }, 50);
      const counted = await grows(
        "listener.in.downstream_cx_transport_socket_connect_timeout",
        20,
        async () => {},
      );
      clearInterval(dripping);
      expect(counted).toBe(20);
      for (const client of clients) expect(await client.until(() => client.closed, SOON)).toBe(true);
      for (const client of clients) client.destroy();
    }, 30_000);

    test("handshakes that stop behind the first flight", async () => {
      const hello = await clientHello();
      const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(port, null)));
      const counted = await grows(
        "listener.in.downstream_cx_transport_socket_connect_timeout",
        20,
        async () => {
          for (const client of clients) client.send(hello);
        },
      );
      expect(counted).toBe(20);
      for (const client of clients) expect(await client.until(() => client.closed, SOON)).toBe(true);
      for (const client of clients) client.destroy();
    }, 30_000);

    /** Says that for each stream until told to be calm. */
    const untilCalmed = async (say: (peer: Http2Peer, stream: number) => void) => {
      const { client, peer } = await http2Client(port);
      peer.settings();
      const lines: string[] = [];
      for (let i = 0; i < 5000 && !client.closed; i++) {
        say(peer, 2 * i + 1);
        if (i % 50 === 49) await Bun.sleep(1);
      }
      await client.until(() => client.closed, SOON);
      lines.push(...peer.heard());
      expect(client.closed).toBe(true);
      client.destroy();
      return lines.filter((line) => line.startsWith("goaway"));
    };

    test("Rapid Reset", async () => {
      let said: readonly string[] = [];
      const counted = await grows("http.in.downstream_rq_too_many_premature_resets", 1, async () => {
        said = await untilCalmed((peer, stream) =>
          peer.head(stream, asking("/some"), { end: true }).reset(stream, 8),
        );
      });
      expect(counted).toBe(1);
      for (const line of said) expect(line).toEndWith("ENHANCE_YOUR_CALM");
    }, 30_000);

    test("MadeYouReset", async () => {
      const counted = await grows("http.in.downstream_cx_protocol_error", 1, async () => {
        await untilCalmed((peer, stream) =>
          peer.head(stream, asking("/some"), { end: true }).windowUpdate(stream, 0),
        );
      });
      expect(counted).toBe(1);
      expect(await stat("http2.rx_messaging_error")).toBeGreaterThan(50);
    }, 30_000);

    test("data of HTTP/2 without end, on a stream that is over", async () => {
      const { client, peer } = await http2Client(port);
      const lines: string[] = [];
      const heard = (start: string) => {
        lines.push(...peer.heard());
        return lines.some((line) => line.startsWith(start));
      };
      const piece = "x".repeat(16_384);
      const counted = await grows("http.in.downstream_cx_protocol_error", 1, async () => {
        peer.settings().head(1, [[":method", "POST"], ...asking("/small").slice(1)]);
        expect(await client.until(() => heard("1 reset NO_ERROR"), SOON)).toBe(true);
        for (let i = 0; i < 5000 && !client.closed; i++) {
          peer.data(1, piece);
          if (i % 16 === 15) await Bun.sleep(1);
        }
      });
      expect(counted).toBe(1);
      expect(await client.until(() => client.closed, SOON)).toBe(true);
      client.destroy();
    }, 30_000);

    test("garbage between records, after the handshake", async () => {
      for (const garbage of [
        "hello, world",
        "\x17\x03\x03\xff\xff",
        "\x17\x03\x03\x00\x20".padEnd(37, "x"),
      ]) {
        const meddler = await Meddler.between(port);
        const client = await RawClient.open(meddler.port, "http/1.1");
        client.send("GET /small HTTP/1.1\r\nhost: a\r\n\r\n");
        expect(await client.until(() => client.received.endsWith("small"), SOON)).toBe(true);
        const counted = await grows("listener.in.ssl.connection_error", 1, async () =>
          meddler.inject(Buffer.from(garbage, "latin1")),
        );
        expect(counted).toBe(1);
        expect(await client.until(() => client.closed, SOON)).toBe(true);
        expect(client.received.split("HTTP/1.1").length).toBe(2);
        client.destroy();
        meddler.stop();
      }
    }, 30_000);

    test("a connection that is cut is no error of TLS", async () => {
      const before = await stat("listener.in.ssl.connection_error");
      const meddler = await Meddler.between(port);
      const client = await RawClient.open(meddler.port, "http/1.1");
      client.send("GET /small HTTP/1.1\r\nhost: a\r\n\r\n");
      await client.until(() => client.received.endsWith("small"), SOON);
      const closed = await grows("http.in.downstream_cx_destroy_remote", 1, async () => meddler.stop());
      expect(closed).toBe(1);
      client.destroy();
      expect(await stat("listener.in.ssl.connection_error")).toBe(before);
    }, 30_000);

    test("records of one byte are served, whatever is in them", async () => {
      const client = await RawClient.open(port, "http/1.1");
      const request = `GET /small HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(2000)}\r\n\r\n`;
      for (const byte of request) client.send(byte);
      expect(await client.until(() => client.received.endsWith("small"), SOON)).toBe(true);
      client.destroy();
      const second = await http2Client(port);
      const { send } = second.client;
      second.client.send = function (this: RawClient, bytes) {
        for (const byte of Buffer.from(bytes as Uint8Array)) send.call(this, Uint8Array.of(byte));
        return this;
      };
      second.peer.settings();
      for (let i = 0; i < 20; i++) second.peer.head(2 * i + 1, asking("/small"), { end: true });
      const answered = () => {
        second.peer.heard();
        return second.peer.bodies.size === 20;
      };
      expect(await second.client.until(answered, SOON)).toBe(true);
      second.client.destroy();
    }, 30_000);

    test.skipIf(openssl === "")(
      "a client of TLS 1.2 that wants to negotiate anew",
      async () => {
        const command = [
          openssl,
          "s_client",
          "-connect",
          `127.0.0.1:${port}`,
          "-tls1_2",
          "-quiet",
          "-no_ign_eof",
        ];
        const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
        let out = "";
        const reading = (async () => {
          for await (const part of child.stdout) out += new TextDecoder().decode(part);
        })();
        const errors = new Response(child.stderr).text();
        child.stdin.write("GET /small HTTP/1.1\r\nhost: a\r\n\r\n");
        child.stdin.flush();
        await eventually(
          async () => out,
          (text) => text.endsWith("small"),
        );
        child.stdin.write("R\n");
        child.stdin.flush();
        await Bun.sleep(200);
        child.stdin.end();
        await reading;
        expect(out).toStartWith("HTTP/1.1 200 ");
        expect(await errors).toMatch(/no renegotiation|unexpected|alert|error/i);
        expect(out.split("HTTP/1.1").length).toBe(2);
      },
      30_000,
    );
  },
);
