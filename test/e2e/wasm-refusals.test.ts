/**
 * Bad modules and bad configurations in a real process, while a good one serves: each is refused with its reason,
 * whichever way it comes (a file, an operator's upload, a resource), and what was in force stays in force.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import type { Json } from "../../core/config/model.ts";
import { freePorts } from "../support/child-process.ts";
import { binaryOf, guest, guestWith, HAS_ASSEMBLER } from "../support/guest.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  httpListener,
  SidecarProcess,
  Workspace,
} from "../support/sidecar-process.ts";

const URL_PREFIX = "type.googleapis.com/";

/** Writes `value` into the header x-guest of every answer; refuses configurations other than "good". */
function marking(value: string): Uint8Array {
  return binaryOf(guest`
    (on configure
      (drop (call $log #4 ${"rules[0].path: is not a path"}))
      (i32.eq (local.get $a) #4))
    (on response_headers
      (drop (call $replace_header_map_value #2 ${"x-guest"} ${value}))
      #0)`);
}

const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Modules that nobody can use, each with what must be said of it. */
function badModules(): readonly (readonly [what: string, bytes: Uint8Array, reason: string | RegExp])[] {
  const text = (content: string) => new Uint8Array(Buffer.from(content, "latin1"));
  const good = marking("x");
  const marker = Buffer.from("proxy_abi_version_0_2_1");
  const other = Buffer.from(good);
  other.write("proxy_abi_version_0_9_9", other.indexOf(marker), "latin1");
  const lacks = `(import "env" "proxy_brew_coffee" (func $brew (param i32) (result i32)))`;
  return [
    ["no WebAssembly", text("#!/bin/sh\n"), "not WebAssembly: it does not begin with"],
    ["a module that is cut off", good.slice(0, good.length >> 1), "not valid WebAssembly"],
    ["another ABI", new Uint8Array(other), "Missing or unknown Proxy-Wasm ABI version"],
    [
      "a missing import",
      binaryOf(guestWith({ imports: lacks })`(on log (drop (call $brew #1)))`),
      "imports what the host does not have: env.proxy_brew_coffee",
    ],
    ["no allocator", binaryOf(guestWith({ allocator: false })`(on log)`), "exports no allocator"],
    ["a trap at its start", binaryOf(guest`(func (export "_initialize") (call $trap))`), /unreachable/i],
    ["no end at its start", binaryOf(guest`(func (export "_initialize") (call $spin))`), "used up its fuel"],
    ["a trap as it is configured", binaryOf(guest`(on configure (call $trap) #1)`), /unreachable/i],
    [
      "another idea of its configuration",
      binaryOf(guest`(on configure (drop (call $log #4 ${"teapot: unknown field"})) #0)`),
      "teapot: unknown field",
    ],
    ["a refusal of its VM", binaryOf(guest`(on vm_start #0)`), "proxy_on_vm_start refused"],
  ];
}

/** The listener "web" with a plugin of that code. */
function listenerOf(code: Json, configuration = "good"): object {
  const made = httpListener("web", 0, { route_config: answering("hi") }) as {
    filter_chains: { filters: { typed_config: { http_filters: object[] } }[] }[];
  };
  made.filter_chains[0].filters[0].typed_config.http_filters.unshift({
    name: "marker",
    typed_config: {
      "@type": `${URL_PREFIX}envoy.extensions.filters.http.wasm.v3.Wasm`,
      config: {
        name: "marker",
        vm_config: { runtime: "envoy.wasm.runtime.v8", code },
        configuration: { "@type": `${URL_PREFIX}google.protobuf.StringValue`, value: configuration },
      },
    },
  });
  return made;
}

function publish(path: string, content: Uint8Array | string): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

