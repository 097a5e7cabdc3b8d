/**
 * grpc-go's interoperability client and server with the proxy between them, HTTP/2 without TLS on both sides, and with two
 * sidecars between them that speak mutual TLS with each other. Runs on each runtime (TULLE_RUNTIMES narrows it); skipped with a line where the programs are not there and cannot be installed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  anyHost,
  bootstrap,
  httpListener,
  staticCluster,
  toCluster,
  upstreamHttp2,
} from "../support/bootstrap.ts";
import { freePorts, type Program } from "../support/child-process.ts";
import {
  CASES,
  type InteropPrograms,
  interopPrograms,
  runCase,
  startInteropServer,
} from "../support/grpc-interop.ts";
import { type SidecarPair, startSidecarPair } from "../support/mutual-tls.ts";
import { type OurProxy, RUNTIMES, startTulle } from "../support/our-proxy.ts";

const programs = interopPrograms();
if (typeof programs === "string") console.log(`gRPC interoperability: skipped: ${programs}`);

for (const runtime of typeof programs === "string" ? [] : RUNTIMES) {
  describe(`gRPC through ${runtime}`, () => {
    const tools = programs as InteropPrograms;
    let server: Program;
    let proxy: OurProxy;
    let [port, admin, origin] = [0, 0, 0];

    beforeAll(async () => {
      [port, admin, origin] = await freePorts(3);
      server = await startInteropServer(tools, origin);
      const file = bootstrap(
        [
          httpListener("main", port, {
            codec_type: "HTTP2",
            route_config: anyHost("all", [toCluster("grpc", { timeout: "0s" })]),
          }),
        ],
        [staticCluster("grpc", [origin], upstreamHttp2())],
        admin,
      );
      proxy = await startTulle(file, port, runtime);
    }, 30_000);

    afterAll(async () => {
      await proxy?.stop();
      await server?.stop();
    });

    for (const name of CASES) {
      test(name, async () => {
        expect(await runCase(tools, name, port)).toBe("");
      }, 90_000);
    }

    test("nothing is left, and the upstream had few connections for all of it", async () => {
      const stats = await (
        await fetch(`http://127.0.0.1:${admin}/stats?filter=cluster.grpc.upstream`)
      ).text();
      expect(stats).toContain("cluster.grpc.upstream_rq_active: 0\n");
      expect(stats).toContain("cluster.grpc.upstream_rq_pending_active: 0\n");
      expect(stats).toContain("cluster.grpc.upstream_cx_protocol_error: 0\n");
      expect(stats).toContain("cluster.grpc.upstream_cx_http2_total: 1\n");
    });
  });
  describe(`gRPC through a pair of ${runtime} with mutual TLS`, () => {
    const tools = programs as InteropPrograms;
    let server: Program;
    let pair: SidecarPair;

    beforeAll(async () => {
      const [origin] = await freePorts(1);
      server = await startInteropServer(tools, origin);
      pair = await startSidecarPair(runtime, origin);
    }, 30_000);

    afterAll(async () => {
      await pair?.stop();
      await server?.stop();
    });

    for (const name of CASES) {
      test(name, async () => {
        expect(await runCase(tools, name, pair.port)).toBe("");
      }, 90_000);
    }

    test("nothing is left, and few handshakes did for all of it", async () => {
      const stats = async (admin: number) =>
        (await fetch(`http://127.0.0.1:${admin}/stats?filter=upstream|ssl`)).text();
      const client = await stats(pair.clientAdmin);
      expect(client).toContain("cluster.peer.upstream_rq_active: 0\n");
      expect(client).toContain("cluster.peer.upstream_cx_protocol_error: 0\n");
      expect(client).toContain("cluster.peer.ssl.handshake: 1\n");
      expect(client).toContain("cluster.peer.ssl.versions.TLSv1.3: 1\n");
      const servers = await stats(pair.serverAdmin);
      expect(servers).toContain("cluster.app.upstream_rq_active: 0\n");
      expect(servers).toContain("cluster.app.upstream_cx_protocol_error: 0\n");
      expect(servers).toContain("ssl.handshake: 1\n");
      expect(servers).toContain("http.in.downstream_cx_ssl_total: 1\n");
    });
  });
}
