/**
 * The modules of a process, while files change, snapshots come and modules are replaced at the same time: what is
 * refused, whom that touches, what is forgotten and when. Modules are real ones; who tries them is not.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import type { Json, Snapshot } from "../../../../core/config/model.ts";
import { WASM_HTTP, WASM_NETWORK } from "../../../../filters/standard.ts";
import type { CompiledModule } from "../../../../filters/wasm/compiled-module.ts";
import type { PluginConfig } from "../../../../filters/wasm/plugin-config.ts";
import type { VmLimits } from "../../../../filters/wasm/vm-limits.ts";
import type { WasmSupply } from "../../../../filters/wasm/wasm-host.ts";
import { compileModule } from "../../../../runtime-adapters/sidecar/modules/compile-module.ts";
import { ModuleStore } from "../../../../runtime-adapters/sidecar/modules/module-store.ts";
import { binaryOf, guest, HAS_ASSEMBLER } from "../../../support/guest.ts";
import { eventually, Workspace } from "../../../support/sidecar-process.ts";
import {
  httpManager,
  ip,
  listener,
  routeConfiguration,
  snapshot,
} from "../../../support/snapshot-fixture.ts";

const noted = (text: string): Uint8Array => binaryOf(guest`(on configure (drop (call $log #2 ${text})) #1)`);
const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

type Try = (config: PluginConfig, module: CompiledModule, limits: VmLimits) => readonly string[];

let workspace: Workspace;
let store: ModuleStore;
let lines: string[];
let supplies: WasmSupply[];
let wanted: number;
let arrive: () => void;
let tryPlugin: Try;
let compile: typeof compileModule;

beforeEach(() => {
  workspace = new Workspace();
  lines = [];
  supplies = [];
  wanted = 0;
  arrive = () => undefined;
  tryPlugin = () => [];
  compile = compileModule;
  store = new ModuleStore({
    compile: (bytes, limits) => compile(bytes, limits),
    tryPlugin: (config, module, limits) => tryPlugin(config, module, limits),
    threads: 1,
    log: (level, message) => void lines.push(`${level} ${message.replaceAll(workspace.path, "")}`),
    onChange: (supply) => void supplies.push(supply),
    onWanted: () => {
      wanted++;
      arrive();
    },
  });
});

afterEach(() => {
  store.close();
  workspace.remove();
});

function put(name: string, bytes: Uint8Array | string): string {
  writeFileSync(workspace.file(`${name}.new`), bytes);
  renameSync(workspace.file(`${name}.new`), workspace.file(name));
  return workspace.file(name);
}

function plugin(code: Json, name = "p", more: { readonly [key: string]: Json } = {}): Json {
  return { config: { name, vm_config: { runtime: "envoy.wasm.runtime.v8", code }, ...more } };
}

const file = (name: string): Json => ({ local: { filename: workspace.file(name) } });

/** A listener of that name with one HTTP filter. */
function web(name: string, config: Json): Snapshot["listeners"][number] {
  const httpFilters = [{ name: "f", typeName: WASM_HTTP, disabled: false, config, discovery: null }];
  return listener(name, ip("127.0.0.1", 80), httpManager(routeConfiguration([]), { httpFilters }));
}

function of(listeners: Snapshot["listeners"], change: Partial<Snapshot> = {}): Snapshot {
  return snapshot(listeners, [], change);
}

/** Prepares and puts all of it in force that is not refused; what is on its way is waited for. */
async function apply(next: Snapshot): Promise<readonly string[]> {
  const arrival = new Promise<void>((resolve) => (arrive = resolve));
  const { refusals, waiting } = await store.prepare(next);
  if (waiting.length > 0) {
    await arrival;
    return apply(next);
  }
  const names = new Set(refusals.map(({ owner }) => owner.name));
  store.settle({ ...next, listeners: next.listeners.filter(({ name }) => !names.has(name)) });
  return refusals.map(
    ({ owner, fault }) => `${owner.kind} ${owner.name}: ${fault.replaceAll(workspace.path, "")}`,
  );
}

const supplied = (): string[] => [...store.supply.modules.values()].map(({ sha256 }) => sha256);

