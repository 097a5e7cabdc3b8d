/** `/logging`: shows and changes the levels of loggers, with Envoy's words for each mistake. */
import { logThreshold } from "../command-line.ts";
import { LOG_THRESHOLDS, type LogThreshold } from "../operator-log.ts";
import type { AdminSource } from "./admin-source.ts";

const USAGE = `usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
levels: ${LOG_THRESHOLDS.join(" ")} 
`;

/** Applies `query` (at most one parameter) and lists all levels. All of it is applied, or nothing. */
export function logging(source: AdminSource, query: URLSearchParams): { status: 200 | 400; text: string } {
  const parameters = [...query];
  const mistake = parameters.length > 1 ? "invalid number of parameters" : apply(source, parameters[0]);
  const levels = [...source.logLevels].map(([name, level]) => `  ${name}: ${level}\n`).join("");
  return mistake === ""
    ? { status: 200, text: `active loggers:\n${levels}` }
    : { status: 400, text: `error: ${mistake}\n\n${USAGE}active loggers:\n${levels}` };
}

/** "" or what is wrong. */
function apply(source: AdminSource, parameter: [string, string] | undefined): string {
  if (parameter === undefined) return "";
  const [name, value] = parameter;
  if (name === "level") {
    const level = logThreshold(value);
    if (level === "") return "unknown logger level";
    source.setLogLevel("", level);
    return "";
  }
  const pairs = name === "paths" ? value.split(",").map((pair) => pair.split(":")) : [[name, value]];
  const changes: [string, LogThreshold][] = [];
  for (const [logger, text = ""] of pairs) {
    const level = logThreshold(text);
    if (level === "") return "unknown logger level";
    if (!source.logLevels.has(logger)) return "unknown logger name";
    changes.push([logger, level]);
  }
  for (const [logger, level] of changes) source.setLogLevel(logger, level);
  return "";
}
