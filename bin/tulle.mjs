#!/usr/bin/env node
/**
 * The command `tulle`: finds a runtime (Bun, Node or Deno) and starts the TypeScript source on it, unbuilt.
 *
 * It runs on any Node >= 20 and knows nothing about proxying: it reads `--runtime`, and hands every argument on.
 * Where Node can replace its own process (`process.execve`), no parent stays behind; elsewhere a small one waits,
 * forwards signals and ends the way the child ended.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from "node:fs";
import { constants as os } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(realpathSync(fileURLToPath(import.meta.url)));
const root = dirname(here);

const usage = `tulle: a sidecar proxy that is configured like Envoy

usage: tulle <command> [options]

commands:
  sidecar    run a proxy from an Envoy bootstrap file
  validate   check a bootstrap file and list every fault
  filter     write, build, test, measure and run a filter of your own
  version    print the version and the runtimes that are installed

Every command has --help. Those that run take --runtime bun|node|deno; without it Bun is used, or else Node >= 22.18.
`;

const runtimes = ["bun", "node", "deno"];

/** Arguments that a runtime gets before the entry file. */
const flags = {
  // No .env, bunfig.toml or package of the current directory may get into the proxy.
  bun: ["--no-env-file", "--no-install", `--config=${join(here, "bunfig.toml")}`],
  // 22.18 still warns about type stripping. `gc` is called when the process falls quiet.
  node: ["--disable-warning=ExperimentalWarning", "--expose-gc"],
  // FFI is for libc's calls on sockets that Deno lacks (RST, for one), and whoever has it can do all things anyhow.
  // Short of --allow-all Deno keeps from a process what the kernel says about it, such as how many files it may open.
  // `net` is unstable only for sharing a port.
  deno: [
    "run",
    "--quiet",
    "--no-lock",
    "--no-prompt",
    "--unstable-net",
    "--v8-flags=--expose-gc",
    "--allow-all",
  ],
};

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Programs smaller than this are npm's stand-ins for a binary that a skipped install script did not put there. */
const placeholderBytes = 1 << 20;

/** The binary that npm installed with this package, "" if there is none. */
function installed(name) {
  for (let dir = root; ; dir = dirname(dir)) {
    const modules = join(dir, "node_modules");
    if (existsSync(modules)) {
      const candidates = [join(modules, ".bin", name)];
      const scope = { bun: "@oven", deno: "@deno" }[name];
      if (scope && existsSync(join(modules, scope))) {
        for (const platform of readdirSync(join(modules, scope))) {
          candidates.push(join(modules, scope, platform, name === "bun" ? "bin/bun" : "deno"));
        }
      }
      for (const path of candidates) {
        if (isExecutable(path) && statSync(path).size > placeholderBytes) return realpathSync(path);
      }
    }
    if (dir === dirname(dir)) return "";
  }
}

/** The binary found on PATH, "" if there is none. */
function onPath(name) {
  for (const dir of (process.env.PATH ?? "").split(delimiter)) {
    if (dir !== "" && isExecutable(join(dir, name))) return join(dir, name);
  }
  return "";
}

/** True from Node 22.18 on, which runs TypeScript without a flag. */
function runsTypeScript(version) {
  const [major, minor] = version.replace(/^v/, "").split(".").map(Number);
  return major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

function versionOf(path) {
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
  return (stdout ?? "")
    .split("\n")[0]
    .replace(/^(deno )?v?/, "")
    .split(" ")[0];
}

/** The program for runtime `name`, "" if it is missing or too old. */
function find(name) {
  const own = installed(name);
  if (own !== "") return own;
  if (name !== "node") return onPath(name);
  if (runsTypeScript(process.versions.node)) return process.execPath;
  const other = onPath("node");
  return other !== "" && runsTypeScript(versionOf(other)) ? other : "";
}

function fail(message) {
  process.stderr.write(`tulle: ${message}\n`);
  process.exit(1);
}

/** Takes `--runtime X` out of the arguments. */
function splitRuntime(args) {
  const rest = [];
  let runtime = "";
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--runtime") {
      if (i + 1 === args.length) fail("--runtime needs a value: bun, node or deno");
      runtime = args[++i];
    } else if (args[i].startsWith("--runtime=")) {
      runtime = args[i].slice("--runtime=".length);
    } else {
      rest.push(args[i]);
    }
  }
  if (runtime !== "" && !runtimes.includes(runtime)) {
    fail(`--runtime ${runtime}: there is bun, node and deno`);
  }
  return { runtime, rest };
}

/** Settles on a runtime, or ends the process saying what to do. */
function choose(wanted) {
  if (wanted !== "") {
    const program = find(wanted);
    if (program === "") fail(`${wanted} was not found; run "npm ci" in ${root}, or put ${wanted} on PATH`);
    return { name: wanted, program };
  }
  const bun = find("bun");
  if (bun !== "") return { name: "bun", program: bun };
  const node = find("node");
  if (node === "") {
    fail(
      `neither Bun nor Node >= 22.18 was found (this is Node ${process.versions.node});\n` +
        `       run "npm ci" in ${root}, which installs both`,
    );
  }
  process.stderr.write(
    `tulle: Bun was not found, running on Node ${versionOf(node)} (run "npm ci" in ${root} to install Bun)\n`,
  );
  return { name: "node", program: node };
}

/**
 * The environment for `name`. Node strips types with a WebAssembly module that it then keeps in memory, and compiles
 * each file anew, unless it may cache both: from the second start on that saves 30 MB and half of the CPU time. What
 * it finds there it checks against the source; where it cannot write it goes without.
 */
function environment(name) {
  if (name !== "node") return process.env;
  return { NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "tulle"), ...process.env };
}

/** Becomes `program`, or waits for it; does not return either way. */
function become(program, args, env) {
  if (typeof process.execve === "function" && process.platform !== "win32") {
    process.execve(program, [program, ...args], env); // returns only by ending the process
  }
  const child = spawn(program, args, { stdio: "inherit", env });
  const forwarded = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"];
  for (const signal of forwarded) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`cannot start ${program}: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of forwarded) process.removeAllListeners(name);
    process.kill(process.pid, signal);
    setTimeout(() => process.exit(128 + os.signals[signal]), 100); // a signal that does not end us
  });
}

function printVersion() {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  process.stdout.write(`tulle ${version}\n`);
  for (const name of runtimes) {
    const program = find(name);
    process.stdout.write(
      program === "" ? `${name}: not found\n` : `${name} ${versionOf(program)} (${program})\n`,
    );
  }
}

const { runtime, rest } = splitRuntime(process.argv.slice(2));
const command = rest[0] ?? "";
if (command === "" || command === "--help" || command === "-h" || command === "help") {
  (command === "" ? process.stderr : process.stdout).write(usage);
  process.exitCode = command === "" ? 1 : 0;
} else if (command === "version" || command === "--version") {
  if (rest.includes("--help") || rest.includes("-h")) {
    process.stdout.write("usage: tulle version\n\nPrints the version and the runtimes that are installed.\n");
  } else {
    printVersion();
  }
} else if (command === "sidecar" || command === "validate" || command === "filter") {
  const { name, program } = choose(runtime);
  become(
    program,
    [...flags[name], join(root, "runtime-adapters", name, "main.ts"), ...rest],
    environment(name),
  );
} else {
  fail(`unknown command "${command}"; there is sidecar, validate, filter and version`);
}
