/** TLS of the real runtimes, tried with tools that others wrote: curl and openssl s_client. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLIENT } from "../support/tls-fixture.ts";
import { COMMANDS } from "./runtimes.ts";

const folder = mkdtempSync(join(tmpdir(), "tulle-tls-"));
const certificate = join(folder, "client.pem");
const key = join(folder, "client.key");
writeFileSync(certificate, CLIENT.chain);
writeFileSync(key, CLIENT.privateKey);
afterAll(() => rmSync(folder, { recursive: true }));

const has = (tool: string) => Bun.which(tool) !== null;
for (const tool of ["curl", "openssl"]) {
  if (!has(tool)) console.log(`without ${tool}: its tests of TLS are skipped`);
}

/** Longest wait for an answer to one line, ms. */
const PATIENCE = 5000;

/** Runs a tool; what it printed, both ways. Each line is sent when the one before was answered, or the tool has ended. */
async function run(command: string[], input = ""): Promise<string> {
  const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  let out = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const part of child.stdout) out += decoder.decode(part);
  })();
  const errors = new Response(child.stderr).text();
  for (const line of input === "" ? [] : input.split("|")) {
    const before = out.length;
    child.stdin.write(line);
    child.stdin.flush();
    const start = performance.now();
    while (out.length === before && child.exitCode === null && performance.now() - start < PATIENCE)
      await Bun.sleep(10);
  }
  child.stdin.end();
  await reading;
  return out + (await errors);
}

/** A child that serves, and where. */
async function serving(name: keyof typeof COMMANDS, options: object = {}) {
  const child = Bun.spawn(
    [...COMMANDS[name], join(import.meta.dir, "tls-server.ts"), name, JSON.stringify(options)],
    { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let said = "";
  while (!said.includes("\n")) said += decoder.decode((await reader.read()).value);
  return { child, reader, said, port: Number(/port (\d+)/.exec(said)?.[1]) };
}

for (const name of ["bun", "node", "deno"] as const) {
  describe(`${name} as a TLS server`, () => {
    let child: Bun.Subprocess<"ignore", "pipe", "inherit">;
    let port = 0;
    let closed = "";

    beforeAll(async () => {
      const server = await serving(name);
      const decoder = new TextDecoder();
      const { reader } = server;
      ({ child, port, said: closed } = server);
      void (async () => {
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          closed += decoder.decode(part.value);
        }
      })();
    });
    afterAll(() => child.kill());

    const client = (...options: string[]) => [
      "openssl",
      "s_client",
      "-connect",
      `127.0.0.1:${port}`,
      "-quiet",
      "-no_ign_eof",
      ...options,
    ];

    test.skipIf(!has("curl"))("curl with a certificate, a name and ALPN", async () => {
      const url = `https://server.example:${port}/`;
      const out = await run([
        ...["curl", "-sk", "--http1.1", "--resolve", `server.example:${port}:127.0.0.1`],
        ...["--cert", certificate, "--key", key, url, url],
      ]);
      const [first] = out.split("}");
      expect(JSON.parse(`${first}}`)).toMatchObject({
        version: "TLSv1.3",
        alpn: "http/1.1",
        serverName: "server.example",
        verifyError: "",
      });
      expect(JSON.parse(`${first}}`).peers).toBeGreaterThan(0);
      expect(out.split("version").length).toBe(3);
    });

    test.skipIf(!has("openssl"))("s_client with TLS 1.2, without a certificate", async () => {
      const out = await run(client("-tls1_2"), "GET / HTTP/1.1\r\n\r\n");
      expect(out).toContain('"version":"TLSv1.2"');
      expect(out).toContain('"peers":0');
      expect(out).toContain("ECDHE-ECDSA-");
    });

    test.skipIf(!has("openssl"))("s_client that wants to negotiate anew is refused", async () => {
      const out = await run(client("-tls1_2"), "GET / HTTP/1.1\r\n\r\n|R\n|GET /again HTTP/1.1\r\n\r\n");
      expect(out).toMatch(/no renegotiation|unexpected|alert|error/i);
      expect(out.split('"version"').length).toBe(2);
    });

    test.skipIf(!has("openssl"))(
      "s_client with a version from before 1.2 is refused, with a reason",
      async () => {
        const out = await run(client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "GET / HTTP/1.1\r\n\r\n");
        expect(out).not.toContain("200 OK");
        expect(out).toMatch(/alert/i);
        for (let i = 0; i < 50 && !closed.includes("closed TLS:"); i++) await Bun.sleep(20);
        expect(closed).toContain("closed TLS:");
      },
    );

    test.skipIf(!has("openssl"))("s_client that comes back with a ticket", async () => {
      const session = join(folder, `${name}.session`);
      for (const version of ["-tls1_3", "-tls1_2"]) {
        const first = client(version, "-cert", certificate, "-key", key, "-sess_out", session);
        expect(await run(first, "GET / HTTP/1.1\r\n\r\n")).toContain('"resumed":false');
        const out = await run(client(version, "-sess_in", session), "GET / HTTP/1.1\r\n\r\n");
        expect(out).toContain('"resumed":true');
        expect(out).not.toContain('"peers":0'); // the session remembers who it is
      }
    });

    // Deno has no such server: a case of tls-compliance.ts.
    test.skipIf(!has("openssl") || name === "deno")(
      "nobody comes back to a server without tickets",
      async () => {
        const other = await serving(name, { resumption: false });
        const session = join(folder, `${name}.never`);
        try {
          for (const version of ["-tls1_3", "-tls1_2"]) {
            rmSync(session, { force: true });
            const to = [
              "openssl",
              "s_client",
              "-connect",
              `127.0.0.1:${other.port}`,
              "-quiet",
              "-no_ign_eof",
              version,
            ];
            const ask = "GET / HTTP/1.1\r\n\r\n";
            expect(await run([...to, "-sess_out", session], ask)).toContain('"resumed":false');
            // BoringSSL gives out no session at all in TLS 1.3.
            const kept = existsSync(session) ? ["-sess_in", session] : [];
            expect(await run([...to, ...kept], ask)).toContain('"resumed":false');
          }
        } finally {
          other.child.kill();
        }
      },
    );

    test("garbage in the place of records, at every stage", async () => {
      for (const garbage of [
        "\x16\x03\x01\xff\xff",
        "\x16\x03\x01\x00\x05hello",
        "\x80\x2e\x01\x00\x02",
        "\x15\x03\x03\x00\x02\x02\x28",
      ]) {
        const ended = await new Promise<boolean>((resolve) => {
          const socket = connect(port, "127.0.0.1", () => socket.end(garbage, "latin1"));
          socket.on("close", () => resolve(true));
          socket.on("error", () => {});
          socket.resume();
        });
        expect(ended).toBe(true);
      }
      expect(child.exitCode).toBe(null);
    });
  });
}
