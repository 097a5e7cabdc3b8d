/** The launcher: which runtime it picks, what it says without one, how signals and exit codes pass through it. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Workspace } from "../support/sidecar-process.ts";

const ROOT = resolve(import.meta.dir, "../..");
const LAUNCHER = join(ROOT, "bin/tulle.mjs");
const modernNode = join(ROOT, "node_modules/.bin/node");
/** The Node that this machine has (20 or later), which cannot replace its own process if it is an old one. */
const systemNode = Bun.which("node", {
  PATH: (process.env.PATH ?? "")
    .split(":")
    .filter((dir) => !dir.includes("node_modules"))
    .join(":"),
});
const workspace = new Workspace();
afterAll(() => workspace.remove());

async function run(
  args: readonly string[],
  options: { node?: string; launcher?: string; env?: object } = {},
) {
  const child = Bun.spawn([options.node ?? modernNode, options.launcher ?? LAUNCHER, ...args], {
    cwd: workspace.path,
    env: { ...process.env, ...options.env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}

describe("without starting anything", () => {
  test("tulle alone explains itself and fails, --help explains itself and does not", async () => {
    expect(await run([])).toMatchObject({ code: 1, out: "" });
    const help = await run(["--help"]);
    expect(help).toMatchObject({ code: 0, err: "" });
    expect(help.out).toContain("sidecar");
  });

  test("tulle version", async () => {
    const { code, out } = await run(["version"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^tulle \d+\.\d+\.\d+\nbun \d/);
  });

  test.each([
    [["serve"], 'unknown command "serve"'],
    [["sidecar", "--runtime"], "--runtime needs a value"],
    [["sidecar", "--runtime", "ruby"], "--runtime ruby: there is bun, node and deno"],
  ])("%p", async (args, complaint) => {
    const { code, err } = await run(args);
    expect(code).toBe(1);
    expect(err).toContain(complaint);
  });
});

describe("on a runtime", () => {
  test.each(["bun", "node", "deno"])(
    "validate on %s",
    async (name) => {
      const good = await run([
        "validate",
        "--runtime",
        name,
        "-c",
        join(ROOT, "examples/quickstart/envoy.yaml"),
      ]);
      expect(good).toEqual({ code: 0, out: "OK\n", err: "" });
      const bad = workspace.write("bad.yaml", "admin:\n  adress: 1\nstatic_resources: { listeners: 7 }\n");
      const { code, out, err } = await run(["validate", `--runtime=${name}`, "-c", bad]);
      expect({ code, out }).toEqual({ code: 1, out: "" });
      expect(err).toContain(`${bad}:2:3: admin.adress: unknown field`);
      expect(err).toContain(`${bad}:3:`);
      expect(err).toMatch(/\n\d+ faults\n$/);
    },
    30_000,
  );

  test("Node keeps what it compiled, in the installation or where it is told", async () => {
    const cache = workspace.file("cache");
    const args = ["validate", "--runtime", "node", "-c", join(ROOT, "examples/quickstart/envoy.yaml")];
    expect((await run(args)).code).toBe(0);
    expect(existsSync(join(ROOT, "node_modules/.cache/tulle"))).toBe(true);
    expect((await run(args, { env: { NODE_COMPILE_CACHE: cache } })).code).toBe(0);
    const [version] = readdirSync(cache);
    const entries = readdirSync(join(cache, version)).length;
    expect(entries).toBeGreaterThan(100); // two per file: without types, and compiled
    // A second start finds everything, and a folder that cannot be written is none.
    expect(await run(args, { env: { NODE_COMPILE_CACHE: cache } })).toEqual({
      code: 0,
      out: "OK\n",
      err: "",
    });
    expect(readdirSync(join(cache, version)).length).toBe(entries);
    const nowhere = workspace.write("file", "");
    expect(await run(args, { env: { NODE_COMPILE_CACHE: nowhere } })).toEqual({
      code: 0,
      out: "OK\n",
      err: "",
    });
  }, 30_000);

  test("help of each command", async () => {
    for (const command of ["sidecar", "validate"]) {
      const { code, out } = await run([command, "--help"]);
      expect(code).toBe(0);
      expect(out).toStartWith(`usage: tulle ${command} -c FILE`);
    }
  });

  test.each(["bun", "node", "deno"])(
    "filter on %s: help, what is refused, and a project",
    async (name) => {
      const help = await run(["filter", "--help", "--runtime", name]);
      expect(help).toMatchObject({ code: 0, err: "" });
      for (const command of ["new", "build", "test", "bench", "run"]) {
        expect(help.out).toContain(`  ${command} `);
        const { code, out } = await run(["filter", command, "--help", `--runtime=${name}`]);
        expect(code).toBe(0);
        expect(out).toStartWith(`usage: tulle filter ${command} `);
      }
      const wrong = await run(["filter", "build", "--bogus", "--runtime", name]);
      expect(wrong).toEqual({
        code: 1,
        out: "",
        err: "tulle: unknown option --bogus\nTry: tulle filter build --help\n",
      });
      expect((await run(["filter", "new", `on-${name}`, "--runtime", name])).code).toBe(0);
      expect(existsSync(workspace.file(`on-${name}/filter.ts`))).toBe(true);
    },
    60_000,
  );

  test("what lies about in the current directory does not get into the proxy", async () => {
    workspace.write("bunfig.toml", 'preload = ["./intruder.ts"]\n');
    workspace.write("intruder.ts", 'console.log("INTRUDER"); process.exit(3);\n');
    workspace.write(".env", "BUN_OPTIONS=--bogus\n");
    const { code, out } = await run(["validate", "-c", join(ROOT, "examples/quickstart/envoy.yaml")]);
    expect({ code, out }).toEqual({ code: 0, out: "OK\n" });
  });
});

describe("without Bun", () => {
  /** A copy of the clone in which npm has installed no runtime. */
  function bareClone(): string {
    const clone = workspace.file("clone");
    if (!existsSync(clone)) {
      mkdirSync(join(clone, "node_modules"), { recursive: true });
      for (const part of ["bin", "core", "filters", "runtime-adapters", "examples", "package.json"]) {
        cpSync(join(ROOT, part), join(clone, part), { recursive: true });
      }
      const modules = realpathSync(join(ROOT, "node_modules"));
      for (const name of ["yaml", "hono", "@bufbuild"])
        symlinkSync(join(modules, name), join(clone, "node_modules", name));
    }
    return join(clone, "bin/tulle.mjs");
  }
  const args = ["validate", "-c", join(ROOT, "examples/quickstart/envoy.yaml")];
  const empty = { PATH: tmpdir() };

  test("a Node that can run TypeScript takes over, and says so", async () => {
    const { code, out, err } = await run(args, { launcher: bareClone(), env: empty });
    expect({ code, out }).toEqual({ code: 0, out: "OK\n" });
    expect(err).toMatch(/^tulle: Bun was not found, running on Node \d+\.\d+\.\d+ \(run "npm ci" in /);
  });

  const oldNode =
    systemNode !== null && Bun.spawnSync([systemNode, "--version"]).stdout.toString().startsWith("v20.")
      ? systemNode
      : "";
  test.skipIf(oldNode === "")("with an old Node alone it says what to do", async () => {
    const { code, err } = await run(args, { node: oldNode, launcher: bareClone(), env: empty });
    expect(code).toBe(1);
    expect(err).toContain("neither Bun nor Node >= 22.18 was found (this is Node 20.");
    expect(err).toContain('run "npm ci" in ');
  });

  test("a runtime that was asked for by name and is not there", async () => {
    const { code, err } = await run([...args, "--runtime", "deno"], { launcher: bareClone(), env: empty });
    expect(code).toBe(1);
    expect(err).toContain("deno was not found");
  });
});

describe.each([
  ["a Node that replaces itself", modernNode],
  ["a Node that stays as the parent", systemNode],
])("through %s", (_what, node) => {
  test.skipIf(node === null)(
    "SIGTERM drains, and the exit code comes back",
    async () => {
      const config = workspace.write("plain.json", {
        admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
      });
      const adminFile = workspace.file(`admin-${Math.random()}`);
      const child = Bun.spawn(
        [node as string, LAUNCHER, "sidecar", "-c", config, "--admin-address-path", adminFile],
        { stderr: "pipe" },
      );
      const err = new Response(child.stderr).text();
      while (!existsSync(adminFile) && child.exitCode === null) await Bun.sleep(20);
      await Bun.sleep(200);
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
      expect(await err).toContain("SIGTERM: draining");
    },
    30_000,
  );

  test.skipIf(node === null)("a failure's exit code comes back", async () => {
    writeFileSync(workspace.file("broken.yaml"), "a: [");
    const { code } = await run(["sidecar", "-c", workspace.file("broken.yaml")], { node: node as string });
    expect(code).toBe(1);
  });
});
