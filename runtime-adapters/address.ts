/** Addresses as runtimes report them, made into the core's `Address`. Knows no runtime. */
import type { Address } from "../core/io/socket.ts";

/** The address of a socket that has none: a Unix client, or a socket that is gone. */
export const NOWHERE: Address = Object.freeze({ ip: "", port: 0, path: "" });

const MAPPED = "::ffff:";

/** An IP endpoint; an IPv4 client of a dual-stack listener appears as IPv4, as in Envoy; a zone is cut off. */
export function ipAddress(ip: string | undefined, port: number | undefined): Address {
  if (ip === undefined || ip === "") return NOWHERE;
  let text = ip;
  if (text.startsWith(MAPPED) && text.includes(".")) text = text.slice(MAPPED.length);
  const zone = text.indexOf("%");
  if (zone >= 0) text = text.slice(0, zone);
  return { ip: text, port: port ?? 0, path: "" };
}

/** The path as runtimes take it: an abstract name begins with a NUL. */
export function nativePath(path: string): string {
  return path.startsWith("@") ? `\0${path.slice(1)}` : path;
}
