/**
 * `tulle filter run`: a sidecar with one filter, in this process. What is saved is compiled in another process and
 * put where the sidecar looks for changes; the rest is the sidecar's own hot reload, as in production.
 *
 * Law: nothing that is wrong with a source or a configuration ends what serves.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { formatAddress } from "../../core/io/socket.ts";
import type { Options } from "../sidecar/command-line.ts";
import type { Entry } from "../sidecar/entry.ts";
import { FileWatch } from "../sidecar/file-watch.ts";
import { runSidecar } from "../sidecar/run-sidecar.ts";
import { description, writeModule } from "./build-filter.ts";
import { compileFilter } from "./compile-filter.ts";
import { configOf } from "./filter-config.ts";
import { type FilterProject, sourcesOf } from "./filter-project.ts";
import { runBootstrap, runPlugin } from "./run-bootstrap.ts";
import type { FilterOptions } from "./tool-command-line.ts";

/** ms. An author who presses Ctrl-C wants the prompt back. */
const DRAIN_TIME = 2000;
/** How often files that are new, or gone, are looked for, ms. */
const LOOK = 1000;

/** Serves until a signal ends the process; "" once it serves, or why it cannot. */
export async function runFilter(
  project: FilterProject,
  options: FilterOptions,
  entry: Entry,
): Promise<string> {
  const config = configOf(project, options.config);
  if ("complaint" in config) return config.complaint;
  say(`building ${relative(process.cwd(), join(project.folder, project.entry))} …`);
  const built = await compileFilter(project, options);
  if ("complaint" in built) return built.complaint;
  say(description(built.filter));

  const place = new RunPlace(project);
  writeModule(place.module, built.filter);
  place.write(place.plugin, runPlugin(project.name, place.module, config.text));
  place.write(place.bootstrap, runBootstrap(project.name, place.plugin, options));
  const sidecar = await runSidecar(entry, sidecarOptions(place.bootstrap));
  const [web] = sidecar.listening;
  const url = `http://${web === undefined ? "nowhere" : formatAddress(web.actual)}`;
  const to = options.upstream === null ? "answers itself" : `forwards to ${nameOf(options.upstream)}`;
  say(`${project.name} on ${url}, ${to}; admin pages on ${readFileSync(place.admin, "utf8")}`);
  say(`  curl -i -H 'x-user: ada' ${url}/`);
  say("save a file to swap it in; Ctrl-C ends");
  new Reloader(project, options, place, config.path).start(built.filter.sha256);
  return "";
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function nameOf({ host, port }: NonNullable<FilterOptions["upstream"]>): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Warnings, and all that is said of modules and by the filter. */
function sidecarOptions(configPath: string): Options {
  return {
    command: "sidecar",
    configPath,
    concurrency: 1,
    logLevel: "warning",
    componentLogLevel: new Map([["wasm", "info"]]),
    adminAddressPath: `${configPath}.admin`,
    drainTime: DRAIN_TIME,
  };
}

/** The files that this run is made of, in a folder that goes with the process. */
class RunPlace {
  private readonly folder: string;
  readonly module: string;
  readonly plugin: string;
  readonly bootstrap: string;
  readonly admin: string;

  constructor({ name }: FilterProject) {
    this.folder = mkdtempSync(join(tmpdir(), "tulle-filter-run-"));
    this.module = join(this.folder, `${name}.wasm`);
    this.plugin = join(this.folder, "plugin.json");
    this.bootstrap = join(this.folder, "bootstrap.json");
    this.admin = `${this.bootstrap}.admin`;
    process.on("exit", () => rmSync(this.folder, { recursive: true, force: true }));
  }

  write(path: string, content: object): void {
    writeFileSync(path, JSON.stringify(content, null, 1));
  }
}

/** Follows the sources and the configuration. */
class Reloader {
  private readonly project: FilterProject;
  private readonly options: FilterOptions;
  private readonly place: RunPlace;
  private readonly config: string;
  private readonly watch: FileWatch;
  private sha256 = "";
  /** The sources of the last look. */
  private sources = new Set<string>();
  private isBuilding = false;
  /** Something was saved while the compiler was at work. */
  private isStale = false;

  constructor(project: FilterProject, options: FilterOptions, place: RunPlace, config: string) {
    this.project = project;
    this.options = options;
    this.place = place;
    this.config = config;
    this.watch = new FileWatch((paths) => this.onChange(paths));
  }

  /** `sha256` is of the module that serves. */
  start(sha256: string): void {
    this.sha256 = sha256;
    this.sources = new Set(sourcesOf(this.project));
    this.look();
    setInterval(() => this.look(), LOOK).unref();
  }

  /** Makes what is there now the files to watch; a file that came or went is a change. */
  private look(): void {
    let now: Set<string>;
    try {
      now = new Set(sourcesOf(this.project));
    } catch {
      return; // A folder that is just being moved.
    }
    const before = this.sources;
    this.sources = now;
    this.watch.watch(this.config === "" ? now : new Set([...now, this.config]));
    const changed = [...now, ...before].filter((path) => !now.has(path) || !before.has(path));
    if (changed.length > 0) this.onChange(changed);
  }

  private onChange(paths: readonly string[]): void {
    const names = paths.map((path) => relative(this.project.folder, path)).join(", ");
    if (paths.includes(this.config)) this.configure();
    if (paths.some((path) => path !== this.config)) void this.build(names);
  }

  private configure(): void {
    const config = configOf(this.project, this.config);
    if ("complaint" in config) say(`${config.complaint}; what was in force stays in force`);
    else {
      const { plugin, module } = this.place;
      say(`${relative(this.project.folder, this.config)} changed: configuring anew`);
      this.place.write(plugin, runPlugin(this.project.name, module, config.text));
    }
  }

  private async build(names: string): Promise<void> {
    if (this.isBuilding) {
      this.isStale = true;
      return;
    }
    this.isBuilding = true;
    say(`${names} changed: building …`);
    const built = await compileFilter(this.project, this.options);
    this.isBuilding = false;
    if ("complaint" in built) say(`${built.complaint}\n\nwhat was in force stays in force`);
    else if (built.filter.sha256 === this.sha256) say("the same module as before");
    else {
      this.sha256 = built.filter.sha256;
      say(description(built.filter));
      writeModule(this.place.module, built.filter);
    }
    if (!this.isStale) return;
    this.isStale = false;
    void this.build("more");
  }
}
