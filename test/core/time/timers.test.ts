/** The heap of deadlines: fires what is due, in order, once; forgets what was released; against a plain list. */
import { describe, expect, test } from "bun:test";
import { Timer, Timers } from "../../../core/time/timers.ts";
import { Random } from "../../../runtime-adapters/memory/random.ts";

function bench(count: number) {
  const timers = new Timers();
  const fired: number[] = [];
  const all = Array.from({ length: count }, (_, i) => new Timer(() => fired.push(i)));
  return { timers, fired, all };
}

describe("a timer", () => {
  test("fires when due, once, and is disarmed by then", () => {
    const { timers, fired, all } = bench(1);
    timers.arm(all[0], 10);
    timers.expire(9.9);
    expect(fired).toEqual([]);
    timers.expire(10);
    expect(fired).toEqual([0]);
    expect(all[0].armed).toBe(false);
    timers.expire(1000);
    expect(fired).toEqual([0]);
    expect(timers.size).toBe(0);
    expect(timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  test("that is pushed out again and again stays one entry and fires at the last deadline", () => {
    const { timers, fired, all } = bench(1);
    for (let due = 10; due <= 100; due += 10) timers.arm(all[0], due);
    expect(timers.size).toBe(1);
    expect(timers.nextDeadline()).toBeLessThanOrEqual(100); // early is allowed, late is not
    timers.expire(99);
    expect(fired).toEqual([]);
    expect(timers.nextDeadline()).toBe(100);
    timers.expire(100);
    expect(fired).toEqual([0]);
  });

  test("that is pulled in fires at the earlier time", () => {
    const { timers, fired, all } = bench(2);
    timers.arm(all[0], 50);
    timers.arm(all[1], 100);
    timers.arm(all[1], 10);
    expect(timers.nextDeadline()).toBe(10);
    timers.expire(10);
    expect(fired).toEqual([1]);
  });

  test("that is cancelled does not fire, and can be armed again before its entry came up", () => {
    const { timers, fired, all } = bench(1);
    timers.arm(all[0], 10);
    timers.cancel(all[0]);
    expect(all[0].armed).toBe(false);
    timers.arm(all[0], 20);
    expect(timers.size).toBe(1);
    timers.expire(15);
    expect(fired).toEqual([]);
    timers.expire(20);
    expect(fired).toEqual([0]);
  });

  test("that is released leaves the heap at once", () => {
    const { timers, all } = bench(3);
    for (const timer of all) timers.arm(timer, 10);
    timers.release(all[1]);
    timers.release(all[1]);
    expect(timers.size).toBe(2);
    timers.release(all[0]);
    timers.release(all[2]);
    expect(timers.size).toBe(0);
  });
});

describe("while timers fire", () => {
  test("one may cancel or release a later one of the same batch", () => {
    for (const how of ["cancel", "release"] as const) {
      const timers = new Timers();
      const fired: string[] = [];
      const second = new Timer(() => fired.push("second"));
      const first = new Timer(() => {
        fired.push("first");
        timers[how](second);
      });
      timers.arm(first, 1);
      timers.arm(second, 2);
      timers.expire(5);
      expect(fired).toEqual(["first"]);
      expect(timers.size).toBe(0);
    }
  });

  test("one that arms itself for now waits for the next call", () => {
    const timers = new Timers();
    let count = 0;
    const timer = new Timer(() => {
      count++;
      timers.arm(timer, 5);
    });
    timers.arm(timer, 5);
    timers.expire(5);
    expect(count).toBe(1);
    timers.expire(5);
    expect(count).toBe(2);
  });

  test("one may put off another of the same batch", () => {
    const timers = new Timers();
    const fired: string[] = [];
    const second = new Timer(() => fired.push("second"));
    const first = new Timer(() => timers.arm(second, 50));
    timers.arm(first, 1);
    timers.arm(second, 2);
    timers.expire(5);
    expect(fired).toEqual([]);
    timers.expire(50);
    expect(fired).toEqual(["second"]);
  });
});

test.each([1, 2, 3, 4, 5])("against a plain list, seed %i", (seed) => {
  const random = new Random(seed);
  const { timers, fired, all } = bench(60);
  const due = new Map<number, number>();
  let now = 0;
  for (let step = 0; step < 3000; step++) {
    const i = random.between(0, all.length - 1);
    const what = random.between(0, 9);
    if (what < 6) {
      const at = now + random.between(1, 200);
      timers.arm(all[i], at);
      due.set(i, at);
    } else if (what === 6) {
      timers.cancel(all[i]);
      due.delete(i);
    } else if (what === 7) {
      timers.release(all[i]);
      due.delete(i);
    } else {
      now += random.between(0, 30);
      const expected = [...due].filter(([, at]) => at <= now).map(([n]) => n);
      for (const n of expected) due.delete(n);
      timers.expire(now);
      expect(fired.splice(0).sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
    }
    const next = Math.min(Number.POSITIVE_INFINITY, ...due.values());
    expect(timers.nextDeadline()).toBeLessThanOrEqual(next);
    expect(timers.size).toBeLessThanOrEqual(all.length);
  }
});
