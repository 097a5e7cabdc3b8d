/** Writes a result as Markdown that reads well in a terminal too: aligned tables, one per scenario. Pure. */
import { barsOf, figure, nameOf } from "./bars.ts";
import { type Cell, DIRECT, type Metric, type Result, type Section, valuesOf } from "./result.ts";
import { RESUMED, SCENARIOS, type Scenario } from "./scenario.ts";
import { differences, median, medianDifference, medianRatio, spread } from "./statistics.ts";

/** The whole report. `chart` is the file name of the SVG, or "". */
export function reportOf(result: Result, chart = ""): string {
  const { machine, settings } = result;
  const parts = [
    `# Benchmark of ${result.date.slice(0, 10)}`,
    `${machine.cpu}, ${machine.cores} cores (${machine.kind}), ${machine.memoryMiB} MiB, ${machine.kernel}, ` +
      `${machine.arch}; frequency governor: ${machine.governor}; load average at the start: ${machine.load.toFixed(2)}.`,
    `${settings.proxyCore < 0 ? "Nothing pinned to a core" : `Proxy on core ${settings.proxyCore}, load and upstream on core ${settings.loadCore}`}; upstream ${settings.upstream}; ` +
      `${settings.rounds} interleaved rounds of ${settings.seconds} s; ${settings.wrk}. ` +
      `${result.contestants.map(({ name, version }) => `${nameOf(name)} (${version})`).join("; ")}.`,
  ];
  if (settings.quick) parts.push("**A quick run: it shows that all works. Do not quote its figures.**");
  for (const { name, remedy } of result.missing) parts.push(`**Missing: ${nameOf(name)}.** ${remedy}.`);
  for (const warning of result.warnings) parts.push(`**Warning:** ${warning}.`);
  if (chart !== "") parts.push(`![chart](${chart})`);
  for (const section of result.sections) {
    const scenario = SCENARIOS.find(({ id }) => id === section.id);
    if (scenario) parts.push(sectionOf(scenario, section));
  }
  parts.push(barsSection(result));
  return `${parts.join("\n\n")}\n`;
}

function sectionOf(scenario: Scenario, section: Section): string {
  const body = tableFor(scenario, section);
  const broken = section.cells
    .filter(({ invalid }) => invalid !== "")
    .map(
      ({ contestant, variant, invalid }) =>
        `**INVALID: ${nameOf(contestant)}${variantOf(scenario, variant)}:** ${invalid.split("\n")[0]}`,
    );
  return [`## ${upperFirst(scenario.title)}`, body, ...broken].join("\n\n");
}

function variantOf(scenario: Scenario, variant: number): string {
  if (scenario.kind === "filters") return `, ${scenario.variants[variant].title}`;
  if (scenario.kind === "handshakes") return variant === RESUMED ? ", resumed" : ", full";
  return variant > 0 ? ` with ${variant}` : "";
}

