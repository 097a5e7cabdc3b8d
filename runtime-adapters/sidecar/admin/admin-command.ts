/**
 * The commands of the admin server: one table that `/help` and `/` print and that decides which of them need
 * POST. Paths, parameters and their order are Envoy's; what has no meaning here (heap profiler, hot restart of
 * sockets, …) is left out, so that asking for it is a 404 and not a lie.
 */

export interface AdminParameter {
  readonly name: string;
  readonly help: string;
  /** Allowed values; none = free text. */
  readonly values?: readonly string[];
  /** Takes no value: present or absent. */
  readonly isFlag?: boolean;
}

export interface AdminCommand {
  readonly path: string;
  readonly help: string;
  /** Changes state: POST only. */
  readonly mutates: boolean;
  readonly parameters: readonly AdminParameter[];
}

const FILTER = { name: "filter", help: "Regular expression (RE2) that names must contain" };
const STATS_PARAMETERS: readonly AdminParameter[] = [
  { name: "usedonly", help: "Only statistics that have been written since the start", isFlag: true },
  FILTER,
];

function read(path: string, help: string, parameters: readonly AdminParameter[] = []): AdminCommand {
  return { path, help, mutates: false, parameters };
}

function change(path: string, help: string, parameters: readonly AdminParameter[] = []): AdminCommand {
  return { path, help, mutates: true, parameters };
}

export const ADMIN_COMMANDS: readonly AdminCommand[] = [
  read("/", "Admin home page"),
  read("/certs", "print certificates in use"),
  read("/clusters", "upstream cluster status", [
    FILTER,
    { name: "format", help: "File format to use", values: ["text", "json"] },
  ]),
  read("/config_dump", "dump the configuration in force", [
    { name: "resource", help: "The resource to dump, e.g. dynamic_listeners" },
    { name: "mask", help: "Fields to dump, e.g. static_clusters or (with resource) cluster.name" },
    { name: "name_regex", help: "Regular expression (RE2) that the whole name must match" },
    { name: "include_eds", help: "Also dump endpoints", isFlag: true },
  ]),
  change("/drain_listeners", "drain listeners", [
    { name: "graceful", help: "End connections politely for the drain time, then stop", isFlag: true },
    { name: "skip_exit", help: "Drain, but never stop the listeners", isFlag: true },
    { name: "inboundonly", help: "Only listeners whose traffic_direction is INBOUND", isFlag: true },
  ]),
  change("/healthcheck/fail", "cause the server to fail health checks"),
  change("/healthcheck/ok", "cause the server to pass health checks"),
  read("/help", "print out list of admin commands"),
  read("/hot_restart_version", "print the hot restart compatibility version"),
  read("/listeners", "print listener info", [
    { name: "format", help: "File format to use", values: ["text", "json"] },
  ]),
  change("/logging", "query/change logging levels", [
    { name: "paths", help: "Several levels: <logger>:<level>,<logger>:<level>" },
    {
      name: "level",
      help: "Level of all loggers",
      values: ["trace", "debug", "info", "warning", "error", "critical", "off"],
    },
  ]),
  read("/memory", "print current heap usage"),
  change("/quitquitquit", "exit the server"),
  read("/ready", "print server state, return 200 if LIVE, otherwise return 503"),
  change("/reopen_logs", "reopen access logs"),
  change("/reset_counters", "reset all counters to zero"),
  read("/runtime", "print runtime values"),
  change("/runtime_modify", "set runtime values: ?key=value&…; an empty value removes an override"),
  read("/server_info", "print server version/status information"),
  read("/stats", "print server statistics", [
    ...STATS_PARAMETERS,
    { name: "format", help: "Format to use", values: ["text", "json", "prometheus"] },
    { name: "type", help: "Kinds to include", values: ["All", "Counters", "Histograms", "Gauges"] },
    {
      name: "histogram_buckets",
      help: "How histograms are shown",
      values: ["cumulative", "disjoint", "detailed", "summary"],
    },
  ]),
  read("/stats/prometheus", "print server statistics in Prometheus format", STATS_PARAMETERS),
  change("/wasm_modules", "replace a WASM module by the body of the request, or without one read it anew", [
    { name: "source", help: "Where the module comes from, as /config_dump says" },
  ]),
];

/** What `/help` prints, and a 404 after its first line. */
export function adminHelp(): string {
  let text = "admin commands are:\n";
  for (const { path, help, mutates, parameters } of ADMIN_COMMANDS) {
    text += `  ${path}${mutates ? " (POST)" : ""}: ${help}\n`;
    for (const parameter of parameters) {
      const values = parameter.values === undefined ? "" : `; One of (${parameter.values.join(", ")})`;
      text += `      ${parameter.name}: ${parameter.help}${values}\n`;
    }
  }
  return text;
}
