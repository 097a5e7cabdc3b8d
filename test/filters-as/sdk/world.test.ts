/** What the SDK offers beside HTTP streams: metrics, properties, shared data, queues, the clock, TCP, bare exports. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { importFaults } from "../../../runtime-adapters/filter-tool/filter-imports.ts";
import { CONTINUE, PAUSE } from "../../../runtime-adapters/filter-tool/scripted-host/fake-stream.ts";
import { longBytes } from "../../../runtime-adapters/filter-tool/scripted-host/guest-bytes.ts";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { testModule } from "../../support/filter-build.ts";
import { ROOT } from "../../support/our-proxy.ts";

let world: string;
let bare: string;
let readme: string;
beforeAll(() => {
  world = testModule("world-filter");
  bare = testModule("bare-filter");
  readme = testModule("readme-filter");
}, 120_000);

function start(...steps: string[]): ScriptedHost {
  const host = ScriptedHost.start(world, { rootId: "world", configuration: { steps } });
  host.logs.length = 0;
  return host;
}

/** What the steps of the plugin log, one tick after the other. */
function run(host: ScriptedHost, ticks: number): string[] {
  for (let i = 0; i < ticks; i++) host.tick();
  return host.logs.map((line) => line.replace(/^info: /, ""));
}

test("a plugin's life, from start to delete", () => {
  const host = ScriptedHost.start(world, { rootId: "world", configuration: { steps: [] } });
  expect(host.tickPeriod).toBe(10);
  host.shutdown();
  expect(host.logs).toEqual(["info: start", "info: done", "info: deleted"]);
});

test("a root_id that nobody registered is refused, and said", () => {
  expect(ScriptedHost.refusal(world, { rootId: "moon", configuration: {} })).toEqual([
    'error: no root context is registered for root_id "moon"',
  ]);
});

test("metrics", () => {
  const host = start("counter", "gauge", "histogram");
  expect(run(host, 3)).toEqual(["counter: 5", "gauge: 5", "histogram: "]);
  expect(host.metrics.map(({ type, name, value }) => [type, name, value])).toEqual([
    [0, "world_counter", 5n],
    [1, "world_gauge", 5n],
    [2, "world_histogram", -1n],
  ]);
});

describe("properties", () => {
  test("are decoded from the host's forms", () => {
    const host = start("properties");
    host.properties.set("node.meta.data.name", "gr\xc3\xbcn");
    host.properties.set("count", longBytes(-5));
    host.properties.set("share", longBytes(new BigInt64Array(new Float64Array([0.5]).buffer)[0]));
    host.properties.set("flag", "\0");
    expect(run(host, 1)).toEqual(["properties: gr\xc3\xbcn 5 -5 0.5 false"]);
  });

  test("that are absent, or of another form, are what the filter says", () => {
    const host = start("properties", "properties");
    host.properties.set("count", "1234567");
    host.properties.set("flag", "");
    expect(run(host, 1)).toEqual(["properties:  -1 -1 -1.0 true"]);
  });
});

test("shared data: absent, set, swapped, lost to somebody faster", () => {
  const host = start("read-shared", "write-shared", "read-shared", "swap-shared", "read-shared");
  expect(run(host, 5)).toEqual([
    "read-shared: none",
    "write-shared: 0",
    "read-shared: free 1",
    "swap-shared: 0 8",
    "read-shared: one 2",
  ]);
});

test("queues", () => {
  const host = start("queue");
  expect(run(host, 1)).toEqual(["queue: true 0 true"]);
  host.queueReady(1);
  expect(host.logs.at(-1)).toBe("info: job true");
});

test("foreign functions, both ways", () => {
  const host = start("foreign");
  host.foreign.set("reverse", (text) => [...text].reverse().join(""));
  expect(run(host, 1)).toEqual(["foreign: cba true"]);
  host.callGuest("proxy_on_foreign_function", 1, 42, 0);
  expect(host.logs.at(-1)).toBe("info: called 42 0 true");
});

test("the clock, and the level below which nothing is said", () => {
  const host = start("clock", "levels");
  expect(run(host, 2)).toEqual(["clock: 1700000000010000000", "debug: said", "levels: "]);
});

test("a TCP connection", () => {
  const host = start();
  const connection = host.open();
  expect(connection.onNewConnection()).toBe(PAUSE);
  expect(connection.onDownstreamData("abc", true)).toBe(CONTINUE);
  expect(connection.buffers[2]).toBe("[ABC>");
  expect(connection.resumed).toEqual(["continue downstream", "close downstream"]);
  connection.onDownstreamClose(2);
  expect(host.logs).toEqual(["info: closed by 2 after 3"]);
});

describe("bare exports", () => {
  test("a filter without classes", () => {
    const host = ScriptedHost.start(bare);
    const stream = host.open();
    stream.onRequestHeaders([
      [":path", "/a"],
      ["user-agent", "curl"],
    ]);
    stream.onResponseHeaders([[":status", "200"]]);
    expect(stream.requestHeaders.at(-1)).toEqual(["x-seen", "/a"]);
    expect(stream.responseHeaders.at(-1)).toEqual(["x-seen", "bare"]);
  });

  test("a module has only the exports and imports that it uses", () => {
    const module = new WebAssembly.Module(readFileSync(bare));
    expect(
      WebAssembly.Module.exports(module)
        .map(({ name }) => name)
        .sort(),
    ).toEqual([
      "_initialize",
      "memory",
      "proxy_abi_version_0_2_1",
      "proxy_on_memory_allocate",
      "proxy_on_request_headers",
      "proxy_on_response_headers",
    ]);
    const imports = WebAssembly.Module.imports(module).map(({ module: from, name }) => `${from}.${name}`);
    expect(imports.sort()).toEqual([
      "env.proxy_get_header_map_value",
      "env.proxy_log",
      "env.proxy_replace_header_map_value",
    ]);
  });

  test("the filter of the README is this one, and works", () => {
    const path = join(ROOT, "filters-as/test/readme-filter.ts");
    const [, code] = readFileSync(path, "utf8").split(" */\n");
    expect(readFileSync(join(ROOT, "filters-as/README.md"), "utf8")).toContain(code);
    const stream = ScriptedHost.start(readme).open();
    stream.onRequestHeaders([[":path", "/a"]]);
    expect(stream.requestHeaders.at(-1)).toEqual(["x-seen", "/a"]);
  });

  test("an import that Envoy lacks is found", () => {
    // (module (import "env" "abort" (func)) (import "wasi" "proxy_log" (func)) (import "env" "proxy_log" (func)))
    const name = (text: string) => [text.length, ...Buffer.from(text)];
    const imports = [
      ["env", "abort"],
      ["wasi", "proxy_log"],
      ["env", "proxy_log"],
    ];
    const section = [3, ...imports.flatMap(([from, what]) => [...name(from), ...name(what), 0, 0])];
    const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, section.length, ...section];
    expect(importFaults(new WebAssembly.Module(Uint8Array.from(bytes)))).toEqual([
      "imports env.abort, which Envoy lacks",
      "imports wasi.proxy_log, which Envoy lacks",
    ]);
  });
});
