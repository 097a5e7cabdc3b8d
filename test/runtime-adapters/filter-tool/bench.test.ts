/** What `tulle filter bench` counts, with a filter that lets pass, answers, waits and traps. */
import { beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type VmLimits, vmLimits } from "../../../filters/wasm/vm-limits.ts";
import { benchTable } from "../../../runtime-adapters/filter-tool/bench-filter.ts";
import { BenchHost } from "../../../runtime-adapters/filter-tool/bench-host.ts";
import { BenchStream } from "../../../runtime-adapters/filter-tool/bench-stream.ts";
import { compileModule } from "../../../runtime-adapters/sidecar/modules/compile-module.ts";
import { testModule } from "../../support/filter-build.ts";
import { binaryOf, guest, HAS_ASSEMBLER } from "../../support/guest.ts";

const LIMITS: VmLimits = vmLimits({}, "bench");
let story: Uint8Array;
beforeAll(() => {
  story = readFileSync(testModule("story-filter"));
}, 120_000);

async function hostOf(bytes: Uint8Array, configuration = ""): Promise<BenchHost> {
  const compiled = await compileModule(bytes, LIMITS);
  if ("fault" in compiled) throw new Error(compiled.fault);
  const host = new BenchHost("bench", compiled.module, LIMITS, configuration);
  expect(host.generation.begin()).toBe("");
  return host;
}

function exchanges(host: BenchHost, path = "/") {
  const stream = new BenchStream(path, () => host.answerCalls());
  for (let i = 0; i < 100; i++) stream.exchange(host.generation.open(stream));
  const { passed, answered, held } = stream;
  expect(host.generation.active).toBe(0);
  return { passed, answered, held };
}

test("a filter that lets all pass changes the answer of each", async () => {
  const host = await hostOf(story, "{}");
  expect(exchanges(host)).toEqual({ passed: 100, answered: 0, held: 0 });
  const stream = new BenchStream("/x", () => false);
  let seen = "";
  const filter = host.generation.open(stream);
  stream.exchange({
    onRequestHeaders: (head, ends) => {
      seen = `${head.get(":path")} ${head.get("user-agent")}`;
      return filter.onRequestHeaders?.(head, ends) ?? 0;
    },
    onResponseHeaders: (head, ends) => filter.onResponseHeaders?.(head, ends) ?? 0,
    onLog: () => filter.onLog(),
  });
  expect(seen).toStartWith("/x Mozilla/5.0");
  expect(stream.response?.get("x-greeting")).toBe("hello");
});

test.skipIf(!HAS_ASSEMBLER)(
  "one that answers, one that holds for ever, one that waits for a call",
  async () => {
    const reply = guest`(on request_headers
    (drop (call $send_local_response #403 #0 #0 ${"no"} #0 #0 (i32.const -1))) #1)`;
    expect(exchanges(await hostOf(binaryOf(reply)))).toEqual({ passed: 0, answered: 100, held: 0 });
    expect(exchanges(await hostOf(binaryOf(guest`(on request_headers #1)`)))).toEqual({
      passed: 0,
      answered: 0,
      held: 100,
    });
  },
);

test.skipIf(!HAS_ASSEMBLER)("one that traps is told", async () => {
  const host = await hostOf(binaryOf(guest`(on request_headers (call $trap) #0)`));
  exchanges(host);
  expect(host.generation.vm.failure).toMatch(/unreachable/i);
});

test("the table", () => {
  const row = {
    memoryBefore: 131_072,
    memoryAfter: 131_072,
    requests: 1000,
    passed: 1000,
    answered: 0,
    held: 0,
  };
  const rows = [
    { ...row, name: "with fuel (default)", microseconds: 0.614 },
    {
      ...row,
      name: "without fuel (trusted)",
      microseconds: 0.5,
      memoryAfter: 196_608,
      passed: 0,
      answered: 1000,
    },
  ];
  expect(benchTable(rows).split("\n")).toEqual([
    "                        µs/request  guest memory  growth/request  requests",
    "with fuel (default)           0.61       128 KiB            none  1000 passed",
    "without fuel (trusted)        0.50       192 KiB         65.54 B  1000 answered by the filter",
  ]);
});
