import { describe, expect, test } from "bun:test";
import { readOptions } from "../../../bench/macro/options.ts";

describe("the command line", () => {
  test("without options: all but the long scenario, all proxies, files written", () => {
    const options = readOptions([]);
    expect(options).toMatchObject({
      rounds: 15,
      duration: 1,
      runtimes: ["bun", "node", "deno"],
      out: "bench/results",
    });
    expect("only" in options && options.only).toContain("get");
    expect("only" in options && options.only).not.toContain("pause");
  });

  test("--long adds the pause hunt", () => {
    expect(readOptions(["--long"])).toMatchObject({ only: expect.arrayContaining(["pause", "get"]) });
  });

  test("a partial or quick run writes no files unless told where", () => {
    expect(readOptions(["--only", "get"])).toMatchObject({ out: "" });
    expect(readOptions(["--quick"])).toMatchObject({ out: "", rounds: 1, duration: 1 });
    expect(readOptions(["--quick", "--out", "x"])).toMatchObject({ out: "x" });
  });

  test("none empties a list", () => {
    expect(readOptions(["--runtimes", "none", "--rivals", "nginx,envoy"])).toMatchObject({
      runtimes: [],
      rivals: ["nginx", "envoy"],
    });
  });

  const faults = [
    [["--only", "gte"], '--only: there is no "gte"'],
    [["--runtimes", "jvm"], '--runtimes: there is no "jvm"'],
    [["--rounds", "0"], "--rounds must be a number of at least 1"],
    [["--duration", "long"], "--duration must be a number"],
    [["--fast"], "--fast"],
  ] as const;
  for (const [args, words] of faults) {
    test(`${args.join(" ")} is refused with a reason`, () => {
      const options = readOptions(args);
      expect("fault" in options && options.fault).toContain(words);
    });
  }

  test("all faults at once", () => {
    const options = readOptions(["--only", "a,b", "--rounds", "-1"]);
    expect("fault" in options && options.fault.split("\n").length).toBe(3);
  });
});
