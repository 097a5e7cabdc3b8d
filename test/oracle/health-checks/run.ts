/**
 * Runs all cases of health checks against a proxy, each in a cluster of its own, and writes down what the targets were
 * sent, what /clusters and /stats say when their scripts have ended, and the events' lines.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { address, anyHost, bootstrap, httpListener, type YamlMap } from "../../support/bootstrap.ts";
import { freePorts, temporaryFolder } from "../../support/child-process.ts";
import type { Plain } from "../observation.ts";
import { BASE, type HealthCase, PORT } from "./case.ts";
import { type Script, Target } from "./target.ts";

export interface HealthRecord {
  readonly asks: { readonly [id: string]: Plain };
  readonly stats: { readonly [name: string]: number };
}

interface Started {
  stop(): Promise<void>;
}

/** How long the scripts may take in all, and a change that comes by a file, ms. */
const PATIENCE = 15_000;
const CHANGE = 3000;

/** Until what was learned from one answer is known to all threads, ms. */
const SETTLE = 60;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const WANTED =
  "^cluster\\.[^.]+\\.(health_check\\.|membership_|upstream_cx_|upstream_rq_|lb_healthy_panic|ssl\\.)";
const LEFT_OUT =
  /bytes|_ms$|length|upstream_cx_http1_total|upstream_rq_(pending|completed|\d)|default\.total/;

class Running {
  readonly one: HealthCase;
  readonly targets: readonly (Target | null)[];
  readonly ports: readonly number[];
  readonly log: string;
  private readonly eds: string;
  private version = 0;

  constructor(one: HealthCase, targets: readonly (Target | null)[], down: readonly number[], folder: string) {
    this.one = one;
    this.targets = targets;
    let refusing = 0;
    this.ports = targets.map((target) => target?.port ?? down[refusing++]);
    this.log = join(folder, `${one.id}.events`);
    this.eds = join(folder, `${one.id}.eds.json`);
  }

  /** The cluster, with its first endpoints. */
  cluster(): YamlMap {
    const { one } = this;
    const check: YamlMap = { ...BASE, event_log_path: this.log, ...one.check };
    const name = one.id;
    const place: YamlMap =
      one.sets === undefined
        ? { type: "STATIC", load_assignment: this.assignment(this.first) }
        : { type: "EDS", eds_cluster_config: { eds_config: { path_config_source: { path: this.eds } } } };
    if (one.sets !== undefined) this.assign(this.first);
    return { name, connect_timeout: "1s", ...place, health_checks: [check], ...one.cluster };
  }

  private assignment(indexes: readonly number[]): YamlMap {
    const { one, ports } = this;
    const lb_endpoints = indexes.map((i) => {
      const text = JSON.stringify(one.checkedAt ?? null).replaceAll(`:${PORT}`, `:${ports[i]}`);
      const config = JSON.parse(text) as YamlMap | null;
      const { endpoint, ...more } = (one.endpoint ?? {}) as { readonly endpoint?: YamlMap };
      return {
        endpoint: {
          address: address(ports[i]),
          ...(config === null ? {} : { health_check_config: config }),
          ...endpoint,
        },
        ...more,
      } as YamlMap;
    });
    const { priorities = [0] } = one;
    const endpoints = [...new Set(priorities)].map((priority) => ({
      priority,
      lb_endpoints: lb_endpoints.filter((_, i) => (priorities[indexes[i]] ?? 0) === priority),
    }));
    return { cluster_name: one.id, endpoints };
  }

  assign(indexes: readonly number[]): void {
    const type = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    const resources = [{ "@type": type, ...this.assignment(indexes) }];
    writeFileSync(`${this.eds}.new`, JSON.stringify({ version_info: String(++this.version), resources }));
    renameSync(`${this.eds}.new`, this.eds);
  }

  named(text: string): string {
    let out = text;
    for (const [i, port] of this.ports.entries()) out = out.replaceAll(String(port), `<target ${i}>`);
    return out;
  }

