/**
 * WASM filters in real processes while the configuration changes: refused by one resource and not by the others,
 * discovered and swapped under load, shared by workers, trapping under load.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { binaryOf, guest, HAS_ASSEMBLER } from "../support/guest.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  httpListener,
  loopback,
  SidecarProcess,
  Workspace,
} from "../support/sidecar-process.ts";
import { Load } from "./load.ts";

const URL_PREFIX = "type.googleapis.com/";
const WASM = `${URL_PREFIX}envoy.extensions.filters.http.wasm.v3.Wasm`;
const TEXT = `${URL_PREFIX}google.protobuf.StringValue`;
const LISTENER = `${URL_PREFIX}envoy.config.listener.v3.Listener`;
const EXTENSION = `${URL_PREFIX}envoy.config.core.v3.TypedExtensionConfig`;

/** Writes `value` into the header x-guest of every answer. */
function marking(value: string): Uint8Array {
  return binaryOf(guest`
    (on response_headers
      (drop (call $replace_header_map_value #2 ${"x-guest"} ${value}))
      #0)`);
}

function wasm(filename: string, more: object = {}): object {
  const vm_config = { runtime: "envoy.wasm.runtime.v8", code: { local: { filename } } };
  return {
    "@type": WASM,
    config: { name: "marker", vm_config, configuration: { "@type": TEXT, value: "x" }, ...more },
  };
}

/** A listener with this filter before the router. */
function listenerWith(name: string, filter: object): object {
  const made = httpListener(name, 0, { route_config: answering("hi") }) as {
    filter_chains: { filters: { typed_config: { http_filters: object[] } }[] }[];
  };
  made.filter_chains[0].filters[0].typed_config.http_filters.unshift({ name: "marker", ...filter });
  return made;
}

const ADMIN = { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } };

/** Replaces a file in one step. */
function publish(path: string, content: Uint8Array | object): void {
  writeFileSync(`${path}.new`, content instanceof Uint8Array ? content : JSON.stringify(content));
  renameSync(`${path}.new`, path);
}

const once: RequestInit = { keepalive: false, headers: { connection: "close" } };
const ask = (url: string): Promise<Response> => fetch(url, once);
const marked = async (url: string): Promise<string | null> => (await ask(url)).headers.get("x-guest");
const until = async (ask: () => Promise<string | null>, mark: string): Promise<void> => {
  expect(await eventually(ask, (seen) => seen === mark)).toBe(mark);
};

