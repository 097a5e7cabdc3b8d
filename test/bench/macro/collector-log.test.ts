import { expect, test } from "bun:test";
import { collectorPauses } from "../../../bench/macro/collector-log.ts";

test("pauses in V8's log; other lines are skipped", () => {
  const log = `listening on 127.0.0.1:22101
[4711:0x3a5c000]       56 ms: Scavenge 5.6 (7.1) -> 4.9 (8.1) MB, pooled: 0 MB, 0.61 / 0.00 ms (average mu = 1.000, current mu = 1.000) task;
[4711:0x3a5c000]      980 ms: Mark-Compact 12.3 (20.1) -> 4.1 (19.8) MB, 2.35 / 0.10 ms (+ 1.2 ms in 3 steps since start of marking) (average mu = 0.9) task;
`;
  expect(collectorPauses(log)).toEqual([0.61, 2.35]);
});
