/**
 * Processes with WASM filters at their edges: a worker that crashes and comes back, a module from a server with a
 * certificate, an end while network filters hold connections.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { resolve } from "node:path";
import { findProgram } from "../support/child-process.ts";
import { binaryOf, guest, HAS_ASSEMBLER } from "../support/guest.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  httpListener,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../support/sidecar-process.ts";

const EXTENSIONS = "type.googleapis.com/envoy.extensions.filters";
const CRASHING = resolve(import.meta.dir, "../support/crashing-entry.ts");

const OPENSSL = findProgram("openssl");
if (OPENSSL === "") console.log("skipped: modules over TLS (no openssl)");

function marking(value: string): Uint8Array {
  return binaryOf(guest`
    (on response_headers
      (drop (call $replace_header_map_value #2 ${"x-guest"} ${value}))
      #0)`);
}

function pluginOf(code: object): object {
  return { name: "marker", vm_config: { runtime: "envoy.wasm.runtime.v8", code } };
}

type Chained = { filter_chains: { filters: { typed_config: { http_filters: object[] } }[] }[] };

function httpWith(code: object): object {
  const made = httpListener("web", 0, { route_config: answering("hi") }) as Chained;
  made.filter_chains[0].filters[0].typed_config.http_filters.unshift({
    name: "marker",
    typed_config: { "@type": `${EXTENSIONS}.http.wasm.v3.Wasm`, config: pluginOf(code) },
  });
  return made;
}

function connectionsWith(code: object): { readonly filter_chains: { readonly filters: object[] }[] } {
  const made = httpListener("web", 0, { route_config: answering("hi") }) as ReturnType<
    typeof connectionsWith
  >;
  made.filter_chains[0].filters.unshift({
    name: "bytes",
    typed_config: { "@type": `${EXTENSIONS}.network.wasm.v3.Wasm`, config: pluginOf(code) },
  });
  return made;
}

/** Replaces a file in one step. */
function publish(path: string, content: Uint8Array): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

const marked = async (url: string): Promise<string | null> =>
  (await fetch(url, { keepalive: false, headers: { connection: "close" } })).headers.get("x-guest");

