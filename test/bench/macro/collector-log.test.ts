import { expect, test } from "bun:test";
import { collectorPauses } from "../../../bench/macro/collector-log.ts";

test("pauses in V8's log; other lines are skipped", () => {
  const log = `listening on 127.0.0.1:22101
[4711:0x3a5c000]       56 ms: Scavenge 5.6 (7.1) -> 4.9 (8.1) MB, pooled: 0.0 MB, 0.61 / 0.00 ms (average mu = 1.000, current mu = 1.000) task;
[4711:0x3a5c000]       80 ms: Scavenge 5.6 (7.1) -> 4.9 (8.1) MB, 0.70 / 0.00 ms  (average mu = 1.000, current mu = 1.000) task;
`;
  expect(collectorPauses(log)).toEqual([0.61, 0.7]);
});

test("V8's marking steps stop the program too", () => {
  const line =
    "[1:0x5]  980 ms: Mark-Compact 12.3 (20.1) -> 4.1 (19.8) MB, pooled: 1.0 MB, 2.35 / 0.10 ms (+ 1.5 ms in 3 steps " +
    "since start of marking, biggest step 1.0 ms, walltime since start of marking 40 ms) (average mu = 0.9) task;";
  expect(collectorPauses(line)).toEqual([2.35, 1, 0.5]);
});

test("pauses in JavaScriptCore's log: one line for each pause of a cycle", () => {
  const log = `[GC<0x37c30bb8118>: starting 0.041146ms]
Requesting GC because bytes allocated this cycle: 8402490 exceed bytes allowed: 8388608
[GC<0x37c30bb8118>: START M 8838kb => EdenCollection, a=0kb i#1:N<CsMsr> 29+0 p=1.768ms (max 1.768)...]
[GC<0x37c30bb8118>: M a=622kb i#4:P<Msm> => 4597kb, p=1.517ms (max 1.768), cycle 4.069ms END]
GC END!
`;
  expect(collectorPauses(log)).toEqual([1.768, 1.517]);
});
