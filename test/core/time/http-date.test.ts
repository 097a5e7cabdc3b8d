import { expect, test } from "bun:test";
import { Clock } from "../../../core/time/clock.ts";
import { HttpDate, httpDate } from "../../../core/time/http-date.ts";

const theirs = (second: number) => new Date(second * 1000).toUTCString();

test("every day of a whole Gregorian cycle is what JavaScript's own calendar says", () => {
  const first = Date.UTC(1970, 0, 1) / 1000;
  const last = Date.UTC(2370, 0, 1) / 1000;
  const wrong: string[] = [];
  for (let second = first; second < last; second += 86_400) {
    if (httpDate(second) !== theirs(second)) wrong.push(theirs(second));
  }
  expect(wrong).toEqual([]);
});

test.each([0, 59, 60, 3599, 3600, 86_399, 1_582_934_400 + 86_399, 4_102_444_799])("second %d", (second) => {
  expect(httpDate(second)).toBe(theirs(second));
});

test("the text changes with the second, not before", () => {
  const clock = new Clock();
  const date = new HttpDate(clock);
  const at = (ms: number) => {
    clock.now = ms - clock.epoch;
    return date.now();
  };
  const second = Date.UTC(2026, 10, 21, 8, 49, 37);
  expect(at(second)).toBe("Sat, 21 Nov 2026 08:49:37 GMT");
  expect(at(second + 999)).toBe("Sat, 21 Nov 2026 08:49:37 GMT");
  expect(at(second + 1000)).toBe("Sat, 21 Nov 2026 08:49:38 GMT");
  expect(at(second)).toBe("Sat, 21 Nov 2026 08:49:37 GMT"); // the clock was set back
});