for (const runtime of HAS_ASSEMBLER ? installedRuntimes : []) {
  describe(`processes with WASM filters on ${runtime.name}`, () => {
    const workspace = new Workspace();
    const processes: SidecarProcess[] = [];

    const start = (
      listeners: object[],
      options: readonly string[] = [],
      more: ConstructorParameters<typeof SidecarProcess>[4] = {},
      clusters: object[] = [],
    ): SidecarProcess => {
      const admin = { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } };
      const bootstrap = { admin, static_resources: { listeners, clusters } };
      const made = new SidecarProcess(runtime, workspace, bootstrap, options, more);
      processes.push(made);
      return made;
    };

    afterAll(async () => {
      for (const each of processes) await each.kill();
      workspace.remove();
    });

    test("a worker that crashes comes back with the modules in force, and follows them", async () => {
      const path = workspace.file("m.wasm");
      publish(path, marking("one"));
      const listeners = [
        httpWith({ local: { filename: path } }),
        httpListener("crash", 0, { route_config: answering("bye") }),
      ];
      const proxy = await start(listeners, ["--concurrency", "2"], { entry: CRASHING }).ready();
      const url = await proxy.url("web");
      publish(path, marking("two"));
      await eventually(
        () => marked(url),
        (mark) => mark === "two",
      );
      const restarts = (): Promise<number> => proxy.stat("tulle.worker_restarts");
      for (let crashes = 1; crashes <= 3; crashes++) {
        await fetch(await proxy.url("crash"), { keepalive: false }).catch(() => undefined);
        expect(await eventually(restarts, (count) => count >= crashes)).toBe(crashes);
        // The other one serves meanwhile.
        expect(
          await eventually(
            () => marked(url).catch(() => null),
            (mark) => mark !== null,
          ),
        ).toBe("two");
        const active = (): Promise<number> => proxy.stat("wasm.marker.active");
        expect(await eventually(active, (count) => count === 2)).toBe(2);
        const marks = new Set<string | null>();
        for (let i = 0; i < 20; i++) marks.add(await marked(url));
        expect([...marks]).toEqual(["two"]);
      }
      publish(path, marking("three"));
      const sha256 = createHash("sha256").update(marking("three")).digest("hex");
      const running = (): Promise<number> => proxy.stat(`wasm.marker.module.${sha256}.in_force`);
      expect(await eventually(running, (count) => count === 2)).toBe(2);
      proxy.signal("SIGTERM");
      expect((await proxy.ended()).code).toBe(0);
    }, 60_000);

    describe.skipIf(OPENSSL === "")("over TLS", () => {
      const file = (name: string): string => workspace.file(name);

      beforeAll(() => {
        const openssl = (...args: string[]): void =>
          void execFileSync(OPENSSL, args, { cwd: workspace.path, stdio: "ignore" });
        const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        openssl(
          "req",
          "-x509",
          ...key,
          "-keyout",
          "ca.key",
          "-out",
          "ca.pem",
          "-days",
          "2",
          "-subj",
          "/CN=test",
        );
        openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=modules");
        writeFileSync(file("names"), "subjectAltName=IP:127.0.0.1\n");
        const signed = [
          "-CA",
          "ca.pem",
          "-CAkey",
          "ca.key",
          "-CAcreateserial",
          "-extfile",
          "names",
          "-days",
          "2",
        ];
        openssl("x509", "-req", "-in", "server.csr", ...signed, "-out", "server.pem");
      });

      test("a module is taken from a server that the runtime trusts, and from no other", async () => {
        const binary = marking("over TLS");
        const server = Bun.serve({
          port: 0,
          hostname: "127.0.0.1",
          tls: {
            key: readFileSync(file("server.key"), "utf8"),
            cert: readFileSync(file("server.pem"), "utf8"),
          },
          fetch: () => new Response(Buffer.from(binary)),
        });
        const uri = `https://127.0.0.1:${server.port}/m.wasm`;
        const sha256 = createHash("sha256").update(binary).digest("hex");
        const retry_policy = { num_retries: 0 };
        const remote = { http_uri: { uri, cluster: "c", timeout: "5s" }, sha256, retry_policy };
        const trusted = runtime.name === "deno" ? "DENO_CERT" : "NODE_EXTRA_CA_CERTS";
        const variables = { [trusted]: file("ca.pem") };
        const proxy = await start([httpWith({ remote })], [], { variables }).ready();
        expect(await marked(await proxy.url("web"))).toBe("over TLS");
        const { code, stderr } = await start([httpWith({ remote })]).ended();
        expect(code).toBe(1);
        expect(stderr).toContain(`listener web: filter marker: ${uri}: `);
        expect(stderr).toMatch(/certificate|UnknownIssuer/i);
        server.stop(true);
      }, 30_000);
    });

    describe("SIGTERM while a network filter holds", () => {
      // Who speaks HTTP and has not asked anything is idle, as far as can be seen; a tunnel may be in use for ever.
      const cases = [
        { holds: "a new connection", body: "(on new_connection #1)", tunnel: false },
        { holds: "the client's bytes", body: "(on downstream_data #1)", tunnel: false },
        { holds: "the client's bytes for a tunnel", body: "(on downstream_data #1)", tunnel: true },
        { holds: "the server's bytes of a tunnel", body: "(on upstream_data #1)", tunnel: true },
      ].flatMap((each) => [1, 2].map((workers) => ({ ...each, workers })));

      test.each(cases)(
        "$holds: the drain ends within its time ($workers workers)",
        async (of) => {
          const server = Bun.listen({
            hostname: "127.0.0.1",
            port: 0,
            socket: { open: (socket) => void socket.write("welcome"), data: () => undefined },
          });
          const inline_bytes = Buffer.from(binaryOf(guest`${{ wat: of.body }}`)).toString("base64");
          const listener = connectionsWith({ local: { inline_bytes } });
          if (of.tunnel) {
            const tunnel = {
              "@type": `${EXTENSIONS}.network.tcp_proxy.v3.TcpProxy`,
              stat_prefix: "t",
              cluster: "up",
            };
            listener.filter_chains[0].filters[1] = { name: "tunnel", typed_config: tunnel };
          }
          const options = ["--concurrency", String(of.workers), "--drain-time-s", "2"];
          const proxy = await start([listener], options, {}, [staticCluster("up", server.port)]).ready();
          const { port } = new URL(await proxy.url("web"));
          let closed = 0;
          for (let i = 0; i < 4; i++) {
            const client = connect(Number(port), "127.0.0.1");
            client.on("error", () => undefined);
            client.on("close", () => closed++);
            client.resume();
            client.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
          }
          const open = (): Promise<number> => proxy.stat("server.total_connections");
          expect(await eventually(open, (count) => count === 4)).toBe(4);
          const began = performance.now();
          proxy.signal("SIGTERM");
          const { code, stderr } = await proxy.ended();
          const took = performance.now() - began;
          expect(code).toBe(0);
          expect(stderr).toContain("draining 4 connection(s) for at most 2 s");
          if (of.tunnel) expect(stderr).toContain("drain time is over, closing 4 connection(s)");
          // The time of the drain, and some for a machine that is busy.
          expect(took).toBeLessThan(10_000);
          expect(
            await eventually(
              async () => closed,
              (count) => count === 4,
            ),
          ).toBe(4);
          server.stop(true);
        },
        30_000,
      );
    });
  });
}
