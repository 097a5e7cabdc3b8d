/** The report of a small made-up result: bars, tables and chart must agree with the rounds that it holds. */
import { describe, expect, test } from "bun:test";
import { barsOf } from "../../../bench/macro/bars.ts";
import { chartOf } from "../../../bench/macro/report-svg.ts";
import { reportOf, table } from "../../../bench/macro/report-table.ts";
import type { Cell, Result, Round } from "../../../bench/macro/result.ts";
import {
  AUTHZ,
  AUTHZ_10,
  AUTHZ_1000,
  FULL,
  HEADERS,
  MINIMAL,
  NATIVE,
  PLAIN_PROXY,
  RATELIMIT,
  RESUMED,
  SCENARIOS,
  THREE,
} from "../../../bench/macro/scenario.ts";

const cell = (contestant: string, rounds: readonly Round[], more: Partial<Cell> = {}): Cell => ({
  contestant,
  variant: 0,
  invalid: "",
  rounds,
  ...more,
});
const cpu = (...values: number[]): Round[] =>
  values.map((cpuUs) => ({ cpuUs, rps: 1e6 / cpuUs, pss: 5e6, rss: 9e6 }));
const latency = (...p50: number[]): Round[] =>
  p50.map((value) => ({
    p50: value,
    p90: value,
    p99: 2 * value,
    p999: 3 * value,
    max: 4 * value,
    lateP99: 0.01,
  }));

const result: Result = {
  format: 1,
  date: "2026-01-02T03:04:05.000Z",
  machine: {
    cpu: "Test & Co <1>",
    cores: 2,
    kind: "virtual",
    memoryMiB: 1024,
    kernel: "Linux 6",
    arch: "x64",
    governor: "performance",
    load: 0.1,
  },
  settings: {
    rounds: 3,
    seconds: 4,
    warmup: 2,
    quick: false,
    proxyCore: 0,
    loadCore: 1,
    upstream: "nginx 1",
    wrk: "wrk 4",
  },
  contestants: [
    { name: "nginx", version: "1" },
    { name: "tulle-bun", version: "Bun 1" },
    { name: "tulle-node", version: "Node 26" },
  ],
  missing: [{ name: "envoy", remedy: "put envoy on PATH" }],
  warnings: ["the machine was busy"],
  sections: [
    {
      id: "get",
      cells: [
        cell("nginx", cpu(20, 40, 20)),
        cell("tulle-bun", cpu(21, 42, 24)),
        cell("tulle-node", cpu(10, 10, 10), { invalid: "12 errors in 900 answers" }),
      ],
    },
    {
      id: "latency",
      cells: [
        cell("direct", latency(0.1, 0.1, 0.2)),
        cell("nginx", latency(0.3, 0.3, 0.4)),
        cell("tulle-bun", latency(0.35, 0.35, 0.45)),
      ],
    },
    {
      id: "pair-latency",
      cells: [
        cell("direct", latency(0.3)),
        cell("envoy", latency(0.9)),
        cell("tulle-bun", latency(0.5)),
        cell("tulle-node", latency(0.7)),
      ],
    },
    {
      id: "handshakes",
      cells: [
        cell("nginx", cpu(800, 900), { variant: FULL }),
        cell("nginx", cpu(200, 200), { variant: RESUMED }),
        cell("tulle-bun", cpu(1000, 1125), { variant: FULL }),
        cell("tulle-bun", cpu(500, 500), { variant: RESUMED }),
        cell("tulle-node", cpu(1250, 1250), { variant: FULL }),
      ],
    },
    {
      id: "burst",
      cells: [cell("tulle-bun", [{ idlePss: 20e6, peakPss: 90e6, afterPss: 25e6, settleSeconds: 3 }])],
    },
    {
      id: "routes",
      cells: [
        cell("tulle-bun", cpu(20, 20, 20), { variant: 10 }),
        cell("tulle-bun", cpu(26, 22, 21), { variant: 10_000 }),
      ],
    },
    {
      id: "filters",
      cells: [
        cell("envoy", cpu(120, 110, 115), { variant: NATIVE }),
        cell("tulle-bun", cpu(30, 26, 28), { variant: PLAIN_PROXY }),
        cell("tulle-bun", cpu(34, 33, 33), { variant: THREE }),
        cell("tulle-bun", cpu(31, 28.5, 29), { variant: MINIMAL }),
      ],
    },
    {
      id: "filter-scaling",
      cells: [
        cell("tulle-bun", cpu(30, 26, 28), { variant: PLAIN_PROXY }),
        cell("tulle-bun", cpu(31, 27, 29.5), { variant: AUTHZ_10 }),
        cell("tulle-bun", cpu(32, 28.5, 30), { variant: AUTHZ_1000 }),
      ],
    },
    {
      id: "filter-swap",
      cells: [
        cell("tulle-bun", [{ requests: 120_000, failed: 0, swaps: 20, p99: 1.5, max: 19.5 }]),
        cell("tulle-node", [{ requests: 120_000, failed: 1, swaps: 20, p99: 1.5, max: 29.5 }]),
        cell("tulle-deno", [{ requests: 12_000, failed: 0, swaps: 4, p99: 1, max: 2 }]),
      ],
    },
  ],
};

