/** What an operator sees of a sidecar's health checks: `/clusters` and `/stats`. */
import { eventually } from "./sidecar-process.ts";

/** One worker, and two with checks of their own. */
export const WORKERS: readonly number[] = [1, 2];
export const HEALTHY = "healthy";
export const FAILED = "/failed_active_hc";

/** What `/clusters` says of a cluster's endpoints: by port. */
export async function flagsOf(admin: number, cluster: string): Promise<{ [port: string]: string }> {
  const text = await (await fetch(`http://127.0.0.1:${admin}/clusters`)).text();
  const lines = text.matchAll(/^(\w+)::127\.0\.0\.1:(\d+)::health_flags::(.*)$/gm);
  return Object.fromEntries(
    [...lines].filter(([, name]) => name === cluster).map(([, , port, flags]) => [port, flags]),
  );
}

/** All workers serve, not just the first. */
export function untilReady(admin: number): Promise<string> {
  const ready = async () => (await fetch(`http://127.0.0.1:${admin}/ready`)).text();
  return eventually(ready, (said) => said.startsWith("LIVE"));
}

export async function statOf(admin: number, name: string): Promise<number> {
  const text = await (
    await fetch(`http://127.0.0.1:${admin}/stats?filter=^${name.replaceAll(".", "\\.")}$`)
  ).text();
  return Number(text.split(": ")[1] ?? Number.NaN);
}
