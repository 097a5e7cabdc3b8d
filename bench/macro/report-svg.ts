/**
 * Draws a result as one SVG: a panel per question, a bar per proxy. Lengths start at zero, ours are coloured, every bar has
 * its number, and the colours follow the reader's light or dark setting. Pure.
 */
import { cellOf, figure, nameOf } from "./bars.ts";
import { type Cell, DIRECT, type Result, valuesOf } from "./result.ts";
import { medianDifference } from "./statistics.ts";

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
  readonly bars: readonly { readonly name: string; readonly ours: boolean; readonly value: number }[];
}

const COLUMNS = 3;
const PANEL_WIDTH = 340;
const GAP = 28;
const MARGIN = 24;
const HEAD = 78;
const ROW = 22;
const LABEL = 146;
const NUMBER = 52;

export function chartOf(result: Result): string {
  const panels = panelsOf(result).filter(({ bars }) => bars.length > 0);
  const width = 2 * MARGIN + COLUMNS * PANEL_WIDTH + (COLUMNS - 1) * GAP;
  const drawn: string[] = [];
  let top = HEAD;
  for (let i = 0; i < panels.length; i += COLUMNS) {
    const line = panels.slice(i, i + COLUMNS);
    line.forEach((panel, column) => {
      drawn.push(draw(panel, MARGIN + column * (PANEL_WIDTH + GAP), top));
    });
    top += 32 + Math.max(...line.map(({ bars }) => bars.length)) * ROW + GAP;
  }
  const height = top;
  const { machine, settings } = result;
  const caption =
    `${machine.cpu}, one core per proxy, ${machine.kernel}; median of ${settings.rounds} interleaved rounds of ` +
    `${settings.seconds} s; ${result.date.slice(0, 10)}${settings.quick ? "; QUICK RUN, not to be quoted" : ""}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t d">
<title id="t">Tulle beside other proxies</title>
<desc id="d">${escaped(panels.map(describe).join(" "))}</desc>
<style>
  svg { --page: #ffffff; --ink: #1f2328; --soft: #59636e; --ours: #0b6bcb; --theirs: #b6bec7; --line: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    svg { --page: #0d1117; --ink: #e6edf3; --soft: #9198a1; --ours: #4aa3ff; --theirs: #4b5561; --line: #30363d; }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--ink); }
  .title { font-size: 20px; font-weight: 600; } .panel { font-weight: 600; } .soft { fill: var(--soft); }
  .number { font-variant-numeric: tabular-nums; }
  .page { fill: var(--page); } .ours { fill: var(--ours); } .theirs { fill: var(--theirs); }
  line { stroke: var(--line); }
</style>
<rect class="page" width="100%" height="100%" rx="8"/>
<text class="title" x="${MARGIN}" y="36">Tulle beside other proxies: shorter is better</text>
<text class="soft" x="${MARGIN}" y="58">${escaped(caption)}</text>
${drawn.join("\n")}
</svg>
`;
}

function panelsOf(result: Result): Panel[] {
  const panel = (
    title: string,
    unit: string,
    digits: number,
    id: string,
    value: (cell: Cell) => number,
    variant = 0,
  ): Panel => ({
    title,
    unit,
    digits,
    bars: result.contestants.flatMap(({ name }) => {
      const cell = cellOf(result, id, name, variant);
      const height = cell ? value(cell) : Number.NaN;
      return Number.isFinite(height) ? [{ name, ours: name.startsWith("tulle-"), value: height }] : [];
    }),
  });
  const direct = cellOf(result, "latency", DIRECT);
  const added = (metric: "p50" | "p99") => (cell: Cell) =>
    direct ? medianDifference(valuesOf(cell, metric), valuesOf(direct, metric)) : Number.NaN;
  return [
    panel("65 B keep-alive GET", "CPU, µs per request", 1, "get", (cell) => figure(cell, "cpuUs")),
    panel("1 KiB POST", "CPU, µs per request", 1, "post", (cell) => figure(cell, "cpuUs")),
    panel("New connection per request", "CPU, µs per request", 0, "connections", (cell) =>
      figure(cell, "cpuUs"),
    ),
    panel("1 MiB download", "CPU, ms per MiB", 2, "download", (cell) => figure(cell, "cpuMsPerMiB")),
    panel("1 MiB upload", "CPU, ms per MiB", 2, "upload", (cell) => figure(cell, "cpuMsPerMiB")),
    panel("Added latency, median", "ms at 1000 requests/s", 3, "latency", added("p50")),
    panel("Added latency, p99", "ms at 1000 requests/s", 3, "latency", added("p99")),
    panel("Memory idle", "PSS, MB", 1, "memory", (cell) => figure(cell, "idlePss") / 1e6),
    panel("Memory at 1000 requests/s", "PSS, MB", 1, "memory", (cell) => figure(cell, "loadPss") / 1e6),
    panel(
      "Memory, 1000 idle connections",
      "PSS, MB",
      1,
      "idle-connections",
      (cell) => figure(cell, "loadPss") / 1e6,
    ),
    panel("Memory after a burst", "PSS, MB", 1, "burst", (cell) => figure(cell, "afterPss") / 1e6),
    panel(
      "GET with 10 000 routes",
      "CPU, µs per request",
      1,
      "routes",
      (cell) => figure(cell, "cpuUs"),
      10_000,
    ),
  ];
}

function draw(panel: Panel, x: number, y: number): string {
  const longest = Math.max(...panel.bars.map(({ value }) => value), 0);
  const room = PANEL_WIDTH - LABEL - NUMBER;
  const parts = [
    `<text class="panel" x="${x}" y="${y + 14}">${escaped(panel.title)}</text>`,
    `<text class="soft" x="${x + PANEL_WIDTH}" y="${y + 14}" text-anchor="end">${escaped(panel.unit)}</text>`,
    `<line x1="${x}" y1="${y + 23.5}" x2="${x + PANEL_WIDTH}" y2="${y + 23.5}"/>`,
  ];
  panel.bars.forEach((bar, i) => {
    const top = y + 32 + i * ROW;
    const length = longest > 0 ? Math.max(1, (Math.max(0, bar.value) / longest) * room) : 1;
    parts.push(
      `<text x="${x + LABEL - 10}" y="${top + 12}" text-anchor="end">${escaped(nameOf(bar.name))}</text>`,
      `<rect class="${bar.ours ? "ours" : "theirs"}" x="${x + LABEL}" y="${top}" width="${length.toFixed(1)}" height="15" rx="2"/>`,
      `<text class="number" x="${(x + LABEL + length + 7).toFixed(1)}" y="${top + 12}">${told(bar.value, panel)}</text>`,
    );
  });
  return parts.join("\n");
}

function describe(panel: Panel): string {
  const bars = panel.bars.map(({ name, value }) => `${nameOf(name)} ${told(value, panel)}`);
  return `${panel.title} (${panel.unit}): ${bars.join(", ")}.`;
}

/** Large numbers need fewer decimals. */
function told(value: number, { digits }: Panel): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? Math.min(1, digits) : digits);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
