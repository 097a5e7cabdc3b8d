/** Projects of filters: begun, built, refused; and the filters that docs/writing-a-filter.md shows. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { vmLimits } from "../../../filters/wasm/vm-limits.ts";
import { compileFilter } from "../../../runtime-adapters/filter-tool/compile-filter.ts";
import {
  type FilterProject,
  findProject,
  sourcesOf,
} from "../../../runtime-adapters/filter-tool/filter-project.ts";
import { readStories, tellStory } from "../../../runtime-adapters/filter-tool/test-filter.ts";
import { compileModule } from "../../../runtime-adapters/sidecar/modules/compile-module.ts";
import { ROOT } from "../../support/our-proxy.ts";
import { Workspace } from "../../support/sidecar-process.ts";

/** The compiler takes seconds, and the machine may be busy. */
const PATIENCE = 120_000;
const workspace = new Workspace();
afterAll(() => workspace.remove());

/** Runs `tulle filter …` as a user does. */
async function tulle(args: readonly string[], cwd = workspace.path) {
  const command = [join(ROOT, "node_modules/.bin/node"), join(ROOT, "bin/tulle.mjs"), "filter", ...args];
  const child = Bun.spawn(command, { cwd, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}

function projectIn(folder: string): FilterProject {
  const found = findProject(folder);
  if ("complaint" in found) throw new Error(found.complaint);
  return found;
}

/** A project with just this filter. */
function projectOf(name: string, source: string): FilterProject {
  const folder = workspace.file(name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "filter.ts"), source);
  return projectIn(folder);
}

describe("tulle filter new", () => {
  let folder: string;
  beforeAll(async () => {
    folder = workspace.file("my-filter");
    expect(await tulle(["new", "my-filter"])).toMatchObject({ code: 0, err: "" });
  }, PATIENCE);

  test("writes a project whose files name it, and the Tulle that it belongs to", () => {
    expect(readdirSync(folder).sort()).toEqual([
      ".gitignore",
      "README.md",
      "config.json",
      "filter.story.ts",
      "filter.ts",
      "package.json",
      "tsconfig.json",
    ]);
    for (const name of readdirSync(folder)) {
      const text = readFileSync(join(folder, name), "utf8");
      expect(text).not.toContain("@NAME@");
      expect(text).not.toContain("@TULLE@");
    }
    const { name, scripts } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    expect(name).toBe("my-filter");
    for (const script of Object.values(scripts) as string[]) {
      const [, launcher] = /^node "([^"]+)" filter \w+$/.exec(script) ?? [];
      expect(existsSync(join(folder, launcher ?? "?")) || existsSync(launcher ?? "?")).toBe(true);
    }
    const { compilerOptions, extends: base } = JSON.parse(
      readFileSync(join(folder, "tsconfig.json"), "utf8"),
    );
    expect(existsSync(base)).toBe(true);
    expect(existsSync(compilerOptions.paths["tulle/*"][0].replace("*", "sdk.ts"))).toBe(true);
  });

  test(
    "its stories hold, and its configuration is taken",
    async () => {
      const project = projectIn(folder);
      const built = await compileFilter(project, { debug: false });
      if ("complaint" in built) throw new Error(built.complaint);
      expect(built.filter.warnings).toBe("");
      const compiled = await compileModule(built.filter.bytes, vmLimits({}, "my-filter"));
      if ("fault" in compiled) throw new Error(compiled.fault);
      const read = await readStories(project.stories[0]);
      if ("faults" in read) throw new Error(read.faults.join("\n"));
      expect(read.stories.length).toBeGreaterThan(3);
      for (const story of read.stories) expect(tellStory(compiled.module.module, story, [])).toEqual([]);
      const configuration: unknown = JSON.parse(readFileSync(project.config, "utf8"));
      const taken = { name: "config.json", configuration, steps: [] };
      expect(tellStory(compiled.module.module, taken, [])).toEqual([]);
    },
    PATIENCE,
  );

  test(
    "writes nothing where something is, but into an empty folder",
    async () => {
      const { code, err } = await tulle(["new", "my-filter"]);
      expect({ code, err }).toEqual({
        code: 1,
        err: "tulle: my-filter: is not empty; nothing was written\n",
      });
      workspace.write("file", "");
      expect((await tulle(["new", "x", "--dir", "file"])).err).toBe("tulle: file: is a file\n");
      mkdirSync(workspace.file("empty"));
      expect((await tulle(["new", "other", "--dir", "empty"])).code).toBe(0);
      expect(readFileSync(join(workspace.file("empty"), "README.md"), "utf8")).toStartWith("# other\n");
    },
    PATIENCE,
  );

  test(
    "inside of the clone paths are relative",
    async () => {
      const inside = join(ROOT, "filters-as/build/test/new-filter");
      rmSync(inside, { recursive: true, force: true });
      try {
        expect((await tulle(["new", "inside", "--dir", inside])).code).toBe(0);
        const { scripts } = JSON.parse(readFileSync(join(inside, "package.json"), "utf8"));
        expect(scripts.test).toBe('node "../../../../bin/tulle.mjs" filter test');
      } finally {
        rmSync(inside, { recursive: true, force: true });
      }
    },
    PATIENCE,
  );
});

