import { expect, test } from "bun:test";
import { Timer, Timers } from "../../../core/time/timers.ts";

test("a timer that throws does not take those due at the same time with it", () => {
  const timers = new Timers();
  const fired: string[] = [];
  timers.arm(new Timer(() => fired.push("first")), 1);
  timers.arm(
    new Timer(() => {
      throw new Error("bug");
    }),
    2,
  );
  timers.arm(new Timer(() => fired.push("third")), 3);
  expect(() => timers.expire(5)).toThrow("bug");
  expect(timers.nextDeadline()).toBe(3);
  timers.expire(5);
  expect(fired).toEqual(["first", "third"]);
  expect(timers.size).toBe(0);
});
