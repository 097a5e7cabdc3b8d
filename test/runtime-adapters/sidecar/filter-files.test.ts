/** Files with the configurations of filters (ECDS): read, watched, counted, dumped, validated. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { renameSync } from "node:fs";
import type { Snapshot } from "../../../core/config/model.ts";
import { listStats } from "../../../core/telemetry/stat-list.ts";
import type { Checks } from "../../../core/xds/checks.ts";
import type { Bootstrap, Warming } from "../../../core/xds/resource.ts";
import type { AdminSource } from "../../../runtime-adapters/sidecar/admin/admin-source.ts";
import { configDump } from "../../../runtime-adapters/sidecar/admin/config-dump.ts";
import { readBootstrapFile } from "../../../runtime-adapters/sidecar/config-file.ts";
import { ProcessStats } from "../../../runtime-adapters/sidecar/process-stats.ts";
import { type Outcome, Subscriptions } from "../../../runtime-adapters/sidecar/subscriptions.ts";
import { survey, validate } from "../../../runtime-adapters/sidecar/validate.ts";
import { answering, httpListener, Workspace } from "../../support/sidecar-process.ts";

const URL = "type.googleapis.com/";
const checks: Checks = {
  httpFilters: new Map(
    ["test.A", "test.B"].map((type) => [
      type,
      (config) =>
        (config as { x?: number }).x === 13 ? [{ path: "x", message: "must not be unlucky" }] : [],
    ]),
  ),
};

let workspace: Workspace;
let subscriptions: Subscriptions | null;
let outcomes: Outcome[];
let snapshot: Snapshot;
let warming: readonly Warming[];
let changed: () => void;

beforeEach(() => {
  workspace = new Workspace();
  subscriptions = null;
  outcomes = [];
  changed = () => {};
});

afterEach(() => {
  subscriptions?.close();
  workspace.remove();
});

interface Discovered {
  readonly file: string;
  readonly types?: readonly string[];
  readonly more?: object;
}

/** A listener whose chain has a filter "a" with its configuration in a file. */
function listener(name: string, { file, types = ["test.A"], more = {} }: Discovered): object {
  const made = httpListener(name, 0, { route_config: answering("hello") }) as never as {
    filter_chains: { filters: { typed_config: { http_filters: object[] } }[] }[];
  };
  const config_discovery = {
    config_source: { path_config_source: { path: workspace.file(file) } },
    type_urls: types.map((type) => URL + type),
    ...more,
  };
  made.filter_chains[0].filters[0].typed_config.http_filters.unshift({ name: "a", config_discovery });
  return made;
}

function bootstrapOf(...listeners: object[]): Bootstrap {
  const path = workspace.write("bootstrap.json", { static_resources: { listeners } });
  const { bootstrap, faults } = readBootstrapFile(path, checks);
  expect(faults).toEqual([]);
  return bootstrap as Bootstrap;
}

function start(...listeners: object[]): Subscriptions {
  const made = new Subscriptions(bootstrapOf(...listeners), checks, {
    onOutcome: (outcome) => outcomes.push(outcome),
    onSnapshot: (now, waiting) => {
      snapshot = now;
      warming = waiting;
      changed();
    },
  });
  subscriptions = made;
  made.start();
  return made;
}

/** A document with the configurations of filters; `x` is what one of "a" says. */
function document(config: object, name = "a", version = "1"): object {
  const resource = {
    "@type": `${URL}envoy.config.core.v3.TypedExtensionConfig`,
    name,
    typed_config: { "@type": `${URL}test.A`, ...config },
  };
  return { version_info: version, resources: [resource] };
}

/** Moves new content over a file and waits until it was read, a second at most: the promise of the proxy. */
function replace(file: string, content: unknown): Promise<void> {
  const read = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("not noticed within 1 s")), 1000);
    changed = () => {
      clearTimeout(late);
      resolve();
    };
  });
  renameSync(workspace.write(`${file}.next`, content), workspace.file(file));
  return read;
}

const inForce = () =>
  snapshot.extensions.map(({ name, config }) => [name.slice(workspace.path.length + 1), config]);
const serving = () => snapshot.listeners.map(({ name }) => name);
const lastOutcome = () => {
  const { result, changed, missing, faults } = outcomes[outcomes.length - 1];
  const shown = faults.map((fault) => fault.slice(workspace.path.length + 1));
  return { result, changed, missing, faults: shown };
};

