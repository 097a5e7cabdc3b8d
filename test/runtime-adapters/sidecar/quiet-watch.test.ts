/** When to tidy up: after work, when it is quiet, and once more a while later. Time and CPU time are written down. */
import { expect, test } from "bun:test";
import { QuietWatch } from "../../../runtime-adapters/sidecar/quiet-watch.ts";

/** Times (s) at which a process was told, that uses `load(second)` ms of CPU time per second and `cost` for tidying. */
function told(load: (second: number) => number, seconds: number, cost = 5): number[] {
  let used = 300;
  const times: number[] = [];
  let now = 0;
  const watch = new QuietWatch(
    () => {
      times.push(now / 1000);
      used += cost;
    },
    0,
    () => used,
  );
  for (now = 500; now <= seconds * 1000; now += 500) {
    used += load(Math.ceil(now / 1000)) / 2;
    watch.look(now);
  }
  return times;
}

const IDLE = 1;
const BUSY = 400;

test("an idle process: when the start is over, and once more", () => {
  expect(told(() => IDLE, 60)).toEqual([0.5, 15.5]);
});

test("a start that takes its time is waited for", () => {
  expect(told((second) => (second <= 3 ? BUSY : IDLE), 60)).toEqual([3.5, 18.5]);
});

test("never under load, however little that is above quiet", () => {
  expect(told(() => 11, 600)).toEqual([]);
});

test("after a burst, and once more", () => {
  const load = (second: number) => (second === 30 ? BUSY : IDLE);
  expect(told(load, 90)).toEqual([0.5, 15.5, 30.5, 45.5]);
});

test("a burst soon after another: the second visit is put off", () => {
  const load = (second: number) => (second === 30 || second === 40 ? BUSY : IDLE);
  expect(told(load, 90)).toEqual([0.5, 15.5, 30.5, 40.5, 55.5]);
});

test("what is too little for work is not told, until it adds up", () => {
  const trickle = told(() => 5, 600);
  // 100 ms of work take 20 s; each of those moments has its second visit 15 s later, which takes the work off.
  expect(trickle.length).toBeLessThan(600 / 15);
  expect(trickle.length).toBeGreaterThan(600 / 60);
});

test("tidying, however dear, is neither load nor work", () => {
  expect(told(() => IDLE, 60, 5000)).toEqual([0.5, 15.5]);
});
