/** What Connection says, what it takes away, and what it must not (rows H1–H3). */
import { describe, expect, test } from "bun:test";
import { Fields } from "../../../core/http/fields.ts";
import {
  HopAccepted,
  HopOptions,
  HopProtected,
  HopTooMany,
  readHopOptions,
  removeNominated,
  trimOws,
} from "../../../core/http/hop-by-hop.ts";

function read(...lines: readonly (readonly [string, string])[]) {
  const fields = new Fields();
  for (const [name, value] of lines) fields.add(name, value);
  const out = new HopOptions();
  const result = readHopOptions(fields, out);
  const left: string[] = [];
  fields.forEach((name) => void left.push(name));
  return { result, out, left };
}

describe("options", () => {
  test.each([
    ["close", { close: true }],
    ["Close", { close: true }],
    ["keep-alive", { keepAlive: true }],
    ["Upgrade", { upgrade: true }],
    [" ,\tclose , ,keep-alive", { close: true, keepAlive: true }],
    ["closed", {}],
    ["", {}],
  ])("connection: %j", (value, expected) => {
    const { result, out } = read(["connection", value]);
    expect(result).toBe(HopAccepted);
    expect({ ...out }).toEqual({
      close: false,
      keepAlive: false,
      upgrade: false,
      trailers: false,
      ...expected,
    });
  });

  test("all Connection lines count, and an object is fresh for each message", () => {
    const { out } = read(["connection", "keep-alive"], ["connection", "close"]);
    expect([out.keepAlive, out.close]).toEqual([true, true]);
    readHopOptions(new Fields(), out);
    expect({ ...out }).toEqual({ close: false, keepAlive: false, upgrade: false, trailers: false });
  });

  test.each([
    ["trailers", true],
    ["Trailers", true],
    ["gzip, trailers;q=0.5", true],
    ["gzip", false],
    ["x-trailers", false],
    [`trailers,${"x".repeat(300)}`, false],
  ])("te: %j", (value, expected) => {
    expect(read(["te", value]).out.trailers).toBe(expected);
  });
});

describe("nominated fields", () => {
  test("are removed, every line of them", () => {
    const { result, left } = read(
      ["x-a", "1"],
      ["x-b", "2"],
      ["x-a", "3"],
      ["user-agent", "known to the proxy by number"],
      ["connection", "X-A, close, User-Agent"],
      ["alt-svc", "x"],
    );
    expect(result).toBe(HopAccepted);
    expect(left).toEqual(["x-b", "connection", "alt-svc"]);
  });

  test.each([
    ["host"],
    ["content-length"],
    ["Transfer-Encoding"],
    ["cookie"],
    ["authorization"],
    ["x-forwarded-for"],
    ["X-Forwarded-Anything"],
    ["x-envoy-internal"],
    ["x-request-id"],
    [":path"],
    ["traceparent"],
    ["a b"],
    ["x\x00"],
  ])("%j must not be nominated", (name) => {
    expect(read(["connection", `close, ${name}`]).result).toBe(HopProtected);
  });

  test("too many are refused", () => {
    const many = (n: number) => Array.from({ length: n }, (_, i) => `x-${i}`).join(", ");
    expect(read(["connection", many(10)]).result).toBe(HopAccepted);
    expect(read(["connection", many(11)]).result).toBe(HopTooMany);
    expect(read(["connection", many(6)], ["connection", many(6)]).result).toBe(HopTooMany);
  });
});

test("trailers lose what Connection names, however much else it says", () => {
  const head = new Fields();
  for (let i = 0; i < 12; i++) head.add("connection", "keep-alive");
  head.add("connection", "X-Secret");
  const trailers = new Fields();
  trailers.add("x-secret", "1");
  trailers.add("x-open", "2");
  expect(readHopOptions(head, new HopOptions())).toBe(HopAccepted);
  removeNominated(head, trailers);
  expect([trailers.has("x-secret"), trailers.has("x-open")]).toEqual([false, true]);
});

test("only SP and HTAB are trimmed", () => {
  expect(trimOws(" \t a b\t ")).toBe("a b");
  expect(trimOws("\xa0a\x0b\x85")).toBe("\xa0a\x0b\x85");
  expect(trimOws(" ")).toBe("");
});
