/** Runs one group against a proxy that is started from the group's bootstrap, and writes down what is seen. */
import { existsSync, readFileSync } from "node:fs";
import { get as httpGet } from "node:http";
import { join } from "node:path";
import { bootstrap, type YamlMap } from "../support/bootstrap.ts";
import { freePorts, temporaryFolder } from "../support/child-process.ts";
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
  /^(http\.(?!admin\b)|cluster\.|tcp\.|listener\..*\.(downstream_cx_total|no_filter_chain_match)$|vhost\.)/;
const LEFT_OUT =
  /bytes|_ms$|length|tx_|rx_|lb_|\.http1\.|\.internal\.|\.external\.|circuit_breakers|flow_control/;

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
    const proxy = await start(file, listenerPorts[0]);
    if (proxy === null) return null;
    try {
      lane.proxyAt((listener) => places.port(listener));
      const asks: { [id: string]: Observation } = {};
      for (const one of group.asks) {
        const log = logs.get(one.listener) ?? "";
        const before = linesOf(log).length;
        const outcome = await runExchange(lane, {
          profile: one.listener,
          chunking: "whole",
          client: one.client,
          methods: one.methods,
          origin: one.origin,
          followUp: false,
          victim: false,
        });
        const known = expected?.asks[one.id]?.log;
        const sends = one.client.some((step) => typeof step === "string" && step !== "");
        const wanted = Array.isArray(known)
          ? before + known.length
          : before + Math.max(outcome.responses.length, sends ? 1 : 0);
        const end = performance.now() + (expected ? KNOWN_PATIENCE : FIRST_PATIENCE);
        while (log !== "" && linesOf(log).length < wanted && performance.now() < end) await pause(5);
        asks[one.id] = observe(outcome, linesOf(log).slice(before), names);
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