describe("a filter's file", () => {
  test("is read at the start, and again within a second when it changes", async () => {
    workspace.write("a.json", document({ x: 1 }));
    start(listener("in", { file: "a.json" }));
    expect(inForce()).toEqual([["a.json#a", { x: 1 }]]);
    expect(serving()).toEqual(["in"]);
    const { version } = snapshot.extensions[0];

    await replace("a.json", document({ x: 2 }, "a", "2"));
    expect(inForce()).toEqual([["a.json#a", { x: 2 }]]);
    expect(snapshot.extensions[0].version).not.toBe(version);
    expect(lastOutcome()).toEqual({ result: "success", changed: true, missing: false, faults: [] });

    await replace("a.json", document({ x: 2 }, "a", "3"));
    expect(lastOutcome()).toMatchObject({ result: "success", changed: false });
  });

  test("that is broken leaves what was in force, and says why", async () => {
    workspace.write("a.json", document({ x: 1 }));
    start(listener("in", { file: "a.json" }));
    const old = [["a.json#a", { x: 1 }]];
    for (const [content, result, ...faults] of [
      [document({ x: 13 }), "rejected", "a.json:9:5: resources[0].typed_config.x: must not be unlucky"],
      ["resources: [", "failure", "a.json:1:13: "],
      [document({ x: 2 }, "b"), "rejected", 'a.json: has no ECDS resource "a"'],
      [
        document({ "@type": `${URL}test.B` }),
        "rejected",
        'a.json: ECDS resource "a" is a test.B, and type_urls allow test.A',
      ],
      [{ resources: [{ "@type": `${URL}test.A` }] }, "rejected", "a.json:4:4: resources[0].@type: must be "],
    ] as const) {
      await replace("a.json", content);
      expect(lastOutcome()).toMatchObject({ result, changed: false, missing: false });
      expect(lastOutcome().faults).toEqual(faults.map((fault) => expect.stringContaining(fault)) as never);
      expect(inForce()).toEqual(old as never);
      expect(serving()).toEqual(["in"]);
    }
    await replace("a.json", document({ x: 3 }));
    expect(inForce()).toEqual([["a.json#a", { x: 3 }]]);
  });

  test("that is broken from the start keeps its listener back until it is mended, and no other", async () => {
    workspace.write("a.json", document({ x: 13 }));
    workspace.write("b.json", document({ x: 1 }));
    start(listener("one", { file: "a.json" }), listener("two", { file: "b.json" }));
    expect(serving()).toEqual(["two"]);
    expect(warming.map(({ name, waitsFor }) => [name, waitsFor[0].kind, waitsFor[0].name])).toEqual([
      ["one", "ECDS", "a"],
    ]);
    await replace("a.json", document({ x: 2 }));
    expect(serving()).toEqual(["one", "two"]);
    expect(inForce()).toEqual([
      ["a.json#a", { x: 2 }],
      ["b.json#a", { x: 1 }],
    ]);
  });

  test("that is broken from the start does not keep back a listener that has a default", () => {
    workspace.write("a.json", document({ x: 13 }));
    const more = { default_config: { "@type": `${URL}test.A`, x: 7 } };
    start(listener("in", { file: "a.json", more }));
    expect(serving()).toEqual(["in"]);
    expect(inForce()).toEqual([]);
  });

  test("that is not there says so", () => {
    start(listener("in", { file: "a.json" }));
    expect(lastOutcome()).toEqual({
      result: "failure",
      changed: false,
      missing: true,
      faults: ["a.json: no such file"],
    });
    expect(serving()).toEqual([]);
  });

  test("that several filters want must suit them all", async () => {
    workspace.write("a.json", document({ "@type": `${URL}test.B` }));
    start(
      listener("one", { file: "a.json", types: ["test.A"] }),
      listener("two", { file: "a.json", types: ["test.A", "test.B"] }),
    );
    expect(lastOutcome().faults).toEqual([
      'a.json: ECDS resource "a" is a test.B, and type_urls allow test.A',
    ]);
    await replace("a.json", document({ x: 1 }));
    expect(serving()).toEqual(["one", "two"]);
    expect(outcomes.length).toBe(2);
  });
});

test("is counted by Envoy's names", async () => {
  workspace.write("a.json", document({ x: 1 }));
  start(listener("in", { file: "a.json" }));
  await replace("a.json", document({ x: 13 }));
  await replace("a.json", "[");
  await replace("a.json", document({ x: 1 }));
  await replace("a.json", document({ x: 2 }));
  const stats = new ProcessStats();
  for (const outcome of outcomes) stats.countOutcome(outcome, snapshot);
  const rest = { startedAt: 0, concurrency: 1, workerRestarts: 0, exceptions: 0 };
  const facts = { state: "LIVE", snapshot, ...rest } as const;
  const { numbers } = listStats(stats.export(facts, []));
  const prefix = "extension_config_discovery.http_filter.a.";
  const counted = numbers
    .filter(({ name }) => name.startsWith(prefix) && !name.endsWith("update_time"))
    .map(({ name, value }) => [name.slice(prefix.length), value]);
  expect(Object.fromEntries(counted)).toEqual({
    config_conflict: 0,
    config_fail: 2,
    config_reload: 2,
    update_attempt: 5,
    update_failure: 1,
    update_rejected: 1,
    update_success: 3,
  });
});

