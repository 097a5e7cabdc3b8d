/**
 * IP addresses and address ranges as bytes. An IPv4-mapped IPv6 address (::ffff:10.0.0.1) is the IPv4 address:
 * on a dual-stack socket the same peer shows up in either spelling.
 */
import { HEX } from "./ascii.ts";

/** The 4 or 16 bytes of an IP text, or null if it is none. No brackets, zones, leading zeros or short forms. */
export function parseIp(text: string): Uint8Array | null {
  if (text.length === 0 || text.length > 45) return null;
  if (!text.includes(":")) {
    const bytes = new Uint8Array(4);
    return parseIpv4(text, 0, bytes, 0) ? bytes : null;
  }
  const bytes = new Uint8Array(16);
  if (!parseIpv6(text, bytes)) return null;
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return bytes;
  return bytes[10] === 0xff && bytes[11] === 0xff ? bytes.subarray(12) : bytes;
}

function parseIpv4(text: string, from: number, bytes: Uint8Array, at: number): boolean {
  let octet = 0;
  let value = 0;
  let digits = 0;
  for (let i = from; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x2e;
    if (code === 0x2e) {
      if (digits === 0 || octet === 4) return false;
      bytes[at + octet++] = value;
      value = 0;
      digits = 0;
      continue;
    }
    const digit = code - 0x30;
    if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return false;
    value = value * 10 + digit;
    digits++;
    if (value > 255) return false;
  }
  return octet === 4;
}

function parseIpv6(text: string, bytes: Uint8Array): boolean {
  let at = 0;
  let gap = -1;
  let i = 0;
  if (text.charCodeAt(0) === 0x3a) {
    if (text.charCodeAt(1) !== 0x3a) return false;
    gap = 0;
    i = 2;
  }
  while (i < text.length) {
    const from = i;
    let value = 0;
    while (i < text.length && text.charCodeAt(i) < 0x80 && HEX[text.charCodeAt(i)] !== 255) {
      value = (value << 4) | HEX[text.charCodeAt(i)];
      i++;
      if (i - from > 4) return false;
    }
    if (i < text.length && text.charCodeAt(i) === 0x2e) {
      if (at > 12 || !parseIpv4(text, from, bytes, at)) return false;
      at += 4;
      break;
    }
    if (i === from || at > 14) return false;
    bytes[at++] = value >> 8;
    bytes[at++] = value & 255;
    if (i === text.length) break;
    if (text.charCodeAt(i) !== 0x3a) return false;
    i++;
    if (i < text.length && text.charCodeAt(i) === 0x3a) {
      if (gap >= 0) return false;
      gap = at;
      i++;
    } else if (i === text.length) return false;
  }
  if (gap < 0) return at === 16;
  if (at === 16) return false;
  bytes.copyWithin(16 - (at - gap), gap, at);
  bytes.fill(0, gap, 16 - (at - gap));
  return true;
}

/** An address range such as 10.0.0.0/8. */
export class Cidr {
  readonly bytes: Uint8Array;
  readonly prefixLength: number;

  private constructor(bytes: Uint8Array, prefixLength: number) {
    this.bytes = bytes;
    this.prefixLength = prefixLength;
  }

  /** Null if `ip` is not an IP or the length does not fit it. Bits beyond the prefix are ignored. */
  static of(ip: string, prefixLength: number): Cidr | null {
    const bytes = parseIp(ip);
    if (bytes === null || !Number.isInteger(prefixLength)) return null;
    // ::ffff:10.0.0.0/104 became 10.0.0.0/8.
    const length = bytes.length === 4 && ip.includes(":") ? prefixLength - 96 : prefixLength;
    return length < 0 || length > bytes.length * 8 ? null : new Cidr(bytes, length);
  }

  /** "10.0.0.0/8" or a single address. */
  static parse(text: string): Cidr | null {
    const slash = text.indexOf("/");
    if (slash < 0) {
      const bytes = parseIp(text);
      return bytes === null ? null : new Cidr(bytes, bytes.length * 8);
    }
    const digits = text.slice(slash + 1);
    return /^(0|[1-9][0-9]{0,2})$/.test(digits) ? Cidr.of(text.slice(0, slash), Number(digits)) : null;
  }

  /** True if the address (as `parseIp` gives it) lies in the range. Families do not mix. */
  contains(ip: Uint8Array): boolean {
    const { bytes, prefixLength } = this;
    if (ip.length !== bytes.length) return false;
    const whole = prefixLength >> 3;
    for (let i = 0; i < whole; i++) if (ip[i] !== bytes[i]) return false;
    const rest = prefixLength & 7;
    return rest === 0 || (ip[whole] ^ bytes[whole]) >> (8 - rest) === 0;
  }
}

function ranges(...texts: string[]): readonly Cidr[] {
  return texts.map((text) => Cidr.parse(text) as Cidr);
}

const LOOPBACK = ranges("127.0.0.0/8", "::1");
const PRIVATE = ranges("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10");

function inAny(list: readonly Cidr[], ip: Uint8Array): boolean {
  for (let i = 0; i < list.length; i++) if (list[i].contains(ip)) return true;
  return false;
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(ip: Uint8Array): boolean {
  return inAny(LOOPBACK, ip);
}

/** RFC 1918, RFC 4193 and link-local IPv6. */
export function isPrivate(ip: Uint8Array): boolean {
  return inAny(PRIVATE, ip);
}