function tableFor(scenario: Scenario, section: Section): string {
  const cells = section.cells;
  const valid = (name: string) => cells.find((cell) => cell.contestant === name && usable(cell)) ?? null;
  const rows = (columns: (cell: Cell) => string[]) =>
    cells.map((cell) => [nameOf(cell.contestant), ...(usable(cell) ? columns(cell) : ["invalid"])]);

  switch (scenario.kind) {
    case "throughput": {
      const metric: Metric = scenario.unit === "ms/MiB" ? "cpuMsPerMiB" : "cpuUs";
      const digits = scenario.unit === "ms/MiB" ? 2 : 1;
      const against = (cell: Cell, other: string) => {
        const base = valid(other);
        return base ? number(medianRatio(valuesOf(cell, metric), valuesOf(base, metric)), 2) : "–";
      };
      const header = [
        "proxy",
        `CPU ${scenario.unit}`,
        "× nginx",
        "× Envoy",
        "answers/s",
        "PSS MB",
        "RSS MB",
        "spread",
      ];
      return table(
        header,
        rows((cell) => [
          number(figure(cell, metric), digits),
          against(cell, "nginx"),
          against(cell, "envoy"),
          number(figure(cell, "rps"), 0),
          megabytes(cell, "pss"),
          megabytes(cell, "rss"),
          `${number(spread(valuesOf(cell, metric)) * 100, 0)} %`,
        ]),
      );
    }
    case "latency": {
      const direct = valid(DIRECT);
      const percentiles = ["p50", "p90", "p99", "p999"] as const;
      const added = (cell: Cell, metric: Metric) =>
        direct && cell !== direct
          ? number(medianDifference(valuesOf(cell, metric), valuesOf(direct, metric)), 3)
          : "–";
      const names = ["p50", "p90", "p99", "p99.9"];
      return table(
        [
          "proxy",
          ...names.map((name) => `${name} ms`),
          "max ms",
          ...names.map((name) => `added ${name}`),
          "late p99",
        ],
        rows((cell) => [
          ...percentiles.map((metric) => number(figure(cell, metric), 3)),
          number(Math.max(...valuesOf(cell, "max")), 1),
          ...percentiles.map((metric) => added(cell, metric)),
          number(figure(cell, "lateP99"), 3),
        ]),
      );
    }
    case "handshakes": {
      const base = (cell: Cell, other: string) =>
        cells.find(
          ({ contestant, variant, ...rest }) =>
            contestant === other && variant === cell.variant && rest.invalid === "",
        ) ?? null;
      const against = (cell: Cell, other: string) => {
        const theirs = base(cell, other);
        return theirs ? number(medianRatio(valuesOf(theirs, "cpuUs"), valuesOf(cell, "cpuUs")), 2) : "–";
      };
      return table(
        ["proxy", "handshakes", "in a CPU second", "× nginx", "× Envoy", "CPU µs", "spread"],
        cells.map((cell) => {
          const row = [nameOf(cell.contestant), cell.variant === RESUMED ? "resumed" : "full"];
          if (!usable(cell)) return [...row, "invalid"];
          return [
            ...row,
            number(1e6 / figure(cell, "cpuUs"), 0),
            against(cell, "nginx"),
            against(cell, "envoy"),
            number(figure(cell, "cpuUs"), 0),
            `${number(spread(valuesOf(cell, "cpuUs")) * 100, 0)} %`,
          ];
        }),
      );
    }
    case "memory":
      return memoryTable(scenario.what, rows);
    case "sweep": {
      const names = [...new Set(cells.map(({ contestant }) => contestant))];
      const at = (name: string, size: number) =>
        cells.find((cell) => cell.contestant === name && cell.variant === size && usable(cell)) ?? null;
      const last = scenario.sizes[scenario.sizes.length - 1];
      const growth = (name: string) => {
        const small = at(name, scenario.sizes[0]);
        const large = at(name, last);
        return small && large
          ? number(medianRatio(valuesOf(large, "cpuUs"), valuesOf(small, "cpuUs")), 2)
          : "–";
      };
      return table(
        [
          "CPU µs/request",
          ...scenario.sizes.map((size) => `${size} ${scenario.over}`),
          `${last} / ${scenario.sizes[0]}`,
          `PSS MB at ${last}`,
        ],
        names.map((name) => [
          nameOf(name),
          ...scenario.sizes.map((size) => number(figure(at(name, size), "cpuUs"), 1)),
          growth(name),
          number(figure(at(name, last), "pss") / 1e6, 1),
        ]),
      );
    }
    case "filters": {
      const at = (name: string, variant: number) =>
        cells.find((cell) => cell.contestant === name && cell.variant === variant && usable(cell)) ?? null;
      const native = at(
        "envoy",
        scenario.variants.findIndex(({ title }) => title === "its native three"),
      );
      return table(
        [
          "proxy",
          "filters",
          "CPU µs/request",
          "added µs",
          "from",
          "to",
          "× Envoy, native",
          "answers/s",
          "PSS MB",
        ],
        cells.map((cell) => {
          const keys = figure(cell, "keys");
          const title = `${scenario.variants[cell.variant].title}${keys > 0 ? `, ${keys} keys` : ""}`;
          const row = [nameOf(cell.contestant), title];
          if (!usable(cell)) return [...row, "invalid"];
          const plain = at(cell.contestant, 0);
          const added =
            plain === null || plain === cell
              ? []
              : differences(valuesOf(cell, "cpuUs"), valuesOf(plain, "cpuUs"));
          return [
            ...row,
            number(figure(cell, "cpuUs"), 1),
            number(median(added), 2),
            number(Math.min(...added), 2),
            number(Math.max(...added), 2),
            native === null
              ? "–"
              : number(medianRatio(valuesOf(cell, "cpuUs"), valuesOf(native, "cpuUs")), 2),
            number(figure(cell, "rps"), 0),
            megabytes(cell, "pss"),
          ];
        }),
      );
    }
    case "swap":
      return table(
        [
          "proxy",
          "requests",
          "failed",
          "swaps",
          "p99 ms",
          "longest ms",
          "longest without swaps",
          "file to first answer, ms",
          "its longest",
          "module KiB",
          "PSS MB before",
          "after",
        ],
        rows((cell) => [
          number(figure(cell, "requests"), 0),
          number(figure(cell, "failed"), 0),
          number(figure(cell, "swaps"), 0),
          number(figure(cell, "p99"), 2),
          number(figure(cell, "max"), 1),
          number(figure(cell, "calmMax"), 1),
          number(figure(cell, "swapMs"), 0),
          number(figure(cell, "swapMaxMs"), 0),
          number(figure(cell, "moduleBytes") / 1024, 0),
          megabytes(cell, "idlePss"),
          megabytes(cell, "afterPss"),
        ]),
      );
    case "pause":
      return table(
        ["proxy", "longest ms", "stalls over 5 ms", "p99.9 ms", "collector, ms in all", "its longest, ms"],
        rows((cell) => [
          number(figure(cell, "max"), 1),
          String(cell.stalls?.length ?? 0),
          number(figure(cell, "p999"), 3),
          number(figure(cell, "collectorMs"), 1),
          number(figure(cell, "collectorMaxMs"), 2),
        ]),
      );
  }
}

