/** Runs one group against a proxy that is started from the group's bootstrap, and writes down what is seen. */
import { existsSync, readFileSync } from "node:fs";
import { get as httpGet } from "node:http";
import { join } from "node:path";
import { bootstrap, type YamlMap } from "../support/bootstrap.ts";
import { freePorts, temporaryFolder } from "../support/child-process.ts";
import type { Outcome } from "../support/exchange.ts";
import { runExchange } from "../support/exchange-runner.ts";
import { TcpLane } from "../support/tcp-target.ts";
import { type Observation, observe } from "./observation.ts";
import type { Group, Places } from "./scenario.ts";

export interface Record {
  readonly asks: { readonly [id: string]: Observation };
  /** Counters and gauges that are not zero at the end. */
  readonly stats: { readonly [name: string]: number };
}

interface Started {
  stop(): Promise<void>;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** How long a log line may take that is known to come, and one that perhaps comes, ms. */
const KNOWN_PATIENCE = 2000;
const FIRST_PATIENCE = 300;

function linesOf(path: string): string[] {
  return existsSync(path)
    ? readFileSync(path, "latin1")
        .split("\n")
        .filter((line) => line !== "")
    : [];
}

function fetchText(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    httpGet({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });
}

/** Statistics that say what was done: not sizes, times or connection internals of one implementation. */
const COMPARED =
  /^(http\.(?!admin\b)|cluster\.|tcp\.|listener\.(?!admin\.).*\.(downstream_cx_total|no_filter_chain_match)$|vhost\.)/;
const LEFT_OUT =
  /bytes|_ms$|length|tx_|rx_|lb_|total_match_count|delayed_close|max_host_weight|downstream_cx_http1_total|\.http1\.|\.internal\.|\.external\.|circuit_breakers|flow_control/;

function readStats(text: string, ports: ReadonlyMap<number, string>): { [name: string]: number } {
  const out: { [name: string]: number } = {};
  for (const line of text.split("\n")) {
    const match = /^(.+): (\d+)$/.exec(line);
    if (match === null || match[2] === "0") continue;
    let name = match[1].replace(/^listener\.127\.0\.0\.1_(\d+)\./, (all, port) =>
      ports.has(Number(port)) ? `listener.<${ports.get(Number(port))}>.` : all,
    );
    name = name.trim();
    if (COMPARED.test(name) && !LEFT_OUT.test(name)) out[name] = Number(match[2]);
  }
  return Object.fromEntries(Object.entries(out).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Gives each ask as many lines of its listener's log as it is known to write; the last one gets what is left. */
async function shareOut(
  group: Group,
  expected: Record,
  logs: ReadonlyMap<string, string>,
  lines: Map<string, string[]>,
): Promise<void> {
  for (const [listener, path] of logs) {
    const asks = group.asks.filter((one) => one.listener === listener);
    const counts = asks.map(({ id }) => {
      const known = expected.asks[id]?.log;
      return Array.isArray(known) ? known.length : 0;
    });
    const total = counts.reduce((sum, count) => sum + count, 0);
    const end = performance.now() + KNOWN_PATIENCE;
    while (linesOf(path).length < total && performance.now() < end) await pause(10);
    const rest = linesOf(path);
    for (const [i, { id }] of asks.entries()) {
      lines.set(id, i === asks.length - 1 ? rest.splice(0) : rest.splice(0, counts[i]));
    }
  }
}

/** Null if `start` found nothing to start. `expected` says how many log lines each ask will write. */
export async function runGroup(
  group: Group,
  start: (file: YamlMap, port: number) => Promise<Started | null>,
  expected: Record | null = null,
): Promise<Record | null> {
  const lane = await TcpLane.open();
  const folder = temporaryFolder();
  const [adminPort, down, ...listenerPorts] = await freePorts(2 + group.listeners.length);
  const names = new Map<number, string>([
    [lane.port, "origin"],
    [down, "down"],
    ...listenerPorts.map((port, i) => [port, group.listeners[i]] as const),
  ]);
  const logs = new Map<string, string>();
  const places: Places = {
    port(listener) {
      const at = group.listeners.indexOf(listener);
      if (at < 0) throw new Error(`group ${group.name} has no listener ${listener}`);
      return listenerPorts[at];
    },
    origin: lane.port,
    down,
    log(name) {
      const path = join(folder.path, `${name}.log`);
      logs.set(name, path);
      return path;
    },
  };
  const { listeners, clusters, more } = group.build(places);
  const file = bootstrap(listeners, clusters, adminPort, more);
  try {
    const proxy = await start(file, listenerPorts[listenerPorts.length - 1]);
    if (proxy === null) return null;
    try {
      lane.proxyAt((listener) => places.port(listener));
      const outcomes = new Map<string, Outcome>();
      const lines = new Map<string, string[]>();
      for (const one of group.asks) {
        const log = logs.get(one.listener) ?? "";
        const before = expected === null ? linesOf(log).length : 0;
        const outcome = await runExchange(lane, {
          profile: one.listener,
          chunking: "whole",
          client: one.client,
          methods: one.methods,
          origin: one.origin,
          followUp: false,
          victim: false,
        });
        outcomes.set(one.id, outcome);
        if (expected !== null) continue;
        const sends = one.client.some((step) => typeof step === "string" && step !== "");
        const wanted = before + Math.max(outcome.responses.length, sends ? 1 : 0);
        const end = performance.now() + FIRST_PATIENCE;
        while (log !== "" && linesOf(log).length < wanted && performance.now() < end) await pause(5);
        lines.set(one.id, linesOf(log).slice(before));
      }
      if (expected !== null) await shareOut(group, expected, logs, lines);
      const asks: { [id: string]: Observation } = {};
      for (const { id } of group.asks) {
        asks[id] = observe(outcomes.get(id) as Outcome, lines.get(id) ?? [], names);
      }
      const stats = readStats(await fetchText(adminPort, "/stats"), names);
      return { asks, stats };
    } finally {
      await proxy.stop();
    }
  } finally {
    await lane.close();
    folder.remove();
  }
}
