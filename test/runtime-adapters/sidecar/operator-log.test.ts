import { describe, expect, test } from "bun:test";
import { OperatorLog, parseLogChange } from "../../../runtime-adapters/sidecar/operator-log.ts";

const NOON = new Date(2026, 10, 21, 12, 0, 0, 7).getTime();

class Lab {
  readonly lines: string[] = [];
  now = NOON;
  readonly log = new OperatorLog(
    (line) => this.lines.push(line),
    "info",
    () => this.now,
    4711,
  );
}

test("a line is Envoy's: time, process, level, component, message", () => {
  const { log, lines } = new Lab();
  log.log("info", "main", "starting");
  expect(lines).toEqual(["[2026-11-21 12:00:00.007][4711][info][main] starting\n"]);
});

test("a message is one line, whatever a peer put into it", () => {
  const { log, lines } = new Lab();
  log.log("warning", "http", "path /a\r\n[2026][1][info][main] forged\x00\x1b[31m");
  expect(lines).toEqual([
    "[2026-11-21 12:00:00.007][4711][warning][http] path /a\\r\\n[2026][1][info][main] forged\\x00\\x1b[31m\n",
  ]);
});

test("an endless message is cut", () => {
  const { log, lines } = new Lab();
  log.log("info", "http", "x".repeat(100_000));
  expect(lines[0].length).toBeLessThan(4200);
});

describe("levels", () => {
  test("what is below the component's level is not written", () => {
    const { log, lines } = new Lab();
    log.log("debug", "http", "no");
    log.setLevel("http", "debug");
    log.log("debug", "http", "yes");
    log.log("debug", "upstream", "no");
    log.setLevel("", "off");
    log.log("critical", "main", "no");
    expect(lines).toHaveLength(1);
    expect(log.enabled("debug", "http")).toBe(false);
  });

  test("an unknown component is refused, and a new one follows the standard level", () => {
    const { log, lines } = new Lab();
    expect(log.setLevel("nope", "debug")).toBe(false);
    log.setLevel("", "error");
    log.log("info", "brand-new", "no");
    expect(lines).toEqual([]);
    expect(log.levels().get("brand-new")).toBe("error");
    expect([...log.levels().keys()]).toEqual([...log.levels().keys()].sort());
  });
});

describe("a flood", () => {
  test("from one site is cut to ten lines and then one a second, and says how many are missing", () => {
    const lab = new Lab();
    for (let i = 0; i < 1000; i++) lab.log.log("warning", "http", `bad request from 10.0.0.${i % 250}:${i}`);
    expect(lab.lines).toHaveLength(10);
    lab.now += 999;
    lab.log.log("warning", "http", "bad request from 10.0.0.1:1");
    expect(lab.lines).toHaveLength(10);
    lab.now += 1;
    lab.log.log("warning", "http", "bad request from 10.0.0.1:1");
    expect(lab.lines).toHaveLength(11);
    expect(lab.lines[10]).toEndWith("10.0.0.1:1 (991 more like this left out)\n");
  });

  test("does not silence other sites", () => {
    const { log, lines } = new Lab();
    for (let i = 0; i < 1000; i++) log.log("warning", "http", "bad request");
    log.log("warning", "upstream", "no healthy host");
    log.log("error", "http", "bad request");
    expect(lines).toHaveLength(12);
  });

  test("of ever new texts is bounded too, and other sites are heard again after it", () => {
    const lab = new Lab();
    const letters = (i: number) => i.toString(36).replace(/[0-9]/g, (d) => "QWERTYUIOP"[Number(d)]);
    const flood = () => {
      const before = lab.lines.length;
      for (let i = 0; i < 5000; i++) lab.log.log("warning", "http", `unknown method ${letters(i)}`);
      return lab.lines.length - before;
    };
    expect(flood()).toBe(256 + 10);
    expect(flood()).toBeLessThanOrEqual(256 * 9);
    const before = lab.lines.length;
    lab.log.log("warning", "upstream", "no healthy host");
    expect(lab.lines.length - before).toBe(0);
    lab.now += 10_000;
    lab.log.log("warning", "upstream", "no healthy host");
    expect(lab.lines.length - before).toBe(1);
    expect(flood()).toBeLessThanOrEqual(300);
    // Having been flooded once, a new site has to earn its burst.
    expect(flood()).toBeLessThanOrEqual(20);
  });

  test("of debug lines is what the operator asked for", () => {
    const { log, lines } = new Lab();
    log.setLevel("", "debug");
    for (let i = 0; i < 100; i++) log.log("debug", "http", "step");
    expect(lines).toHaveLength(100);
  });
});

// Query, and what it means or (in Envoy 1.40's words) what is wrong with it.
const QUERIES: readonly (readonly [string, ReturnType<typeof parseLogChange>])[] = [
  ["", []],
  ["level=debug", [["", "debug"]]],
  ["http=trace", [["http", "trace"]]],
  [
    "paths=http:debug,main:off",
    [
      ["http", "debug"],
      ["main", "off"],
    ],
  ],
  ["level=foo", "unknown logger level"],
  ["http=warn", "unknown logger level"],
  ["nope=info", "unknown logger name"],
  ["paths=http:debug,zzz:info", "unknown logger name"],
  ["paths=http-debug", "empty logger name or empty logger level"],
  ["paths=:debug", "empty logger name or empty logger level"],
  ["paths=", "empty logger name or empty logger level"],
  ["a=b&c=d", "invalid number of parameters"],
];
test.each(QUERIES)("POST /logging?%s", (query, expected) => {
  expect(parseLogChange(new Map(new URLSearchParams(query)), ["http", "main"])).toEqual(expected);
});
