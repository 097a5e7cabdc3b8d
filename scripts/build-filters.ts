/**
 * Compiles the filters that ship, `filters-as/<name>/filter.ts` → `filters-as/build/<name>.wasm`, with the options in
 * filters-as/asconfig.json; the schema of its configuration goes beside it. What is built from the same sources by
 * the same compiler is not built again.
 *
 * `npm run filters` builds all, `npm run filters -- headers` one; tests call `buildFilter`.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { ASC_CONFIG, type Asc, findAsc } from "../runtime-adapters/filter-tool/asc.ts";
import { importFaults } from "../runtime-adapters/filter-tool/filter-imports.ts";

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(repository, "filters-as");
const output = join(sources, "build");

/** The folders that hold a filter, by name. */
export function filterNames(): string[] {
  return readdirSync(sources)
    .filter((name) => existsSync(join(sources, name, "filter.ts")))
    .sort();
}

/**
 * Builds a filter unless it is up to date, and puts its schema beside it; returns the path of its module. Throws
 * with the compiler's words.
 */
export function buildFilter(name: string): string {
  const wasm = compile(join(sources, name, "filter.ts"), join(output, `${name}.wasm`));
  const schema = join(sources, name, `${name}.schema.json`);
  if (existsSync(schema)) copyFileSync(schema, join(output, `${name}.schema.json`));
  return wasm;
}

/**
 * Compiles one entry file to `wasm`, with `extra` options. The module imports nothing that Envoy lacks, or this
 * throws. Used for the shipped filters and for the modules that tests are made of.
 */
export function compile(entry: string, wasm: string, extra: readonly string[] = []): string {
  const compiler = findAsc();
  const stamp = fingerprint(entry, compiler, extra);
  const stampFile = `${wasm}.stamp`;
  if (existsSync(wasm) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return wasm;
  mkdirSync(dirname(wasm), { recursive: true });
  // Whoever reads the module at the same time sees the old one or the new one.
  const unfinished = `${wasm}.${process.pid}`;
  const options = ["--config", ASC_CONFIG, "--outFile", relative(repository, unfinished)];
  try {
    execFileSync(compiler.program, [...compiler.args, relative(repository, entry), ...options, ...extra], {
      cwd: repository,
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer };
    throw new Error(`${relative(repository, entry)} does not compile:\n${stderr ?? error}${stdout ?? ""}`);
  }
  const faults = importFaults(new WebAssembly.Module(readFileSync(unfinished)));
  if (faults.length > 0) {
    rmSync(unfinished);
    throw new Error(`${relative(repository, entry)}: ${faults.join("; ")}`);
  }
  renameSync(unfinished, wasm);
  writeFileSync(stampFile, stamp);
  return wasm;
}

/** A hash of all that the module is made from. */
function fingerprint(entry: string, compiler: Asc, extra: readonly string[]): string {
  const hash = createHash("sha256").update(compiler.version).update(JSON.stringify(extra));
  const folders = [join(sources, "sdk"), dirname(entry)];
  for (const folder of folders) {
    for (const path of sourcesBelow(folder))
      hash.update(relative(repository, path)).update(readFileSync(path));
  }
  return hash.update(readFileSync(ASC_CONFIG)).digest("hex");
}

function sourcesBelow(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
    .flatMap((path) =>
      statSync(path).isDirectory() ? sourcesBelow(path) : path.endsWith(".ts") ? [path] : [],
    );
}

if (import.meta.main) {
  const wanted = process.argv.slice(2);
  for (const name of wanted.length > 0 ? wanted : filterNames()) {
    const path = buildFilter(name);
    console.log(`${relative(repository, path)}  ${statSync(path).size} bytes`);
  }
}
