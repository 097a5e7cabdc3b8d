/** Why a process ends before it served anything, in an operator's words. */
import { formatAddress } from "../../core/io/socket.ts";
import type { BindFailure } from "./worker-control.ts";

/** A reason to end the process before it served anything; each line is for the operator. */
export class StartFailure extends Error {
  readonly lines: readonly string[];
  constructor(lines: readonly string[]) {
    super(lines.join("\n"));
    this.name = "StartFailure";
    this.lines = lines;
  }
}

/** What an errno means to somebody who starts a proxy. */
export function reason(code: string): string {
  const reasons: { readonly [code: string]: string } = {
    EADDRINUSE: "the address is in use (EADDRINUSE)",
    EACCES: "permission denied (EACCES)",
    EADDRNOTAVAIL: "this machine does not have that address (EADDRNOTAVAIL)",
    ENOENT: "the directory of the socket does not exist (ENOENT)",
  };
  return reasons[code] ?? code;
}

/** One line about a listener's address that could not be bound. */
export function bindComplaint({ listener, address, code }: BindFailure): string {
  return `listener ${listener}: cannot listen on ${formatAddress(address)}: ${reason(code)}`;
}
