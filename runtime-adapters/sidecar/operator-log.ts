/**
 * The operator's log in Envoy's form, `[2026-11-21 08:00:00.123][4711][info][main] message`: one threshold per
 * component ("logger"), changeable while the process runs.
 *
 * Laws: a message is one line (control characters are escaped, so a peer cannot forge lines), and at most a few
 * lines a second come from one site, however often it logs (so a peer cannot fill a disk); what was left out is
 * counted in the site's next line. `trace` and `debug`, which an operator switches on to see everything, are
 * not limited.
 */
import type { LogLevel } from "../../core/io/platform.ts";

/** A level, or nothing at all. */
export type LogThreshold = LogLevel | "off";

/** From the finest to none; the order is the rank. */
export const LOG_THRESHOLDS: readonly LogThreshold[] = [
  "trace",
  "debug",
  "info",
  "warning",
  "error",
  "critical",
  "off",
];

/** Envoy's loggers that mean something here; a component that is not among them is added when it first logs. */
export const COMPONENTS: readonly string[] = [
  "admin",
  "client",
  "config",
  "connection",
  "dns",
  "filter",
  "http",
  "main",
  "pool",
  "router",
  "runtime",
  "upstream",
  "wasm",
];

/** Lines that one site may write at once, and how many it gains per second. */
const BURST = 10;
const PER_SECOND = 1;
/** Sites that are told apart; the rest share one. */
const MAX_SITES = 256;
/** A site that was quiet for so long, ms, has its burst back and may be forgotten. */
const IDLE = (BURST / PER_SECOND) * 1000;
/** Characters of a message that make its site, numbers left out. */
const SITE_LENGTH = 48;
const MAX_MESSAGE = 4096;

interface Site {
  tokens: number;
  refilled: number;
  dropped: number;
}

export class OperatorLog {
  private readonly write: (line: string) => void;
  private readonly now: () => number;
  private readonly pid: number;
  private readonly thresholds = new Map<string, number>();
  private standard: number;
  private readonly sites = new Map<string, Site>();
  /** Whether there ever were too many sites. */
  private crowded = false;
  private nextSweep = 0;
  private readonly others: Site = { tokens: BURST, refilled: 0, dropped: 0 };

  /** `write` takes finished lines; `now` is Unix time in ms; `pid` is what stands in the second brackets. */
  constructor(write: (line: string) => void, threshold: LogThreshold, now: () => number, pid: number) {
    this.write = write;
    this.now = now;
    this.pid = pid;
    this.standard = rank(threshold);
    for (const component of COMPONENTS) this.thresholds.set(component, this.standard);
  }

  /** `Platform.log`. */
  log(level: LogLevel, component: string, message: string): void {
    if (rank(level) < this.thresholdOf(component)) return;
    const now = this.now();
    let text = escapeControls(message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message);
    if (level !== "trace" && level !== "debug") {
      const site = this.siteOf(level, component, message, now);
      if (!spend(site, now)) return;
      if (site.dropped > 0) text += ` (${site.dropped} more like this left out)`;
      site.dropped = 0;
    }
    this.write(`[${timestamp(now)}][${this.pid}][${level}][${component}] ${text}\n`);
  }

  /** Whether such a message would be written, for messages that are costly to make. */
  enabled(level: LogLevel, component: string): boolean {
    return rank(level) >= this.thresholdOf(component);
  }

  /** Sets the level of one component, or of all if `component` is "". False if there is no such component. */
  setLevel(component: string, threshold: LogThreshold): boolean {
    if (component === "") {
      this.standard = rank(threshold);
      for (const name of this.thresholds.keys()) this.thresholds.set(name, this.standard);
      return true;
    }
    if (!this.thresholds.has(component)) return false;
    this.thresholds.set(component, rank(threshold));
    return true;
  }

  /** Level of each component, in the order of their names. */
  levels(): ReadonlyMap<string, LogThreshold> {
    const names = [...this.thresholds.keys()].sort();
    return new Map(names.map((name) => [name, LOG_THRESHOLDS[this.thresholds.get(name) as number]]));
  }

  private thresholdOf(component: string): number {
    let threshold = this.thresholds.get(component);
    if (threshold === undefined) {
      threshold = this.standard;
      this.thresholds.set(component, threshold);
    }
    return threshold;
  }

  /** A site is a message without its numbers: what one line of code writes. */
  private siteOf(level: LogLevel, component: string, message: string, now: number): Site {
    const key = `${level} ${component} ${message.slice(0, SITE_LENGTH).replace(/[0-9]+/g, "#")}`;
    let site = this.sites.get(key);
    if (site === undefined) {
      // Text from a peer may make many keys; beyond the limit they are one site.
      if (this.sites.size >= MAX_SITES && !this.forgetIdleSites(now)) return this.others;
      site = { tokens: this.crowded ? PER_SECOND : BURST, refilled: now, dropped: 0 };
      this.sites.set(key, site);
    }
    return site;
  }

  /** Forgets sites that have been quiet for long; false if there is none. Looks at most once a second. */
  private forgetIdleSites(now: number): boolean {
    this.crowded = true; // from now on a new site has to earn its burst
    if (now < this.nextSweep) return false;
    this.nextSweep = now + 1000;
    for (const [key, site] of this.sites) if (now - site.refilled >= IDLE) this.sites.delete(key);
    return this.sites.size < MAX_SITES;
  }
}

/** Takes a token, or counts the line as dropped. */
function spend(site: Site, now: number): boolean {
  const gained = Math.max(0, now - site.refilled) * (PER_SECOND / 1000);
  site.tokens = Math.min(BURST, site.tokens + gained);
  site.refilled = now;
  if (site.tokens < 1) {
    site.dropped++;
    return false;
  }
  site.tokens--;
  return true;
}

function rank(threshold: LogThreshold): number {
  return LOG_THRESHOLDS.indexOf(threshold);
}

/** What may not stand in a line: controls, DEL. */
function escapeControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
  return text.replace(/[\x00-\x1f\x7f]/g, (char) =>
    char === "\n" ? "\\n" : char === "\r" ? "\\r" : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** Local time, as Envoy writes it. */
function timestamp(ms: number): string {
  const at = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${day} ${time}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** What `POST /logging` asks for: pairs of a component ("" = all) and a level. */
export type LogChange = readonly (readonly [component: string, threshold: LogThreshold])[];

/**
 * Reads the query of `POST /logging`: `level=debug`, `paths=http:debug,upstream:info`, or `<logger>=debug`. No
 * parameter changes nothing. Returns what is wrong, in Envoy's words, as text; then nothing must be changed.
 */
export function parseLogChange(
  query: ReadonlyMap<string, string>,
  components: Iterable<string>,
): LogChange | string {
  if (query.size === 0) return [];
  if (query.size > 1) return "invalid number of parameters";
  const [[name, value]] = [...query];
  const entries = name === "paths" ? value.split(",") : [`${name}:${value}`];
  const known = new Set(components);
  const changes: (readonly [string, LogThreshold])[] = [];
  for (const entry of entries) {
    const colon = entry.indexOf(":");
    if (colon <= 0 || colon === entry.length - 1) return "empty logger name or empty logger level";
    const component = name === "level" ? "" : entry.slice(0, colon);
    const threshold = LOG_THRESHOLDS.find((level) => level === entry.slice(colon + 1));
    if (threshold === undefined) return "unknown logger level";
    if (component !== "" && !known.has(component)) return "unknown logger name";
    changes.push([component, threshold]);
  }
  return changes;
}
