/**
 * The laws of the house, checked on the source itself: who may import whom, that the core is pure, how files are
 * named and introduced. DESIGN's layout is the table below; a new folder needs a line there.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { VERSION } from "../runtime-adapters/sidecar/version.ts";

const ROOT = resolve(import.meta.dir, "..");
const SOURCE_FOLDERS = [
  "core",
  "filters",
  "filters-as",
  "runtime-adapters",
  "control",
  "bench",
  "examples",
  "bin",
];
const GENERATED = "core/xds/generated/";

/** Folder (or file) of the core → floor. A file imports its own folder and lower floors. */
const FLOORS: { readonly [folder: string]: number } = {
  "core/bytes": 1,
  "core/time": 1,
  "core/io": 1,
  "core/errors.ts": 1,
  "core/http": 2,
  "core/config": 2,
  "core/http1": 3,
  "core/http2": 3,
  "core/telemetry": 3,
  "core/route": 3,
  "core/tls": 4,
  "core/cluster": 4,
  "core/filter": 4,
  "core/proxy": 5,
  "core/xds": 5,
};

/** Files above 400 lines, each with the reason why it is one file. */
const LONG_FILES: { readonly [path: string]: string } = {
  "core/config/model.ts": "one data model, read top to bottom",
};
const MAX_LINES = 400;

const BANNED_NAMES = ["index", "types", "utils", "util", "helpers", "helper", "common", "manager", "impl"];
const RUNTIMES = ["bun", "node", "deno", "memory"];

interface Source {
  /** Relative to the repository, with "/". */
  readonly path: string;
  readonly text: string;
  /** The text without comments and strings. */
  readonly code: string;
  /** Relative imports as repository paths, packages as they are written. */
  readonly imports: readonly string[];
  /** Those of them that exist at run time. */
  readonly values: readonly string[];
  /** Those of `values` that are loaded together with the file, not on demand. */
  readonly eager: readonly string[];
}

function* walk(folder: string): Generator<string> {
  for (const name of readdirSync(folder).sort()) {
    if (name === "node_modules" || name.startsWith(".")) continue;
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* walk(path);
    else yield path;
  }
}

