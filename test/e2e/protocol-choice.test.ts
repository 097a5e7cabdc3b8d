/**
 * Clusters that choose between versions of HTTP (`auto_config`, `use_downstream_protocol_config`), in front of nginx, with
 * curl as the client, on each runtime: what is spoken is what nginx says it heard.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  findProgram,
  freePorts,
  startProgram,
  temporaryFolder,
  untilListening,
} from "../support/child-process.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  forwarding,
  httpListener,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../support/sidecar-process.ts";
import { SERVER } from "../support/tls-fixture.ts";
import { curl, hasCurl } from "./curl.ts";

const OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

const nginx = findProgram("nginx");
if (nginx === "" || !hasCurl()) console.log("skipped: nginx and curl are needed");

describe.skipIf(nginx === "" || !hasCurl())("what nginx hears", () => {
  const folder = temporaryFolder();
  let stop = async () => {};
  let both = 0;
  let old = 0;

  beforeAll(async () => {
    [both, old] = await freePorts(2);
    const file = join(folder.path, "nginx.conf");
    writeFileSync(join(folder.path, "chain.pem"), SERVER.chain);
    writeFileSync(join(folder.path, "key.pem"), SERVER.privateKey);
    const server = (port: number, more: string) => `
  server {
    listen 127.0.0.1:${port} ssl${more}; ssl_certificate chain.pem; ssl_certificate_key key.pem;
    location / { return 200 "$server_protocol '$ssl_alpn_protocol' $connection"; }
  }`;
    writeFileSync(
      file,
      `
daemon off; master_process off; pid ${folder.path}/nginx.pid; error_log stderr;
events {}
http {
  access_log off; client_body_temp_path ${folder.path}/a; proxy_temp_path ${folder.path}/b;
  fastcgi_temp_path ${folder.path}/c; uwsgi_temp_path ${folder.path}/d; scgi_temp_path ${folder.path}/e;
  ${server(both, " http2")}
  ${server(old, "")}
}`,
    );
    const program = startProgram(nginx, ["-p", folder.path, "-e", "stderr", "-c", file]);
    await untilListening(program, both);
    stop = () => program.stop();
  });

  afterAll(async () => {
    await stop();
    folder.remove();
  });

  for (const runtime of installedRuntimes) {
    test(`on ${runtime.name}`, async () => {
      const [auto, autoOld, byClient] = await freePorts(3);
      const cluster = (name: string, port: number, options: object) => ({
        ...staticCluster(name, port),
        typed_extension_protocol_options: {
          [OPTIONS]: { "@type": `type.googleapis.com/${OPTIONS}`, ...options },
        },
        transport_socket: { name: "tls", typed_config: { "@type": TLS } },
      });
      const route = (name: string, port: number) =>
        httpListener(name, port, { route_config: forwarding(name), codec_type: "AUTO" });
      const workspace = new Workspace();
      const sidecar = await new SidecarProcess(runtime, workspace, {
        admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
        static_resources: {
          listeners: [route("auto", auto), route("old", autoOld), route("by_client", byClient)],
          clusters: [
            cluster("auto", both, { auto_config: {} }),
            cluster("old", old, { auto_config: {} }),
            cluster("by_client", both, { use_downstream_protocol_config: {} }),
          ],
        },
      }).ready();
      const heard = async (port: number, ...args: string[]) => {
        const { body } = await curl([...args, `http://127.0.0.1:${port}/`]);
        return body.toString();
      };
      try {
        const first = await heard(auto);
        expect(first).toMatch(/^HTTP\/2\.0 'h2' \d+$/);
        expect(await heard(auto, "--http2-prior-knowledge")).toBe(first); // the same connection
        const second = await heard(autoOld, "--http2-prior-knowledge");
        expect(second).toMatch(/^HTTP\/1\.1 'http\/1\.1' \d+$/);
        expect(await heard(autoOld)).toBe(second);
        for (let i = 0; i < 2; i++) {
          expect(await heard(byClient)).toMatch(/^HTTP\/1\.1 'http\/1\.1' \d+$/);
          expect(await heard(byClient, "--http2-prior-knowledge")).toMatch(/^HTTP\/2\.0 'h2' \d+$/);
        }
        const stats = await (await fetch(`${sidecar.admin}/stats?filter=upstream_cx_http`)).text();
        for (const [name, http1, http2] of [
          ["auto", 0, 1],
          ["old", 1, 0],
          ["by_client", 1, 1],
        ]) {
          expect(stats).toContain(`cluster.${name}.upstream_cx_http1_total: ${http1}\n`);
          expect(stats).toContain(`cluster.${name}.upstream_cx_http2_total: ${http2}\n`);
        }
      } finally {
        await sidecar.kill();
        workspace.remove();
      }
    }, 60_000);
  }
});
