import { expect, test } from "bun:test";
import { readWrk } from "../../../bench/macro/load-wrk.ts";

test("reads what the script prints at the end of wrk's own report", () => {
  const out =
    "Running 4s test @ http://127.0.0.1:1/\n  50 connections\nbench 40000 4000000 8520000 0 0 0 0 0\n";
  expect(readWrk(out)).toEqual({ requests: 40_000, seconds: 4, bytes: 8_520_000, errors: 0, firstError: "" });
});

test("every kind of error counts and is named", () => {
  const result = readWrk("bench 10 1000000 0 0 3 0 2 1\n");
  expect(result.errors).toBe(6);
  expect(result.firstError).toBe("3 × read, 2 × status ≥ 400, 1 × timeout");
});

test("no report is an error, not zero requests", () => {
  expect(() => readWrk("unable to connect")).toThrow("wrk did not report");
});
