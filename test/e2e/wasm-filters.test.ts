/**
 * WASM filters in real processes: loaded from files and servers, shared by workers, replaced under load, refused with
 * a reason. Skipped with a line where guests cannot be assembled.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import type { Json } from "../../core/config/model.ts";
import { binaryOf, guest, HAS_ASSEMBLER } from "../support/guest.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  httpListener,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../support/sidecar-process.ts";
import { Load } from "./load.ts";

const WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const NETWORK_WASM = "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm";
const TEXT = "type.googleapis.com/google.protobuf.StringValue";

/** A guest that writes `value` into the header x-guest of every answer, and refuses the configuration "bad". */
function marking(value: string): Uint8Array {
  return binaryOf(guest`
    (on configure
      (drop (call $log #4 ${"rules[0].path: is not a path"}))
      (i32.ne (local.get $a) #3))
    (on response_headers
      (drop (call $replace_header_map_value #2 ${"x-guest"} ${value}))
      #0)`);
}

function pluginOf(code: Json, configuration = "good"): object {
  return {
    name: "marker",
    vm_config: { runtime: "envoy.wasm.runtime.v8", code },
    configuration: { "@type": TEXT, value: configuration },
  };
}

/** A listener whose chain has this plugin before the router. */
function listenerWith(plugin: object, port = 0): object {
  const made = httpListener("web", port, { route_config: answering("hi") }) as {
    filter_chains: { filters: { typed_config: { http_filters: object[] } }[] }[];
  };
  made.filter_chains[0].filters[0].typed_config.http_filters.unshift({
    name: "marker",
    typed_config: { "@type": WASM, config: plugin },
  });
  return made;
}

function bootstrapOf(listener: object): object {
  return {
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    static_resources: { listeners: [listener], clusters: [staticCluster("none", 1)] },
  };
}

/** Replaces a file in one step. */
function publish(path: string, content: Uint8Array | string): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

const marked = async (url: string): Promise<string | null> =>
  (await fetch(url, { keepalive: false, headers: { connection: "close" } })).headers.get("x-guest");

