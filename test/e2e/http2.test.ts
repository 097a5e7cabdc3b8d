/**
 * HTTP/2 as others speak it, through the example of docs/http2-and-grpc.md: Node's server behind the proxy, Node's client,
 * curl, nghttp and h2load before it. Runs on each runtime (TULLE_RUNTIMES narrows it); what is missing is skipped with a
 * line.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { YamlMap } from "../support/bootstrap.ts";
import {
  findProgram,
  freePorts,
  type Program,
  startProgram,
  untilListening,
} from "../support/child-process.ts";
import {
  type InteropPrograms,
  interopPrograms,
  runCase,
  startInteropServer,
} from "../support/grpc-interop.ts";
import { type OurProxy, ROOT, RUNTIMES, startTulle } from "../support/our-proxy.ts";
import { curl, hasCurl } from "./curl.ts";

const [, EXAMPLE] = /^```yaml\n([\s\S]*?)^```/m.exec(
  readFileSync(join(ROOT, "docs/http2-and-grpc.md"), "utf8"),
) as RegExpExecArray;
const NODE = join(ROOT, "node_modules/.bin/node");
const script = (name: string): string => join(import.meta.dir, name);

const missing = [hasCurl() ? "" : "curl", ...["nghttp", "h2load"].filter((name) => findProgram(name) === "")];
for (const name of missing)
  if (name !== "") console.log(`HTTP/2 end to end: without ${name}, which is not installed`);
const interop = interopPrograms();

/** Runs a program to its end: its code and what it printed. */
async function run(path: string, args: readonly string[]): Promise<[number, string]> {
  const program = startProgram(path, args);
  const timer = setTimeout(() => program.child.kill("SIGKILL"), 60_000);
  const code = await program.exited;
  clearTimeout(timer);
  return [code, program.output()];
}

for (const runtime of RUNTIMES) {
  describe(`HTTP/2 through ${runtime}`, () => {
    let origin: Program;
    let calls: Program | null = null;
    let proxy: OurProxy;
    let [port, admin, web, grpc] = [0, 0, 0, 0];

    beforeAll(async () => {
      [port, admin, web, grpc] = await freePorts(4);
      origin = startProgram(NODE, [script("http2-origin.ts"), String(web)]);
      await untilListening(origin, web);
      if (typeof interop !== "string") calls = await startInteropServer(interop, grpc);
      const ports: { readonly [port: string]: number } = { 10080: port, 9901: admin, 8080: web, 9090: grpc };
      const text = EXAMPLE.replace(/port_value: (\d+)/g, (_, old: string) => `port_value: ${ports[old]}`);
      proxy = await startTulle(Bun.YAML.parse(text) as YamlMap, port, runtime);
    }, 60_000);

    afterAll(async () => {
      await proxy?.stop();
      await origin?.stop();
      await calls?.stop();
    });

    const url = (path: string) => `http://127.0.0.1:${port}${path}`;
    const stats = async (filter: string) =>
      (await fetch(`http://127.0.0.1:${admin}/stats?filter=${filter}`)).text();

    test("Node's client and server: bodies, trailers, hints, cancelling, many at once, a tunnel", async () => {
      const [code, output] = await run(NODE, [script("http2-client.ts"), String(port)]);
      expect([code, output.trim()]).toEqual([
        0,
        JSON.stringify({
          plain: [200, "hello from node h2", "18"],
          head: [200, 0, "18"],
          echo: [200, true, "yes"],
          many: true,
          hints: [103],
          cancelled: "1",
          tunnelled: "pingpong",
        }),
      ]);
    }, 90_000);

    test.skipIf(!hasCurl())(
      "curl, with HTTP/2 and with HTTP/1.1",
      async () => {
        const asked = ["-w", " %{http_code} %{http_version}"];
        const second = await curl([...asked, "--http2-prior-knowledge", url("/")]);
        expect(second.body.toString()).toBe("hello from node h2 200 2");
        expect((await curl([...asked, url("/")])).body.toString()).toBe("hello from node h2 200 1.1");
        const large = Buffer.alloc(3 << 20, "abc");
        for (const version of ["--http2-prior-knowledge", "--http1.1"]) {
          const { body } = await curl([version, "-T", "-", "-H", "Expect:", url("/echo")], large);
          expect(body.equals(large)).toBe(true);
        }
      },
      30_000,
    );

    test.skipIf(findProgram("nghttp") === "")("nghttp", async () => {
      const [code, output] = await run(findProgram("nghttp"), ["-v", url("/")]);
      expect(code).toBe(0);
      expect(output).toContain(":status: 200");
      expect(output).toContain("hello from node h2");
    });

    test.skipIf(findProgram("h2load") === "")(
      "h2load: four connections, ten streams each",
      async () => {
        const [code, output] = await run(findProgram("h2load"), [
          "-n",
          "400",
          "-c",
          "4",
          "-m",
          "10",
          url("/"),
        ]);
        expect(code).toBe(0);
        expect(output).toContain("400 succeeded, 0 failed, 0 errored, 0 timeout");
      },
      60_000,
    );

    test.skipIf(typeof interop === "string")(
      "calls of gRPC, counted by method",
      async () => {
        expect(await runCase(interop as InteropPrograms, "large_unary", port)).toBe("");
        expect(await runCase(interop as InteropPrograms, "timeout_on_sleeping_server", port)).toBe("");
        const text = await stats("cluster.calls.grpc");
        expect(text).toContain("cluster.calls.grpc.grpc.testing.TestService.UnaryCall.success: 1\n");
        expect(text).toContain(
          "cluster.calls.grpc.grpc.testing.TestService.UnaryCall.request_message_count: 1\n",
        );
      },
      60_000,
    );

    test.skipIf(typeof interop === "string")("a call of gRPC-Web", async () => {
      const answer = await fetch(url("/grpc.testing.TestService/EmptyCall"), {
        method: "POST",
        headers: { "content-type": "application/grpc-web+proto" },
        body: new Uint8Array(5),
      });
      expect(answer.headers.get("content-type")).toBe("application/grpc-web+proto");
      const text = Buffer.from(await answer.arrayBuffer()).toString("latin1");
      expect(text).toStartWith("\0\0\0\0\0\x80\0\0\0");
      expect(text).toContain("grpc-status:0\r\n");
    });

    test("nothing is left", async () => {
      const text = await stats("upstream_rq_active|protocol_error|upgrades_active");
      expect(text.split("\n").filter((line) => line !== "" && !line.endsWith(": 0"))).toEqual([]);
    });
  });
}
