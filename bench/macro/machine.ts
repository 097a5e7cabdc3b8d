/** What the measurements were made on. Reads /proc and /sys; says what it cannot find out instead of leaving it out. */
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import type { Cores } from "./lab.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** "virtual" if the CPU says that a hypervisor is below it. */
  readonly kind: "virtual" | "bare or unknown";
  readonly memoryMiB: number;
  readonly kernel: string;
  readonly arch: string;
  readonly governor: string;
  /** Load average of the last minute when the run began. */
  readonly load: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    kind: /^flags.*\bhypervisor\b/m.test(text("/proc/cpuinfo")) ? "virtual" : "bare or unknown",
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: `Linux ${release()}`,
    arch: process.arch,
    governor: text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").trim() || "not visible",
    load: loadavg()[0],
  };
}

/** Short name for file names: "amd-epyc-2-cores". */
export function slugOf(machine: Machine): string {
  const cpu = machine.cpu
    .toLowerCase()
    .replace(/\((r|tm)\)|processor|cpu|@.*$/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  return `${cpu}-${machine.cores}-core${machine.cores === 1 ? "" : "s"}`;
}

/**
 * A core for the proxy and another one for load and upstream: the first two that we may use and that are not two threads
 * of one core. `warning` says where that could not be had.
 */
export function chooseCores(): { cores: Cores; warning: string } {
  if (Bun.which("taskset") === null) {
    return {
      cores: { proxy: -1, load: -1 },
      warning:
        "taskset is missing (Debian: apt install util-linux): nothing is pinned, figures are not comparable",
    };
  }
  const allowed = parseList(/^Cpus_allowed_list:\s*(\S+)/m.exec(text("/proc/self/status"))?.[1] ?? "0");
  const proxy = allowed[0];
  const siblings = parseList(
    text(`/sys/devices/system/cpu/cpu${proxy}/topology/thread_siblings_list`).trim(),
  );
  const load = allowed.find((core) => !siblings.includes(core) && core !== proxy);
  if (load !== undefined) return { cores: { proxy, load }, warning: "" };
  if (allowed.length > 1) {
    return {
      cores: { proxy, load: allowed[1] },
      warning: "the only two cores are threads of one: proxy and load slow each other down",
    };
  }
  return {
    cores: { proxy, load: proxy },
    warning: "there is only one core: proxy, load and upstream share it; only CPU per request means anything",
  };
}

/** "0-2,5" → 0, 1, 2, 5. */
export function parseList(list: string): number[] {
  const cores: number[] = [];
  for (const part of list.split(",")) {
    if (part === "") continue;
    const [first, last] = part.split("-").map(Number);
    for (let core = first; core <= (last ?? first); core++) cores.push(core);
  }
  return cores;
}

function text(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