for (const runtime of HAS_ASSEMBLER ? installedRuntimes : []) {
  describe(`while a good plugin serves on ${runtime.name}`, () => {
    const workspace = new Workspace();
    const [module, lds] = [workspace.file("marker.wasm"), workspace.file("lds.json")];
    const file: Json = { local: { filename: module } };
    let proxy: SidecarProcess;
    let url: string;
    let version = 1;

    const offer = (listener: object): string => {
      const resources = [{ "@type": `${URL_PREFIX}envoy.config.listener.v3.Listener`, ...listener }];
      publish(lds, JSON.stringify({ version_info: String(++version), resources }));
      return String(version);
    };
    const marked = async (): Promise<string | null> =>
      (await fetch(url, { keepalive: false, headers: { connection: "close" } })).headers.get("x-guest");
    const rejected = (): Promise<number> => proxy.stat("listener_manager.lds.update_rejected");

    beforeAll(async () => {
      publish(module, marking("good"));
      offer(listenerOf(file));
      proxy = await new SidecarProcess(runtime, workspace, {
        admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
        dynamic_resources: { lds_config: { path_config_source: { path: lds } } },
      }).ready();
      url = await proxy.url("web");
      expect(await marked()).toBe("good");
    }, 30_000);
    afterAll(async () => {
      await proxy?.kill();
      workspace.remove();
    });

    test("an operator's upload is refused with its reason", async () => {
      for (const [what, bytes, reason] of badModules()) {
        const address = `${proxy.admin}/wasm_modules?source=${encodeURIComponent(module)}`;
        const answer = await fetch(address, { method: "POST", body: Buffer.from(bytes), keepalive: false });
        const said = await answer.text();
        expect([what, answer.status, said]).toEqual([
          what,
          400,
          typeof reason === "string" ? expect.stringContaining(reason) : expect.stringMatching(reason),
        ]);
        expect(said).toContain("what was in force stays in force");
        expect([what, await marked()]).toEqual([what, "good"]);
      }
    }, 60_000);

    test("a resource that names one, or that cannot be had or is refused, is rejected, and told of", async () => {
      const [closed] = await freePorts(1);
      const wrong = sha256Of(marking("other"));
      const server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: ({ url: asked }) =>
          asked.endsWith("/none.wasm")
            ? new Response("nothing here", { status: 404 })
            : new Response(Buffer.from(marking("remote"))),
      });
      const remote = (name: string, port = server.port): Json => ({
        remote: {
          http_uri: { uri: `http://127.0.0.1:${port}/${name}`, cluster: "none", timeout: "5s" },
          sha256: wrong,
          retry_policy: { num_retries: 0 },
        },
      });
      const inline = (bytes: Uint8Array): Json => ({
        local: { inline_bytes: Buffer.from(bytes).toString("base64") },
      });
      const cases: (readonly [what: string, listener: object, reason: string | RegExp])[] = [
        ...badModules().map(([what, bytes, reason]) => [what, listenerOf(inline(bytes)), reason] as const),
        ["a configuration that it refuses", listenerOf(file, "a worse one"), "rules[0].path: is not a path"],
        [
          "another sha256",
          listenerOf(remote("m.wasm")),
          `has sha256 ${sha256Of(marking("remote"))}, and should have`,
        ],
        ["a server without it", listenerOf(remote("none.wasm")), "none.wasm: answered 404"],
        ["no server", listenerOf(remote("m.wasm", closed)), `http://127.0.0.1:${closed}/m.wasm: `],
        ["no file", listenerOf({ local: { filename: workspace.file("gone.wasm") } }), "gone.wasm"],
      ];
      for (const [what, listener, reason] of cases) {
        const before = await rejected();
        const offered = offer(listener);
        expect([what, await eventually(rejected, (count) => count > before)]).toEqual([what, before + 1]);
        const dump = JSON.parse(await proxy.get("/config_dump?resource=dynamic_listeners")) as {
          configs: { active_state: object; error_state?: { version_info: string; details: string } }[];
        };
        const { error_state } = dump.configs[0];
        expect([what, error_state?.version_info, error_state?.details]).toEqual([
          what,
          offered,
          typeof reason === "string" ? expect.stringContaining(reason) : expect.stringMatching(reason),
        ]);
        expect(error_state?.details).toContain("filter marker: ");
        expect([what, await marked()]).toEqual([what, "good"]);
      }
      server.stop(true);
    }, 120_000);

    /** One of each sort: not read, not linked, not started, not configured. */
    const asFiles = badModules().filter(([what]) =>
      [
        "no WebAssembly",
        "a missing import",
        "a trap at its start",
        "another idea of its configuration",
      ].includes(what),
    );

    test("its own file that becomes one is passed over, and taken up once it is good again", async () => {
      for (const [what, bytes] of asFiles) {
        publish(module, bytes);
        await Bun.sleep(1500); // files are looked at once a second
        expect([what, await marked()]).toEqual([what, "good"]);
        expect(await proxy.get("/config_dump")).toContain(sha256Of(marking("good")));
      }
      publish(module, marking("better"));
      expect(await eventually(marked, (mark) => mark === "better")).toBe("better");
    }, 60_000);

    test("and at the end it goes as it should, having told of each file", async () => {
      proxy.signal("SIGTERM");
      const { code, stderr } = await proxy.ended();
      expect(code).toBe(0);
      const lines = stderr.split("\n").filter((line) => line.includes("[error][wasm] "));
      for (const [what, , reason] of asFiles) {
        const isTold = lines.some((line) =>
          typeof reason === "string" ? line.includes(reason) : reason.test(line),
        );
        expect([what, isTold]).toEqual([what, true]);
      }
    }, 30_000);
  });
}
