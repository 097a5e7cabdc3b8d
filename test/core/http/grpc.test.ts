/** What the proxy knows of gRPC, as tables: which requests speak it, what statuses mean, how times are written. */
import { expect, test } from "bun:test";
import { Fields } from "../../../core/http/fields.ts";
import {
  formatGrpcTimeout,
  grpcStatusOf,
  isGrpc,
  isGrpcStatus,
  isGrpcSuccess,
  parseGrpcTimeout,
} from "../../../core/http/grpc.ts";

test.each<[type: string, speaks: boolean]>([
  ["application/grpc", true],
  ["application/grpc+proto", true],
  ["application/grpc+json", true],
  ["application/grpc-web", false],
  ["application/grpc-web+proto", false],
  ["application/grpc;charset=x", false],
  ["application/grpcx", false],
  ["application/grp", false],
  ["text/plain", false],
])("%s is gRPC: %p", (type, speaks) => {
  const fields = new Fields();
  fields.add("content-type", type);
  expect(isGrpc(fields)).toBe(speaks);
});

test("Envoy's status for an answer that says none", () => {
  const told = new Map([
    [400, 13],
    [401, 16],
    [403, 7],
    [404, 12],
    [429, 14],
    [502, 14],
    [503, 14],
    [504, 14],
  ]);
  for (let status = 200; status < 600; status++)
    expect([status, grpcStatusOf(status)]).toEqual([status, told.get(status) ?? 2]);
});

test("statuses from 0 to 16 are some, and nothing else is", () => {
  for (let status = 0; status < 100; status++) expect(isGrpcStatus(String(status))).toBe(status <= 16);
  for (const text of ["", "00", "+1", " 1", "-1", "1.0", "x"]) expect(isGrpcStatus(text)).toBe(false);
});

test("an endpoint is to blame for what Envoy takes for 500 and above, and for no status", () => {
  const blamed = [2, 4, 12, 13, 14, 15];
  for (let status = 0; status <= 16; status++)
    expect([status, isGrpcSuccess(String(status))]).toEqual([status, !blamed.includes(status)]);
  for (const status of [null, "", "17", "00"]) expect(isGrpcSuccess(status)).toBe(false);
});

test.each<[text: string, ms: number]>([
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["3S", 3000],
  ["4m", 4],
  ["5u", 1],
  ["5000u", 5],
  ["5001u", 6],
  ["1n", 1],
  ["0S", 0],
  ["99999999H", 359_999_996_400_000],
  ["100000000S", -1],
  ["", -1],
  ["S", -1],
  ["1", -1],
  ["1s", -1],
  ["-1S", -1],
  ["1.5S", -1],
  [" 1S", -1],
])("grpc-timeout %p is %i ms", (text, ms) => {
  expect(parseGrpcTimeout(text)).toBe(ms);
});

test.each<[ms: number, text: string]>([
  [0, "0m"],
  [99_999_999, "99999999m"],
  [100_000_000, "100000S"],
  [100_000_999, "100000S"],
  [99_999_999_999, "99999999S"],
  [100_000_000_000, "1666666M"],
  [359_999_996_400_000, "99999999H"],
  [Number.MAX_SAFE_INTEGER, "99999999H"],
])("%i ms is written as %s", (ms, text) => {
  expect(formatGrpcTimeout(ms)).toBe(text);
});
