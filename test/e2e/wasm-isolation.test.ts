/**
 * A guest that misbehaves in a real process, on each runtime: it costs the requests that are in its VM, the worker and
 * every other plugin go on, and it serves again after its back-off.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { binaryOf, guest, HAS_ASSEMBLER } from "../support/guest.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  httpListener,
  SidecarProcess,
  Workspace,
} from "../support/sidecar-process.ts";

const WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const MEBIBYTE = 1024 * 1024;

/** Does what the first letter of the path says: loop, dive, trap, grow. */
const wild = (): Uint8Array =>
  binaryOf(guest`
    (on request_headers
      (drop (call $get_header_map_value #0 ${":path"} #out))
      (local.set $i (i32.load8_u offset=1 (i32.load #16)))
      (if (i32.eq (local.get $i) #108) (then (call $spin)))
      (if (i32.eq (local.get $i) #100) (then (drop (call $deep #0))))
      (if (i32.eq (local.get $i) #116) (then (call $trap)))
      (if (i32.eq (local.get $i) #103)
        (then (loop $more (br_if $more (i32.ne (memory.grow #1) #-1)))))
      #0)
    (on response_headers
      (local.set $i (i32.add (memory.size) #48))
      (i32.store8 #512 (local.get $i))
      (drop (call $replace_header_map_value #2 ${"x-pages"} #512 #1))
      #0)`);

function listenerOf(name: string, code: Uint8Array): object {
  const made = httpListener(name, 0, { route_config: answering("hi") }) as {
    filter_chains: { filters: { typed_config: { http_filters: object[] } }[] }[];
  };
  const inline_bytes = Buffer.from(code).toString("base64");
  made.filter_chains[0].filters[0].typed_config.http_filters.unshift({
    name,
    typed_config: {
      "@type": WASM,
      config: { name, vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { inline_bytes } } } },
    },
  });
  return made;
}

for (const runtime of HAS_ASSEMBLER ? installedRuntimes : []) {
  describe(`a guest on ${runtime.name}`, () => {
    const workspace = new Workspace();
    let proxy: SidecarProcess;
    let urls: { readonly web: string; readonly other: string };

    const ask = (url: string): Promise<Response> =>
      fetch(url, { keepalive: false, headers: { connection: "close" } });
    const status = async (url: string): Promise<number> => (await ask(url)).status;

    beforeAll(async () => {
      const limits = { max_memory_bytes: MEBIBYTE, recycle_above_bytes: MEBIBYTE };
      proxy = await new SidecarProcess(runtime, workspace, {
        admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
        layered_runtime: { layers: [{ name: "limits", static_layer: { tulle: { wasm: limits } } }] },
        static_resources: { listeners: [listenerOf("web", wild()), listenerOf("other", wild())] },
      }).ready();
      urls = { web: await proxy.url("web"), other: await proxy.url("other") };
    }, 30_000);
    afterAll(async () => {
      await proxy?.kill();
      workspace.remove();
    });

    test.each([
      ["that loops for ever", "/loop"],
      ["that calls itself without end", "/dive"],
      ["that traps", "/trap"],
    ])(
      "%s is refused and stopped; the other plugin goes on, and it serves again",
      async (_, path) => {
        expect(
          await eventually(
            () => status(urls.web),
            (code) => code === 200,
          ),
        ).toBe(200);
        const failed = await proxy.stat("wasm.web.vm_failed");
        const start = performance.now();
        expect(await status(urls.web + path)).toBe(503);
        // Some tenths of a second of fuel; the machine may be busy.
        expect(performance.now() - start).toBeLessThan(8000);
        expect(await status(urls.other)).toBe(200);
        expect(await proxy.stat("wasm.web.vm_failed")).toBe(failed + 1);
        expect(await proxy.stat("wasm.other.vm_failed")).toBe(0);
        expect(
          await eventually(
            () => status(urls.web),
            (code) => code === 200,
          ),
        ).toBe(200);
      },
      60_000,
    );

    test("that wants all memory gets a mebibyte, and is none the worse for it", async () => {
      const answer = await ask(`${urls.other}/grow`);
      expect([answer.status, answer.headers.get("x-pages")]).toEqual([200, "@"]); // "0" and 16 pages
      expect(await proxy.stat("wasm.other.vm_memory_bytes")).toBe(MEBIBYTE);
      expect(await proxy.stat("wasm.other.vm_failed")).toBe(0);
    }, 30_000);

    test("leaves a process behind that ends as it should", async () => {
      proxy.signal("SIGTERM");
      const { code, stderr } = await proxy.ended();
      expect(code).toBe(0);
      expect(stderr).toContain("web: used up its fuel");
    }, 30_000);
  });
}
