/**
 * IP texts: recognising them, and bringing IPv6 into the one spelling of RFC 5952. Knows no sockets and no
 * zones (`fe80::1%eth0` is not an address here).
 */
import { formatIpv6 } from "../bytes/ip-text.ts";

/** The text in canonical form, or "" if it is neither IPv4 (dotted, four decimal numbers) nor IPv6. */
export function canonicalIp(text: string): string {
  if (text.includes(":")) {
    const words = parseIpv6(text);
    return words === null ? "" : formatIpv6(words);
  }
  const bytes = parseIpv4(text);
  return bytes === null ? "" : bytes.join(".");
}

/** Bits of an address of that family. */
export function bitsOf(ip: string): 32 | 128 {
  return ip.includes(":") ? 128 : 32;
}

function parseIpv4(text: string): number[] | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const bytes: number[] = [];
  for (const part of parts) {
    // No leading zero: some readers take it for octal, others do not.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    bytes.push(Number(part));
  }
  return bytes;
}

function parseIpv6(text: string): number[] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseWords(halves[0], halves.length === 1);
  const tail = halves.length === 2 ? parseWords(halves[1], true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** Groups of hexadecimal digits; the last may be a dotted IPv4 address if `atEnd`. */
function parseWords(text: string, atEnd: boolean): number[] | null {
  if (text === "") return [];
  const words: number[] = [];
  const groups = text.split(":");
  for (let i = 0; i < groups.length; i++) {
    if (/^[0-9a-fA-F]{1,4}$/.test(groups[i])) {
      words.push(Number.parseInt(groups[i], 16));
      continue;
    }
    const bytes = atEnd && i === groups.length - 1 ? parseIpv4(groups[i]) : null;
    if (bytes === null) return null;
    words.push((bytes[0] << 8) | bytes[1], (bytes[2] << 8) | bytes[3]);
  }
  return words;
}
