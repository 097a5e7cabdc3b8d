/**
 * One ask as it was seen: what the client got, what the origin got, and the log line; with everything that changes
 * from run to run (ports, times, ids) replaced by words.
 */
import { networkInterfaces } from "node:os";
import type { Outcome } from "../support/exchange.ts";
import type { WireMessage } from "../support/wire-reader.ts";

export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain };

export interface Observation {
  readonly answers: Plain;
  /** "open" or "closed". */
  readonly connection: string;
  readonly origin: Plain;
  readonly log: Plain;
}

const OWN_ADDRESSES = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .filter((one) => !one.internal)
  .map((one) => one.address);

const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;

/** Replaces ports and addresses of this run, ids and times. */
export function stable(text: string, ports: ReadonlyMap<number, string>): string {
  let out = text.replace(UUID, "<uuid>");
  for (const own of OWN_ADDRESSES) out = out.replaceAll(own, "<own-address>");
  return out.replace(/\b(127\.0\.0\.1|localhost):(\d{4,5})\b|:(\d{5})\b/g, (all, host, port, bare) => {
    const name = ports.get(Number(port ?? bare));
    if (name === undefined) return all;
    return host === undefined ? `:<${name}>` : `${host}:<${name}>`;
  });
}

/** Milliseconds left of a timeout, without the few that have passed. */
function roundUp(text: string): string {
  return /^\d+$/.test(text) ? String(Math.ceil(Number(text) / 50) * 50) : text;
}

function shown(name: string, value: string, ports: ReadonlyMap<number, string>): string {
  if (name === "date") return value === "Tue, 15 Nov 1994 08:12:31 GMT" ? value : "<date>";
  if (name === "x-envoy-upstream-service-time") return value.replace(/^\d+$/, "<ms>");
  if (name === "x-envoy-expected-rq-timeout-ms") return roundUp(value);
  const port = /^\d{5}$/.test(value) ? ports.get(Number(value)) : undefined;
  return port === undefined ? stable(value, ports) : `<${port}>`;
}

function headers(message: WireMessage, ports: ReadonlyMap<number, string>): Plain {
  const out: { [name: string]: string } = {};
  for (const [name, value] of [...message.fields].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    const text = shown(name, value, ports);
    out[name] = name in out ? `${out[name]} | ${text}` : text;
  }
  return out;
}

function plainLog(line: string, ports: ReadonlyMap<number, string>): Plain {
  const text = stable(line, ports);
  try {
    return JSON.parse(text) as Plain;
  } catch {
    return text
      .replace(/\[\d{4}-\d\d-\d\dT[^\]]*\]/, "[<time>]")
      .replace(/(" \d{3} \S+ \d+ \d+) \d+ \d+ /, "$1 <ms> <ms> ")
      .replace(/(" \d{3} \S+ \d+ \d+) \d+ - /, "$1 <ms> - ");
  }
}

export function observe(
  outcome: Outcome,
  logLines: readonly string[],
  ports: ReadonlyMap<number, string>,
): Observation {
  return {
    answers: outcome.responses.map((response) => ({
      status: response.status,
      headers: headers(response, ports),
      body: stable(response.body.length > 600 ? `<${response.body.length} bytes>` : response.body, ports),
      framing: response.framing,
      complete: response.complete,
      ...(response.interim.length > 0
        ? {
            interim: response.interim.map((head) => ({ status: head.status, headers: headers(head, ports) })),
          }
        : {}),
    })),
    connection: outcome.ended === "open" ? "open" : "closed",
    origin: outcome.requests.map((request) => ({
      line: request.line,
      headers: headers(request, ports),
      body: request.body.length > 600 ? `<${request.body.length} bytes>` : request.body,
      complete: request.complete,
      ...(request.trailers.length > 0 ? { trailers: request.trailers } : {}),
    })),
    log: logLines.map((line) => plainLog(line, ports)),
  };
}

/** Leaves by path: "answers.0.headers.server" → "envoy". */
export function leaves(value: Plain, path = "", into: Map<string, Plain> = new Map()): Map<string, Plain> {
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value);
    if (entries.length === 0) into.set(path, Array.isArray(value) ? "[]" : "{}");
    for (const [key, inner] of entries) leaves(inner as Plain, path === "" ? key : `${path}.${key}`, into);
  } else {
    into.set(path, value);
  }
  return into;
}
