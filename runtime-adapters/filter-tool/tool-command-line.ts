/**
 * The options of `tulle filter …`: one table that is parsed and that `--help` explains. Starts nothing.
 */

/** The commands, in the order in which a filter's author meets them. */
export const FILTER_COMMANDS = ["new", "build", "test", "bench", "run"] as const;
export type FilterCommand = (typeof FILTER_COMMANDS)[number];

/** What the command line says, with defaults filled in. */
export interface FilterOptions {
  readonly command: FilterCommand;
  /** The project's folder; for `new`, the filter's name. */
  readonly target: string;
  /** `new`: the folder to write, "" = one of the filter's name. */
  readonly dir: string;
  /** `build`: the file to write, "" = build/<name>.wasm in the project. */
  readonly out: string;
  readonly debug: boolean;
  /** `test`: print the host calls of every step. */
  readonly calls: boolean;
  /** A file with the filter's configuration, "" = the project's config.json, if there is one. */
  readonly config: string;
  /** `bench`: how many requests are measured. */
  readonly requests: number;
  /** `bench`: the path that is asked for. */
  readonly path: string;
  /** `run`: where requests go, "" = they are answered here. */
  readonly upstream: { readonly host: string; readonly port: number } | null;
  /** `run`: where the sidecar listens. */
  readonly port: number;
}

/** What to do: run, print help and end well, or complain and end badly. */
export type ParsedFilter =
  | { readonly kind: "options"; readonly options: FilterOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "error"; readonly message: string };

interface OptionRow {
  readonly names: readonly string[];
  readonly value: string;
  readonly help: string;
  readonly of: readonly FilterCommand[];
}

const DEFAULT_PORT = 8080;
const DEFAULT_REQUESTS = 200_000;
const MAX_REQUESTS = 100_000_000;

// biome-ignore format: one table
const OPTIONS: readonly OptionRow[] = [
  { names: ["--dir"], value: "DIR", help: "folder to write (default: NAME)", of: ["new"] },
  { names: ["-o", "--out"], value: "FILE", help: "module to write (default: build/NAME.wasm in the project)", of: ["build"] },
  { names: ["--debug"], value: "", help: "do not optimise: traps name every function on the way", of: ["build", "test", "run"] },
  { names: ["--calls"], value: "", help: "print what the filter asked of the host in every step", of: ["test"] },
  { names: ["--config"], value: "FILE", help: "the filter's configuration (default: config.json in the project)", of: ["bench", "run"] },
  { names: ["--requests"], value: "N", help: `requests to measure (default ${DEFAULT_REQUESTS})`, of: ["bench"] },
  { names: ["--path"], value: "PATH", help: "path of the request that is measured (default /)", of: ["bench"] },
  { names: ["--upstream"], value: "HOST:PORT", help: "where requests go (default: the sidecar answers them itself)", of: ["run"] },
  { names: ["--port"], value: "N", help: `where the sidecar listens on 127.0.0.1 (default ${DEFAULT_PORT}; 0 = any)`, of: ["run"] },
  { names: ["--runtime"], value: "NAME", help: "bun, node or deno (default: bun, else node)", of: FILTER_COMMANDS },
  { names: ["-h", "--help"], value: "", help: "print this", of: FILTER_COMMANDS },
];

const PURPOSE: { readonly [command in FilterCommand]: string } = {
  new: "Writes a small filter in AssemblyScript, with stories that test it, into a new folder.",
  build: "Compiles a filter, checks that it imports nothing that Envoy lacks, prints size and sha256.",
  test: "Runs the stories of a filter against a scripted host. Exits with 1 if one fails.",
  bench: "Measures what a filter adds to a request, with and without fuel, and whether its memory grows.",
  run: "Runs a sidecar with the filter in front of an upstream. What is saved is built and swapped in.",
};

const targetOf = (command: FilterCommand): string => (command === "new" ? "NAME" : "[DIR]");

function overview(): string {
  const lines = FILTER_COMMANDS.map((name) => `  ${`${name} ${targetOf(name)}`.padEnd(12)} ${PURPOSE[name]}`);
  return `usage: tulle filter <command> [options]

Writing filters in AssemblyScript; docs/writing-a-filter.md takes you by the hand.

commands:
${lines.join("\n")}

DIR is the folder of the filter (default: the current one). Every command has --help.
`;
}

