/** The command line of the bench. */
import { parseArgs } from "node:util";
import { SCENARIOS } from "./scenario.ts";
import { RUNTIMES, type RuntimeName } from "./tulle.ts";

export interface Options {
  readonly only: readonly string[];
  readonly rounds: number;
  /** Seconds per measurement. */
  readonly duration: number;
  readonly runtimes: readonly RuntimeName[];
  readonly rivals: readonly string[];
  readonly json: string;
  /** Folder for the result files, "" for none. */
  readonly out: string;
  readonly quick: boolean;
  readonly long: boolean;
  readonly port: number;
}

export const RIVALS = ["nginx", "nginx-tuned", "haproxy", "envoy", "node-http"];

const ids = SCENARIOS.map(({ id }) => id);

export const USAGE = `usage: npm run bench -- [options]

Measures Tulle on each runtime beside other proxies: same upstream, same load, one core each, interleaved rounds.
docs/benchmarks.md says how to read the result.

  --only a,b        scenarios (default: all but pause):
${ids.map((id) => `                    ${id}`).join("\n")}
  --long            also run pause: one minute of open loop per proxy
  --rounds N        rounds per scenario (default 15); the median of the rounds is told
  --duration S      seconds per measurement (default 1)
  --runtimes a,b    ${RUNTIMES.join(", ")}, or none (default: all)
  --rivals a,b      ${RIVALS.join(", ")}, or none (default: all)
  --json FILE       also write the result, every round of it, to FILE
  --out DIR         write <date>-<machine>.json, .md and .svg there (default: bench/results, for a full run only)
  --quick           1 round of 1 second: to see that all works, not to quote
  --port N          first port to use (default 22100)
  --help

ENVOY_BIN names the Envoy program if it is not on PATH.
`;

/** The options, or what is wrong with them. */
export function readOptions(
  args: readonly string[],
): Options | { readonly fault: string } | { readonly help: true } {
  let values: { readonly [name: string]: string | boolean | undefined };
  try {
    values = parseArgs({
      args: [...args],
      options: {
        only: { type: "string" },
        rounds: { type: "string" },
        duration: { type: "string" },
        runtimes: { type: "string" },
        rivals: { type: "string" },
        json: { type: "string" },
        out: { type: "string" },
        port: { type: "string" },
        quick: { type: "boolean" },
        long: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    return { fault: (error as Error).message };
  }
  if (values.help) return { help: true };
  const faults: string[] = [];
  const list = <T extends string>(
    name: string,
    allowed: readonly T[],
    fallback: readonly T[],
  ): readonly T[] => {
    const value = values[name];
    if (typeof value !== "string") return fallback;
    if (value === "none" || value === "") return [];
    const asked = value.split(",");
    for (const one of asked) {
      if (!allowed.includes(one as T))
        faults.push(`--${name}: there is no "${one}", only ${allowed.join(", ")}`);
    }
    return asked as T[];
  };
  const number = (name: string, fallback: number, least: number): number => {
    const value = values[name];
    if (typeof value !== "string") return fallback;
    const parsed = Number(value);
    if (!(parsed >= least)) faults.push(`--${name} must be a number of at least ${least}, not "${value}"`);
    return parsed;
  };
  const quick = values.quick === true;
  const long = values.long === true;
  const usual = ids.filter((id) => long || id !== "pause");
  const partial = ["only", "runtimes", "rivals"].some((name) => values[name] !== undefined);
  const text = (name: string) => (typeof values[name] === "string" ? (values[name] as string) : "");
  const options: Options = {
    only: list("only", ids, usual),
    rounds: Math.floor(number("rounds", quick ? 1 : 15, 1)),
    duration: Math.ceil(number("duration", 1, 1)),
    runtimes: list("runtimes", RUNTIMES, RUNTIMES),
    rivals: list("rivals", RIVALS, RIVALS),
    json: text("json"),
    out: text("out") || (partial || quick ? "" : "bench/results"),
    quick,
    long,
    port: Math.floor(number("port", 22100, 1024)),
  };
  return faults.length > 0 ? { fault: faults.join("\n") } : options;
}
