/** Head and trailer sections line by line: where fields point, what is copied, where reading stops, and limits to the byte. */
import { describe, expect, test } from "bun:test";
import { latin1, toBytes } from "../../../core/bytes/ascii.ts";
import { Fields } from "../../../core/http/fields.ts";
import { REQUEST_FAULTS, RESPONSE_FAULTS } from "../../../core/http1/faults.ts";
import { DEFAULT_LIMITS, type Http1Limits } from "../../../core/http1/limits.ts";
import { SectionReader } from "../../../core/http1/section-reader.ts";

interface Setup {
  readonly limits?: Partial<Http1Limits>;
  readonly trailers?: boolean;
  readonly response?: boolean;
}

/** A reader and what it has read; any start line is a good one. */
function reading({ limits = {}, trailers = false, response = false }: Setup = {}) {
  const fields = new Fields();
  const copied = { copiedBytes: 0 };
  const starts: string[] = [];
  const starter = {
    startLine(bytes: Uint8Array, start: number, end: number) {
      starts.push(latin1(bytes, start, end));
      return null;
    },
  };
  const faults = response ? RESPONSE_FAULTS : REQUEST_FAULTS;
  const reader = new SectionReader(starter, { ...DEFAULT_LIMITS, ...limits }, faults, fields, copied);
  reader.begin(fields, trailers);
  const list = () => {
    const out: string[] = [];
    fields.forEach((name, value) => void out.push(`${name}: ${value}`));
    return out;
  };
  return { reader, fields, copied, starts, list };
}

/** What comes of the pieces: the fault's name, "ended", or "more" if it waits; and how far it read. */
function outcome(pieces: readonly string[], setup: Setup = {}): string {
  const { reader } = reading(setup);
  for (const piece of pieces) {
    if (piece === "") continue;
    reader.read(toBytes(piece), 0);
    if (reader.fault !== null) return reader.fault.code.replace("http1.", "");
    if (reader.ended) return "ended";
  }
  return "more";
}

/** The outcome, which must be the same whole, byte by byte and in two pieces cut anywhere. */
function always(bytes: string, setup: Setup = {}): string {
  const whole = outcome([bytes], setup);
  expect([whole, outcome([...bytes], setup)]).toEqual([whole, whole]);
  const places = bytes.length < 300 ? bytes.length : 0;
  for (let at = 1; at < places; at++)
    expect([at, outcome([bytes.slice(0, at), bytes.slice(at)], setup)]).toEqual([at, whole]);
  return whole;
}

const HEAD = "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n\r\n";

describe("in one chunk", () => {
  test("fields point into it, nothing is copied, and reading stops behind the section", () => {
    const { reader, fields, copied, starts, list } = reading();
    const chunk = toBytes(`before${HEAD}body`);
    expect(reader.read(chunk, 6)).toBe(6 + HEAD.length);
    expect(reader.ended).toBe(true);
    expect(fields.bytes).toBe(chunk);
    expect(starts).toEqual(["GET / HTTP/1.1"]);
    expect(list()).toEqual(["host: a", "x-one: 1"]);
    expect(reader.bytes).toBe(HEAD.length);
    expect(copied.copiedBytes).toBe(0);
  });

  test("empty lines before the start line are not part of the head", () => {
    const { reader } = reading();
    expect(reader.read(toBytes(`\r\n\r\n${HEAD}`), 0)).toBe(4 + HEAD.length);
    expect(reader.bytes).toBe(HEAD.length);
  });

  test("a new section begins from nothing", () => {
    const { reader, fields, list } = reading();
    reader.read(toBytes("GET / HTTP/1.1\r\nx_y: 1\r\n\r\n"), 0);
    expect(reader.underscores).toBe(true);
    reader.begin(fields, false);
    expect([reader.ended, reader.underscores, reader.bytes, reader.untouched, list()]).toEqual([
      false,
      false,
      0,
      true,
      [],
    ]);
    for (const piece of [...HEAD]) reader.read(toBytes(piece), 0);
    expect([reader.ended, reader.underscores, list()]).toEqual([true, false, ["host: a", "x-one: 1"]]);
  });
});