for (const runtime of HAS_ASSEMBLER ? installedRuntimes : []) {
  describe(`WASM filters on ${runtime.name}`, () => {
    const workspace = new Workspace();
    const path = workspace.file("marker.wasm");
    const processes: SidecarProcess[] = [];

    const start = (listener: object, options: readonly string[] = []): SidecarProcess => {
      const made = new SidecarProcess(runtime, workspace, bootstrapOf(listener), options);
      processes.push(made);
      return made;
    };

    beforeAll(() => writeFileSync(path, marking("one")));
    afterAll(async () => {
      for (const each of processes) await each.kill();
      workspace.remove();
    });

    for (const workers of [1, 2]) {
      test(`a module that is replaced under load serves new streams, and no request fails (${workers} workers)`, async () => {
        publish(path, marking("one"));
        const listener = listenerWith(pluginOf({ local: { filename: path } }));
        const proxy = await start(listener, ["--concurrency", String(workers)]).ready();
        const url = await proxy.url("web");
        expect(await marked(url)).toBe("one");
        const load = new Load(Number(new URL(url).port), 8, (answer) => {
          const field = answer.fields.find(([name]) => name === "x-guest");
          return field === undefined ? "none" : field[1];
        });
        await load.reach(200);
        publish(path, marking("two"));
        expect(
          await eventually(
            () => marked(url),
            (mark) => mark === "two",
          ),
        ).toBe("two");
        await load.reach(load.answered + 200);
        // What cannot be used changes nothing.
        publish(path, "this is no module");
        await Bun.sleep(1200);
        expect(await marked(url)).toBe("two");
        publish(path, marking("three"));
        expect(
          await eventually(
            () => marked(url),
            (mark) => mark === "three",
          ),
        ).toBe("three");
        // An operator may hand one over, and go back.
        const post = async (bytes?: Uint8Array): Promise<string> => {
          const address = `${proxy.admin}/wasm_modules?source=${encodeURIComponent(path)}`;
          const body = bytes === undefined ? null : Buffer.from(bytes);
          return (await fetch(address, { method: "POST", body, keepalive: false })).text();
        };
        expect(await post(marking("four"))).toBe("OK\n");
        expect(
          await eventually(
            () => marked(url),
            (mark) => mark === "four",
          ),
        ).toBe("four");
        expect(await post(new Uint8Array([1, 2, 3]))).toContain("not WebAssembly");
        expect(await post()).toBe("OK\n");
        expect(
          await eventually(
            () => marked(url),
            (mark) => mark === "three",
          ),
        ).toBe("three");
        await load.stop();
        expect(load.failures).toEqual([]);
        expect(
          [...load.seen.keys()].filter((mark) => !["one", "two", "three", "four"].includes(mark)),
        ).toEqual([]);
        const dump = await proxy.get("/config_dump");
        const sha256 = createHash("sha256").update(marking("three")).digest("hex");
        expect(dump).toContain(sha256);
        proxy.signal("SIGTERM");
        const { code, stderr } = await proxy.ended();
        expect(code).toBe(0);
        expect(stderr).toContain("not WebAssembly: it does not begin with");
        expect(stderr).toContain("what was in force stays in force");
        expect(stderr).toContain(sha256);
      }, 60_000);
    }

    test("a module from a server is what its sha256 says, or it is refused", async () => {
      const binary = marking("remote");
      const server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: (request) => {
          const user = request.headers.get("authorization");
          return user === `Basic ${btoa("me:hidden word")}` && new URL(request.url).search === "?key=hidden"
            ? new Response(Buffer.from(binary))
            : new Response("who are you?", { status: 401 });
        },
      });
      const at = `127.0.0.1:${server.port}/m.wasm`;
      const remote = (sha256: string, uri = `http://me:hidden%20word@${at}?key=hidden`): Json => ({
        remote: { http_uri: { uri, cluster: "none", timeout: "5s" }, sha256 },
      });
      const right = createHash("sha256").update(binary).digest("hex");
      const proxy = await start(listenerWith(pluginOf(remote(right)))).ready();
      expect(await marked(await proxy.url("web"))).toBe("remote");
      // Its address is shown, without what is nobody's business.
      const dump = await proxy.get("/config_dump");
      expect(dump).toContain(`"source": "http://${at}"`);
      expect(dump).toContain(`"uri": "http://${at}"`);
      expect(dump).not.toContain("hidden");
      const replaced = async (source: string): Promise<string> => {
        const address = `${proxy.admin}/wasm_modules?source=${encodeURIComponent(source)}`;
        const body = Buffer.from(marking("posted"));
        return (await fetch(address, { method: "POST", body, keepalive: false })).text();
      };
      expect(await replaced("http://elsewhere")).toContain(`there are: http://${at}\n`);
      expect(await replaced(`http://${at}`)).toBe("OK\n");
      expect(await marked(await proxy.url("web"))).toBe("posted");
      proxy.signal("SIGTERM");
      const { stderr: log } = await proxy.ended();
      expect(log).toContain(`http://${at}: sha256 `);
      expect(log).not.toContain("hidden");
      const wrong = start(listenerWith(pluginOf(remote("0".repeat(64)))));
      const { code, stderr } = await wrong.ended();
      expect(code).toBe(1);
      expect(stderr).toContain(`http://${at}: has sha256 ${right}, and should have ${"0".repeat(64)}`);
      expect(stderr).not.toContain("hidden");
      // What a runtime says of an address that does not answer, or is none, quotes it.
      for (const uri of [
        "http://me:hidden@127.0.0.1:1/m?key=hidden",
        "http://me:hidden@[nowhere/m?key=hidden",
      ]) {
        const nobody = await start(listenerWith(pluginOf(remote(right, uri)))).ended();
        expect(nobody.code).toBe(1);
        expect(nobody.stderr).toContain("/m: ");
        expect(nobody.stderr).not.toContain("hidden");
      }
      server.stop(true);
    }, 30_000);

    test("what cannot be used is refused at the start, each with its reason", async () => {
      const ending = async (plugin: object): Promise<string> => {
        const { code, stderr } = await start(listenerWith(plugin)).ended();
        expect(code).toBe(1);
        return stderr;
      };
      const inline = (bytes: Uint8Array | string): Json => ({
        local: { inline_bytes: Buffer.from(bytes).toString("base64") },
      });
      expect(await ending(pluginOf({ local: { filename: workspace.file("none.wasm") } }))).toContain(
        "none.wasm",
      );
      expect(await ending(pluginOf(inline("garbage")))).toContain("not WebAssembly");
      const empty = "\0asm\x01\0\0\0";
      expect(await ending(pluginOf(inline(empty)))).toContain("Missing or unknown Proxy-Wasm ABI version");
      const refused = await ending(pluginOf(inline(marking("x")), "bad"));
      expect(refused).toContain("listener web: filter marker: ");
      expect(refused).toContain("proxy_on_configure refused");
      expect(refused).toContain("rules[0].path: is not a path");
      const trapping = binaryOf(guest`(on vm_start (call $trap) #1)`);
      expect(await ending(pluginOf(inline(trapping)))).toMatch(/unreachable/i);
    }, 60_000);

    test("a network filter sees and changes the bytes of connections", async () => {
      const upper = binaryOf(guest`
        (on downstream_data
          (drop (call $set_buffer_bytes #2 #0 #3 ${"GET"}))
          #0)`);
      const listener = httpListener("web", 0, { route_config: answering("hi") }) as {
        filter_chains: { filters: object[] }[];
      };
      listener.filter_chains[0].filters.unshift({
        name: "bytes",
        typed_config: {
          "@type": NETWORK_WASM,
          config: pluginOf({ local: { inline_bytes: Buffer.from(upper).toString("base64") } }),
        },
      });
      const proxy = await start(listener).ready();
      const answer = await fetch(await proxy.url("web"), { method: "PUT" });
      expect([answer.status, await answer.text()]).toEqual([200, "hi"]);
    }, 30_000);
  });
}