describe("bars", () => {
  const bar = (words: string) => {
    const found = barsOf(result).filter(({ claim }) => claim.includes(words));
    expect(found.length).toBe(1);
    return found[0];
  };

  test("met by the median of the rounds' ratios", () => {
    expect(bar("65 B GET, CPU: Tulle, Bun ≤ 1.1 × nginx")).toMatchObject({ value: 1.05, verdict: "met" });
  });

  test("latency is judged without the direct part", () => {
    const judged = bar("p50 added at 1000/s: Tulle, Bun ≤ 1 × nginx");
    expect(judged.value).toBeCloseTo(1.25);
    expect(judged.verdict).toBe("missed");
  });

  test("an invalid cell is not measured, however good its figures", () => {
    expect(bar("65 B GET, CPU: Tulle, Node ≤ 1.4 × nginx").verdict).toBe("not measured");
  });

  test("a missing rival is not measured", () => {
    expect(bar("65 B GET, CPU: Tulle, Bun ≤ 0.35 × Envoy").verdict).toBe("not measured");
  });

  test("what a pair adds is judged against Envoy's pair", () => {
    const bun = bar("p50 added by a pair at 1000/s: Tulle, Bun ≤ 0.6 × Envoy");
    expect(bun.value).toBeCloseTo(1 / 3);
    expect(bun.verdict).toBe("met");
    const node = bar("p50 added by a pair at 1000/s: Tulle, Node ≤ 0.6 × Envoy");
    expect(node.value).toBeCloseTo(2 / 3);
    expect(node.verdict).toBe("missed");
  });

  test("growth of a table and memory after a burst", () => {
    expect(bar("10 000 routes, CPU: Tulle, Bun")).toMatchObject({ value: 1.1, verdict: "met" });
    expect(bar("after a burst of 10 000: Tulle, Bun")).toMatchObject({ value: 1.25, verdict: "met" });
  });
});

describe("bars of filters", () => {
  const bar = (words: string) => barsOf(result).find(({ claim }) => claim.startsWith(words));

  test("what a chain adds is judged against the same proxy without filters in the same round", () => {
    expect(bar("added by three WASM filters, CPU µs: Tulle, Bun ≤ 6")).toMatchObject({
      value: 5,
      verdict: "met",
    });
    expect(bar("added by a minimal WASM filter, CPU µs: Tulle, Bun ≤ 1.5")).toMatchObject({ value: 1 });
    expect(bar("added by three WASM filters, CPU µs: Tulle, Node")).toMatchObject({
      verdict: "not measured",
    });
  });

  test("the whole proxy is judged against Envoy with its own filters", () => {
    const whole = bar("with three WASM filters, CPU: Tulle, Bun ≤ 0.4 × Envoy with its native ones");
    expect(whole?.value).toBeCloseTo(33 / 115);
  });

  test("many rules are judged by what they add", () => {
    expect(bar("authz of 1000 rules adds: Tulle, Bun ≤ 2 × what 10 add")).toMatchObject({ value: 2 });
  });

  test("swaps are judged by the slowest request and by failures, these only of enough requests", () => {
    const slowest = "slowest request while modules are swapped: ";
    expect(bar(`${slowest}Tulle, Bun`)).toMatchObject({ value: 18, verdict: "met" });
    expect(bar(`${slowest}Tulle, Node`)).toMatchObject({ value: 28, verdict: "missed" });
    const failed = "failed requests of 100000 while modules are swapped: ";
    expect(bar(`${failed}Tulle, Bun`)).toMatchObject({ value: 0, verdict: "met" });
    expect(bar(`${failed}Tulle, Node`)).toMatchObject({ value: 1, verdict: "missed" });
    expect(bar(`${failed}Tulle, Deno`)).toMatchObject({ verdict: "not measured" });
  });

  test("the numbers of the variants are their places in the scenarios", () => {
    const titles = (id: string) =>
      SCENARIOS.flatMap((each) => (each.kind === "filters" && each.id === id ? each.variants : [])).map(
        ({ title }) => title,
      );
    const filters = titles("filters");
    expect([PLAIN_PROXY, MINIMAL, AUTHZ, RATELIMIT, HEADERS, THREE, NATIVE].map((at) => filters[at])).toEqual(
      ["none", "minimal", "authz", "ratelimit", "headers", "the three", "its native three"],
    );
    const scaling = titles("filter-scaling");
    expect([scaling[AUTHZ_10], scaling[AUTHZ_1000]]).toEqual(["authz, 10 rules", "authz, 1000 rules"]);
  });
});

