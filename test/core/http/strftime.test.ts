import { describe, expect, test } from "bun:test";
import { compileTimeFormat } from "../../../core/http/strftime.ts";

const MOMENT = Date.UTC(2026, 10, 21, 9, 19, 19) + 833.863;

function render(format: string, wall = MOMENT): string {
  const compiled = compileTimeFormat(format);
  if (compiled.format === null) throw new Error(compiled.error);
  return compiled.format.render(wall);
}

describe("time formats", () => {
  test.each([
    ["", "2026-11-21T09:19:19.833Z"],
    ["%Y/%m/%d %H:%M:%S", "2026/11/21 09:19:19"],
    ["%f|%9f|%6f|%3f|%1f", "833863000|833863000|833863|833|8"],
    ["%E3S %E6S", "19.833 19.833863"],
    ["%s %3s %6s", "1795252759 1795252759 1795252759"],
    ["%a %A %b %B %h", "Sat Saturday Nov November Nov"],
    ["%e %j %u %w %y %C", "21 325 6 6 26 20"],
    ["%I %p %l %k", "09 AM  9  9"],
    ["%D %F %R %T", "11/21/26 2026-11-21 09:19 09:19:19"],
    ["%Z %z %% %n%t", "UTC +0000 % \n\t"],
  ])("%j → %j", (format, expected) => {
    expect(render(format)).toBe(expected);
  });

  test("afternoon, midnight, a leap day, one digit", () => {
    expect(render("%I%p %j", Date.UTC(2024, 1, 29, 13))).toBe("01PM 060");
    expect(render("%I%p|%e|%l", Date.UTC(2024, 0, 1))).toBe("12AM| 1|12");
    expect(render("%j", Date.UTC(2024, 11, 31, 23, 59, 59))).toBe("366");
  });

  test("the text of a second is kept, and not too long", () => {
    const { format } = compileTimeFormat("%S.%3f");
    expect([59_999, 60_000, 60_001, 61_000, 60_500].map((wall) => format?.render(wall))).toEqual([
      "59.999",
      "00.000",
      "00.001",
      "01.000",
      "00.500",
    ]);
  });

  test("what is not known is refused", () => {
    for (const bad of ["%Q", "%", "%E3", "%0f", "%constructor"]) {
      expect(compileTimeFormat(bad).format).toBeNull();
    }
  });
});
