/** What the threads of a process share for TLS: one makes it and keeps it fresh, the others see it. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { OperatorLog } from "../../../runtime-adapters/sidecar/operator-log.ts";
import { ThreadServices } from "../../../runtime-adapters/sidecar/thread-services.ts";

const DAY = 86_400_000;
const realInterval = globalThis.setInterval;
let intervals: { readonly job: () => void; readonly ms: number; unrefed: boolean }[];

beforeEach(() => {
  intervals = [];
  globalThis.setInterval = ((job: () => void, ms: number) => {
    const interval = { job, ms, unrefed: false };
    intervals.push(interval);
    const unref = () => {
      interval.unrefed = true;
    };
    return { unref };
  }) as never;
});
afterEach(() => {
  globalThis.setInterval = realInterval;
});

test("the supervising thread replaces the secret of tickets every two days, and its workers have it at once", () => {
  const lines: string[] = [];
  const log = new OperatorLog((line) => void lines.push(line), "trace", Date.now, 1);
  const supervising = new ThreadServices(log);
  const worker = new ThreadServices(log, structuredClone(supervising.tlsMemory));
  const secret = (services: ThreadServices) =>
    Buffer.from(services.tickets.secret(services.tickets.turn) ?? []).toString("hex");
  expect(intervals.map(({ ms, unrefed }) => [ms, unrefed])).toEqual([[2 * DAY, true]]);
  const first = secret(supervising);
  expect(first).toHaveLength(64);
  expect(secret(worker)).toBe(first);
  intervals[0].job();
  expect(secret(supervising)).not.toBe(first);
  expect(secret(worker)).toBe(secret(supervising));
  expect(worker.issuerMemory.byteLength).toBe(supervising.issuerMemory.byteLength);
  new Uint8Array(supervising.issuerMemory)[9] = 7;
  expect(new Uint8Array(worker.issuerMemory)[9]).toBe(7);
  expect(lines).toEqual([]);
});
