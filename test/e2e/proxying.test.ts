/**
 * curl before us, nginx behind us: what a user sees. Runs on each runtime (TULLE_RUNTIMES narrows it); skipped with
 * a line where curl or nginx is missing.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { anyHost, bootstrap, httpListener, staticCluster, toCluster } from "../support/bootstrap.ts";
import { findProgram, freePorts } from "../support/child-process.ts";
import { type OurProxy, RUNTIMES, startTulle } from "../support/our-proxy.ts";
import { curl, hasCurl } from "./curl.ts";
import { MIB, startUpstream, type Upstream } from "./nginx-upstream.ts";

const missing = [hasCurl() ? "" : "curl", findProgram("nginx") === "" ? "nginx" : ""].filter(Boolean);
if (missing.length > 0) console.log(`e2e: skipped, not installed: ${missing.join(", ")}`);

const LARGE = 100 * MIB;

function sha256(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash("sha256");
    createReadStream(path)
      .on("data", (chunk) => hash.update(chunk))
      .on("end", () => resolve(hash.digest("hex")))
      .on("error", reject);
  });
}

for (const runtime of missing.length > 0 ? [] : RUNTIMES) {
  describe(`end to end on ${runtime}`, () => {
    let upstream: Upstream;
    let proxy: OurProxy;
    let url = "";

    beforeAll(async () => {
      upstream = (await startUpstream()) as Upstream;
      const [port, admin] = await freePorts(2);
      url = `http://127.0.0.1:${port}`;
      const file = bootstrap(
        [
          httpListener("main", port, {
            http_protocol_options: { accept_http_10: true },
            route_config: anyHost("all", [toCluster("nginx", { timeout: "60s" })]),
          }),
        ],
        [staticCluster("nginx", [upstream.port])],
        admin,
      );
      proxy = await startTulle(file, port, runtime);
    }, 30_000);

    afterAll(async () => {
      await proxy?.stop();
      await upstream?.stop();
    });

    test("GET", async () => {
      const { code, body, log } = await curl(["-v", `${url}/files/small.txt`]);
      expect([code, body.toString()]).toEqual([0, "hello from nginx\n"]);
      expect(log).toContain("< HTTP/1.1 200 OK");
      expect(log).toContain("< server: envoy");
    });

    test("HEAD", async () => {
      const { code, body } = await curl(["-I", `${url}/files/mib`]);
      expect(code).toBe(0);
      expect(body.toString().toLowerCase()).toContain(`content-length: ${MIB}`);
    });

    test("statuses without a body", async () => {
      const { body } = await curl(["-w", "%{http_code}", `${url}/status/204`, `${url}/status/404`]);
      expect(body.toString()).toBe("204nothing here\n404");
    });

    test("POST", async () => {
      const { body } = await curl(["-d", "a=b&c=d", `${url}/echo?x=y`]);
      expect(body.toString()).toBe(`POST /echo?x=y ${url.slice(7)} http HTTP/1.1\n`);
    });

    test("a chunked upload of a length that nobody knows", async () => {
      const bytes = randomBytes(3 * MIB + 17);
      const { body } = await curl(
        ["-w", "%{http_code}", "-T", "-", "-H", "Expect:", `${url}/put/chunked-${runtime}`],
        bytes,
      );
      expect(body.toString()).toBe("201");
      expect(readFileSync(join(upstream.uploads, `chunked-${runtime}`)).equals(bytes)).toBe(true);
    });

    test("Expect: 100-continue", async () => {
      const path = join(upstream.files, "mib");
      const { body, log } = await curl([
        ...["-v", "-w", "%{http_code}", "-H", "Expect: 100-continue", "-T", path],
        `${url}/put/expected-${runtime}`,
      ]);
      expect(body.toString()).toBe("201");
      expect(log).toContain("HTTP/1.1 100 Continue");
      expect(await sha256(join(upstream.uploads, `expected-${runtime}`))).toBe(await sha256(path));
    });

    test("100 MiB down and up, unchanged", async () => {
      const source = join(upstream.files, "large");
      writeFileSync(source, randomBytes(LARGE));
      const copy = join(proxy.folder, "large");
      expect((await curl(["-o", copy, `${url}/files/large`])).code).toBe(0);
      expect(await sha256(copy)).toBe(await sha256(source));
      const { body } = await curl(["-w", "%{http_code}", "-T", copy, `${url}/put/large-${runtime}`]);
      expect(body.toString()).toBe("201");
      expect(await sha256(join(upstream.uploads, `large-${runtime}`))).toBe(await sha256(source));
    }, 60_000);

    test("HTTP/1.0", async () => {
      const { code, body } = await curl(["--http1.0", `${url}/files/small.txt`]);
      expect([code, body.toString()]).toEqual([0, "hello from nginx\n"]);
    });

    test("ranges", async () => {
      const { body, log } = await curl(["-v", "-r", "6-9", `${url}/files/small.txt`]);
      expect(body.toString()).toBe("from");
      expect(log).toContain("206 Partial Content");
    });

    test("a connection is kept", async () => {
      const one = `${url}/files/small.txt`;
      const { body } = await curl(["-w", "%{num_connects}", "-o", "/dev/null", one, "-o", "/dev/null", one]);
      expect(body.toString()).toBe("10");
    });

    test("a thousand requests on fifty connections", async () => {
      const { code, body } = await curl([
        ...[
          "--parallel",
          "--parallel-immediate",
          "--parallel-max",
          "50",
          "-w",
          "%{http_code}\n",
          "-o",
          "/dev/null",
        ],
        `${url}/files/small.txt?[1-1000]`,
      ]);
      expect(code).toBe(0);
      expect(
        body
          .toString()
          .split("\n")
          .filter((line) => line === "200").length,
      ).toBe(1000);
    }, 30_000);

    test("a reader that pauses again and again gets everything", async () => {
      const { port } = new URL(url);
      const socket = connect({ host: "127.0.0.1", port: Number(port) });
      socket.write("GET /files/mib?slow HTTP/1.1\r\nHost: slow.test\r\n\r\n".repeat(16));
      let received = 0;
      await new Promise<void>((resolve, reject) => {
        socket.on("error", reject);
        socket.on("close", () => reject(new Error(`closed after ${received} bytes`)));
        socket.on("data", (chunk: Buffer) => {
          received += chunk.length;
          if (received >= 16 * MIB) return resolve();
          socket.pause();
          setTimeout(() => socket.resume(), 2);
        });
      });
      socket.destroy();
      expect(received).toBeGreaterThan(16 * MIB);
    }, 30_000);

    test("a slow writer is waited for", async () => {
      const path = join(upstream.files, "mib");
      const { body } = await curl([
        ...["--limit-rate", "600K", "-w", "%{http_code}", "-T", path],
        `${url}/put/slow-${runtime}`,
      ]);
      expect(body.toString()).toBe("201");
      expect(await sha256(join(upstream.uploads, `slow-${runtime}`))).toBe(await sha256(path));
    }, 20_000);

    test("the upstream goes away and comes back", async () => {
      await upstream.restart(async () => {
        const { body } = await curl(["-w", "%{http_code}", "-o", "/dev/null", `${url}/files/small.txt`]);
        expect(body.toString()).toBe("503");
      });
      const { body } = await curl(["-w", "%{http_code}", "-o", "/dev/null", `${url}/files/small.txt`]);
      expect(body.toString()).toBe("200");
    }, 20_000);
  });
}
