/** The three filters that ship, together, as examples/wasm-filters has them, in a real process on each runtime. */
import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import { shippedFilter } from "../support/filter-build.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import { SidecarProcess, Workspace } from "../support/sidecar-process.ts";

const ROOT = resolve(import.meta.dir, "../..");

/** The example with the modules where they were built, on ports that nobody has. */
function example(): object {
  const text = readFileSync(join(ROOT, "examples/wasm-filters/envoy.yaml"), "utf8")
    .replace(/port_value: \d+/g, "port_value: 0")
    .replace(/filters-as\/build\/(\w+)\.wasm/g, (_, name: string) => shippedFilter(name));
  return parse(text);
}

for (const runtime of installedRuntimes) {
  describe(`the shipped filters on ${runtime.name}`, () => {
    const workspace = new Workspace();
    let proxy: SidecarProcess | null = null;

    afterAll(async () => {
      await proxy?.kill();
      workspace.remove();
    });

    test("say who may come, how often, and what answers carry", async () => {
      proxy = await new SidecarProcess(runtime, workspace, example()).ready();
      const url = await proxy.url("web");
      const ask = async (path: string, method = "GET"): Promise<string> => {
        const answer = await fetch(url + path, { method, keepalive: false });
        return `${answer.status} ${answer.headers.get("x-served-by")} ${(await answer.text()).trim()}`;
      };
      expect(await ask("/admin")).toBe("403 null RBAC: access denied");
      expect(await ask("/public/../admin")).toBe("403 null RBAC: access denied");
      expect(await ask("/public/a", "POST")).toBe("403 null RBAC: access denied");
      const answers: string[] = [];
      for (let i = 0; i < 12; i++) answers.push(await ask("/public/hello"));
      expect(answers.slice(0, 5)).toEqual(Array(5).fill("200 tulle hello"));
      expect(answers).toContain("429 null local_rate_limited");
      expect(await proxy.stat("wasm.authz.active")).toBe(1);
    }, 60_000);
  });
}
