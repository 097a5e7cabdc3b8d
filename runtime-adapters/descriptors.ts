/**
 * How many file descriptors this process may have, and when to stop taking connections. Kernels hand out the
 * lowest free number, so the number of a new socket says, for the whole process and all its threads and for
 * nothing, how many are in use: near the limit, an accepted connection is closed at once instead of letting
 * `accept` run into EMFILE, after which Bun spins and Deno's node:net never accepts again. Dials may use part of
 * the reserve, so that the requests already accepted can be served.
 */
import { readFileSync } from "node:fs";

/** Descriptors that accepted connections leave free, as a share of the limit, with bounds. */
const RESERVED_SHARE = 1 / 16;
const LEAST_RESERVED = 16;
const MOST_RESERVED = 256;
/** Descriptors that dials leave free: files, resolvers, the runtime's own. */
const LAST = 8;

export class Descriptors {
  /** A listener refuses connections with this descriptor or a higher one. */
  readonly acceptBelow: number;
  /** A dial that got this descriptor or a higher one fails with EMFILE. */
  readonly dialBelow: number;

  /** @param limit RLIMIT_NOFILE, or Infinity if unknown. */
  constructor(limit: number) {
    const reserved = Math.min(MOST_RESERVED, Math.max(LEAST_RESERVED, Math.floor(limit * RESERVED_SHARE)));
    this.acceptBelow = limit - reserved;
    this.dialBelow = limit - LAST;
  }

  /** For this process. Where the kernel does not tell (not Linux), there is no limit. */
  static ofProcess(): Descriptors {
    return new Descriptors(processLimit());
  }
}

function processLimit(): number {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
    return found === null ? Number.POSITIVE_INFINITY : Number(found[1]);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