function memoryTable(what: string, rows: (columns: (cell: Cell) => string[]) => string[][]): string {
  if (what === "burst") {
    return table(
      ["proxy", "idle PSS MB", "peak", "after", "after / idle", "under 1.5 × idle after"],
      rows((cell) => [
        megabytes(cell, "idlePss"),
        megabytes(cell, "peakPss"),
        megabytes(cell, "afterPss"),
        number(medianRatio(valuesOf(cell, "afterPss"), valuesOf(cell, "idlePss")), 2),
        figure(cell, "settleSeconds") < 0
          ? "not in the wait"
          : `${number(figure(cell, "settleSeconds"), 1)} s`,
      ]),
    );
  }
  const loaded = what === "load" ? "at 1000/s" : "with the connections";
  return table(
    ["proxy", "idle PSS MB", "own", "RSS", `${loaded}, PSS MB`, "own", "RSS"],
    rows((cell) => [
      megabytes(cell, "idlePss"),
      megabytes(cell, "idleAnonymous"),
      megabytes(cell, "idleRss"),
      megabytes(cell, "loadPss"),
      megabytes(cell, "loadAnonymous"),
      megabytes(cell, "loadRss"),
    ]),
  );
}

/** Bars of scenarios that were not asked for are only counted. */
function barsSection(result: Result): string {
  const bars = barsOf(result);
  const asked = bars.filter((bar) => result.sections.some(({ id }) => id === bar.section));
  const mark = { met: "✓", missed: "✗", "not measured": "–" };
  const count = (verdict: string) => bars.filter((bar) => bar.verdict === verdict).length;
  const measured = ({ value }: { value: number }) =>
    Number.isNaN(value) ? "not measured" : number(value, 2);
  return [
    "## Bars",
    table(
      ["", "bar", "measured"],
      asked.map((bar) => [mark[bar.verdict], bar.claim, measured(bar)]),
    ),
    `${count("met")} met, ${count("missed")} missed, ${count("not measured")} not measured.`,
  ].join("\n\n");
}

function usable(cell: Cell): boolean {
  return cell.invalid === "" && cell.rounds.length > 0;
}

function megabytes(cell: Cell, metric: Metric): string {
  return number(figure(cell, metric) / 1e6, 1);
}

function number(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

function upperFirst(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}

/** A Markdown table whose columns are aligned: the first to the left, those that hold numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const filled = rows.map((row) => header.map((_, i) => row[i] ?? ""));
  const width = header.map((title, i) => Math.max(3, title.length, ...filled.map((row) => row[i].length)));
  const right = header.map(
    (_, i) => i > 0 && filled.every((row) => /^(-?[\d.]+( [%s])?|–|invalid|not .*|)$/.test(row[i])),
  );
  const line = (row: readonly string[]) =>
    `| ${row.map((text, i) => (right[i] ? text.padStart(width[i]) : text.padEnd(width[i]))).join(" | ")} |`;
  const rule = `| ${width.map((w, i) => (right[i] ? `${"-".repeat(w - 1)}:` : "-".repeat(w))).join(" | ")} |`;
  return [line(header), rule, ...filled.map(line)].join("\n");
}