  /** The scripts of these have ended. */
  async settled(indexes: readonly number[]): Promise<void> {
    await Promise.all(indexes.map((i) => this.targets[i]?.settled));
  }

  /** Which of them the cluster has at the start. */
  get first(): readonly number[] {
    return this.one.sets?.[0] ?? this.targets.map((_, i) => i);
  }
}

/** `expected` is not needed: nothing is waited for but what happens. Null if `start` found nothing to start. */
export async function runHealthCases(
  cases: readonly HealthCase[],
  start: (file: YamlMap, port: number) => Promise<Started | null>,
): Promise<HealthRecord | null> {
  const folder = temporaryFolder();
  const refused = cases.flatMap((one) => one.targets).filter((target) => typeof target === "string").length;
  const [admin, port, ...down] = await freePorts(2 + refused);
  const running: Running[] = [];
  try {
    for (const one of cases) {
      const targets = one.targets.map((target) =>
        typeof target === "string" ? null : new Target(target as Script),
      );
      for (const target of targets) await target?.open();
      const refusing = targets.filter((target) => target === null).length;
      running.push(new Running(one, targets, down.splice(0, refusing), folder.path));
    }
    const routes = cases.map((one) => ({ match: { prefix: `/${one.id}/` }, route: { cluster: one.id } }));
    const file = bootstrap(
      [httpListener("main", port, { route_config: anyHost("main", routes) })],
      running.map((one) => one.cluster()),
      admin,
    );
    // The admin port: listeners wait until each endpoint was checked once.
    const proxy = await start(file, admin);
    if (proxy === null) return null;
    const views = new Views(admin);
    const seen = new Map<Running, { [name: string]: Plain }>();
    try {
      const all = running.map(async (one) => {
        const late = pause(PATIENCE).then(() => "late");
        const came = await Promise.race([one.settled(one.first), late]);
        seen.set(one, { settled: came !== "late", ...(await observe(one, views, port)) });
      });
      await Promise.all(all);
    } finally {
      await proxy.stop();
    }
    const asks: { [id: string]: Plain } = {};
    for (const one of running) {
      const lines = existsSync(one.log) ? readFileSync(one.log, "latin1").split("\n").filter(Boolean) : [];
      asks[one.one.id] = {
        ...(seen.get(one) as { [name: string]: Plain }),
        // Those of two endpoints come in any order.
        events: lines
          .map((line) => one.named(line).replace(/"timestamp":"\d{4}-[^"]*Z"/, '"timestamp":"<time>"'))
          .sort((a, b) => targetOf(a) - targetOf(b)),
      };
    }
    return { asks, stats: {} };
  } finally {
    for (const one of running) for (const target of one.targets) target?.close();
    folder.remove();
  }
}

async function untilAccepting(port: number): Promise<void> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: "127.0.0.1", port }, () => resolve(true));
      socket.on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (open || performance.now() > end) return;
    await pause(20);
  }
}

/** What the admin pages say of all clusters. Those who ask at the same time share one look, which begins after they ask. */
class Views {
  private readonly admin: number;
  private coming: Promise<View> | null = null;
  private going: Promise<unknown> = Promise.resolve();

  constructor(admin: number) {
    this.admin = admin;
  }

  next(): Promise<View> {
    this.coming ??= this.going.then(() => {
      const view = this.look();
      this.coming = null;
      this.going = view;
      return view;
    });
    return this.coming;
  }

  private async look(): Promise<View> {
    const text = async (path: string) => (await fetch(`http://127.0.0.1:${this.admin}${path}`)).text();
    const stats = await text(`/stats?usedonly&filter=${encodeURIComponent(WANTED)}`);
    const flags = await text("/clusters");
    const json = JSON.parse(await text("/clusters?format=json")) as Statuses;
    return {
      stats: byCluster(stats, /^cluster\.([^.]+)\./),
      flags: byCluster(flags, /^([^:]+)::/),
      statuses: json.cluster_statuses ?? [],
    };
  }
}

