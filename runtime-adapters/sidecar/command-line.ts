/**
 * The options of `tulle sidecar` and `tulle validate`: one table that is parsed, explained by `--help`, and
 * shown by `/server_info`. Names are Envoy's where Envoy has the option. Knows no runtime and starts nothing.
 */
import { LOG_THRESHOLDS, type LogThreshold } from "./operator-log.ts";

/** What the command line says, with defaults filled in. */
export interface Options {
  readonly command: "sidecar" | "validate";
  /** Path of the bootstrap file as it was given. */
  readonly configPath: string;
  /** Workers, at least 1. */
  readonly concurrency: number;
  readonly logLevel: LogThreshold;
  /** Component → level, where it differs. */
  readonly componentLogLevel: ReadonlyMap<string, LogThreshold>;
  /** File that the address of the admin server is written to, "" = none. */
  readonly adminAddressPath: string;
  /** How long open connections may take to finish after SIGTERM, ms. */
  readonly drainTime: number;
}

/** What to do: run, print help and end well, or complain and end badly. */
export type Parsed =
  | { readonly kind: "options"; readonly options: Options }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "error"; readonly message: string };

/** Seconds; below the 30 s after which Kubernetes kills a pod. */
const DEFAULT_DRAIN_TIME = 25;
const MAX_CONCURRENCY = 1024;
const MAX_DRAIN_TIME = 86_400;

interface OptionRow {
  readonly names: readonly string[];
  readonly value: string;
  readonly help: string;
  readonly sidecarOnly: boolean;
}

// biome-ignore format: one table
const OPTIONS: readonly OptionRow[] = [
  { names: ["-c", "--config-path"], value: "FILE", help: "Envoy bootstrap file, YAML or JSON (required)", sidecarOnly: false },
  { names: ["--runtime"], value: "NAME", help: "bun, node or deno (default: bun, else node)", sidecarOnly: false },
  { names: ["--concurrency"], value: "N", help: "workers that share the ports (default 1)", sidecarOnly: true },
  { names: ["-l", "--log-level"], value: "LEVEL", help: "trace debug info warning error critical off (default info)", sidecarOnly: true },
  { names: ["--component-log-level"], value: "A:B,...", help: "levels of single loggers, e.g. http:debug,upstream:trace", sidecarOnly: true },
  { names: ["--admin-address-path"], value: "FILE", help: "write the admin server's address there once it listens", sidecarOnly: true },
  { names: ["--drain-time-s"], value: "SECONDS", help: `wait at most so long for open connections after SIGTERM or SIGINT (default ${DEFAULT_DRAIN_TIME})`, sidecarOnly: true },
  { names: ["-h", "--help"], value: "", help: "print this", sidecarOnly: false },
];

const PURPOSE = {
  sidecar: "Runs a proxy from an Envoy bootstrap file until SIGTERM or SIGINT.",
  validate:
    "Checks a bootstrap file, and the resource files that it names, and lists every fault.\nExits with 0 and prints OK if there is none, otherwise with 1.",
};

const AFTER = {
  sidecar: `
Signals: SIGTERM and SIGINT drain (stop accepting, answer what is under way, exit 0); a second one ends the process
at once (exit code 128 + signal). SIGUSR1 reopens the access logs.
`,
  validate: "",
};

/** Usage of one command. */
export function help(command: "sidecar" | "validate"): string {
  const rows = OPTIONS.filter((row) => command === "sidecar" || !row.sidecarOnly);
  const lefts = rows.map((row) => `${row.names.join(", ")}${row.value === "" ? "" : ` ${row.value}`}`);
  const width = Math.max(...lefts.map((left) => left.length));
  const lines = rows.map((row, i) => `  ${lefts[i].padEnd(width)}  ${row.help}`);
  return `usage: tulle ${command} -c FILE [options]\n\n${PURPOSE[command]}\n\noptions:\n${lines.join("\n")}\n${AFTER[command]}`;
}

/** A whole decimal number from 0 to `max`, or -1. */
function wholeNumber(text: string, max: number): number {
  if (!/^[0-9]{1,9}$/.test(text)) return -1;
  const value = Number(text);
  return value <= max ? value : -1;
}

/** The level of that name ("warn" is also understood), or "". */
export function logThreshold(text: string): LogThreshold | "" {
  if (text === "warn") return "warning";
  return LOG_THRESHOLDS.find((level) => level === text) ?? "";
}

function componentLevels(text: string): Map<string, LogThreshold> | string {
  const levels = new Map<string, LogThreshold>();
  for (const pair of text.split(",")) {
    const colon = pair.indexOf(":");
    const level = colon > 0 ? logThreshold(pair.slice(colon + 1)) : "";
    if (level === "") return `"${pair}" is not <component>:<level>`;
    levels.set(pair.slice(0, colon), level);
  }
  return levels;
}

/** Parses what follows the program's name: a command and its options. */
export function parseCommandLine(args: readonly string[]): Parsed {
  const command = args[0];
  if (command !== "sidecar" && command !== "validate") {
    return { kind: "error", message: `unknown command "${command ?? ""}"; there is sidecar and validate` };
  }
  const options = {
    command,
    configPath: "",
    concurrency: 1,
    logLevel: "info" as LogThreshold,
    componentLogLevel: new Map<string, LogThreshold>(),
    adminAddressPath: "",
    drainTime: DEFAULT_DRAIN_TIME * 1000,
  } satisfies Options;
  const wrong = (message: string): Parsed => ({
    kind: "error",
    message: `${message}\nTry: tulle ${command} --help`,
  });

  for (let i = 1; i < args.length; i++) {
    const equals = args[i].startsWith("--") ? args[i].indexOf("=") : -1;
    const name = equals < 0 ? args[i] : args[i].slice(0, equals);
    const row = OPTIONS.find((candidate) => candidate.names.includes(name));
    if (row === undefined || (row.sidecarOnly && command === "validate")) {
      return wrong(`unknown option ${name}`);
    }
    if (row.value === "") return { kind: "help", text: help(command) };
    const value = equals < 0 ? args[++i] : args[i].slice(equals + 1);
    if (value === undefined || value === "") return wrong(`${name} needs a value: ${row.value}`);

    switch (row.names[row.names.length - 1]) {
      case "--config-path":
        options.configPath = value;
        break;
      case "--concurrency":
        options.concurrency = wholeNumber(value, MAX_CONCURRENCY);
        if (options.concurrency < 1)
          return wrong(`--concurrency ${value}: a number from 1 to ${MAX_CONCURRENCY}`);
        break;
      case "--log-level": {
        const level = logThreshold(value);
        if (level === "") return wrong(`--log-level ${value}: one of ${LOG_THRESHOLDS.join(", ")}`);
        options.logLevel = level;
        break;
      }
      case "--component-log-level": {
        const levels = componentLevels(value);
        if (typeof levels === "string") return wrong(`--component-log-level: ${levels}`);
        options.componentLogLevel = levels;
        break;
      }
      case "--admin-address-path":
        options.adminAddressPath = value;
        break;
      case "--drain-time-s": {
        const seconds = wholeNumber(value, MAX_DRAIN_TIME);
        if (seconds < 0) return wrong(`--drain-time-s ${value}: seconds from 0 to ${MAX_DRAIN_TIME}`);
        options.drainTime = seconds * 1000;
        break;
      }
      case "--runtime": // the launcher has seen to it
        break;
    }
  }
  if (options.configPath === "") return wrong("which file? -c FILE is required");
  return { kind: "options", options };
}
