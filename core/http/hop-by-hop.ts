/**
 * What belongs to one hop only (RFC 9110 7.6.1). `Connection` is read, what it nominates is removed, and the
 * result says what the peer wants of *this* connection. The hop's own fields (Connection, Keep-Alive,
 * Proxy-Connection, TE, Upgrade, Transfer-Encoding, HTTP2-Settings) are never written by the head writer, so
 * they need no removal here.
 */
import { isToken, lowerCase } from "../bytes/ascii.ts";
import type { Fields } from "./fields.ts";
import { idOf, known } from "./names.ts";

const CONNECTION = known("connection");
const TE = known("te");

/** Envoy's limits: nominated names and length of a TE value. */
const MAX_NOMINATED = 10;
const MAX_TE_BYTES = 256;

/** Nominating one of these would let a client switch off what others rely on (row H2). */
const PROTECTED = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "cookie",
  "authorization",
  "x-request-id",
  "x-real-ip",
  "forwarded",
  "traceparent",
  "tracestate",
]);
const PROTECTED_PREFIX = ["x-forwarded-", "x-envoy-", ":"];
const OWN_NAMES = new Set(["keep-alive", "proxy-connection", "te", "upgrade", "http2-settings", "close"]);

/** What a peer said about the connection. One object is reused for many messages. */
export class HopOptions {
  close = false;
  keepAlive = false;
  /** `Connection: upgrade` was there. */
  upgrade = false;
  /** `TE: trailers` was there. */
  trailers = false;
}

export const HopAccepted = 0;
export const HopProtected = 1;
export const HopTooMany = 2;
export type HopResult = typeof HopAccepted | typeof HopProtected | typeof HopTooMany;

/** Reads `Connection` and `TE` into `out` and removes nominated fields. On a refusal the fields are unchanged enough to log. */
export function readHopOptions(fields: Fields, out: HopOptions): HopResult {
  out.close = false;
  out.keepAlive = false;
  out.upgrade = false;
  out.trailers = false;
  if (fields.hasId(TE)) out.trailers = asksForTrailers(fields.getId(TE) as string);
  if (!fields.hasId(CONNECTION)) return HopAccepted;
  let nominated = 0;
  for (let slot = fields.slotOfId(CONNECTION, 0); slot >= 0; slot = fields.slotOfId(CONNECTION, slot + 1)) {
    const value = lowerCase(fields.valueAt(slot));
    if (value === "keep-alive") out.keepAlive = true;
    else if (value === "close") out.close = true;
    else {
      for (const part of value.split(",")) {
        const option = trimOws(part);
        if (option === "") continue;
        if (++nominated > MAX_NOMINATED) return HopTooMany;
        const result = readOption(fields, option, out);
        if (result !== HopAccepted) return result;
      }
    }
  }
  return HopAccepted;
}

function readOption(fields: Fields, option: string, out: HopOptions): HopResult {
  if (option === "close") out.close = true;
  else if (option === "keep-alive") out.keepAlive = true;
  else if (option === "upgrade") out.upgrade = true;
  else if (PROTECTED.has(option) || PROTECTED_PREFIX.some((prefix) => option.startsWith(prefix)))
    return HopProtected;
  else if (!OWN_NAMES.has(option)) {
    if (!isToken(option)) return HopProtected;
    const id = idOf(option);
    if (id === 0) fields.remove(option);
    else fields.removeId(id);
  }
  return HopAccepted;
}

/** Removes from `fields` (a trailer section) what the `Connection` fields of `head` nominate. */
export function removeNominated(head: Fields, fields: Fields): void {
  const value = head.getId(CONNECTION);
  if (value === null) return;
  for (const part of lowerCase(value).split(",")) fields.remove(trimOws(part));
}

/** Row H3: only `trailers` survives of TE. */
function asksForTrailers(te: string): boolean {
  if (te.length > MAX_TE_BYTES) return false;
  if (te === "trailers") return true;
  return te.split(",").some((part) => lowerCase(trimOws(part)).split(";")[0] === "trailers");
}

/** Removes SP and HTAB at both ends, and nothing else (row L13). */
export function trimOws(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && (text.charCodeAt(start) === 0x20 || text.charCodeAt(start) === 9)) start++;
  while (end > start && (text.charCodeAt(end - 1) === 0x20 || text.charCodeAt(end - 1) === 9)) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}
