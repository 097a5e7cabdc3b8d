/**
 * What may stand in `Host`, in `:authority` and after a scheme: a host and perhaps a port, and nothing else
 * (row R3 of the HTTP catalogue). A value that two parsers could split differently is refused here, once,
 * before anything is routed by it.
 *
 * Laws: no DNS, no IDNA, no percent decoding: the bytes that were checked are the bytes that are compared and
 * sent. Nothing here throws or allocates unless it has to change the text.
 */
import { HEX } from "../bytes/ascii.ts";

/** Bytes of a reg-name or IPv4 address that we let through: RFC 3986 unreserved and sub-delims without ",". */
const IS_HOST = new Uint8Array(256);
for (const ch of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+;=")
  IS_HOST[ch.charCodeAt(0)] = 1;

const COLON = 0x3a;
const DOT = 0x2e;

/**
 * Checks an authority and says where its host ends: the index of the ":" before the port, the text's length if
 * there is no port, or -1 if the value must be refused (empty, user info, path, query, fragment, comma, white
 * space, percent sign, unbalanced bracket, a port that is empty or above 65535).
 */
export function hostEnd(authority: string): number {
  const length = authority.length;
  if (length === 0) return -1;
  let i = 0;
  if (authority.charCodeAt(0) === 0x5b) {
    i = authority.indexOf("]") + 1;
    if (i === 0 || !isIpv6(authority, 1, i - 1)) return -1;
  } else {
    for (; i < length; i++) {
      const code = authority.charCodeAt(i);
      if (code > 0xff || IS_HOST[code] === 0) break;
    }
    if (i === 0) return -1;
  }
  if (i === length) return i;
  if (authority.charCodeAt(i) !== COLON || portAt(authority, i) < 0) return -1;
  return i;
}

/** The port after the ":" at `colon` (see `hostEnd`), or -1 if there is none or it is not 0 … 65535. */
export function portAt(authority: string, colon: number): number {
  const length = authority.length;
  if (colon + 1 >= length || length - colon > 6) return -1;
  let port = 0;
  for (let i = colon + 1; i < length; i++) {
    const digit = authority.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    port = port * 10 + digit;
  }
  return port > 65535 ? -1 : port;
}

/** True if `a` and `b` are the same bytes without ASCII case. */
export function equalHosts(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    let x = a.charCodeAt(i);
    let y = b.charCodeAt(i);
    if (x === y) continue;
    if (x >= 0x41 && x <= 0x5a) x |= 0x20;
    if (y >= 0x41 && y <= 0x5a) y |= 0x20;
    if (x !== y) return false;
  }
  return true;
}

/** `authority` without its port; the text itself if it has none. Expects a value that `hostEnd` accepts. */
export function withoutPort(authority: string): string {
  const end = hostEnd(authority);
  return end < 0 || end === authority.length ? authority : authority.slice(0, end);
}

/** The three `strip_…` fields of Envoy's HTTP connection manager. */
export interface AuthorityOptions {
  readonly stripMatchingHostPort: boolean;
  readonly stripAnyHostPort: boolean;
  readonly stripTrailingHostDot: boolean;
}

/**
 * `authority` as the connection manager's options want it: the port removed if asked for (any port, or the
 * one of the listener), then the dot at the end of the host. The text itself if nothing changes. Expects a
 * value that `hostEnd` accepts; for CONNECT only the dot may go, the port is part of the target.
 */
export function stripAuthority(
  authority: string,
  options: AuthorityOptions,
  listenerPort: number,
  isConnect: boolean,
): string {
  if (!options.stripAnyHostPort && !options.stripMatchingHostPort && !options.stripTrailingHostDot)
    return authority;
  let end = hostEnd(authority);
  if (end < 0) return authority;
  let text = authority;
  if (end < text.length && !isConnect) {
    if (options.stripAnyHostPort || (options.stripMatchingHostPort && portAt(text, end) === listenerPort))
      text = text.slice(0, end);
  }
  if (options.stripTrailingHostDot && end > 1 && text.charCodeAt(end - 1) === DOT) {
    text = text.slice(0, --end) + text.slice(end + 1);
  }
  return text;
}

/** IPv6address of RFC 3986 3.2.2 in `[start, end)`: no zone, no IPvFuture. */
function isIpv6(text: string, start: number, end: number): boolean {
  let groups = 0;
  let compressed = false;
  let i = start;
  if (text.charCodeAt(i) === COLON) {
    if (text.charCodeAt(i + 1) !== COLON || i + 2 > end) return false;
    compressed = true;
    i += 2;
    if (i === end) return true;
  }
  for (;;) {
    const from = i;
    while (i < end && i - from < 5 && HEX[text.charCodeAt(i) & 0xff] !== 255 && text.charCodeAt(i) < 0x80)
      i++;
    if (i < end && text.charCodeAt(i) === DOT) {
      if (!isIpv4(text, from, end)) return false;
      groups += 2;
      break;
    }
    if (i === from || i - from > 4) return false;
    groups++;
    if (i === end) break;
    if (text.charCodeAt(i) !== COLON) return false;
    i++;
    if (i < end && text.charCodeAt(i) === COLON) {
      if (compressed) return false;
      compressed = true;
      i++;
      if (i === end) break;
    } else if (i === end) return false;
  }
  return compressed ? groups < 8 : groups === 8;
}

function isIpv4(text: string, start: number, end: number): boolean {
  let octets = 0;
  let i = start;
  for (;;) {
    const from = i;
    let value = 0;
    while (i < end) {
      const digit = text.charCodeAt(i) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      if (value > 255 || (i > from && text.charCodeAt(from) === 0x30)) return false;
      i++;
    }
    if (i === from) return false;
    octets++;
    if (i === end) return octets === 4;
    if (text.charCodeAt(i) !== DOT || octets === 4) return false;
    i++;
  }
}

/** True if two authorities name the same: case means nothing, nor does the port that `scheme` has anyway (row R2). */
export function sameAuthority(a: string, b: string, scheme: string): boolean {
  return equalHosts(withoutDefaultPort(a, scheme), withoutDefaultPort(b, scheme));
}

function withoutDefaultPort(authority: string, scheme: string): string {
  const port = scheme === "http" ? ":80" : scheme === "https" ? ":443" : "";
  return port !== "" && authority.endsWith(port) ? authority.slice(0, -port.length) : authority;
}

/** True if `text` has neither white space nor controls: it may stand in a head's first line. */
export function isVisible(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f) return false;
  }
  return true;
}