describe.skipIf(!HAS_ASSEMBLER)("modules of a process", () => {
  test("one that changes while it is being tried is noticed", async () => {
    put("m.wasm", noted("one"));
    let changed = false;
    tryPlugin = () => {
      if (!changed) put("m.wasm", noted("two"));
      changed = true;
      return [];
    };
    expect(await apply(of([web("a", plugin(file("m.wasm")))]))).toEqual([]);
    expect(supplied()).toEqual([sha(noted("one"))]);
    await eventually(
      async () => supplies.length,
      (count) => count > 0,
    );
    expect(supplied()).toEqual([sha(noted("two"))]);
  });

  test("one bad plugin leaves the others alone, and is named", async () => {
    put("good.wasm", noted("good"));
    put("bad.wasm", "no module");
    const next = of([
      web("a", plugin(file("good.wasm"))),
      web("b", plugin(file("bad.wasm"))),
      web("c", plugin(file("none.wasm"))),
    ]);
    const faults = await apply(next);
    expect(faults).toHaveLength(2);
    expect(faults[0]).toStartWith("listener b: filter f: /bad.wasm: not WebAssembly");
    expect(faults[1]).toStartWith("listener c: filter f: /none.wasm: ENOENT");
    expect(supplied()).toEqual([sha(noted("good"))]);
  });

  test("what is in force keeps its module while another is refused in its place", async () => {
    put("old.wasm", noted("old"));
    put("bad.wasm", "no module");
    const before = of([web("a", plugin(file("old.wasm")))]);
    await apply(before);
    const { refusals } = await store.prepare(of([web("a", plugin(file("bad.wasm")))]));
    expect(refusals).toHaveLength(1);
    store.settle(before);
    expect(supplied()).toEqual([sha(noted("old"))]);
    expect(store.status().map(({ plugins }) => plugins)).toEqual([["p"]]);
    // It is still followed.
    put("old.wasm", noted("newer"));
    await eventually(
      async () => supplies.length,
      (count) => count > 0,
    );
    expect(supplied()).toEqual([sha(noted("newer"))]);
  });

  test("a refused plugin's file that becomes another is asked for again", async () => {
    expect(await apply(of([web("a", plugin(file("late.wasm")))]))).toHaveLength(1);
    expect(await apply(of([]))).toEqual([]);
    put("late.wasm", noted("here"));
    await eventually(
      async () => wanted,
      (count) => count > 0,
    );
    expect(wanted).toBe(1);
    expect(await apply(of([web("a", plugin(file("late.wasm")))]))).toEqual([]);
  });

  test("a replacement must suit everybody who uses the module, or nobody gets it", async () => {
    put("m.wasm", noted("one"));
    await apply(of([web("a", plugin(file("m.wasm"), "calm")), web("b", plugin(file("m.wasm"), "picky"))]));
    tryPlugin = ({ name }, { sha256 }) =>
      name === "picky" && sha256 === sha(noted("two")) ? ["I do not like it"] : [];
    const faults = await store.replaceBy(workspace.file("m.wasm"), noted("two"));
    expect(faults).toEqual([
      "I do not like it",
      `${workspace.file("m.wasm")}: what was in force stays in force`,
    ]);
    expect(supplied()).toEqual([sha(noted("one"))]);
    expect(supplies).toEqual([]);
  });

  test("two files that change at once: the broken one does not hold up the other", async () => {
    put("x.wasm", noted("x1"));
    put("y.wasm", noted("y1"));
    await apply(of([web("a", plugin(file("x.wasm"))), web("b", plugin(file("y.wasm")))]));
    put("x.wasm", "broken");
    put("y.wasm", noted("y2"));
    await eventually(
      async () => supplied().includes(sha(noted("y2"))),
      (there) => there,
    );
    expect(supplied().sort()).toEqual([sha(noted("x1")), sha(noted("y2"))].sort());
    expect(lines.some((line) => line.includes("error /x.wasm: not WebAssembly"))).toBe(true);
  });

  test("replacements take effect in the order in which they were asked for", async () => {
    put("m.wasm", noted("one"));
    await apply(of([web("a", plugin(file("m.wasm")))]));
    const path = workspace.file("m.wasm");
    // The first one is slow.
    let waits = 50;
    compile = async (bytes, limits) => {
      const wait = waits;
      waits = 0;
      await Bun.sleep(wait);
      return compileModule(bytes, limits);
    };
    await Promise.all([store.replaceBy(path, noted("slow")), store.replaceBy(path, noted("last"))]);
    expect(supplied()).toEqual([sha(noted("last"))]);
    const given = supplies.map(({ modules }) => [...modules.values()][0].sha256);
    expect(given).toEqual([sha(noted("slow")), sha(noted("last"))]);
  });

  test("the same file under two limits is two modules, replaced together or not at all", async () => {
    put("m.wasm", noted("one"));
    const runtime = {
      "tulle.wasm.plugins.small.max_memory_bytes": 16 * 1024 * 1024,
      "tulle.wasm.plugins.free.fuel": false,
    };
    const next = of([web("a", plugin(file("m.wasm"), "small")), web("b", plugin(file("m.wasm"), "free"))], {
      runtime,
    });
    expect(await apply(next)).toEqual([]);
    expect([...store.supply.modules.keys()]).toEqual([
      `file:${workspace.file("m.wasm")} 16777216 fuelled`,
      `file:${workspace.file("m.wasm")} 134217728 trusted`,
    ]);
    put("m.wasm", noted("two"));
    await eventually(
      async () => supplies.length,
      (count) => count > 0,
    );
    expect(new Set(supplied())).toEqual(new Set([sha(noted("two"))]));
    expect(supplies).toHaveLength(1);
  });

  test("limits that a plugin in force cannot live with are refused, not the plugin", async () => {
    put("m.wasm", noted("one"));
    const listeners = [web("a", plugin(file("m.wasm")))];
    await apply(of(listeners, { runtime: { "tulle.wasm.fuel_per_call": 5_000_000 } }));
    expect(await apply(of(listeners, { runtime: { "tulle.wasm.max_memory_bytes": 65_536 } }))).toEqual([]);
    expect(lines.at(-1)).toBe("error tulle.wasm: the limits of all plugins stay what they were");
    expect(store.supply.runtime).toEqual({ "tulle.wasm.fuel_per_call": 5_000_000 });
    expect([...store.supply.modules.keys()]).toEqual([`file:${workspace.file("m.wasm")} 134217728 fuelled`]);
    // Others are taken.
    expect(await apply(of(listeners, { runtime: { "tulle.wasm.max_memory_bytes": 33_554_432 } }))).toEqual(
      [],
    );
    expect([...store.supply.modules.keys()]).toEqual([`file:${workspace.file("m.wasm")} 33554432 fuelled`]);
  });

  test("with other fuel a plugin is tried anew", async () => {
    put("m.wasm", noted("one"));
    const fuels: number[] = [];
    tryPlugin = (_config, _module, { fuelPerCall }) => {
      fuels.push(fuelPerCall);
      return [];
    };
    const listeners = [web("a", plugin(file("m.wasm")))];
    await apply(of(listeners));
    await apply(of(listeners));
    await apply(of(listeners, { runtime: { "tulle.wasm.fuel_per_call": 5000 } }));
    expect(fuels).toEqual([100_000_000, 5000]);
  });

  test("a file that vanishes changes nothing, nor does a folder, or one that is there again as it was", async () => {
    put("m.wasm", noted("one"));
    await apply(of([web("a", plugin(file("m.wasm")))]));
    unlinkSync(workspace.file("m.wasm"));
    expect((await store.replaceBy(workspace.file("m.wasm"), null))[0]).toContain("ENOENT");
    mkdirSync(workspace.file("m.wasm"));
    expect((await store.replaceBy(workspace.file("m.wasm"), null))[0]).toContain("is not a file");
    expect(supplied()).toEqual([sha(noted("one"))]);
    expect(supplies).toEqual([]);
  });

  test("a snapshot that changes nothing about plugins has nothing for workers", async () => {
    put("m.wasm", noted("one"));
    const listeners = [web("a", plugin(file("m.wasm")))];
    await apply(of(listeners));
    const { supply } = store;
    const clusters = [{ name: "new" }] as never;
    await apply(of([...listeners, web("b", plugin(file("m.wasm"), "p", { root_id: "r" }))], { clusters }));
    await apply(of(listeners, { runtime: { "re2.max_program_size.error_level": 100 } }));
    expect(store.supply).toBe(supply);
    await apply(of(listeners, { runtime: { "tulle.wasm.fuel_per_call": 5000 } }));
    expect(store.supply).not.toBe(supply);
    const limited = store.supply;
    await store.replaceBy(workspace.file("m.wasm"), noted("one"));
    expect(store.supply).toBe(limited);
    await store.replaceBy(workspace.file("m.wasm"), noted("two"));
    expect(store.supply).not.toBe(limited);
    expect(supplies).toEqual([store.supply]);
    // The last plugin goes: workers may let go of its module.
    await apply(of([]));
    expect(supplied()).toEqual([]);
    expect(store.isIdle).toBe(false);
  });

  test("what nobody uses any more is forgotten when that is in force, not before", async () => {
    put("m.wasm", noted("one"));
    await apply(of([web("a", plugin(file("m.wasm")))]));
    await store.prepare(of([]));
    expect(supplied()).toEqual([sha(noted("one"))]);
    store.settle(of([]));
    expect(supplied()).toEqual([]);
    expect(await store.replaceBy(workspace.file("m.wasm"), null)).toEqual([
      `no module comes from "${workspace.file("m.wasm")}"; there is none`,
    ]);
  });

  test("plugins are found wherever one can be: routes, extensions under the names of their filters, connections", async () => {
    put("m.wasm", "bad");
    const config = plugin(file("m.wasm"), "");
    const perFilter = [{ name: "on-route", disabled: false, own: { typeName: WASM_HTTP, config } }] as never;
    const discovery = { resource: "file#x", typeNames: [WASM_HTTP], fallback: null, withoutWarming: false };
    const httpFilters = [{ name: "seen", typeName: "", disabled: false, config: {}, discovery }];
    const made = listener("l", ip("127.0.0.1", 80), httpManager(routeConfiguration([]), { httpFilters }));
    const bytes = { name: "bytes", typeName: WASM_NETWORK, config };
    const listeners = [
      { ...made, filterChains: made.filterChains.map((one) => ({ ...one, networkFilters: [bytes] })) },
    ];
    const extensions = [{ name: "file#x", version: "1", typeName: WASM_HTTP, config }] as never;
    const routes = [routeConfiguration([], { name: "r", perFilter })];
    const faults = await apply(of(listeners, { extensions, routes }));
    expect(faults.map((fault) => fault.replace(/\/m\.wasm.*/, ""))).toEqual([
      "listener l: filter bytes: ",
      "route configuration r: filter on-route: ",
      "extension file#x: filter seen: ",
    ]);
  });

  describe("on a server that stalls", () => {
    let server: ReturnType<typeof Bun.serve>;
    let asked: string[];
    let givenUp: string[];
    let release: Map<string, (body: Uint8Array | null) => void>;
    const arrival = (): Promise<void> => new Promise((resolve) => (arrive = resolve));
    const remote = (name: string, binary: Uint8Array): Json => ({
      remote: {
        http_uri: { uri: `http://127.0.0.1:${server.port}/${name}`, cluster: "c", timeout: "60s" },
        sha256: sha(binary),
        retry_policy: { num_retries: 0 },
      },
    });
    /** What of it is refused, and what waits. */
    const prepared = async (next: Snapshot): Promise<readonly (readonly string[])[]> => {
      const { refusals, waiting } = await store.prepare(next);
      const names = new Set([...refusals, ...waiting].map(({ owner }) => owner.name));
      store.settle({ ...next, listeners: next.listeners.filter(({ name }) => !names.has(name)) });
      return [refusals.map(({ owner }) => owner.name), waiting.map(({ owner }) => owner.name)];
    };
    const begun = (name: string): Promise<string[]> =>
      eventually(
        async () => asked,
        (all) => all.includes(name),
      );

    beforeEach(() => {
      asked = [];
      givenUp = [];
      release = new Map();
      server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        idleTimeout: 0,
        fetch: ({ url, signal }) => {
          const name = new URL(url).pathname.slice(1);
          asked.push(name);
          signal.addEventListener("abort", () => void givenUp.push(name));
          return new Promise<Response>((resolve) => {
            release.set(name, (body) =>
              resolve(body === null ? new Response("no", { status: 500 }) : new Response(Buffer.from(body))),
            );
          });
        },
      });
    });
    afterEach(() => void server.stop(true));

    test("two modules of one listener are asked for once each, whoever comes first", async () => {
      const [a, b] = [noted("a"), noted("b")];
      const chains = [a, b].flatMap((binary, i) => web("w", plugin(remote("ab"[i], binary))).filterChains);
      const next = of([{ ...web("w", plugin(remote("a", a))), filterChains: chains }]);
      expect(await prepared(next)).toEqual([[], ["w", "w"]]);
      await begun("b");
      for (const [name, binary] of [
        ["a", a],
        ["b", b],
      ] as const) {
        const here = arrival();
        release.get(name)?.(binary);
        await here;
        expect(await prepared(next)).toEqual([[], name === "a" ? ["w"] : []]);
        // Whatever changes in between.
        expect(await prepared(next)).toEqual([[], name === "a" ? ["w"] : []]);
      }
      expect(asked.sort()).toEqual(["a", "b"]);
      expect(new Set(supplied())).toEqual(new Set([sha(a), sha(b)]));
    });

    test("new limits of a module in force wait until it is there under them, and nobody is refused", async () => {
      const binary = noted("one");
      const next = of([web("w", plugin(remote("m", binary)))]);
      const limited = { ...next, runtime: { "tulle.wasm.max_memory_bytes": 33_554_432 } };
      await prepared(next);
      await begun("m");
      const first = arrival();
      release.get("m")?.(binary);
      await first;
      expect(await prepared(next)).toEqual([[], []]);
      asked.length = 0;
      expect(await prepared(limited)).toEqual([[], []]);
      expect(store.supply.runtime).toEqual({});
      expect([...store.supply.modules.keys()]).toEqual([`remote:${sha(binary)} 134217728 fuelled`]);
      // What comes new meanwhile is not refused for it, either.
      put("m.wasm", noted("file"));
      const more = { ...limited, listeners: [...next.listeners, web("v", plugin(file("m.wasm"), "q"))] };
      expect(await prepared(more)).toEqual([[], []]);
      await begun("m");
      const second = arrival();
      release.get("m")?.(binary);
      await second;
      expect(await prepared(more)).toEqual([[], []]);
      expect(store.supply.runtime).toEqual(limited.runtime);
      expect([...store.supply.modules.keys()].sort()).toEqual([
        `file:${workspace.file("m.wasm")} 33554432 fuelled`,
        `remote:${sha(binary)} 33554432 fuelled`,
      ]);
      expect(lines).toEqual([]);
      expect(asked).toEqual(["m"]);
    });

    test("what nobody wants any more is given up, and a server that failed is left alone", async () => {
      const two = of([web("a", plugin(remote("a", noted("a")))), web("b", plugin(remote("b", noted("b"))))]);
      expect(await prepared(two)).toEqual([[], ["a", "b"]]);
      await begun("b");
      const onlyB = of(two.listeners.slice(1));
      expect(await prepared(onlyB)).toEqual([[], ["b"]]);
      await eventually(
        async () => givenUp.length,
        (count) => count > 0,
      );
      const here = arrival();
      release.get("b")?.(null);
      await here;
      expect(wanted).toBe(1);
      expect(await prepared(onlyB)).toEqual([["b"], []]);
      expect(await prepared(onlyB)).toEqual([["b"], []]);
      expect([asked.sort(), givenUp]).toEqual([["a", "b"], ["a"]]);
    });
  });

  test("modules of one address, but for its secrets, are told apart by whoever knows them", async () => {
    const modules = [noted("one"), noted("two")];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => new Response(Buffer.from(modules[Number(new URL(request.url).search.at(-1))])),
    });
    const at = `http://127.0.0.1:${server.port}/m.wasm`;
    const remote = (i: number): Json => ({
      remote: { http_uri: { uri: `${at}?key=${i}`, cluster: "c", timeout: "5s" }, sha256: sha(modules[i]) },
    });
    expect(await apply(of([web("a", plugin(remote(0))), web("b", plugin(remote(1)))]))).toEqual([]);
    expect(store.status().map(({ source }) => source)).toEqual([at, at]);
    expect(await store.replaceBy(at, noted("new"))).toEqual([
      `several modules come from "${at}": give the whole address of one`,
    ]);
    expect(supplied()).toEqual(modules.map(sha));
    expect(await store.replaceBy(`${at}?key=1`, noted("new"))).toEqual([]);
    expect(supplied()).toEqual([sha(modules[0]), sha(noted("new"))]);
    expect(lines).toEqual([`info ${at}: sha256 ${sha(noted("new"))} replaces ${sha(modules[1])}`]);
    const bad = new TextEncoder().encode("no module");
    const code = {
      remote: { http_uri: { uri: `${at}?key=2`, cluster: "c", timeout: "5s" }, sha256: sha(bad) },
    };
    modules.push(bad);
    expect((await apply(of([web("c", plugin(code))])))[0]).toStartWith(
      `listener c: filter f: ${at}: not WebAssembly`,
    );
    server.stop(true);
  });

  test("a server is asked as often as it says, led nowhere else, and its secrets are not told", async () => {
    let asked = 0;
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        asked++;
        return request.url.includes("moved")
          ? Response.redirect("/m.wasm", 302)
          : new Response("no", { status: 500 });
      },
    });
    const remote = (path: string, retries: number): Json => ({
      remote: {
        http_uri: { uri: `http://127.0.0.1:${server.port}/${path}?key=secret`, cluster: "c", timeout: "5s" },
        sha256: "A".repeat(64),
        retry_policy: { num_retries: retries, retry_back_off: { base_interval: "0.001s" } },
      },
    });
    const at = `http://127.0.0.1:${server.port}`;
    expect(await apply(of([web("a", plugin(remote("m.wasm", 3)))]))).toEqual([
      `listener a: filter f: ${at}/m.wasm: answered 500`,
    ]);
    expect(asked).toBe(4);
    expect(await apply(of([web("a", plugin({ ...(remote("moved", 0) as object) } as Json))]))).toEqual([
      `listener a: filter f: ${at}/moved: answered 302, and is not followed elsewhere`,
    ]);
    expect(asked).toBe(5);
    server.stop(true);
  });
});
