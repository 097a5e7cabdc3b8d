/** What the documents say is run: configurations are validated, commands parsed, links followed, pages asked for. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DEFAULT_LIMITS } from "../core/http1/limits.ts";
import { BOUNDS } from "../core/http2/glitches.ts";
import { DEFAULT_HTTP2_LIMITS } from "../core/http2/limits.ts";
import { readHttp2Options } from "../core/xds/http2-options.ts";
import { makeCertificates } from "../examples/mtls-pair/certificates.mjs";
import { parseFilterCommand } from "../runtime-adapters/filter-tool/tool-command-line.ts";
import { ADMIN_COMMANDS } from "../runtime-adapters/sidecar/admin/admin-command.ts";
import { parseCommandLine } from "../runtime-adapters/sidecar/command-line.ts";
import { readResourceFile } from "../runtime-adapters/sidecar/config-file.ts";
import { checks } from "../runtime-adapters/sidecar/engine.ts";
import { validate } from "../runtime-adapters/sidecar/validate.ts";
import { filterNames } from "../scripts/build-filters.ts";
import { shippedFilter } from "./support/filter-build.ts";
import { installedRuntimes } from "./support/runtimes.ts";
import { PATIENCE, SidecarProcess, Workspace } from "./support/sidecar-process.ts";

const ROOT = resolve(import.meta.dir, "..");
const DOCUMENTS = [
  "README.md",
  "CONTRIBUTING.md",
  ...(readdirSync(join(ROOT, "docs"), { recursive: true }) as string[]).map((name) => `docs/${name}`),
  "deploy/README.md",
  "filters-as/README.md",
].filter((path) => path.endsWith(".md"));
const workspace = new Workspace();
afterAll(() => workspace.remove());

/** What a bench or a build writes need not be there. */
const isThere = (path: string) =>
  /^(bench\/results|filters-as\/build)/.test(path) || existsSync(join(ROOT, path));

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

/** The fenced blocks of a language, as [document, text]. */
function blocks(language: string): [string, string][] {
  return DOCUMENTS.flatMap((path) =>
    [...read(path).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
      ([, text]): [string, string] => [path, text],
    ),
  );
}

const commands = blocks("sh").flatMap(([path, text]) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line): [string, string] => [path, line]),
);

describe("links", () => {
  test.each(DOCUMENTS)("of %s lead somewhere", (path) => {
    const links = [...read(path).matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link);
    const broken = links.filter((link) => !link.startsWith("http") && !isThere(join(dirname(path), link)));
    expect(broken).toEqual([]);
  });

  test.each(DOCUMENTS)("files that %s names are there", (path) => {
    const named = [
      ...read(path).matchAll(
        /`(?:bun )?((?:core|runtime-adapters|filters|filters-as|scripts|deploy|test|bench|bin|docs|examples)\/[\w./-]*)[ `]/g,
      ),
    ];
    expect(named.map(([, file]) => file).filter((file) => !isThere(file))).toEqual([]);
  });
});

describe("configurations", () => {
  test.each(blocks("yaml"))("in %s are sound", (_path, text) => {
    const file = workspace.write("example.yaml", text);
    if (!text.startsWith("version_info")) expect(validate(file, checks)).toEqual([]);
    else expect(readResourceFile("EDS", file, checks)).toMatchObject({ faults: [], versionInfo: "7" });
  });

  test("of the examples are sound", async () => {
    await makeCertificates();
    const files = (readdirSync(join(ROOT, "examples"), { recursive: true }) as string[]).filter((name) =>
      name.endsWith("envoy.yaml"),
    );
    expect(files.length).toBeGreaterThan(0);
    // They name their files as seen from the root of the repository, where the tests run.
    for (const file of files) expect(validate(join("examples", file), checks)).toEqual([]);
  });

  const envoy = process.env.ENVOY_BIN ?? Bun.which("envoy") ?? "";
  const examples = (readdirSync(join(ROOT, "examples"), { recursive: true }) as string[])
    .filter((name) => name.endsWith("envoy.yaml"))
    .map(dirname);
  test.skipIf(envoy === "").each(examples)("examples/%s is sound for Envoy as well", async (name) => {
    const config = join("examples", name, "envoy.yaml");
    if (name === "wasm-filters") for (const filter of filterNames()) shippedFilter(filter); // Envoy loads them
    const child = Bun.spawn([envoy, "--mode", "validate", "-c", config], {
      stdout: "ignore",
      stderr: "pipe",
    });
    const [code, complaint] = [await child.exited, await new Response(child.stderr).text()];
    expect({ code, complaint: code === 0 ? "" : complaint }).toEqual({ code: 0, complaint: "" });
  });
});

