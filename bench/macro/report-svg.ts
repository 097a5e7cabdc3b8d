/**
 * Draws a result as one SVG: a panel per question, a bar per proxy. Lengths start at zero, ours are coloured, every bar has
 * its number, and the colours follow the reader's light or dark setting. Pure.
 */
import { cellOf, figure, nameOf } from "./bars.ts";
import { type Cell, DIRECT, type Result, valuesOf } from "./result.ts";
import { FULL } from "./scenario.ts";
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
  const added = (metric: "p50" | "p99", id: string) => {
    const direct = cellOf(result, id, DIRECT);
    return (cell: Cell) =>
      direct ? medianDifference(valuesOf(cell, metric), valuesOf(direct, metric)) : Number.NaN;
  };
  const cpu = (title: string, id: string) =>
    panel(title, "CPU, µs per request", 1, id, (cell) => figure(cell, "cpuUs"));
  const perMiB = (title: string, id: string) =>
    panel(title, "CPU, ms per MiB", 2, id, (cell) => figure(cell, "cpuMsPerMiB"));
  const loaded = (title: string, id: string) =>
    panel(title, "PSS, MB", 1, id, (cell) => figure(cell, "loadPss") / 1e6);
  return [
    cpu("65 B keep-alive GET", "get"),
    cpu("1 KiB POST", "post"),
    panel("New connection per request", "CPU, µs per request", 0, "connections", (cell) =>
      figure(cell, "cpuUs"),
    ),
    perMiB("1 MiB download", "download"),
    perMiB("1 MiB upload", "upload"),
    cpu("GET over TLS 1.3", "tls"),
    cpu("GET over TLS 1.3 and HTTP/2", "tls-http2"),
    cpu("GET over HTTP/2", "http2"),
    cpu("GET, HTTP/2 to HTTP/2", "http2-both"),
    cpu("gRPC, unary", "grpc"),
    perMiB("1 MiB download, HTTP/2", "http2-download"),
    perMiB("1 MiB upload, HTTP/2", "http2-upload"),
    cpu("GET, two sidecars, mTLS", "pair"),
    panel("Full mTLS handshake", "CPU, µs", 0, "handshakes", (cell) => figure(cell, "cpuUs"), FULL),
    panel("Added latency, median", "ms at 1000 requests/s", 3, "latency", added("p50", "latency")),
    panel("Added latency, p99", "ms at 1000 requests/s", 3, "latency", added("p99", "latency")),
    panel("Added by two, median", "ms at 1000 requests/s", 3, "pair-latency", added("p50", "pair-latency")),
    panel("Added by two, p99", "ms at 1000 requests/s", 3, "pair-latency", added("p99", "pair-latency")),
    panel("Memory idle", "PSS, MB", 1, "memory", (cell) => figure(cell, "idlePss") / 1e6),
    loaded("Memory at 1000 requests/s", "memory"),
    loaded("1000 idle connections", "idle-connections"),
    loaded("1000 idle, HTTP/2", "idle-http2"),
    loaded("1000 idle, mTLS", "idle-mtls"),
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
