/**
 * `node examples/mtls-pair/start.mjs`: a tea shop, the sidecar in front of it, and the sidecar of a client, which speak
 * HTTP/2 over mutual TLS with each other. In the foreground; Ctrl-C ends all three. Arguments go to both sidecars, e.g.
 * `--runtime node`.
 */
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeCertificates } from "./certificates.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const node = join(root, "node_modules/node/bin/node");

await makeCertificates();
process.chdir(root); // the configurations name their certificates as seen from here

const run = (program, args, env = {}) =>
  spawn(program, args, { stdio: "inherit", detached: true, env: { ...process.env, ...env } });
const sidecar = (side) =>
  run(process.execPath, [
    "bin/tulle.mjs",
    "sidecar",
    "-c",
    `examples/mtls-pair/${side}/envoy.yaml`,
    ...process.argv.slice(2),
  ]);

const children = [
  run(node, ["examples/quickstart/upstream.ts"], { PORT: "18080" }),
  sidecar("server"),
  sidecar("client"),
];
const ended = (child) =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode ?? 1);
    else child.once("exit", (code) => resolve(code ?? 1));
  });

let stopping = false;
async function stop(code) {
  if (stopping) return;
  stopping = true;
  // From the client's end to the shop, so that nobody's answers are cut.
  for (const child of [...children].reverse()) {
    child.kill("SIGTERM");
    await ended(child);
  }
  process.exit(code);
}
process.on("SIGINT", () => void stop(0));
process.on("SIGTERM", () => void stop(0));
process.on("exit", () => {
  for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
});

/** Both sidecars are up, and a request goes all the way through. */
async function isUp() {
  const response = await fetch("http://127.0.0.1:15001/teas").catch(() => null);
  return response !== null && response.status === 200;
}
for (const start = performance.now(); !(await isUp()); ) {
  if (performance.now() - start > 30_000 || children.some(({ exitCode }) => exitCode !== null)) {
    process.stderr.write("the pair did not come up\n");
    await stop(1);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}
process.stdout.write(`
  client app ─▶ sidecar 127.0.0.1:15001 ═ mutual TLS, HTTP/2 ═▶ sidecar 127.0.0.1:15006 ─▶ tea shop 127.0.0.1:18080

  Try:  curl -i http://127.0.0.1:15001/teas      as the client's application
        curl -k https://127.0.0.1:15006/teas     as somebody without a certificate: refused

  Ctrl-C stops all three.

`);
const code = await Promise.race(children.map(ended));
if (!stopping) await stop(code || 1);