describe("tulle filter build", () => {
  test(
    "writes the module and says what it is",
    async () => {
      expect((await tulle(["new", "built"])).code).toBe(0);
      const { code, out } = await tulle(["build", "built"]);
      expect(code).toBe(0);
      const bytes = readFileSync(join(workspace.path, "built/build/built.wasm"));
      const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
      expect(out).toStartWith(`built/build/built.wasm\n${bytes.length} bytes, sha256 ${sha256}, built in `);
    },
    PATIENCE,
  );

  test(
    "passes on what the compiler says, with file and line",
    async () => {
      const { folder } = projectOf("broken", "export function f(): i32 {\n  return nothing;\n}\n");
      const { code, out, err } = await tulle(["build", "broken"]);
      expect({ code, out }).toEqual({ code: 1, out: "" });
      expect(err).toContain(`${folder}/filter.ts does not compile`);
      expect(err).toContain("Cannot find name 'nothing'");
      expect(err).toContain("in filter.ts(2,10)");
      expect(existsSync(join(folder, "build"))).toBe(false);
    },
    PATIENCE,
  );

  test(
    "refuses what Envoy could not link",
    async () => {
      const source = `@external("env", "proxy_magic")
declare function magic(): void;
export * from "tulle/exports/plugin";
export function proxy_on_tick(root: u32): void {
  magic();
}
`;
      const built = await compileFilter(projectOf("magic", source), { debug: false });
      expect(built).toHaveProperty(
        "complaint",
        expect.stringContaining("imports env.proxy_magic, which Envoy lacks"),
      );
    },
    PATIENCE,
  );

  test(
    "leaves nothing in the temporary folder",
    async () => {
      const before = readdirSync(dirname(workspace.path)).filter((name) => name.startsWith("tulle-filter-"));
      await compileFilter(projectOf("broken", "nonsense("), { debug: true });
      const after = readdirSync(dirname(workspace.path)).filter((name) => name.startsWith("tulle-filter-"));
      expect(after.filter((name) => !before.includes(name))).toEqual([]);
    },
    PATIENCE,
  );

  test.each([
    ["nowhere", "nowhere: there is no such folder"],
    [".", '.: there is no filter.ts here; "tulle filter new NAME" begins a filter'],
  ])(
    "%s is no project",
    async (folder, complaint) => {
      for (const command of ["build", "test", "bench", "run"]) {
        const { code, err } = await tulle([command, folder]);
        expect({ code, err }).toEqual({ code: 1, err: `tulle: ${complaint}\n` });
      }
    },
    PATIENCE,
  );
});

test(
  "tulle filter test ends with 1 if a story fails, and shows the difference",
  async () => {
    const { folder } = projectOf(
      "failing",
      readFileSync(join(ROOT, "filters-as/template/project/filter.ts"), "utf8"),
    );
    const headers = { ":method": "GET", ":path": "/", ":authority": "a" };
    const steps = [{ on: "requestHeaders", headers, expect: { calls: ['get request ":path"'] } }];
    const stories = [
      { name: "one", steps },
      { name: "two", steps: [] },
    ];
    writeFileSync(join(folder, "a.story.json"), JSON.stringify(stories));
    const { code, out, err } = await tulle(["test", "failing"]);
    expect({ code, err }).toEqual({ code: 1, err: "tulle: 1 of 2 stories failed\n" });
    expect(out.split("\n")).toEqual([
      "a.story.json",
      "  ✗ one",
      "      step 1, request headers:",
      "        calls (- expected, + actual):",
      '            get request ":path"',
      '          + get request "x-user"',
      "  ✓ two",
      "",
    ]);
  },
  PATIENCE,
);

test("the sources of a project are its .ts files, wherever they lie, without stories and what was built", () => {
  const { folder } = projectOf("sources", "");
  for (const path of ["lib/deep", "node_modules/x", "build", ".git"]) {
    mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, path, "a.ts"), "");
  }
  writeFileSync(join(folder, "filter.story.ts"), "");
  const names = sourcesOf(projectIn(folder)).map((path) => path.slice(folder.length + 1));
  expect(names).toEqual(["filter.ts", "lib/deep/a.ts"]);
});

const document = readFileSync(join(ROOT, "docs/writing-a-filter.md"), "utf8");
const shown = [...document.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, text]) => text);

test.each(shown.map((text, i): [number, string] => [i + 1, text]))(
  "filter %d of docs/writing-a-filter.md compiles, and the host takes it",
  async (i, text) => {
    const built = await compileFilter(projectOf(`shown-${i}`, text), { debug: false });
    if ("complaint" in built) throw new Error(built.complaint);
    const compiled = await compileModule(built.filter.bytes, vmLimits({}, "shown"));
    expect(compiled).not.toHaveProperty("fault");
  },
  PATIENCE,
);