describe("command lines", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: { [name: string]: string } };

  test.each(commands.filter(([, line]) => line.startsWith("npx tulle")))("%s: %s", (_path, line) => {
    const args = line.split(" ").slice(2);
    if (args[0] === "version") return;
    if (args[0] === "filter") {
      expect(parseFilterCommand(args.slice(1)).kind).toBe("options");
      return;
    }
    const parsed = parseCommandLine(args);
    expect(parsed.kind).toBe("options");
    if (parsed.kind === "options") expect(existsSync(join(ROOT, parsed.options.configPath))).toBe(true);
  });

  test("npm scripts that are named exist", () => {
    const named = DOCUMENTS.flatMap((path) => [
      ...read(path).matchAll(/npm (?:run )?(start|test|(?<=run )[\w:]+)/g),
    ]);
    expect(named.length).toBeGreaterThan(3);
    expect(named.map(([, name]) => name).filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

describe("the admin page", () => {
  let proxy: SidecarProcess;
  beforeAll(async () => {
    const quickstart = read("examples/quickstart/envoy.yaml").replaceAll(
      /port_value: (9901|10080)/g,
      "port_value: 0",
    );
    proxy = new SidecarProcess(installedRuntimes[0], workspace, Bun.YAML.parse(quickstart) as object);
    await proxy.ready();
  }, PATIENCE);
  afterAll(() => proxy.kill());

  test.each(commands.filter(([path, line]) => path === "docs/admin.md" && line.startsWith("curl")))(
    "%s: %s",
    async (_path, line) => {
      const [, method = "GET", path] =
        /^curl (?:-X (\w+) )?'?http:\/\/127\.0\.0\.1:9901([^']*)'?$/.exec(line) ?? [];
      const response = await fetch(proxy.admin + path, { method });
      expect(response.status).toBe(200);
      expect((await response.text()).length).toBeGreaterThan(0);
    },
  );

  test("describes every command and no other", () => {
    const described = [...read("docs/admin.md").matchAll(/^\| (`\/.*?) \|/gm)].flatMap(([, cell]) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, path]) => path),
    );
    expect(described.sort()).toEqual(ADMIN_COMMANDS.map(({ path }) => path).sort());
  });
});

test("the limits of the codec are those of docs/limits.md", () => {
  const cells = [...read("docs/limits.md").matchAll(/^\|([^|]+)\|([^|]+)\|/gm)];
  const rows = new Map(cells.map(([, name, value]) => [name.trim(), value.trim()]));
  const kib = (bytes: number) => `${bytes / 1024} KiB`;
  expect(rows.get("start line")).toBe(kib(DEFAULT_LIMITS.maxStartLineBytes));
  expect(rows.get("request head")).toBe(kib(DEFAULT_LIMITS.maxHeadBytes));
  expect(rows.get("header fields")).toBe(String(DEFAULT_LIMITS.maxFields));
  expect(rows.get("one field's name")).toBe(`${DEFAULT_LIMITS.maxNameBytes} B`);
  expect(rows.get("one field's value")).toBe(kib(DEFAULT_LIMITS.maxValueBytes));
  expect(rows.get("empty lines before a request")).toBe(String(DEFAULT_LIMITS.maxLeadingBlankLines));
  expect(rows.get("trailers")).toBe(
    `${kib(DEFAULT_LIMITS.maxTrailerBytes)}, ${DEFAULT_LIMITS.maxTrailerFields} fields`,
  );
  expect(rows.get("interim (1xx) responses before the final one")).toBe(
    String(DEFAULT_LIMITS.maxInformational),
  );
});

test("limits of HTTP/2 are those of the code", () => {
  const [, section] = /^## HTTP\/2$([\s\S]*?)^## /m.exec(read("docs/limits.md")) ?? ["", ""];
  const cells = [...section.matchAll(/^\|([^|]+)\|([^|]+)\|/gm)];
  const rows = new Map(cells.map(([, name, value]) => [name.trim(), value.trim()]));
  const per = ({ most, within }: { most: number; within: number }) => `${most} in ${within / 1000} s`;
  const { initialStreamWindowSize, initialConnectionWindowSize, maxConcurrentStreams, hpackTableSize } =
    readHttp2Options(null);
  expect(rows.get("what a peer may send ahead in a stream")).toBe(`${initialStreamWindowSize / 1024} KiB`);
  expect(rows.get("what a peer may send ahead in all streams")).toBe(
    `${initialConnectionWindowSize / 1024 / 1024} MiB`,
  );
  expect(rows.get("streams at once that a client opens")).toBe(String(maxConcurrentStreams));
  expect(rows.get("HPACK table, the peer's and ours")).toBe(`${hpackTableSize} B`);
  expect(rows.get("header block as it is sent")).toStartWith(
    `${DEFAULT_HTTP2_LIMITS.maxBlockBytes / 1024} KiB`,
  );
  expect(rows.get("streams that a peer makes us reset")).toBe(per(BOUNDS.madeResets));
  expect(rows.get("streams above `max_concurrent_streams`")).toBe(per(BOUNDS.refused));
  expect(rows.get("requests whose heads are larger than they may be")).toBe(per(BOUNDS.tooLarge));
  expect(rows.get("PINGs")).toStartWith(per(BOUNDS.asks));
  expect(rows.get("SETTINGS")).toBe(per(BOUNDS.settings));
  expect(rows.get("window updates")).toStartWith(per(BOUNDS.updates));
  expect(rows.get("PRIORITY, unknown frames, acknowledgements of nothing, GOAWAY")).toStartWith(
    per(BOUNDS.idle),
  );
  expect(rows.get("DATA that is empty, or all padding, and not the last")).toBe(per(BOUNDS.empty));
});

test("the container file copies what is there", () => {
  const copied = [...read("deploy/Containerfile").matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap(([, files]) =>
    files.split(" "),
  );
  expect(copied.length).toBeGreaterThan(3);
  expect(copied.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
});

test("the container is started as the launcher would", () => {
  const [, words] = /^ENTRYPOINT (.*)$/m.exec(read("deploy/Containerfile")) ?? ["", "[]"];
  const [bun, ...args] = JSON.parse(words) as string[];
  expect(bun).toBe("bun");
  const launcher = read("bin/tulle.mjs");
  for (const flag of args.slice(0, -1)) expect(launcher).toContain(flag.replace(/=.*/, ""));
  expect(existsSync(join(ROOT, args.at(-1)?.replace("/tulle/", "") ?? ""))).toBe(true);
});
