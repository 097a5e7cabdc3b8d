/**
 * Times in log lines: the part of `strftime` that Envoy's `%START_TIME(…)%` understands, in UTC, plus its own
 * `%s`, `%f` and `%1f` … `%9f`. A format is compiled once; the text of one second is kept, so that a busy log
 * pays for calendar arithmetic once a second.
 */

const MONTHS = "January February March April May June July August September October November December".split(
  " ",
);
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** Renders Unix times in ms, as `compileTimeFormat` was told. */
export interface TimeFormat {
  render(wall: number): string;
}

/** Compiles a time format; "" is Envoy's default, `2026-01-31T23:59:59.999Z`. The error is "" if it is good. */
export function compileTimeFormat(format: string): {
  readonly format: TimeFormat | null;
  readonly error: string;
} {
  const parts: (string | Part)[] = [];
  const source = format === "" ? "%Y-%m-%dT%H:%M:%S.%3fZ" : format;
  for (let i = 0; i < source.length; i++) {
    if (source[i] !== "%") {
      parts.push(source[i]);
      continue;
    }
    let name = source[++i] ?? "";
    if (name >= "1" && name <= "9" && (source[i + 1] === "f" || source[i + 1] === "s")) name += source[++i];
    if (name === "E" && source[i + 2] === "S" && source[i + 1] >= "1" && source[i + 1] <= "9") {
      parts.push(PARTS.S, ".", fraction(source.charCodeAt(i + 1) - 0x30));
      i += 2;
      continue;
    }
    // Envoy reads %3s as %s.
    if (name.length === 2 && name[1] === "s") name = "s";
    if (name === "f") parts.push(fraction(9));
    else if (name.length === 2 && name[1] === "f") parts.push(fraction(name.charCodeAt(0) - 0x30));
    else {
      const part = Object.hasOwn(PARTS, name) ? PARTS[name] : undefined;
      if (part === undefined) return { format: null, error: `time format "%${name}" is not known` };
      parts.push(part);
    }
  }
  return { format: new CompiledTimeFormat(parts), error: "" };
}

type Part = { readonly subSecond: boolean; readonly text: (date: Date, wall: number) => string };

class CompiledTimeFormat implements TimeFormat {
  /** Runs of text and calendar parts between the parts that change within a second. */
  private readonly runs: (readonly (string | Part)[] | Part)[] = [];
  private readonly cached: string[] = [];
  private second = Number.NaN;

  constructor(parts: readonly (string | Part)[]) {
    let run: (string | Part)[] = [];
    for (const part of parts) {
      if (typeof part !== "string" && part.subSecond) {
        this.runs.push(run, part);
        run = [];
      } else run.push(part);
    }
    this.runs.push(run);
  }

  render(wall: number): string {
    const second = Math.floor(wall / 1000);
    if (second !== this.second) this.renew(second);
    let out = "";
    for (let i = 0; i < this.runs.length; i++) {
      const run = this.runs[i];
      out += "text" in run ? run.text(EPOCH, wall) : this.cached[i];
    }
    return out;
  }

  private renew(second: number): void {
    this.second = second;
    const date = new Date(second * 1000);
    for (let i = 0; i < this.runs.length; i++) {
      const run = this.runs[i];
      if ("text" in run) continue;
      let text = "";
      for (const part of run) text += typeof part === "string" ? part : part.text(date, second * 1000);
      this.cached[i] = text;
    }
  }
}

const EPOCH = new Date(0);

function calendar(text: (date: Date) => string): Part {
  return { subSecond: false, text };
}

/** The first `digits` digits of the second's fraction. Our clock ends at microseconds; the rest is zeros. */
function fraction(digits: number): Part {
  return {
    subSecond: true,
    text: (_date, wall) => {
      const micros = Math.floor((wall - Math.floor(wall / 1000) * 1000) * 1000);
      return String(micros).padStart(6, "0").padEnd(9, "0").slice(0, digits);
    },
  };
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

function padded(value: number): string {
  return value < 10 ? ` ${value}` : String(value);
}

function hour12(date: Date): number {
  return date.getUTCHours() % 12 || 12;
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
}

const ymd = (d: Date): string => `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
const hm = (d: Date): string => `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
const hms = (d: Date): string => `${hm(d)}:${two(d.getUTCSeconds())}`;

const PARTS: { readonly [name: string]: Part } = {
  "%": calendar(() => "%"),
  n: calendar(() => "\n"),
  t: calendar(() => "\t"),
  Y: calendar((d) => String(d.getUTCFullYear())),
  y: calendar((d) => two(d.getUTCFullYear() % 100)),
  C: calendar((d) => two(Math.floor(d.getUTCFullYear() / 100))),
  m: calendar((d) => two(d.getUTCMonth() + 1)),
  d: calendar((d) => two(d.getUTCDate())),
  e: calendar((d) => padded(d.getUTCDate())),
  H: calendar((d) => two(d.getUTCHours())),
  I: calendar((d) => two(hour12(d))),
  k: calendar((d) => padded(d.getUTCHours())),
  l: calendar((d) => padded(hour12(d))),
  M: calendar((d) => two(d.getUTCMinutes())),
  S: calendar((d) => two(d.getUTCSeconds())),
  p: calendar((d) => (d.getUTCHours() < 12 ? "AM" : "PM")),
  j: calendar((d) => String(dayOfYear(d)).padStart(3, "0")),
  u: calendar((d) => String(d.getUTCDay() || 7)),
  w: calendar((d) => String(d.getUTCDay())),
  a: calendar((d) => DAYS[d.getUTCDay()].slice(0, 3)),
  A: calendar((d) => DAYS[d.getUTCDay()]),
  b: calendar((d) => MONTHS[d.getUTCMonth()].slice(0, 3)),
  h: calendar((d) => MONTHS[d.getUTCMonth()].slice(0, 3)),
  B: calendar((d) => MONTHS[d.getUTCMonth()]),
  D: calendar((d) => `${two(d.getUTCMonth() + 1)}/${two(d.getUTCDate())}/${two(d.getUTCFullYear() % 100)}`),
  F: calendar(ymd),
  R: calendar(hm),
  T: calendar(hms),
  Z: calendar(() => "UTC"),
  z: calendar(() => "+0000"),
  s: { subSecond: false, text: (_d, wall) => String(Math.floor(wall / 1000)) },
};
