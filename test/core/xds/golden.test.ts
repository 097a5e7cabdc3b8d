/**
 * Golden files: a document of Envoy's → the model, as JSON beside it. `UPDATE_GOLDEN=1` rewrites them after a
 * change that is meant. Real Envoy has to accept every one of them, where it is installed.
 */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, delimiter, join, relative } from "node:path";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import { readResources } from "../../../core/xds/discovery.ts";
import type { ResourceKind } from "../../../core/xds/resource.ts";
import { checkPluginConfig } from "../../../filters/wasm/plugin-config.ts";
import { readDocument } from "../../../runtime-adapters/sidecar/document.ts";
import { yaml } from "../../support/config-document.ts";

const ROOT = join(import.meta.dir, "../../..");
const FOLDER = join(import.meta.dir, "golden");

const checks = {
  httpFilters: new Map([["envoy.extensions.filters.http.wasm.v3.Wasm", checkPluginConfig]]),
};

function compare(path: string, value: unknown): void {
  const golden = path.replace(/\.(yaml|json)$/, ".golden.json");
  const text = `${JSON.stringify(value, null, 2)}\n`;
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(golden, text);
  expect(JSON.parse(text)).toEqual(JSON.parse(readFileSync(golden, "utf8")));
}

function inputs(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.(yaml|json)$/.test(name) && !name.endsWith(".golden.json"))
    .map((name) => join(folder, name));
}

describe("bootstrap documents", () => {
  test.each(inputs(FOLDER).map((path) => [basename(path), path]))("%s", (_, path) => {
    const { bootstrap, faults } = readBootstrap(yaml(readFileSync(path, "utf8")), checks);
    expect(faults).toEqual([]);
    if (bootstrap === null) return;
    const withoutSource = (resources: readonly { readonly source: unknown }[]): unknown[] =>
      resources.map(({ source: _, ...resource }) => resource);
    const { source, listeners, clusters, ...rest } = bootstrap;
    compare(path, { ...rest, listeners: withoutSource(listeners), clusters: withoutSource(clusters) });

    // The dump is a document of its own that says the same.
    expect(readBootstrap(source, checks).bootstrap).toEqual(bootstrap);
  });
});

describe("discovery documents", () => {
  test.each(inputs(join(FOLDER, "resources")).map((path) => [basename(path), path]))("%s", (name, path) => {
    const kind = name.replace(/[-.].*$/, "").toUpperCase() as ResourceKind;
    const { faults, rejected, resources, versionInfo } = readResources(
      kind,
      yaml(readFileSync(path, "utf8")),
      checks,
    );
    expect([...faults, ...rejected]).toEqual([]);
    compare(path, { versionInfo, resources: resources.map(({ source: _, ...resource }) => resource) });
  });
});

describe("Envoy accepts the same documents", () => {
  const envoy =
    process.env.ENVOY_BIN ??
    (process.env.PATH ?? "")
      .split(delimiter)
      .map((folder) => join(folder, "envoy"))
      .find((path) => existsSync(path));
  const examples = join(ROOT, "examples");
  const documents = [
    ...inputs(FOLDER),
    ...readdirSync(examples).flatMap((name) =>
      inputs(join(examples, name)).filter((path) => basename(path) === "envoy.yaml"),
    ),
  ].map((path) => relative(ROOT, path));

  if (envoy === undefined) {
    test.skip("skipped: no envoy (set ENVOY_BIN, or put it on PATH)", () => {});
    return;
  }
  test.each(documents)(
    "%s",
    (path) => {
      const { stdout, stderr } = spawnSync(envoy, ["--mode", "validate", "-l", "error", "-c", path], {
        cwd: ROOT,
        encoding: "utf8",
      });
      expect(`${stdout}${stderr}`.trim().split("\n").at(-1)).toBe(`configuration '${path}' OK`);
    },
    30_000,
  );
});

test("every example is sound here as well", () => {
  for (const name of readdirSync(join(ROOT, "examples"))) {
    for (const path of inputs(join(ROOT, "examples", name))) {
      if (basename(path) !== "envoy.yaml") continue;
      const document = readDocument(readFileSync(path, "utf8"));
      expect(document.errors).toEqual([]);
      expect(readBootstrap(document.value ?? null, checks).faults).toEqual([]);
    }
  }
});
