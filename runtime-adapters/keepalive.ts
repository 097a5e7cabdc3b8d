/**
 * TCP keepalive as kernels take it: the numbers of their socket options, and Linux' own values for what a
 * configuration leaves open. Knows no runtime.
 */
import { readFileSync } from "node:fs";
import type { Keepalive } from "../core/io/socket.ts";

/** Arguments of a `setsockopt` with an int. */
export interface SocketOption {
  /** What it is, for the operator. */
  readonly what: string;
  readonly level: number;
  readonly name: number;
  readonly value: number;
}

const IPPROTO_TCP = 6;
const LINUX = { socket: 1, keepalive: 9, time: 4, interval: 5, probes: 6 };
const MACOS = { socket: 0xffff, keepalive: 8, time: 0x10, interval: 0x101, probes: 0x102 };

/** The options to set, in this order; none where the numbers of the system are not known here. */
export function keepaliveOptions({ time, interval, probes }: Keepalive): readonly SocketOption[] {
  const numbers = process.platform === "linux" ? LINUX : process.platform === "darwin" ? MACOS : null;
  if (numbers === null) return [];
  const tcp = [
    { what: "time", level: IPPROTO_TCP, name: numbers.time, value: time },
    { what: "interval", level: IPPROTO_TCP, name: numbers.interval, value: interval },
    { what: "probes", level: IPPROTO_TCP, name: numbers.probes, value: probes },
  ].filter(({ value }) => value > 0);
  return [{ what: "keepalive itself", level: numbers.socket, name: numbers.keepalive, value: 1 }, ...tcp];
}

/**
 * Sets `options` by `call`, which is `setsockopt` on some descriptor and returns what that returns; "" if the kernel
 * took them all, else a line for the operator that names those it refused.
 */
export function applyOptions(
  options: readonly SocketOption[],
  call: (option: SocketOption) => number,
): string {
  const refused = options.filter((option) => call(option) !== 0);
  if (refused.length === 0) return "";
  const list = refused.map(({ what, value }) => `${what} (${value})`).join(", ");
  return `TCP keepalive: the kernel refused ${list}; there the system's own value holds`;
}

/** The same with the system's own values in place of zeros, for runtimes that would put in theirs. */
export function completeKeepalive({ time, interval, probes }: Keepalive): Keepalive {
  return {
    time: time || systemValue("time", 7200),
    interval: interval || systemValue("intvl", 75),
    probes: probes || systemValue("probes", 9),
  };
}

function systemValue(name: string, otherwise: number): number {
  try {
    return Number(readFileSync(`/proc/sys/net/ipv4/tcp_keepalive_${name}`, "latin1")) || otherwise;
  } catch {
    return otherwise;
  }
}
