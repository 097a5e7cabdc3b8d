/**
 * hold-connections.ts for TLS 1.3 with a client's certificate: the same options, with the paths of PEM files, and the same
 * lines of output. Runs on Node.
 */
import { readFileSync } from "node:fs";
import { connect, createSecureContext, type TLSSocket } from "node:tls";
import type { HoldOptions, HoldResult } from "./hold-connections.ts";

export interface HoldTlsOptions extends HoldOptions {
  readonly ca: string;
  readonly chain: string;
  readonly key: string;
}

const options: HoldTlsOptions = JSON.parse(process.argv[2]);
const secureContext = createSecureContext({
  ca: readFileSync(options.ca),
  cert: readFileSync(options.chain),
  key: readFileSync(options.key),
  minVersion: "TLSv1.3",
  ecdhCurve: "X25519",
});
const request = `GET ${options.path} HTTP/1.1\r\nHost: bench.test\r\n\r\n`;
const held: TLSSocket[] = [];
let dropped = 0;
let failed = 0;

/** Opens one; resolves when it is answered and idle, or gone. */
function open(): Promise<void> {
  return new Promise((done) => {
    const socket = connect({
      host: "127.0.0.1",
      port: options.port,
      servername: "bench.test",
      secureContext,
      checkServerIdentity: () => undefined, // it has no name but a SPIFFE ID
    });
    let text = "";
    let idle = false;
    socket.setTimeout(20_000, () => {
      if (!idle) socket.destroy();
    });
    socket.on("secureConnect", () => socket.write(request));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const head = text.indexOf("\r\n\r\n");
      const length = Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0);
      if (idle || head < 0 || text.length < head + 4 + length) return;
      if (!text.startsWith("HTTP/1.1 200 ")) {
        socket.destroy();
        return;
      }
      idle = true;
      held.push(socket);
      done();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (idle) dropped++;
      else failed++;
      done();
    });
  });
}

const start = performance.now();
let opened = 0;
await Promise.all(
  Array.from({ length: options.inFlight }, async () => {
    while (opened < options.connections) {
      opened++;
      await open();
    }
  }),
);
const result: HoldResult = { held: held.length, failed, seconds: (performance.now() - start) / 1000 };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.stdin.on("end", () => {
  process.stdout.write(`${JSON.stringify({ dropped })}\n`);
  process.exit(0);
});
process.stdin.resume();
