/**
 * A new user follows docs/writing-a-filter.md: every command that it shows, in its order, in an empty folder, on each
 * runtime. While the filter is edited, requests come; none fails.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Program, startProgram } from "../support/child-process.ts";
import { ROOT } from "../support/our-proxy.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import { Workspace } from "../support/sidecar-process.ts";

/** The compiler takes seconds, and the machine may be busy. */
const PATIENCE = 180_000;
const NODE = join(ROOT, "node_modules/.bin/node");
const LAUNCHER = join(ROOT, "bin/tulle.mjs");

const commands = [
  ...readFileSync(join(ROOT, "docs/writing-a-filter.md"), "utf8").matchAll(/^```sh\n([\s\S]*?)^```/gm),
]
  .flatMap(([, block]) => block.split("\n"))
  .filter((line) => line !== "");

/** The arguments of the first command that begins like that. */
function shown(start: string): string[] {
  const line = commands.find((each) => each.startsWith(`npx tulle filter ${start}`));
  if (line === undefined) throw new Error(`the document shows no ${start}`);
  return line.split(" ").slice(2);
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, program: Program): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`${what} did not come to pass:\n${program.output()}`);
    await Bun.sleep(50);
  }
}

/** Asks again and again, at a pace that leaves the compiler some of the machine. */
class Trickle {
  answered = 0;
  private readonly failures: string[] = [];
  private isOver = false;
  private readonly asking: Promise<void>;

  constructor(url: string) {
    this.asking = this.ask(url);
  }

  private async ask(url: string): Promise<void> {
    while (!this.isOver) {
      try {
        const answer = await fetch(url, { keepalive: false, headers: { connection: "close" } });
        if (answer.status !== 200) this.failures.push(`status ${answer.status}`);
        await answer.text();
      } catch (error) {
        this.failures.push(String(error));
      }
      this.answered++;
      await Bun.sleep(10);
    }
  }

  /** What went wrong. */
  async stop(): Promise<readonly string[]> {
    this.isOver = true;
    await this.asking;
    return this.failures;
  }
}

const workspaces: Workspace[] = [];
const programs: Program[] = [];
afterAll(async () => {
  for (const program of programs) await program.stop(5000);
  for (const workspace of workspaces) workspace.remove();
});

test("the document shows the commands that are followed here", () => {
  const followed = ["new", "test", "run", "bench", "build", "test"];
  const names = commands.flatMap((line) => /^npx tulle filter (\w+)/.exec(line)?.[1] ?? []);
  expect(names).toEqual(followed);
  expect(commands.filter((line) => line.startsWith("curl")).length).toBe(2);
});