for (const runtime of HAS_ASSEMBLER ? installedRuntimes : []) {
  describe(`WASM filters and changes on ${runtime.name}`, () => {
    const workspace = new Workspace();
    const path = (name: string): string => workspace.file(name);
    const processes: SidecarProcess[] = [];

    const start = (bootstrap: object, workers: number): Promise<SidecarProcess> => {
      const made = new SidecarProcess(runtime, workspace, { admin: ADMIN, ...bootstrap }, [
        ...["--concurrency", String(workers)],
      ]);
      processes.push(made);
      return made.ready();
    };
    const fixed = (listener: object, workers: number): Promise<SidecarProcess> =>
      start({ static_resources: { listeners: [listener] } }, workers);

    beforeAll(() => {
      publish(path("one.wasm"), marking("one"));
      publish(path("two.wasm"), marking("two"));
    });
    afterAll(async () => {
      for (const each of processes) await each.kill();
      workspace.remove();
    });

    test("a listener whose plugin is refused stays what it was, and the rest of the file holds", async () => {
      const lds = (version: string, ...listeners: object[]): object => ({
        version_info: version,
        resources: listeners.map((each) => ({ "@type": LISTENER, ...each })),
      });
      const web = (module: string): object => listenerWith("web", { typed_config: wasm(path(module)) });
      publish(path("lds.json"), lds("1", web("one.wasm")));
      const proxy = await start(
        { dynamic_resources: { lds_config: { path_config_source: { path: path("lds.json") } } } },
        2,
      );
      const url = await proxy.url("web");
      expect(await marked(url)).toBe("one");
      const counts = async (): Promise<number[]> => {
        const all = ["attempt", "success", "rejected"].map((each) =>
          proxy.stat(`listener_manager.lds.update_${each}`),
        );
        return Promise.all(all);
      };
      expect(await counts()).toEqual([1, 1, 0]);

      const second = listenerWith("second", { typed_config: wasm(path("two.wasm")) });
      publish(path("lds.json"), lds("2", web("late.wasm"), second));
      await eventually(counts, ([, , rejected]) => rejected === 1);
      expect(await counts()).toEqual([2, 1, 1]);
      expect(
        await eventually(
          async () => marked(await proxy.url("second")),
          (mark) => mark === "two",
        ),
      ).toBe("two");
      expect(await marked(url)).toBe("one");
      type Dumped = {
        name: string;
        active_state: { version_info: string; listener: object };
        error_state?: { details: string; version_info: string };
      };
      const dumped = async (name: string): Promise<Dumped | undefined> => {
        const { configs } = JSON.parse(await proxy.get("/config_dump?resource=dynamic_listeners")) as {
          configs: Dumped[];
        };
        return configs.find((each) => each.name === name);
      };
      const web2 = await dumped("web");
      expect(web2?.active_state.version_info).toBe("1");
      expect(JSON.stringify(web2?.active_state.listener)).toContain("one.wasm");
      expect(web2?.error_state?.version_info).toBe("2");
      expect(web2?.error_state?.details).toContain("listener web: filter marker: ");
      expect(web2?.error_state?.details).toContain("late.wasm");
      // The module that serves is still followed, in every worker.
      publish(path("one.wasm"), marking("uno"));
      await until(() => marked(url), "uno");
      publish(path("one.wasm"), marking("one"));
      await until(() => marked(url), "one");
      // Its file comes at last: what was refused is read anew.
      publish(path("late.wasm"), marking("late"));
      await until(() => marked(url), "late");
      expect(
        (
          await eventually(
            () => dumped("web"),
            (each) => each?.error_state === undefined,
          )
        )?.active_state.version_info,
      ).toBe("2");
      proxy.signal("SIGTERM");
      expect((await proxy.ended()).code).toBe(0);
    }, 60_000);

    test("a server that takes its time with a module holds up what needs it, and nothing else", async () => {
      const binaries = new Map<string, Uint8Array>(
        [1, 2, 3].map((i) => [`/${i}.wasm`, marking(`remote ${i}`)]),
      );
      const asked: string[] = [];
      const held = new Map<string, (answer: Response) => void>();
      const server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        idleTimeout: 0,
        fetch: ({ url }) => {
          asked.push(new URL(url).pathname);
          return new Promise<Response>((resolve) => void held.set(new URL(url).pathname, resolve));
        },
      });
      const release = (name: string, body: string | Uint8Array = binaries.get(name) ?? ""): void =>
        held.get(name)?.(new Response(typeof body === "string" ? body : Buffer.from(body)));
      const remote = (i: number): object => {
        const sha256 = createHash("sha256")
          .update(binaries.get(`/${i}.wasm`) as Uint8Array)
          .digest("hex");
        const http_uri = { uri: `http://127.0.0.1:${server.port}/${i}.wasm`, cluster: "c", timeout: "60s" };
        const retry_policy = { num_retries: 0 };
        const vm_config = {
          runtime: "envoy.wasm.runtime.v8",
          code: { remote: { http_uri, sha256, retry_policy } },
        };
        return { typed_config: { "@type": WASM, config: { name: "marker", vm_config } } };
      };
      const lds = (version: string, ...listeners: object[]): void =>
        publish(path("slow.json"), {
          version_info: version,
          resources: listeners.map((each) => ({ "@type": LISTENER, ...each })),
        });
      const rds = (name: string, text: string): void =>
        publish(path(`${name}.json`), {
          resources: [
            { "@type": `${URL_PREFIX}envoy.config.route.v3.RouteConfiguration`, ...answering(text, name) },
          ],
        });
      const routed = (name: string, filter: object, routes: string): object => {
        const made = listenerWith(name, filter) as {
          filter_chains: { filters: { typed_config: { route_config?: object; rds?: object } }[] }[];
        };
        const manager = made.filter_chains[0].filters[0].typed_config;
        delete manager.route_config;
        manager.rds = {
          route_config_name: routes,
          config_source: { path_config_source: { path: path(`${routes}.json`) } },
        };
        return made;
      };
      rds("old", "old routes");
      rds("new", "new routes");
      rds("other", "one");
      const other = routed("other", { typed_config: wasm(path("one.wasm")) }, "other");

      // The start: nothing is served before its modules are there; what comes later may need none of them.
      lds("1", routed("web", remote(1), "old"), other);
      const proxy = new SidecarProcess(
        runtime,
        workspace,
        {
          admin: ADMIN,
          dynamic_resources: { lds_config: { path_config_source: { path: path("slow.json") } } },
        },
        ["--concurrency", "2"],
      );
      processes.push(proxy);
      await eventually(
        async () => asked.length,
        (count) => count === 1,
      );
      await Bun.sleep(300);
      await proxy.reachable();
      expect(await proxy.get("/ready")).toBe("INITIALIZING\n");
      expect(await proxy.get("/listeners")).toBe("");
      lds("2", routed("web", { typed_config: wasm(path("two.wasm")) }, "old"), other);
      await proxy.ready();
      const url = await proxy.url("web");
      const text = async (of: string): Promise<string> => (await ask(of)).text();
      expect([await marked(url), await text(url)]).toEqual(["two", "old routes"]);

      // Later: what is replaced stays what it was, with the routes that only it has; everything else goes on.
      lds("3", routed("web", remote(2), "new"), other);
      await eventually(
        async () => asked.at(-1),
        (last) => last === "/2.wasm",
      );
      const warming = (): Promise<number> => proxy.stat("listener_manager.total_listeners_warming");
      expect(await eventually(warming, (count) => count === 1)).toBe(1);
      rds("other", "two");
      expect(
        await eventually(
          async () => text(await proxy.url("other")),
          (now) => now === "two",
        ),
      ).toBe("two");
      expect([await marked(url), await text(url)]).toEqual(["two", "old routes"]);
      const dump = await proxy.get("/config_dump?resource=dynamic_listeners");
      expect(dump).toContain('"warming_state"');
      // A module file is followed meanwhile, and a new listener needs nobody's leave.
      publish(path("two.wasm"), marking("due"));
      await until(() => marked(url), "due");
      lds("4", routed("web", remote(2), "new"), other, listenerWith("third", remote(3)), {
        ...listenerWith("fourth", { typed_config: wasm(path("one.wasm")) }),
      });
      await until(async () => marked(await proxy.url("fourth").catch(() => url)), "one");
      expect((await proxy.get("/listeners")).split("\n").map((line) => line.split("::")[0])).toEqual([
        "web",
        "other",
        "fourth",
        "",
      ]);
      expect(asked).toEqual(["/1.wasm", "/2.wasm", "/3.wasm"]);

      // Here they are: the one that is sound is in force, the other refused with its reason.
      release("/2.wasm");
      await until(() => marked(url), "remote 2");
      expect(await text(url)).toBe("new routes");
      release("/3.wasm", "something else");
      const errors = (): Promise<string> => proxy.get("/config_dump?resource=dynamic_listeners");
      expect(await eventually(errors, (now) => now.includes('"error_state"'))).toContain(
        "3.wasm: has sha256 ",
      );
      expect(await warming()).toBe(0);
      expect(await marked(url)).toBe("remote 2");
      publish(path("two.wasm"), marking("two"));
      proxy.signal("SIGTERM");
      const { code, stderr } = await proxy.ended();
      expect(code).toBe(0);
      expect(stderr).toContain(`listener web waits for http://127.0.0.1:${server.port}/2.wasm`);
      server.stop(true);
    }, 60_000);

    test("a listener that is put back, for its new port is taken, has its plugin again", async () => {
      const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
      const web = (module: string, additional: number[]): object => ({
        "@type": LISTENER,
        ...listenerWith("web", { typed_config: wasm(path(module)) }),
        additional_addresses: additional.map((port) => ({ address: loopback(port) })),
      });
      publish(path("lds2.json"), { version_info: "1", resources: [web("one.wasm", [])] });
      const proxy = await start(
        { dynamic_resources: { lds_config: { path_config_source: { path: path("lds2.json") } } } },
        1,
      );
      const url = await proxy.url("web");
      expect(await marked(url)).toBe("one");
      publish(path("lds2.json"), { version_info: "2", resources: [web("two.wasm", [taken.port])] });
      const failed = (): Promise<number> => proxy.stat("listener_manager.listener_create_failure");
      expect(await eventually(failed, (count) => count > 0)).toBeGreaterThan(0);
      await until(() => marked(url), "one");
      publish(path("one.wasm"), marking("uno"));
      await until(() => marked(url), "uno");
      publish(path("one.wasm"), marking("one"));
      taken.stop(true);
    }, 60_000);

    test("limits that an operator sets hold for plugins in force, or are refused as a whole", async () => {
      const layers = [
        { name: "base", static_layer: {} },
        { name: "admin", admin_layer: {} },
      ];
      const listener = listenerWith("web", { typed_config: wasm(path("one.wasm")) });
      const proxy = await start(
        { static_resources: { listeners: [listener] }, layered_runtime: { layers } },
        2,
      );
      const url = await proxy.url("web");
      const created = (): Promise<number> => proxy.stat("wasm.marker.created");
      expect(await created()).toBe(2);
      expect(await proxy.post("/runtime_modify?tulle.wasm.max_memory_bytes=33554432")).toBe("OK\n");
      expect(await created()).toBe(4);
      // The guest begins with four pages.
      expect(await proxy.post("/runtime_modify?tulle.wasm.max_memory_bytes=65536")).toBe("OK\n");
      expect(await created()).toBe(4);
      expect(await marked(url)).toBe("one");
      expect(await proxy.post("/runtime_modify?tulle.wasm.max_memory_bytes=")).toBe("OK\n");
      expect(await created()).toBe(6);
      expect(await marked(url)).toBe("one");
      proxy.signal("SIGTERM");
      expect((await proxy.ended()).stderr).toContain("the limits of all plugins stay what they were");
    }, 60_000);

    test("a discovered filter is swapped under load, and one that is refused is not", async () => {
      const ecds = (version: string, module: string): object => ({
        version_info: version,
        resources: [{ "@type": EXTENSION, name: "marker", typed_config: wasm(path(module)) }],
      });
      publish(path("ecds.json"), ecds("1", "one.wasm"));
      const config_discovery = {
        config_source: { path_config_source: { path: path("ecds.json") } },
        type_urls: [WASM],
      };
      const proxy = await fixed(listenerWith("web", { config_discovery }), 2);
      const url = await proxy.url("web");
      expect(await marked(url)).toBe("one");
      const load = new Load(Number(new URL(url).port), 8, (answer) => {
        return answer.fields.find(([name]) => name === "x-guest")?.[1] ?? "none";
      });
      await load.reach(100);
      publish(path("ecds.json"), ecds("2", "two.wasm"));
      await until(() => marked(url), "two");
      publish(path("ecds.json"), ecds("3", "none.wasm"));
      const rejected = (): Promise<number> =>
        proxy.stat("extension_config_discovery.http_filter.marker.update_rejected");
      expect(await eventually(rejected, (count) => count === 1)).toBe(1);
      expect(await marked(url)).toBe("two");
      await load.reach(load.answered + 100);
      await load.stop();
      expect(load.failures).toEqual([]);
      expect([...load.seen.keys()].sort()).toEqual(["one", "two"]);
      const dump = await proxy.get("/config_dump?resource=ecds_filters");
      expect(dump).toContain('"error_state"');
      expect(dump).toContain("none.wasm");
      expect(dump).toContain('"version_info": "2"');
    }, 60_000);

    test("a large module is judged apart from the traffic", async () => {
      const large = (value: string): Uint8Array => {
        const padding = { wat: "(drop (call $log #0 #256 #0))".repeat(25_000) };
        return binaryOf(guest`
          (func (export "padding") ${padding})
          (on response_headers
            (drop (call $replace_header_map_value #2 ${"x-guest"} ${value}))
            #0)`);
      };
      publish(path("large.wasm"), large("large"));
      const proxy = await fixed(listenerWith("web", { typed_config: wasm(path("large.wasm")) }), 1);
      const url = await proxy.url("web");
      expect(await marked(url)).toBe("large");
      publish(path("large.wasm"), large("larger"));
      await until(() => marked(url), "larger");
      const address = `${proxy.admin}/wasm_modules?source=${encodeURIComponent(path("large.wasm"))}`;
      const post = async (bytes: Uint8Array): Promise<string> =>
        (await fetch(address, { method: "POST", body: Buffer.from(bytes), keepalive: false })).text();
      expect(await post(large("cut").subarray(0, 150_000))).toContain("what was in force stays in force");
      expect(await marked(url)).toBe("larger");
      const huge = new Uint8Array(2 * 1024 * 1024);
      expect(await post(huge)).toContain("not WebAssembly");
      expect(await post(large("posted"))).toBe("OK\n");
      await until(() => marked(url), "posted");
    }, 60_000);

    test("a module that loops while it is tried is refused, and the traffic goes on", async () => {
      publish(path("sound.wasm"), marking("sound"));
      const proxy = await fixed(listenerWith("web", { typed_config: wasm(path("sound.wasm")) }), 1);
      const url = await proxy.url("web");
      // Each turn reads from a place that follows from the last: the dearest that there is for a unit of fuel.
      const looping = binaryOf(guest`
        (global $at (mut i32) (i32.const 1))
        (on vm_start
          (drop (memory.grow #252))
          (loop $on
            (global.set $at (i32.and #0xfffffc
              (i32.add (i32.mul (i32.add (global.get $at) (i32.load (global.get $at))) #1664525) #1013904223)))
            (br $on))
          #1)`);
      const address = `${proxy.admin}/wasm_modules?source=${encodeURIComponent(path("sound.wasm"))}`;
      let refusal = "";
      const posted = fetch(address, { method: "POST", body: Buffer.from(looping), keepalive: false }).then(
        async (answer) => (refusal = await answer.text()),
      );
      let served = 0;
      while (refusal === "") {
        expect(await marked(url)).toBe("sound");
        served++;
      }
      await posted;
      expect(refusal).toMatch(/used up its fuel|not done after 10 s/);
      expect(refusal).toContain("what was in force stays in force");
      expect(served).toBeGreaterThan(20);
      // One that reads a long configuration has the time.
      const busy = binaryOf(guest`
        (global $turns (mut i32) (i32.const 60000000))
        (on configure
          (loop $on
            (global.set $turns (i32.sub (global.get $turns) #1))
            (br_if $on (global.get $turns)))
          #1)
        (on response_headers
          (drop (call $replace_header_map_value #2 ${"x-guest"} ${"busy"}))
          #0)`);
      publish(path("sound.wasm"), busy);
      await until(() => marked(url), "busy");
    }, 60_000);

    test("workers share data and queues", async () => {
      const sharing = binaryOf(guest`
        (global $queue (mut i32) (i32.const 0))
        (on vm_start
          (drop (call $register_shared_queue ${"q"} #16))
          (global.set $queue (i32.load #16))
          (drop (call $define_metric #0 ${"messages"} #32))
          #1)
        (on queue_ready
          (if (i32.eqz (call $dequeue_shared_queue (local.get $a) #out)) 
            (then (drop (call $increment_metric (i32.load #32) (i64.const 1))))))
        (on request_headers
          (if (i32.eqz (call $get_header_map_value #0 ${"x-set"} #out))
            (then (drop (call $set_shared_data ${"key"} (i32.load #16) (i32.load #20) #0))))
          (drop (call $enqueue_shared_queue (global.get $queue) ${"message"}))
          #0)
        (on response_headers
          (if (i32.eqz (call $get_shared_data ${"key"} #16 #20 #24))
            (then (drop (call $replace_header_map_value #2 ${"x-guest"} (i32.load #16) (i32.load #20)))))
          #0)`);
      publish(path("sharing.wasm"), sharing);
      const proxy = await fixed(listenerWith("web", { typed_config: wasm(path("sharing.wasm")) }), 2);
      const url = await proxy.url("web");
      expect(await proxy.stat("wasm.marker.active")).toBe(2);
      await fetch(url, { ...once, headers: { connection: "close", "x-set": "seen by all" } });
      const seen = new Set<string | null>();
      for (let i = 0; i < 30; i++) seen.add(await marked(url));
      expect([...seen]).toEqual(["seen by all"]);
      const got = (): Promise<number> => proxy.stat("wasmcustom.messages");
      expect(await eventually(got, (count) => count === 31)).toBe(31);
    }, 60_000);

    test("a filter that traps under load costs what meets it, and serves again", async () => {
      const trapping = binaryOf(guest`
        (on request_headers
          (if (i32.eqz (call $get_header_map_value #0 ${"x-trap"} #out)) (then (call $trap)))
          #0)
        (on response_headers
          (drop (call $replace_header_map_value #2 ${"x-guest"} ${"well"}))
          #0)`);
      publish(path("trapping.wasm"), trapping);
      const reload_config = { backoff: { base_interval: "0.02s" } };
      const filter = {
        typed_config: wasm(path("trapping.wasm"), { failure_policy: "FAIL_RELOAD", reload_config }),
      };
      const proxy = await fixed(listenerWith("web", filter), 2);
      const url = await proxy.url("web");
      const load = new Load(Number(new URL(url).port), 8, (answer) => {
        const mark = answer.fields.find(([name]) => name === "x-guest")?.[1] ?? "none";
        return `${answer.status} ${mark}`;
      });
      await load.reach(100);
      for (let i = 0; i < 10; i++) {
        const { status } = await fetch(url, { ...once, headers: { connection: "close", "x-trap": "1" } });
        expect(status).toBe(503);
        await Bun.sleep(30);
      }
      await eventually(
        () => marked(url),
        (mark) => mark === "well",
      );
      await load.stop();
      // Never past the filter: what it does not see is refused.
      expect([...load.seen.keys()].filter((kind) => kind !== "200 well" && !kind.startsWith("503"))).toEqual(
        [],
      );
      const failed = await proxy.stat("wasm.marker.vm_failed");
      expect(failed).toBeGreaterThan(0);
      expect(await proxy.stat("wasm.marker.vm_reload_success")).toBeGreaterThan(0);
      expect(await proxy.stat("wasm.marker.active")).toBeLessThanOrEqual(2);
      await until(() => marked(url), "well");
    }, 60_000);
  });
}
