/**
 * `npm start`: the tea shop and a sidecar in front of it, in the foreground. Runs on any Node >= 20; the two
 * programs run on the Bun (or Node) that npm installed. Ctrl-C drains the sidecar, then stops the shop; exits 0.
 *
 * Arguments go to the sidecar, e.g. `npm start -- --runtime node --concurrency 2`.
 */
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const modules = join(root, "node_modules");

const upstreamPort = 18080;
const proxy = "127.0.0.1:10080";
const admin = "127.0.0.1:9901";

/** Resolves when `url` answers with `status`, rejects when `child` ends first. */
async function answers(url, status, child, name) {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${name} ended with exit code ${child.exitCode}`);
    try {
      const response = await fetch(url);
      await response.arrayBuffer();
      if (response.status === status) return;
    } catch {
      // Not there yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
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
  [join(root, "bin/tulle.mjs"), "sidecar", "-c", join(here, "envoy.yaml"), ...process.argv.slice(2)],
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
});

try {
  await answers(`http://127.0.0.1:${upstreamPort}/teas`, 200, upstream, "the upstream");
  await answers(`http://${admin}/ready`, 200, sidecar, "the sidecar");
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
