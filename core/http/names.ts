/**
 * The header names that the proxy itself asks about, each with a small number. A head's known names are
 * recognised while parsing, so "is there a Host, and where?" is a table look-up and not a string compare.
 * The numbers are private to a process: they never reach a peer, a log or a filter.
 */
import { LOWER } from "../bytes/ascii.ts";

const NAMES = [
  "", // 0: any other name
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
  "expect",
  "http2-settings",
  "proxy-authenticate",
  "proxy-authorization",
  "max-forwards",
  "date",
  "server",
  "via",
  "location",
  "content-type",
  "user-agent",
  "cookie",
  "authorization",
  "x-request-id",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-client-cert",
  "x-envoy-internal",
  "x-envoy-external-address",
  "x-envoy-expected-rq-timeout-ms",
  "x-envoy-attempt-count",
  "x-envoy-original-path",
  "x-envoy-original-host",
  "x-envoy-upstream-service-time",
  "x-envoy-overloaded",
  "x-envoy-ratelimited",
  "x-envoy-max-retries",
  "x-envoy-retry-on",
  "x-envoy-retry-grpc-on",
  "x-envoy-retriable-status-codes",
  "x-envoy-retriable-header-names",
  "x-envoy-upstream-rq-timeout-ms",
  "x-envoy-upstream-rq-per-try-timeout-ms",
  "x-envoy-upstream-rq-timeout-alt-response",
  "x-envoy-upstream-alt-stat-name",
  "x-envoy-upstream-stream-duration-ms",
  "x-envoy-hedge-on-per-try-timeout",
  "x-envoy-decorator-operation",
  "x-envoy-force-trace",
  "x-envoy-is-timeout-retry",
  "x-envoy-downstream-service-cluster",
  "x-envoy-downstream-service-node",
  "x-client-trace-id",
  "sec-websocket-key",
  "sec-websocket-accept",
  "grpc-status",
  "grpc-message",
  "grpc-timeout",
  "alt-svc",
] as const;

/** A header name that the proxy knows. */
export type KnownName = (typeof NAMES)[number];

/** Number of a known name, by its lower-case text. Unknown names have 0. */
const ID_BY_NAME = new Map<string, number>(NAMES.map((name, id) => [name, id]));

/** The number of `name` (lower case), or 0. */
export function idOf(name: string): number {
  return ID_BY_NAME.get(name) ?? 0;
}

/** The number of a name that must be known; a typing error is caught by the compiler. */
export function known(name: Exclude<KnownName, "">): number {
  return ID_BY_NAME.get(name) as number;
}

/** The lower-case text of a known id. */
export function nameOf(id: number): string {
  return NAMES[id];
}

if (NAMES.length > 64) throw new Error("header name table: Fields keeps presence in 64 bits");

/** How many ids there are (ids are 0 … KNOWN_COUNT - 1). */
export const KNOWN_COUNT = NAMES.length;

const CODES = NAMES.map((name) => Uint8Array.from(name, (ch) => ch.charCodeAt(0)));

// A perfect hash over (length, first, middle, last byte), found once at start-up.
const SLOTS = 1024;
const [SLOT_ID, MUL_A, MUL_B] = ((): [Uint8Array, number, number] => {
  for (let a = 1; a < 512; a += 2) {
    for (let b = 1; b < 512; b += 2) {
      const slots = new Uint8Array(SLOTS);
      let ok = true;
      for (let id = 1; id < CODES.length && ok; id++) {
        const c = CODES[id];
        const slot = hash(c, 0, c.length, a, b);
        ok = slots[slot] === 0;
        slots[slot] = id;
      }
      if (ok) return [slots, a, b];
    }
  }
  throw new Error("header name table: no perfect hash");
})();

function hash(bytes: Uint8Array, start: number, end: number, a: number, b: number): number {
  const length = end - start;
  return (
    (length * a +
      LOWER[bytes[start]] * b +
      LOWER[bytes[start + (length >> 1)]] * 31 +
      LOWER[bytes[end - 1]] * 7 +
      LOWER[bytes[start + ((length * 3) >> 2)]] * 3) &
    (SLOTS - 1)
  );
}

/** The number of the name in `bytes[start, end)`, compared without ASCII case, or 0. */
export function idOfBytes(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return 0;
  const id = SLOT_ID[hash(bytes, start, end, MUL_A, MUL_B)];
  if (id === 0) return 0;
  const code = CODES[id];
  if (code.length !== end - start) return 0;
  for (let i = 0; i < code.length; i++) if (LOWER[bytes[start + i]] !== code[i]) return 0;
  return id;
}