function helpOf(command: FilterCommand): string {
  const rows = OPTIONS.filter((row) => row.of.includes(command));
  const lefts = rows.map(({ names, value }) => `${names.join(", ")}${value === "" ? "" : ` ${value}`}`);
  const width = Math.max(...lefts.map((left) => left.length));
  const lines = rows.map((row, i) => `  ${lefts[i].padEnd(width)}  ${row.help}`);
  const usage = `usage: tulle filter ${command} ${targetOf(command)} [options]`;
  return `${usage}\n\n${PURPOSE[command]}\n\noptions:\n${lines.join("\n")}\n`;
}

/** A whole decimal number from `least` to `most`, or -1. */
function wholeNumber(text: string, least: number, most: number): number {
  if (!/^[0-9]{1,9}$/.test(text)) return -1;
  const value = Number(text);
  return value >= least && value <= most ? value : -1;
}

/** "host:port" or "[::1]:port"; null if it is neither. */
function hostAndPort(text: string): { host: string; port: number } | null {
  const [, six, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):([0-9]+)$/.exec(text) ?? [];
  const port = wholeNumber(digits ?? "", 1, 65_535);
  const host = six ?? plain ?? "";
  return host === "" || port < 0 ? null : { host, port };
}

/** Parses what follows `tulle filter`. */
export function parseFilterCommand(args: readonly string[]): ParsedFilter {
  const name = args[0] ?? "";
  if (name === "--help" || name === "-h" || name === "help") return { kind: "help", text: overview() };
  const command = FILTER_COMMANDS.find((each) => each === name);
  if (command === undefined) {
    const what = name === "" ? "which command?" : `unknown command "filter ${name}";`;
    return {
      kind: "error",
      message: `${what} there is filter ${FILTER_COMMANDS.join(", ")}\nTry: tulle filter --help`,
    };
  }
  return parseOptions(command, args.slice(1));
}

function parseOptions(command: FilterCommand, args: readonly string[]): ParsedFilter {
  const wrong = (message: string): ParsedFilter => ({
    kind: "error",
    message: `${message}\nTry: tulle filter ${command} --help`,
  });
  const targets: string[] = [];
  const given = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    if (!args[i].startsWith("-")) {
      targets.push(args[i]);
      continue;
    }
    const equals = args[i].startsWith("--") ? args[i].indexOf("=") : -1;
    const name = equals < 0 ? args[i] : args[i].slice(0, equals);
    const row = OPTIONS.find((each) => each.names.includes(name) && each.of.includes(command));
    if (row === undefined) return wrong(`unknown option ${name}`);
    const key = row.names[row.names.length - 1];
    if (key === "--help") return { kind: "help", text: helpOf(command) };
    if (row.value === "") {
      if (equals >= 0) return wrong(`${name} takes no value`);
      given.set(key, "yes");
      continue;
    }
    const value = equals < 0 ? args[++i] : args[i].slice(equals + 1);
    if (value === undefined || value === "") return wrong(`${name} needs a value: ${row.value}`);
    given.set(key, value);
  }
  if (targets.length > 1)
    return wrong(`one ${command === "new" ? "name" : "folder"} at a time, not ${targets.join(" ")}`);
  const target = targets[0] ?? (command === "new" ? "" : ".");
  if (command === "new" && !/^[a-z][a-z0-9_-]{0,63}$/.test(target)) {
    return wrong(
      target === ""
        ? "how shall it be called? tulle filter new NAME"
        : `${target}: a name is of a-z, 0-9, "-" and "_" and begins with a letter`,
    );
  }
  const requests = wholeNumber(given.get("--requests") ?? String(DEFAULT_REQUESTS), 1, MAX_REQUESTS);
  if (requests < 0) return wrong(`--requests ${given.get("--requests")}: a number from 1 to ${MAX_REQUESTS}`);
  const port = wholeNumber(given.get("--port") ?? String(DEFAULT_PORT), 0, 65_535);
  if (port < 0) return wrong(`--port ${given.get("--port")}: a number from 0 to 65535`);
  const path = given.get("--path") ?? "/";
  if (!/^\/[!-~]*$/.test(path)) return wrong(`--path ${path}: a path begins with "/" and has no spaces`);
  const to = given.get("--upstream");
  const upstream = to === undefined ? null : hostAndPort(to);
  if (to !== undefined && upstream === null)
    return wrong(`--upstream ${to}: HOST:PORT, such as 127.0.0.1:3000`);
  return {
    kind: "options",
    options: {
      command,
      target,
      dir: given.get("--dir") ?? "",
      out: given.get("--out") ?? "",
      debug: given.has("--debug"),
      calls: given.has("--calls"),
      config: given.get("--config") ?? "",
      requests,
      path,
      upstream,
      port,
    },
  };
}
