/**
 * Every case of compliance.ts on every runtime, on plain sockets and on sockets that are TLS, and those of
 * tls-compliance.ts: Bun and memory here, Node and Deno in processes of their own.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Runtime, RuntimeName } from "../../runtime-adapters/runtime.ts";
import { cases } from "./compliance.ts";
import { load, type Outcome, runCase } from "./run.ts";
import { COMMANDS } from "./runtimes.ts";
import { tlsCases } from "./tls-compliance.ts";

const LIMIT = 60_000;

type Verdict = (caseName: string) => Promise<Outcome> | Outcome;

function each(name: RuntimeName, verdict: Verdict, overTls = false): void {
  for (const one of overTls ? cases : [...cases, ...tlsCases]) {
    const why = one.except?.[name] ?? (overTls ? one.exceptTls : undefined);
    if (why !== undefined) {
      test.skip(`${one.name} (${why})`, () => {});
      continue;
    }
    test(
      one.name,
      async () => {
        const outcome = await verdict(one.name);
        expect(outcome.error).toBe("");
      },
      LIMIT,
    );
  }
}

for (const name of ["memory", "bun"] as const) {
  describe(`${name} adapter`, async () => {
    const runtime = await load(name);
    each(name, (caseName) => runCase(caseName, runtime));
  });
  describe(`${name} adapter over TLS`, async () => {
    const runtime = await load(name);
    each(name, (caseName) => runCase(caseName, runtime, true), true);
  });
}

describe("bun adapter without FFI", async () => {
  const { BunDriver } = await import("../../runtime-adapters/bun/driver.ts");
  const bun = await load("bun");
  const plain: Runtime = {
    name: "bun",
    version: bun.version,
    createDriver: (services) => new BunDriver(services, null),
    trim: () => {},
  };
  for (const part of ["in order", "10 MiB", "half-close", "close lets go"]) {
    for (const one of cases.filter(({ name }) => name.includes(part))) {
      test(one.name, async () => expect((await runCase(one.name, plain)).error).toBe(""), LIMIT);
    }
  }
});

/** Takes away what runtime-adapters/node/read-memory.ts looks for: reads are Node's own, as documented. */
const WITHOUT_OWN_MEMORY = join(import.meta.dir, "no-user-buffer.mjs");

const PROCESSES = [
  ["node", "node adapter", [], []],
  ["node", "node adapter without memory of its own", ["--import", WITHOUT_OWN_MEMORY], []],
  ["node", "node adapter over TLS", [], ["", "tls"]],
  ["deno", "deno adapter", [], []],
  ["deno", "deno adapter over TLS", [], ["", "tls"]],
] as const;

for (const [name, title, options, words] of PROCESSES) {
  describe(title, () => {
    const outcomes = new Map<string, Outcome>();
    let complaint = "";
    beforeAll(async () => {
      const child = Bun.spawn(
        [...COMMANDS[name], ...options, join(import.meta.dir, "run.ts"), name, ...words],
        {
          stdout: "pipe",
          stderr: "pipe",
        },
      );
      const [out, errors] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      complaint = errors;
      for (const line of out.split("\n")) {
        if (!line.startsWith("{")) continue;
        const outcome: Outcome = JSON.parse(line);
        outcomes.set(outcome.name, outcome);
      }
    }, 2 * LIMIT);
    const verdict: Verdict = (caseName) =>
      outcomes.get(caseName) ?? { name: caseName, error: `no outcome; stderr: ${complaint}`, ms: 0 };
    each(name, verdict, words.length !== 0);
  });
}
