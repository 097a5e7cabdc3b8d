/**
 * `npm start`: the tea shop and a sidecar in front of it, in the foreground. Runs on any Node >= 20; the two
 * programs run on the Bun (or Node) that npm installed. Ctrl-C drains the sidecar, then stops the shop; exits 0.
 *
 * Arguments go to the sidecar, e.g. `npm start -- --runtime node --concurrency 2`.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const modules = join(root, "node_modules");

const upstreamPort = 18080;
const proxy = "127.0.0.1:10080";
/** The sidecar writes the address of its admin server there. */
const scratch = mkdtempSync(join(tmpdir(), "tulle-quickstart-"));
const adminFile = join(scratch, "admin");

/** Longest wait for a program to come up, ms. */
const patience = 30_000;

/** Asks until there is an answer; rejects when `child` ends first or time is up. */
async function until(ask, child, name) {
  for (const start = performance.now(); performance.now() - start < patience; ) {
    if (child.exitCode !== null) throw new Error(`${name} ended with exit code ${child.exitCode}`);
    const answer = await ask().catch(() => "");
    if (answer !== "") return answer;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${name} did not come up within ${patience / 1000} s`);
}

/** The admin server's address once the sidecar is ready. Another program on the same port would not know the file. */
async function adminAddress() {
  const address = readFileSync(adminFile, "utf8");
  const response = await fetch(`http://${address}/ready`);
  return response.status === 200 ? address : "";
}

async function upstreamAnswers() {
  const response = await fetch(`http://127.0.0.1:${upstreamPort}/teas`);
  return response.status === 200 ? "yes" : "";
}

function ended(child) {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode ?? 1);
    else child.once("exit", (code) => resolve(code ?? 1));
  });
}

// Groups of their own: Ctrl-C reaches this process alone, which stops them in the right order.
const upstream = spawn(join(modules, "node/bin/node"), [join(here, "upstream.ts")], {
  stdio: "inherit",
  detached: true,
  env: { ...process.env, PORT: String(upstreamPort) },
});
const sidecar = spawn(
  process.execPath,
  [
    join(root, "bin/tulle.mjs"),
    ...["sidecar", "-c", join(here, "envoy.yaml"), "--admin-address-path", adminFile],
    ...process.argv.slice(2),
  ],
  { stdio: "inherit", detached: true },
);

let stopping = false;
async function stop(code) {
  if (stopping) return;
  stopping = true;
  sidecar.kill("SIGTERM");
  const sidecarCode = await ended(sidecar);
  upstream.kill("SIGTERM");
  await ended(upstream);
  process.exit(code || sidecarCode);
}

let pressedAt = 0;
function onSignal(signal) {
  const now = performance.now();
  if (pressedAt !== 0 && now - pressedAt > 100) {
    sidecar.kill(signal); // a second Ctrl-C: do not wait for open connections
    return;
  }
  pressedAt ||= now;
  void stop(0);
}
process.on("SIGINT", () => onSignal("SIGINT"));
process.on("SIGTERM", () => onSignal("SIGTERM"));
process.on("exit", () => {
  for (const child of [sidecar, upstream]) if (child.exitCode === null) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
});

try {
  await until(upstreamAnswers, upstream, "the upstream");
  const admin = await until(adminAddress, sidecar, "the sidecar");
  process.stdout.write(`
  upstream  http://127.0.0.1:${upstreamPort}   a small tea shop (examples/quickstart/upstream.ts)
  proxy     http://${proxy}   in front of it (examples/quickstart/envoy.yaml)
  admin     http://${admin}    /stats /clusters /config_dump …

  Try:  curl -i http://${proxy}/teas

  Ctrl-C drains and stops.

`);
  // One of them ending by itself ends the other.
  const [name, code] = await Promise.race([
    ended(upstream).then((code) => ["upstream", code]),
    ended(sidecar).then((code) => ["sidecar", code]),
  ]);
  if (!stopping) {
    process.stderr.write(`the ${name} ended with exit code ${code}\n`);
    await stop(1);
  }
} catch (error) {
  if (!stopping) {
    process.stderr.write(`${error.message}\n`);
    await stop(1);
  }
}