describe("the report", () => {
  const text = reportOf(result);

  test("names what is missing, what went wrong and what invalidates a cell", () => {
    expect(text).toContain("**Missing: Envoy.** put envoy on PATH.");
    expect(text).toContain("**Warning:** the machine was busy.");
    expect(text).toContain("**INVALID: Tulle, Node:** 12 errors in 900 answers");
  });

  test("never shows the figures of an invalid cell", () => {
    expect(text).toMatch(/\| Tulle, Node +\| +invalid \|/);
    expect(text).not.toContain("10.0 |");
  });

  test("tells the median, the ratio and the spread", () => {
    expect(text).toMatch(/\| Tulle, Bun +\| +24\.0 \| +1\.05 \| +– \|/);
  });

  test("tells what filters add, from the least to the most, and the ratio to Envoy's own", () => {
    expect(text).toMatch(/\| Tulle, Bun +\| the three +\| +33\.0 \| +5\.00 \| +4\.00 \| +7\.00 \| +0\.29 \|/);
  });

  test("tells added latency", () => {
    expect(text).toMatch(/\| Tulle, Bun +\| +0\.350 .*\| +0\.250 \|/);
  });

  test("tells full and resumed handshakes in a CPU second, each against the same of others", () => {
    expect(text).toMatch(/\| Tulle, Bun +\| full +\| +941 \| +0\.80 \| +– \| +1063 \|/);
    expect(text).toMatch(/\| Tulle, Bun +\| resumed +\| +2000 \| +0\.40 \| +– \| +500 \|/);
  });

  test("counts bars of scenarios that did not run, without listing them", () => {
    expect(text).not.toContain("copied_bytes");
    expect(text).toMatch(/\d+ met, \d+ missed, \d+ not measured\./);
  });
});

test("a table is aligned: names left, numbers right", () => {
  expect(
    table(
      ["who", "µs"],
      [
        ["a", "1.0"],
        ["bcde", "10.0"],
      ],
    ),
  ).toBe("| who  |   µs |\n| ---- | ---: |\n| a    |  1.0 |\n| bcde | 10.0 |");
});

describe("the chart", () => {
  const svg = chartOf(result);

  test("has a bar for every valid cell, with lengths in proportion", () => {
    const start = svg.indexOf(">65 B keep-alive GET<");
    const panel = svg.slice(start, svg.indexOf('class="panel"', start));
    const bars = [...panel.matchAll(/class="(ours|theirs)" [^>]*width="([\d.]+)"/g)].map((m) => [
      m[1],
      Number(m[2]),
    ]);
    expect(bars.map(([who]) => who)).toEqual(["theirs", "ours"]);
    expect((bars[1][1] as number) / (bars[0][1] as number)).toBeCloseTo(24 / 20, 1);
  });

  test("is well-formed, escapes what it did not write, and follows dark mode", () => {
    expect(svg).toContain("Test &amp; Co &lt;1&gt;");
    expect(svg).toContain("prefers-color-scheme: dark");
    const opened = [...svg.matchAll(/<(svg|title|desc|style|text)\b/g)].length;
    const closed = [...svg.matchAll(/<\/(svg|title|desc|style|text)>/g)].length;
    expect(opened).toBe(closed);
  });

  test("says so when it is a quick run", () => {
    expect(chartOf({ ...result, settings: { ...result.settings, quick: true } })).toContain(
      "not to be quoted",
    );
  });
});
