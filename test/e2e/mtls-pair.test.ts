/**
 * The example of two sidecars that speak mutual TLS, started as its user starts it, on each runtime: a request goes all
 * the way, and those who may not come in do not.
 */
import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type ConnectionOptions, connect } from "node:tls";
import { installedRuntimes } from "../support/runtimes.ts";

const ROOT = resolve(import.meta.dir, "../..");
const NODE = join(ROOT, "node_modules/node/bin/node");
const FOLDER = join(ROOT, "examples/mtls-pair/certificates");
const INBOUND = 15006;

let started: ReturnType<typeof Bun.spawn> | null = null;

afterEach(async () => {
  started?.kill("SIGINT");
  await started?.exited;
  started = null;
});

const file = (name: string) => readFileSync(join(FOLDER, name), "utf8");

/** What a client of TLS that asks for `/teas` is told, or "closed". */
function ask(options: ConnectionOptions): Promise<string> {
  return new Promise((tell) => {
    let text = "";
    const socket = connect(
      { port: INBOUND, host: "127.0.0.1", rejectUnauthorized: false, ...options },
      () => {
        socket.write("GET /teas HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
      },
    );
    socket.on("data", (data) => {
      text += data.toString("latin1");
    });
    socket.on("error", () => tell("closed"));
    socket.on("close", () => tell(text === "" ? "closed" : text.slice(0, 15)));
  });
}

async function stat(admin: number, name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${admin}/stats?filter=${name}`);
  const [, value] = new RegExp(`${name}: (\\d+)`).exec(await answer.text()) ?? [];
  return Number(value);
}

for (const { name } of installedRuntimes) {
  test(`on ${name}`, async () => {
    const child = Bun.spawn([NODE, "examples/mtls-pair/start.mjs", "--runtime", name], {
      cwd: ROOT,
      stdout: "pipe",
      stderr: "inherit",
    });
    started = child;
    let said = "";
    for await (const chunk of child.stdout) {
      said += new TextDecoder().decode(chunk);
      if (said.includes("Ctrl-C stops")) break;
    }
    const answer = await fetch("http://127.0.0.1:15001/teas");
    expect(answer.status).toBe(200);
    await answer.text();
    expect(await stat(19901, "cluster.shop.upstream_cx_http2_total")).toBeGreaterThan(0);
    expect(await stat(19902, "http.inbound.downstream_cx_http2_total")).toBeGreaterThan(0);

    const known = { cert: file("client.pem"), key: file("client.key"), ALPNProtocols: ["http/1.1"] };
    expect(await ask(known)).toBe("HTTP/1.1 200 OK");
    expect(await ask({})).toBe("closed");
    while ((await stat(19902, "ssl.fail_verify_no_cert")) === 0) await Bun.sleep(20);
    const plain = await fetch(`http://127.0.0.1:${INBOUND}/teas`).catch(() => null);
    expect(plain).toBeNull();
    while ((await stat(19902, "ssl.connection_error")) === 0) await Bun.sleep(20); // the client may hear first
    const dump = await (await fetch("http://127.0.0.1:19902/config_dump")).text();
    const secret = file("server.key").split("\n")[1];
    expect(secret.length).toBeGreaterThan(40);
    expect(dump.includes(secret)).toBe(false);
  }, 60_000);
}
