/**
 * What the kernel says that a process cost: CPU time in nanoseconds, memory in bytes, and which processes of a tree
 * own a listening port. Reads /proc and the processes' CPU clocks; changes nothing.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { clockNs } from "./load/libc.ts";

export interface Memory {
  /** Proportional set size: a page shared by n processes counts 1/n. */
  readonly pss: number;
  /** Resident set size: a shared page counts whole in each. */
  readonly rss: number;
  /** Anonymous part of the PSS: what is not backed by a file. */
  readonly anonymous: number;
}

/**
 * User + system time (ns) that the processes have used since they began, all threads, ended ones too. From the process
 * CPU clock, which is exact to the scheduler's nanosecond; a process that is gone throws.
 */
export function cpuNs(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    const ns = clockNs((~pid << 3) | 2); // CPUCLOCK_SCHED of the process `pid`, as clock_getcpuclockid(3) makes it
    if (ns < 0) throw new Error(`process ${pid} is gone`);
    total += ns;
  }
  return total;
}

/** Memory of the processes together. */
export function memoryOf(pids: readonly number[]): Memory {
  let pss = 0;
  let rss = 0;
  let anonymous = 0;
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    pss += kilobytes(text, "Pss");
    rss += kilobytes(text, "Rss");
    anonymous += kilobytes(text, "Pss_Anon");
  }
  return { pss: pss * 1024, rss: rss * 1024, anonymous: anonymous * 1024 };
}

function kilobytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
}

/** `root` and everything that descends from it, parents first. */
export function descendantsOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const parent = parentOf(pid);
    if (parent < 0) continue;
    const siblings = children.get(parent);
    if (siblings) siblings.push(pid);
    else children.set(parent, [pid]);
  }
  const family = [root];
  for (let i = 0; i < family.length; i++) family.push(...(children.get(family[i]) ?? []));
  return family;
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return -1;
  }
}

/**
 * How many processes outside `family` run one of its programs. They share the program's pages, and PSS then says less
 * than the proxy would need alone.
 */
export function othersLike(family: readonly number[]): number {
  const programs = new Set(family.map(programOf));
  programs.delete("");
  let others = 0;
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (Number.isInteger(pid) && !family.includes(pid) && programs.has(programOf(pid))) others++;
  }
  return others;
}

function programOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return ""; // ended, or a kernel thread
  }
}

/** Those of `pids` that hold a socket listening on TCP `port`: the processes that *are* the proxy. */
export function ownersOf(port: number, pids: readonly number[]): number[] {
  const inodes = listeningInodes(port);
  return pids.filter((pid) => holdsOne(pid, inodes));
}

function listeningInodes(port: number): Set<string> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const found = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    let text: string;
    try {
      text = readFileSync(table, "latin1");
    } catch {
      continue; // no IPv6 here
    }
    for (const line of text.split("\n")) {
      const column = line.trim().split(/\s+/);
      if (column[3] === "0A" && column[1].endsWith(`:${hexPort}`)) found.add(`socket:[${column[9]}]`);
    }
  }
  return found;
}

function holdsOne(pid: number, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
      } catch {
        return false; // closed meanwhile
      }
    });
  } catch {
    return false;
  }
}

/** How one core spent its time since boot, in clock ticks. */
export interface CoreTime {
  readonly busy: number;
  /** Taken by the hypervisor for somebody else. */
  readonly stolen: number;
  readonly total: number;
}

export function coreTime(core: number): CoreTime {
  const line = new RegExp(`^cpu${core} (.*)$`, "m").exec(readFileSync("/proc/stat", "latin1"));
  const ticks = (line?.[1] ?? "0 0 0 1 0 0 0 0").split(" ").map(Number);
  const [user, nice, system, idle, iowait, irq, softirq, stolen] = ticks;
  const busy = user + nice + system + irq + softirq;
  return { busy, stolen, total: busy + idle + iowait + stolen };
}