/** Blanks comments, strings and regular expressions' worst cases; keeps line breaks. */
function codeOnly(text: string): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`/g,
    (part) => part.replace(/[^\n]/g, " "),
  );
}

function importsOf(path: string, text: string): Pick<Source, "imports" | "values" | "eager"> {
  const imports: string[] = [];
  const values: string[] = [];
  const eager: string[] = [];
  const withoutComments = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const pattern =
    /(?:^|\n)\s*((?:import|export)\s[^;"']*?)from\s*"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)|(?:^|\n)import\s+"([^"]+)"/g;
  for (const match of withoutComments.matchAll(pattern)) {
    const written = match[2] ?? match[3] ?? match[4];
    const file = written.startsWith(".") ? relative(ROOT, resolve(ROOT, dirname(path), written)) : written;
    // AssemblyScript wants its imports without an ending.
    const target = path.startsWith("filters-as/") && file !== written ? `${file}.ts` : file;
    imports.push(target);
    const names = match[1] ?? "";
    const onlyTypes =
      /^(import|export)\s+type\b/.test(names) ||
      (/\{/.test(names) && [...names.matchAll(/[{,]\s*(\w+)(?=\s)/g)].every(([, word]) => word === "type"));
    if (onlyTypes) continue;
    values.push(target);
    if (match[3] === undefined) eager.push(target);
  }
  return { imports, values, eager };
}

function load(folders: readonly string[], endings: readonly string[]): Source[] {
  const sources: Source[] = [];
  for (const folder of folders) {
    try {
      statSync(join(ROOT, folder));
    } catch {
      continue;
    }
    for (const file of walk(join(ROOT, folder))) {
      if (!endings.some((ending) => file.endsWith(ending))) continue;
      const path = relative(ROOT, file);
      const text = readFileSync(file, "utf8");
      sources.push({ path, text, code: codeOnly(text), ...importsOf(path, text) });
    }
  }
  return sources;
}

const sources = load(SOURCE_FOLDERS, [".ts", ".mjs"]);
const written = sources.filter(({ path }) => !path.startsWith(GENERATED));
const core = sources.filter(({ path }) => path.startsWith("core/"));

function floorKey(path: string): string {
  const parts = path.split("/");
  return parts.length === 2 ? path : parts.slice(0, 2).join("/");
}

/** "importer → imported" for every import that `breaks` the law. */
function breaches(of: readonly Source[], breaks: (path: string, target: string) => boolean): string[] {
  return of.flatMap(({ path, imports }) =>
    imports.filter((target) => breaks(path, target)).map((target) => `${path} → ${target}`),
  );
}

describe("who may import whom", () => {
  test("there is a core to judge", () => {
    expect(core.length).toBeGreaterThan(20);
  });

  test("every folder of the core has a floor", () => {
    const unknown = core.map(({ path }) => floorKey(path)).filter((key) => FLOORS[key] === undefined);
    expect([...new Set(unknown)]).toEqual([]);
  });

  test("core: its own folder and lower floors only", () => {
    const wrong = breaches(core, (path, target) => {
      if (target.startsWith("@bufbuild/protobuf")) return !path.startsWith("core/xds/");
      if (!target.startsWith("core/")) return true;
      const [from, to] = [floorKey(path), floorKey(target)];
      return from !== to && !(FLOORS[to] < FLOORS[from]);
    });
    expect(wrong).toEqual([]);
  });

  test("filters: the core's filter, http, config, bytes, time, telemetry, io, errors", () => {
    const allowed = /^(filters\/|core\/(filter|http|config|bytes|time|telemetry|io)\/|core\/errors\.ts$)/;
    const filters = sources.filter(({ path }) => path.startsWith("filters/"));
    expect(breaches(filters, (_, target) => !allowed.test(target))).toEqual([]);
  });

  test("runtime-adapters: core and filters; a runtime never another one; only entry files know the process", () => {
    const adapters = sources.filter(({ path }) => path.startsWith("runtime-adapters/"));
    const wrong = breaches(adapters, (path, target) => {
      const from = path.split("/")[1];
      if (target.startsWith("runtime-adapters/")) {
        const to = target.split("/")[1];
        const isShared = to.endsWith(".ts") || to === from;
        const isEntry = basename(path) === "main.ts" && RUNTIMES.includes(from) && to === "sidecar";
        // A development tool, which runs a sidecar; its command is one of the process's.
        const isTool =
          (from === "filter-tool" && to === "sidecar") ||
          `${path} → ${target}` ===
            "runtime-adapters/sidecar/command.ts → runtime-adapters/filter-tool/filter-command.ts";
        return !isShared && !isEntry && !isTool;
      }
      if (target.startsWith("core/"))
        return from !== "sidecar" && /^core\/(proxy|xds|route|http1)\//.test(target);
      const packages = from === "sidecar" ? ["hono", "hono/tiny", "yaml", "prom-client"] : [];
      return (
        !target.startsWith("filters/") &&
        !target.startsWith("node:") &&
        !target.startsWith("bun:") &&
        !packages.includes(target)
      );
    });
    expect(wrong).toEqual([]);
  });

  test("control: core without proxy/, and the contract of the runtimes", () => {
    const control = sources.filter(({ path }) => path.startsWith("control/"));
    const wrong = breaches(
      control,
      (_, target) =>
        target.startsWith("core/proxy/") ||
        (target.startsWith("runtime-adapters/") && target !== "runtime-adapters/runtime.ts"),
    );
    expect(wrong).toEqual([]);
  });

  test("nobody imports tests, benches or examples", () => {
    const shipped = sources.filter(({ path }) => /^(core|filters|runtime-adapters|control|bin)\//.test(path));
    expect(breaches(shipped, (_, target) => /^(test|bench|examples)\//.test(target))).toEqual([]);
  });

  test("no circles (types alone may point back: they are gone at run time)", () => {
    const graph = new Map(sources.map(({ path, values }) => [path, values]));
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (path: string, trail: readonly string[]) => {
      if (trail.includes(path)) {
        circles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
        return;
      }
      if (done.has(path)) return;
      for (const target of graph.get(path) ?? []) if (graph.has(target)) visit(target, [...trail, path]);
      done.add(path);
    };
    for (const path of graph.keys()) visit(path, []);
    expect(circles).toEqual([]);
  });

  test("a worker thread does not load what reads configuration, nor the admin pages", () => {
    // It has a heap of its own and gets finished snapshots: an entry file loads the rest on demand.
    const loaded = new Set(RUNTIMES.map((name) => `runtime-adapters/${name}/main.ts`));
    for (const path of loaded) {
      for (const target of sources.find((each) => each.path === path)?.eager ?? []) loaded.add(target);
    }
    const wrong = [...loaded].filter((path) =>
      /^core\/xds\/|\/sidecar\/(admin\/|run-|validate|sidecar|config-file)|^(yaml|hono)/.test(path),
    );
    expect(loaded.size).toBeGreaterThan(50);
    expect(wrong).toEqual([]);
  });

  test("a sidecar without plugins loads no WASM host", () => {
    // What checks a configuration may be there. The rest is some MB: the sidecar and each worker load it on demand.
    const checks = /^filters\/wasm\/(plugin-config|plugin-bytes|vm-limits)\.ts$/;
    const isHost = (path: string) =>
      (path.startsWith("filters/wasm/") && !checks.test(path)) ||
      /\/modules\/(make-module-store|module-store|module-source|(compile|try|ask)-\w+)\.ts$/.test(path);
    const onDemand = (path: string) => isHost(path) || path.startsWith("runtime-adapters/filter-tool/");
    const loaded = new Set(RUNTIMES.map((name) => `runtime-adapters/${name}/main.ts`));
    for (const path of loaded) {
      const { eager = [], values = [] } = sources.find((each) => each.path === path) ?? {};
      for (const target of eager) loaded.add(target);
      // Whatever else a command or a page has loaded.
      for (const target of values) if (!onDemand(target)) loaded.add(target);
    }
    expect(loaded.has("runtime-adapters/sidecar/sidecar.ts")).toBe(true);
    expect(loaded.has("filters/wasm/plugin-config.ts")).toBe(true);
    expect([...loaded].filter(isHost)).toEqual([]);
    expect(sources.filter(({ path }) => isHost(path)).length).toBeGreaterThan(50);
  });

  test("the tool for authors of filters is loaded by its command and by nothing else", () => {
    const isTool = (path: string) => path.startsWith("runtime-adapters/filter-tool/");
    const shipped = sources.filter(({ path }) => /^(core|filters|runtime-adapters|control|bin)\//.test(path));
    const wrong = shipped.filter(({ path, eager }) => !isTool(path) && eager.some(isTool));
    expect(wrong.map(({ path }) => path)).toEqual([]);
    expect(sources.some(({ path }) => isTool(path))).toBe(true);
  });

  test("every relative import names a file that is there", () => {
    const missing = breaches(sources, (_, target) => {
      if (!target.includes("/") || !SOURCE_FOLDERS.includes(target.split("/")[0])) return false;
      try {
        return !statSync(join(ROOT, target)).isFile();
      } catch {
        return true;
      }
    });
    expect(missing).toEqual([]);
  });
});

describe("the core is pure", () => {
  /** What a runtime brings and the language does not; `Date` only to format a given time. */
  const IMPURE =
    /\b(console|process|Buffer|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|TextEncoder|TextDecoder|URL|performance|crypto|require|globalThis|Bun|Deno|structuredClone|btoa|atob)\b(?!\s*[:?]?\s*[=:(]?\s*=>)|\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b/;

  test("no runtime, no clock, no randomness", () => {
    const wrong: string[] = [];
    for (const { path, code } of core) {
      if (path.startsWith(GENERATED)) continue;
      code.split("\n").forEach((line, i) => {
        // A property or method may have such a name; a free-standing identifier may not.
        const match = IMPURE.exec(
          line.replace(/\.\s*[A-Za-z_]+|[A-Za-z_]+\s*\??:/g, (part) =>
            /^\.|:$/.test(part) && !/^(Date|Math)/.test(part) ? "" : part,
          ),
        );
        if (match !== null) wrong.push(`${path}:${i + 1}: ${match[0]}`);
      });
    }
    expect(wrong).toEqual([]);
  });

  test("nothing asynchronous", () => {
    const wrong = core
      .filter(
        ({ path, code }) =>
          !path.startsWith(GENERATED) && /\b(async|await)\b|\bnew Promise\b|\bPromise\.\w/.test(code),
      )
      .map(({ path }) => path);
    expect(wrong).toEqual([]);
  });

  test("a runtime's globals are used in its own folder only", () => {
    const wrong = sources
      .filter(({ path }) => path.startsWith("runtime-adapters/"))
      .flatMap(({ path, code }) => {
        const folder = path.split("/")[1];
        const uses = [
          /\bBun\.\w/.test(code) && folder !== "bun" ? "Bun" : "",
          /\bDeno\.\w/.test(code) && folder !== "deno" ? "Deno" : "",
        ];
        return uses.filter((name) => name !== "").map((name) => `${path}: ${name}`);
      });
    expect(wrong).toEqual([]);
  });
});

describe("files", () => {
  test("are kebab-case and named for what they hold", () => {
    const wrong = written
      .map(({ path }) => path)
      .filter((path) => {
        const name = basename(path).replace(/\.(d\.ts|ts|mjs)$/, "");
        // AssemblyScript takes a file's name for that of the imported module, and this one is WASI's.
        if (path.startsWith("filters-as/") && name === "wasi_snapshot_preview1") return false;
        return !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || BANNED_NAMES.includes(name);
      });
    expect(wrong).toEqual([]);
  });

  test("begin by saying what they are", () => {
    const wrong = written
      .filter(({ text }) => !/^(#![^\n]*\n)?(\/\*\*|\/\/ )/.test(text))
      .map(({ path }) => path);
    expect(wrong).toEqual([]);
  });

  test("are short, or listed with a reason", () => {
    const long = written
      .filter(({ path, text }) => text.split("\n").length - 1 > MAX_LINES && LONG_FILES[path] === undefined)
      .map(({ path, text }) => `${path}: ${text.split("\n").length - 1} lines`);
    expect(long).toEqual([]);
  });

  test("the list of long files has no leftovers", () => {
    const leftovers = Object.keys(LONG_FILES).filter((path) => {
      const source = written.find((each) => each.path === path);
      return source === undefined || source.text.split("\n").length - 1 <= MAX_LINES;
    });
    expect(leftovers).toEqual([]);
  });

  test("name no machine and no workplace", () => {
    const everything = load(
      [...SOURCE_FOLDERS, "test", "docs", "deploy", ".ci"],
      [".ts", ".mjs", ".md", ".json", ".yaml", ".yml", "run"],
    );
    // Written apart, so that this file does not name what it looks for.
    const banned = new RegExp(`/${"work"}/(main|wt|shared)\\b|/${"opt"}/envoy\\b`);
    expect(everything.filter(({ text }) => banned.test(text)).map(({ path }) => path)).toEqual([]);
  });
});

describe("exported functions and classes are documented", () => {
  /** What does something. Data (interfaces, constants) explains itself field by field. */
  const DECLARATION =
    /^export (?:default )?(?:abstract class|class|async function\*?|function\*?) ([A-Za-z0-9_$]+)/;

  /** True if something above the line explains it; a run of constants shares the comment of its first. */
  function isExplained(lines: readonly string[], at: number): boolean {
    for (let i = at - 1; i >= 0; i--) {
      const line = lines[i].trim();
      if (line.endsWith("*/") || line.startsWith("// ")) {
        if (line.startsWith("// biome-ignore")) continue;
        return true;
      }
      if (!/^export (const|type) /.test(line)) return false;
    }
    return false;
  }

  test.each(["core", "filters", "runtime-adapters", "control"])("%s", (folder) => {
    const bare = written
      .filter(({ path }) => path.startsWith(`${folder}/`))
      .flatMap(({ path, text }) => {
        const lines = text.split("\n");
        const exported = lines.flatMap((line, i) => (DECLARATION.test(line) ? [i] : []));
        // The head of a file speaks for its only (or first) export.
        return exported
          .slice(1)
          .filter((i) => !isExplained(lines, i))
          .map((i) => `${path}:${i + 1}: ${DECLARATION.exec(lines[i])?.[1]}`);
      });
    expect(bare).toEqual([]);
  });
});

test("the version is the same everywhere", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  expect(VERSION).toBe(version);
});