test("/config_dump shows what is in force, and why a newer one is not", async () => {
  workspace.write("a.json", document({ x: 1 }));
  const bootstrap = bootstrapOf(listener("in", { file: "a.json" }));
  const startedAt = Date.now();
  const dump = (resource: string) => {
    const source = {
      bootstrap,
      subscriptions,
      startedAt,
      snapshot,
      wasmModules: [],
    } as unknown as AdminSource;
    const { json } = configDump(source, {
      resource,
      mask: "",
      matchesName: (name) => name === "a",
      includeEds: true,
    });
    return (json as { configs: { [field: string]: unknown }[] }).configs;
  };
  start(listener("in", { file: "a.json" }));
  await replace("a.json", document({ x: 13 }, "a", "2"));
  const [entry] = dump("ecds_filters");
  expect(entry).toEqual({
    "@type": `${URL}envoy.admin.v3.EcdsConfigDump.EcdsFilterConfig`,
    version_info: "1",
    ecds_filter: {
      "@type": `${URL}envoy.config.core.v3.TypedExtensionConfig`,
      name: "a",
      typed_config: { "@type": `${URL}test.A`, x: 1 },
    },
    last_updated: expect.any(String),
    error_state: {
      last_update_attempt: expect.any(String),
      details: expect.stringContaining("must not be unlucky"),
      version_info: "2",
    },
  });
  expect(dump("").map((each) => String(each["@type"]).split(".").at(-1))).toEqual([
    "BootstrapConfigDump",
    "ClustersConfigDump",
    "EcdsConfigDump",
    "EndpointsConfigDump",
    "ListenersConfigDump",
    "ScopedRoutesConfigDump",
    "RoutesConfigDump",
    "SecretsConfigDump",
  ]);
});

test("validate follows to it, from the bootstrap and from a listener's file", () => {
  workspace.write("a.json", document({ x: 13 }));
  workspace.write("b.json", document({ "@type": `${URL}test.B` }));
  workspace.write("c.json", document({}, "other"));
  const lds = {
    "@type": `${URL}envoy.config.listener.v3.Listener`,
    ...listener("three", { file: "c.json" }),
  };
  workspace.write("lds.json", { resources: [lds] });
  const path = workspace.write("validate.json", {
    static_resources: {
      listeners: [listener("one", { file: "a.json" }), listener("two", { file: "b.json" })],
    },
    dynamic_resources: { lds_config: { path_config_source: { path: workspace.file("lds.json") } } },
  });
  const faults = validate(path, checks).map((line) => line.slice(workspace.path.length + 1));
  expect(faults.sort()).toEqual([
    "a.json:9:5: resources[0].typed_config.x: must not be unlucky",
    'b.json: ECDS resource "a" is a test.B, and type_urls allow test.A',
    'c.json: has no ECDS resource "a"',
  ]);
});

test("validate hands on what may have a plugin, from wherever it was read", () => {
  workspace.write("a.json", document({ x: 1 }));
  workspace.write("r.json", {
    resources: [
      { "@type": `${URL}envoy.config.route.v3.RouteConfiguration`, ...(answering("hi", "r") as object) },
    ],
  });
  const rds = {
    route_config_name: "r",
    config_source: { path_config_source: { path: workspace.file("r.json") } },
  };
  const routed = { "@type": `${URL}envoy.config.listener.v3.Listener`, ...httpListener("two", 0, { rds }) };
  workspace.write("lds.json", { resources: [routed] });
  const path = workspace.write("validate.json", {
    static_resources: { listeners: [listener("one", { file: "a.json" })] },
    dynamic_resources: { lds_config: { path_config_source: { path: workspace.file("lds.json") } } },
  });
  const { faults, snapshot: found } = survey(path, checks);
  expect(faults).toEqual([]);
  expect(found?.listeners.map(({ name }) => name)).toEqual(["one", "two"]);
  expect(found?.routes.map(({ name }) => name)).toEqual(["r"]);
  expect(found?.extensions.map(({ config }) => config)).toEqual([{ x: 1 }]);
});