interface Statuses {
  readonly cluster_statuses?: readonly { name: string; host_statuses?: { health_status: Plain }[] }[];
}

function byCluster(text: string, cluster: RegExp): ReadonlyMap<string, string[]> {
  const lines = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const name = cluster.exec(line)?.[1] ?? "";
    lines.set(name, [...(lines.get(name) ?? []), line]);
  }
  return lines;
}

interface View {
  readonly stats: ReadonlyMap<string, string[]>;
  readonly flags: ReadonlyMap<string, string[]>;
  readonly statuses: NonNullable<Statuses["cluster_statuses"]>;
}

function targetOf(event: string): number {
  return Number(/"port_value":<target (\d+)>/.exec(event)?.[1] ?? -1);
}

interface State {
  readonly flags: readonly string[];
  readonly status: readonly string[];
  readonly stats: { readonly [name: string]: number };
}

/** The state of the cluster: how /clusters shows its endpoints, and its numbers that are not zero. */
async function state(one: Running, views: Views): Promise<State> {
  const view = await views.next();
  const { id, endless = false } = one.one;
  const flags = (view.flags.get(id) ?? [])
    .filter((line) => line.includes("::health_flags::"))
    .map((line) => one.named(line.slice(id.length + 2)).replace("127.0.0.1:", ""))
    .sort();
  const hosts = view.statuses.find((status) => status.name === id)?.host_statuses ?? [];
  const status = hosts.map((host) => JSON.stringify(host.health_status)).sort();
  const numbers: [string, number][] = [];
  for (const line of view.stats.get(id) ?? []) {
    const [, name, value] = /^(.+): (\d+)$/.exec(line) ?? [];
    if (name === undefined || value === "0" || LEFT_OUT.test(name)) continue;
    const counting = /attempt|failure|success/.test(name);
    numbers.push([name.slice(`cluster.${id}.`.length), endless && counting ? 1 : Number(value)]);
  }
  return { flags, status, stats: Object.fromEntries(numbers.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

async function observe(one: Running, views: Views, port: number): Promise<{ [name: string]: Plain }> {
  const { requests = 0, sets = [] } = one.one;
  const out: { [name: string]: Plain } = {};
  while ((await state(one, views)).flags.length === 0) await pause(SETTLE);
  if (one.targets.includes(null)) await pause(5 * SETTLE);
  Object.assign(out, await state(one, views));
  const answers: string[] = [];
  if (requests > 0) await untilAccepting(port);
  for (let i = 0; i < requests; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/${one.one.id}/`, {
      headers: { connection: "close" },
      keepalive: false,
    });
    await pause(SETTLE);
    answers.push(`${answer.status} ${one.named(await answer.text())}`);
  }
  if (requests > 0) Object.assign(out, { answers: answers.sort(), later: { ...(await state(one, views)) } });
  const changes: Plain[] = [];
  const change = async (make: () => void, targets: readonly number[]) => {
    const flags = JSON.stringify((await state(one, views)).flags);
    make();
    await Promise.race([one.settled(targets), pause(CHANGE)]);
    const end = performance.now() + CHANGE;
    let now = await state(one, views);
    while (JSON.stringify(now.flags) === flags && performance.now() < end) {
      await pause(20);
      now = await state(one, views);
    }
    now = await state(one, views);
    // The next check has begun, or not yet.
    changes.push({ ...now, stats: { ...now.stats, "health_check.attempt": 0 } });
  };
  for (const set of sets.slice(1)) await change(() => one.assign(set), set);
  for (const target of one.targets) {
    if (target?.releasable) await change(() => target.release(), []);
  }
  if (changes.length > 0) out.changes = changes;
  out.checks = one.targets.map((target) =>
    target === null ? null : target.checks.map((text) => one.named(text)),
  );
  return out;
}