describe("across chunks", () => {
  test("the section is copied once, the body behind it never, and fields on both sides of the seam are right", () => {
    const expected = ["host: a", "x-one: 1"];
    for (let at = 1; at < HEAD.length; at++) {
      const { reader, copied, list } = reading();
      const first = toBytes(`--${HEAD.slice(0, at)}`);
      const second = toBytes(`${HEAD.slice(at)}body`);
      expect(reader.read(first, 2)).toBe(first.length);
      expect(reader.read(second, 0)).toBe(HEAD.length - at);
      first.fill(0);
      second.fill(0);
      expect([at, copied.copiedBytes, list()]).toEqual([at, HEAD.length, expected]);
    }
  });

  test("sections larger than any first guess", () => {
    const lines = Array.from({ length: 60 }, (_, i) => `x-${i}: ${"v".repeat(i * 10)}`);
    const head = `GET / HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
    const seam = head.indexOf("x-40");
    const { reader, list, copied } = reading();
    reader.read(toBytes(head.slice(0, seam + 2)), 0);
    for (const byte of head.slice(seam + 2)) reader.read(toBytes(byte), 0);
    expect(list()).toEqual(lines);
    expect(copied.copiedBytes).toBe(head.length);
  });

  test("untouched until the first byte that is not an empty line", () => {
    const { reader } = reading();
    const states: boolean[] = [];
    for (const piece of ["\r\n", "\r", "\n", "G", "ET / HTTP/1.1\r\n"]) {
      reader.read(toBytes(piece), 0);
      states.push(reader.untouched);
    }
    expect(states).toEqual([true, false, true, false, false]);
  });
});

describe("a hopeless byte is a fault at once, a doubtful one when its line is whole", () => {
  test.each([
    ["\0", "start_line"],
    ["GET\x01", "start_line"],
    ["(", "start_line"],
    ["GET / HTTP/1.1\r\nx: \0", "field_value"],
    ["GET / HTTP/1.1\r\nx: \x7f", "field_value"],
    ["GET / HTTP/1.1\r\nx: a\rb", "more"],
    ["GET / HTTP/1.1\r\nx: a\rb\n", "bare_cr"],
    ["GET / HTTP/1.1\rx\n", "bare_cr"],
    ["GET / HTTP/1.1\n", "bare_lf"],
    ["GET / HTTP/1.1\r\nx: a\n", "bare_lf"],
    ["GET / HTTP/1.1\r\nx\n", "bare_lf"],
    ["GET / HTTP/1.1\r\nx y: z", "more"],
    ["GET / HTTP/1.1\r\nx y: z\r\n", "space_before_colon"],
    ["GET / HTTP/1.1\r\nx : z\r\n", "space_before_colon"],
    ["GET / HTTP/1.1\r\n: z\r\n", "field_name"],
    ["GET / HTTP/1.1\r\nx(: z\r\n", "field_name"],
    ["GET / HTTP/1.1\r\nx\r\n", "missing_colon"],
    ["GET / HTTP/1.1\r\n x: y\r\n", "leading_whitespace"],
    ["GET / HTTP/1.1\r\na: b\r\n\tx: y\r\n", "obs_fold"],
    ["GET / HTTP/1.1\r\na: b\r\n\rx\r\n", "bare_cr"],
    ["\rGET / HTTP/1.1\r\n", "start_line"],
  ])("%j: %s", (bytes, result) => {
    expect(always(bytes)).toBe(result);
  });

  test("white space before the colon of a response is stripped", () => {
    const { reader, list } = reading({ response: true });
    reader.read(toBytes("HTTP/1.1 200 OK\r\nx \t:\t y \t\r\n\r\n"), 0);
    expect([reader.ended, list()]).toEqual([true, ["x: y"]]);
    expect(always("HTTP/1.1 200 OK\r\nx y: z\r\n", { response: true })).toBe("field_name");
    expect(always("HTTP/1.1 200 OK\r\n : z\r\n", { response: true })).toBe("leading_whitespace");
  });
});

describe("limits: what just fits, and one more", () => {
  const line = (length: number) => "G".repeat(length);
  const field = (name: number, value: number) => `${"n".repeat(name)}: ${"v".repeat(value)}\r\n`;
  const head = (length: number) => `S\r\n${field(1, length - 10)}\r\n`;

  test("the head is what `head` says", () => {
    expect(head(50)).toHaveLength(50);
  });

  test.each<[string, Partial<Http1Limits>, string, string, string]>([
    ["start line", { maxStartLineBytes: 40 }, `${line(40)}\r\n\r\n`, `${line(41)}\r\n\r\n`, "uri_too_long"],
    ["head", { maxHeadBytes: 100 }, head(100), head(101), "head_too_large"],
    [
      "a start line that is a head by itself",
      { maxHeadBytes: 50 },
      `${line(46)}\r\n\r\n`,
      `${line(47)}\r\n\r\n`,
      "head_too_large",
    ],
    ["name", { maxNameBytes: 20 }, `S\r\n${field(20, 1)}\r\n`, `S\r\n${field(21, 1)}\r\n`, "head_too_large"],
    [
      "value, without white space around it",
      { maxValueBytes: 20 },
      `S\r\nn:  \t${"v".repeat(20)}\t \r\n\r\n`,
      `S\r\n${field(1, 21)}\r\n`,
      "head_too_large",
    ],
    [
      "fields",
      { maxFields: 3 },
      `S\r\n${field(1, 0).repeat(3)}\r\n`,
      `S\r\n${field(1, 0).repeat(4)}\r\n`,
      "too_many_fields",
    ],
    [
      "empty lines first",
      { maxLeadingBlankLines: 2 },
      "\r\n\r\nS\r\n\r\n",
      "\r\n\r\n\r\nS\r\n\r\n",
      "start_line",
    ],
  ])("%s", (_, limits, fits, one, fault) => {
    expect(always(fits, { limits })).toBe("ended");
    expect(always(one, { limits })).toBe(fault);
  });

  test.each<[string, Partial<Http1Limits>, string, string]>([
    ["bytes", { maxTrailerBytes: 50, maxHeadBytes: 1 }, `${field(1, 43)}\r\n`, `${field(1, 44)}\r\n`],
    [
      "fields",
      { maxTrailerFields: 2, maxFields: 0 },
      `${field(1, 0).repeat(2)}\r\n`,
      `${field(1, 0).repeat(3)}\r\n`,
    ],
    ["names", { maxNameBytes: 9 }, `${field(9, 0)}\r\n`, `${field(10, 0)}\r\n`],
  ])("of trailers: %s", (_, limits, fits, one) => {
    expect(always(fits, { limits, trailers: true })).toBe("ended");
    expect(always(one, { limits, trailers: true })).toBe("trailers_too_large");
  });

  test("hold for a line that never ends", () => {
    const endless = `S\r\nn: ${"v".repeat(200)}`;
    expect(always(endless, { limits: { maxHeadBytes: 100 } })).toBe("head_too_large");
    expect(always("S".repeat(100), { limits: { maxStartLineBytes: 40 } })).toBe("uri_too_long");
    expect(always("v".repeat(100), { limits: { maxTrailerBytes: 40 }, trailers: true })).toBe(
      "trailers_too_large",
    );
  });
});

test("a section of trailers has no start line, and may be empty", () => {
  expect(always("\r\n", { trailers: true })).toBe("ended");
  const { reader, starts, list } = reading({ trailers: true });
  expect(reader.read(toBytes("GET / HTTP/1.1: x\r\n\r\n"), 0)).toBe(21);
  expect(reader.fault).toBe(REQUEST_FAULTS.space_before_colon);
  const good = reading({ trailers: true });
  expect(good.reader.read(toBytes("a: b\r\n\r\nGET"), 0)).toBe(8);
  expect([good.starts, starts, good.list(), list()]).toEqual([[], [], ["a: b"], []]);
});
