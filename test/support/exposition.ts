/**
 * A strict reader of Prometheus' text exposition format 0.0.4, written from its specification and knowing nothing
 * of our renderer. It lists what is wrong with a page.
 */

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/;
const TYPE = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/;

interface Series {
  readonly bounds: number[];
  readonly counts: number[];
  sum: number | null;
  count: number | null;
}

/** Faults with their line numbers; empty if the page is well-formed. */
export function checkExposition(page: string): readonly string[] {
  const faults: string[] = [];
  if (page !== "" && !page.endsWith("\n")) faults.push("no line end at the end");
  const typed = new Set<string>();
  const seen = new Set<string>();
  const histograms = new Map<string, Series>();
  let family = "";
  let type = "";

  for (const [i, line] of page.split("\n").entries()) {
    const fault = (text: string): void => {
      faults.push(`line ${i + 1}: ${text}: ${line.slice(0, 80)}`);
    };
    if (line === "") continue;
    if (line.startsWith("#")) {
      const match = TYPE.exec(line);
      if (match === null) {
        fault("unknown comment");
        continue;
      }
      if (typed.has(match[1])) fault("family twice");
      [, family, type] = match;
      typed.add(family);
      continue;
    }
    const match = SAMPLE.exec(line);
    if (match === null) {
      fault("not a sample");
      continue;
    }
    const [, name, labels = "", text] = match;
    const value = Number(text === "+Inf" ? "Infinity" : text);
    if (Number.isNaN(value)) fault("not a number");
    if (seen.has(`${name}{${labels}}`)) fault("series twice");
    seen.add(`${name}{${labels}}`);
    const names = labels.match(/[a-zA-Z_][a-zA-Z0-9_]*(?==")/g) ?? [];
    if (new Set(names).size !== names.length && !labels.includes("\\")) fault("label twice");
    if (type === "counter" && value < 0) fault("negative counter");
    if (type !== "histogram") {
      if (name !== family) fault(`outside of its family ${family}`);
      continue;
    }
    const part = name.slice(family.length);
    if (!name.startsWith(family) || !["_bucket", "_sum", "_count"].includes(part)) {
      fault(`outside of its family ${family}`);
      continue;
    }
    const bound = /(?:^|,)le="([^"]*)"/.exec(labels);
    const key = `${family}{${labels.replace(/,?le="[^"]*"/, "")}}`;
    const series = histograms.get(key) ?? { bounds: [], counts: [], sum: null, count: null };
    histograms.set(key, series);
    if (part === "_sum") series.sum = value;
    else if (part === "_count") series.count = value;
    else if (bound === null) fault("bucket without le");
    else {
      series.bounds.push(bound[1] === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound[1]));
      series.counts.push(value);
    }
  }

  for (const [key, { bounds, counts, sum, count }] of histograms) {
    if (sum === null || count === null) faults.push(`${key}: no sum or count`);
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) faults.push(`${key}: no +Inf bucket`);
    if (counts.at(-1) !== count) faults.push(`${key}: +Inf is not the count`);
    if (bounds.some((bound, i) => i > 0 && bound <= bounds[i - 1])) faults.push(`${key}: bounds do not rise`);
    if (counts.some((n, i) => i > 0 && n < counts[i - 1])) faults.push(`${key}: buckets fall`);
  }
  return faults;
}