describe.each(installedRuntimes.map(({ name }) => name))("on %s", (runtime) => {
  const workspace = new Workspace();
  workspaces.push(workspace);
  const filter = workspace.file("my-filter/filter.ts");
  const config = workspace.file("my-filter/config.json");

  function start(args: readonly string[]): Program {
    const program = startProgram(NODE, [LAUNCHER, ...args, "--runtime", runtime], { cwd: workspace.path });
    programs.push(program);
    return program;
  }

  async function finish(args: readonly string[]): Promise<string> {
    const program = start(args);
    expect({ code: await program.exited, output: program.output() }).toMatchObject({ code: 0 });
    return program.output();
  }

  function edit(path: string, before: string, after: string): void {
    const text = readFileSync(path, "utf8");
    expect(text).toContain(before);
    writeFileSync(path, text.replace(before, after));
  }

  test(
    "new, test",
    async () => {
      await finish(shown("new"));
      expect(await finish(shown("test"))).toEndWith("4 stories, all as expected\n");
    },
    PATIENCE,
  );

  test(
    "run, edit, the new answer, and no request fails",
    async () => {
      // As the document says on one of them; the others spare the machine the optimisation.
      const faster = runtime === installedRuntimes[0].name ? [] : ["--debug"];
      const program = start([...shown("run"), "--port", "0", ...faster]);
      await until("the curl line", () => program.output().includes("curl -i"), program);
      const [, port] = /on http:\/\/127\.0\.0\.1:(\d+)/.exec(program.output()) ?? [];
      const url = `http://127.0.0.1:${port}/`;
      const greeting = async (): Promise<string | null> => {
        const headers = { "x-user": "ada", connection: "close" };
        return (await fetch(url, { headers, keepalive: false })).headers.get("x-greeting");
      };
      expect(commands).toContain("curl -i -H 'x-user: ada' http://127.0.0.1:8080/");
      expect(await greeting()).toBe("hello, ada");
      expect((await fetch(`${url}admin`)).status).toBe(403);

      const trickle = new Trickle(url);
      edit(filter, 'writeString(", ")', 'writeString(" dear ")');
      await until("the new filter", async () => (await greeting()) === "hello dear ada", program);
      expect(program.output()).toMatch(/filter\.ts changed: building/);
      expect(program.output()).toMatch(/sha256 [0-9a-f]{64} replaces [0-9a-f]{64}/);

      edit(config, '"hello"', '"good day"');
      await until("the new configuration", async () => (await greeting()) === "good day dear ada", program);
      edit(config, '"good day"', "5");
      await until("the refusal", () => program.output().includes("greeting: must be a string"), program);

      edit(filter, 'writeString(" dear ")', "writeString(dear)");
      await until(
        "the compiler's words",
        () => program.output().includes("Cannot find name 'dear'"),
        program,
      );
      expect(await greeting()).toBe("good day dear ada");
      expect(await trickle.stop()).toEqual([]);
      expect(trickle.answered).toBeGreaterThan(100);

      // Ctrl-C.
      const places = () => readdirSync(tmpdir()).filter((name) => name.startsWith("tulle-filter-run-"));
      const [place] = places().filter((name) => existsSync(join(tmpdir(), name, "my-filter.wasm")));
      expect(place).toBeDefined();
      program.child.kill("SIGINT");
      expect(await program.exited).toBe(0);
      expect(places()).not.toContain(place);
      edit(filter, "writeString(dear)", 'writeString(", ")');
      edit(config, "5", '"hello"');
    },
    PATIENCE * 2,
  );

  test(
    "bench, build",
    async () => {
      const table = await finish([...shown("bench"), "--requests", "20000"]);
      expect(table).toContain(`GET /, ${runtime} `);
      expect(table).toMatch(/with fuel \(default\) +\d+\.\d\d +\d+ KiB +none +20000 passed/);
      expect(table).toMatch(/without fuel \(trusted\) +\d+\.\d\d/);
      await finish(shown("build"));
      expect(existsSync(workspace.file("my-filter/build/my-filter.wasm"))).toBe(true);
    },
    PATIENCE,
  );
});

test(
  "in front of an upstream: what it sees, and what the client gets",
  async () => {
    const workspace = new Workspace();
    workspaces.push(workspace);
    const upstream = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => new Response(`${request.method} ${new URL(request.url).pathname}`),
    });
    const make = startProgram(NODE, [LAUNCHER, "filter", "new", "f"], { cwd: workspace.path });
    expect(await make.exited).toBe(0);
    const to = ["--upstream", `127.0.0.1:${upstream.port}`, "--port", "0", "--debug"];
    const program = startProgram(NODE, [LAUNCHER, "filter", "run", "f", ...to], { cwd: workspace.path });
    programs.push(program);
    await until("the curl line", () => program.output().includes("curl -i"), program);
    expect(program.output()).toContain(`forwards to 127.0.0.1:${upstream.port}`);
    const [, url] = /on (http:\/\/127\.0\.0\.1:\d+)/.exec(program.output()) ?? [];
    const answer = await fetch(`${url}/shop`, { headers: { "x-user": "ada" } });
    expect([await answer.text(), answer.headers.get("x-greeting")]).toEqual(["GET /shop", "hello, ada"]);
    expect((await fetch(`${url}/admin`)).status).toBe(403);

    // A part of the filter in a file of its own, which comes late.
    const filter = workspace.file("f/filter.ts");
    const text = readFileSync(filter, "utf8").replace('writeString(", ")', "writeString(SEPARATOR)");
    writeFileSync(filter, `${text}\nimport { SEPARATOR } from "./separator";\n`);
    await until("the complaint", () => program.output().includes("separator.ts' not found"), program);
    expect(program.output()).toContain("what was in force stays in force");
    writeFileSync(workspace.file("f/separator.ts"), 'export const SEPARATOR: string = " and ";\n');
    const greeted = async () =>
      (await fetch(`${url}/`, { headers: { "x-user": "ada" } })).headers.get("x-greeting");
    await until("the filter of two files", async () => (await greeted()) === "hello and ada", program);
    expect(program.output()).toContain("separator.ts changed: building");

    const second = startProgram(NODE, [LAUNCHER, "filter", "run", "f", "--port", new URL(url ?? "").port], {
      cwd: workspace.path,
    });
    expect(await second.exited).toBe(1);
    expect(second.output()).toContain("the address is in use");
    await upstream.stop(true);
  },
  PATIENCE,
);
