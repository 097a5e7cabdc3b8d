import { expect, test } from "bun:test";
import { parseList, slugOf } from "../../../bench/macro/machine.ts";

test("the kernel's lists of cores", () => {
  expect(parseList("0-2,5")).toEqual([0, 1, 2, 5]);
  expect(parseList("3")).toEqual([3]);
  expect(parseList("")).toEqual([]);
});

test("a machine's name for files", () => {
  const machine = {
    cpu: "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz",
    cores: 4,
    kind: "virtual",
    memoryMiB: 1,
    kernel: "",
    arch: "x64",
    governor: "",
    load: 0,
  } as const;
  expect(slugOf(machine)).toBe("intel-xeon-e5-2680-v4-4-cores");
  expect(slugOf({ ...machine, cpu: "AMD EPYC", cores: 1 })).toBe("amd-epyc-1-core");
});
