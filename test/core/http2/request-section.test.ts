/** Which field sections are requests (RFC 9113 8.2, 8.3; RFC 8441; http.md M1 to M4): limits to the byte, and the rules. */
import { describe, expect, test } from "bun:test";
import { RequestHead } from "../../../core/http/head.ts";
import { idOf } from "../../../core/http/names.ts";
import { DEFAULT_HTTP2_LIMITS } from "../../../core/http2/limits.ts";
import { RequestSection } from "../../../core/http2/request-section.ts";
import { TrailerSection } from "../../../core/http2/response-section.ts";

type Field = readonly [name: string, value: string];

const GET: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "a.example"],
];
const PARTS = GET.slice(1);
const CONNECT: readonly Field[] = [
  [":method", "CONNECT"],
  [":authority", "a.example:443"],
];
const UPGRADE: readonly Field[] = [[":method", "CONNECT"], [":protocol", "websocket"], ...PARTS];
const LIMITS = {
  ...DEFAULT_HTTP2_LIMITS,
  maxFields: 8,
  maxBytes: 200,
  maxNameBytes: 20,
  maxValueBytes: 100,
  maxPathBytes: 30,
};
const COUNTER = { droppedHeadersWithUnderscores: 0, requestsRejectedWithUnderscoresInHeaders: 0 };

const bytesOf = (fields: readonly Field[]) =>
  fields.reduce((sum, [name, value]) => sum + name.length + value.length, 0);

/** What is wrong with it, or "". */
function fault(fields: readonly Field[], offered = true, head = new RequestHead()): string {
  const section = new RequestSection(LIMITS, offered, "ALLOW", COUNTER);
  section.begin(head);
  for (const [name, value] of fields) if (!section.onField(idOf(name), name, value, false)) break;
  return section.end();
}

describe("limits hold to the byte, and to the field", () => {
  const rest = 200 - bytesOf(GET);
  test.each<[title: string, fields: readonly Field[], fault: string]>([
    ["all fields", [...GET, ["a", ""], ["b", ""], ["c", ""], ["d", ""]], ""],
    ["one field more", [...GET, ["a", ""], ["b", ""], ["c", ""], ["d", ""], ["e", ""]], "too_many_fields"],
    ["one crumb more", [...GET, ...Array<Field>(5).fill(["cookie", "a"])], "too_many_fields"],
    ["all bytes, of values", [...GET, ["x", "v".repeat(100)], ["y", "v".repeat(rest - 102)]], ""],
    [
      "one byte more, in a value",
      [...GET, ["x", "v".repeat(100)], ["y", "v".repeat(rest - 101)]],
      "section_too_large",
    ],
    [
      "one byte more, in a name",
      [...GET, ["x", "v".repeat(100)], ["yy", "v".repeat(rest - 102)]],
      "section_too_large",
    ],
    [
      "a host that is dropped counts",
      [...GET, ["x", "v".repeat(100)], ["y", "v".repeat(rest - 114)], ["host", "a.example"]],
      "section_too_large",
    ],
    ["the longest name", [...GET, ["n".repeat(20), ""]], ""],
    ["a longer name", [...GET, ["n".repeat(21), ""]], "section_too_large"],
    ["the longest value", [...GET, ["x", "v".repeat(100)]], ""],
    ["a longer value", [...GET, ["x", "v".repeat(101)]], "section_too_large"],
    ["the longest path", [...GET.slice(0, 2), [":path", `/${"p".repeat(29)}`], GET[3]], ""],
    ["a longer path", [...GET.slice(0, 2), [":path", `/${"p".repeat(30)}`], GET[3]], "path_too_long"],
    ["the longest method", [[":method", "M".repeat(32)], ...PARTS], ""],
    ["a longer method", [[":method", "M".repeat(33)], ...PARTS], "method"],
    ["the longest protocol", [[":method", "CONNECT"], [":protocol", "p".repeat(32)], ...PARTS], ""],
    ["a longer protocol", [[":method", "CONNECT"], [":protocol", "p".repeat(33)], ...PARTS], "protocol"],
  ])("%s", (_title, fields, expected) => {
    expect(fault(fields)).toBe(expected as never);
  });
});

describe("a length", () => {
  test.each<[text: string, sound: boolean]>([
    ["0", true],
    ["00012", true],
    ["9007199254740991", true],
    ["9007199254740992", false],
    ["9999999999999999", false],
    ["10000000000000000", false],
    ["", false],
    ["+1", false],
    ["1 ", false],
    ["1,1", false],
    ["0x1", false],
  ])("%p", (text, sound) => {
    expect(fault([...GET, ["content-length", text]]) === "").toBe(sound);
  });
});

describe("CONNECT", () => {
  test.each<[title: string, fields: readonly Field[], offered: boolean, fault: string]>([
    ["to a host and a port", CONNECT, false, ""],
    ["with a length", [...CONNECT, ["content-length", "0"]], false, "pseudo_header"],
    ["with a scheme", [...CONNECT, [":scheme", "http"]], false, "pseudo_header"],
    ["with a path", [...CONNECT, [":path", "/"]], false, "pseudo_header"],
    ["to no port", [CONNECT[0], [":authority", "a.example"]], false, "authority"],
    ["to nobody", [CONNECT[0]], false, "missing_pseudo_header"],
    ["for a protocol", UPGRADE, true, ""],
    ["for a protocol, with a length", [...UPGRADE, ["content-length", "0"]], true, ""],
    ["for a protocol, and none was offered", UPGRADE, false, "pseudo_header"],
    ["for two protocols", [UPGRADE[0], UPGRADE[1], ...UPGRADE.slice(1)], true, "pseudo_header"],
    ["for a protocol that is no token", [UPGRADE[0], [":protocol", "a b"], ...PARTS], true, "protocol"],
    ["for no protocol", [UPGRADE[0], [":protocol", ""], ...PARTS], true, "protocol"],
    [
      "for a protocol, without a scheme",
      [UPGRADE[0], UPGRADE[1], ...PARTS.slice(1)],
      true,
      "missing_pseudo_header",
    ],
    [
      "for a protocol, without a path",
      [UPGRADE[0], UPGRADE[1], PARTS[0], PARTS[2]],
      true,
      "missing_pseudo_header",
    ],
    ["of another method for a protocol", [[":method", "GET"], UPGRADE[1], ...PARTS], true, "pseudo_header"],
  ])("%s", (_title, fields, offered, expected) => {
    expect(fault(fields, offered)).toBe(expected as never);
  });
});

describe("whom it is for", () => {
  test.each<[title: string, fields: readonly Field[], fault: string, authority: string]>([
    ["authority and host agree", [...GET, ["host", "a.example"]], "", "a.example"],
    ["in another case", [...GET, ["host", "A.Example"]], "", "a.example"],
    ["a host alone", [...GET.slice(0, 3), ["host", "b.example"]], "", "b.example"],
    ["they differ", [...GET, ["host", "b.example"]], "host", ""],
    ["two hosts that agree", [...GET, ["host", "a.example"], ["host", "a.example"]], "host", ""],
    ["a host with a user", [...GET.slice(0, 3), ["host", "me@b.example"]], "host", ""],
    ["a host with a path", [...GET.slice(0, 3), ["host", "b.example/x"]], "host", ""],
    ["an empty host", [...GET, ["host", ""]], "host", ""],
    ["two in one host", [...GET.slice(0, 3), ["host", "a.example,b.example"]], "host", ""],
    ["an authority with a user", [...GET.slice(0, 3), [":authority", "me@a.example"]], "authority", ""],
    ["nobody", GET.slice(0, 3), "missing_pseudo_header", ""],
  ])("%s", (_title, fields, expected, authority) => {
    const head = new RequestHead();
    expect(fault(fields, true, head)).toBe(expected as never);
    if (expected === "") expect([head.authority, head.fields.get("host")]).toEqual([authority, authority]);
  });
});

test("after a fault nothing is taken", () => {
  const section = new RequestSection(LIMITS, true, "ALLOW", COUNTER);
  const head = new RequestHead();
  section.begin(head);
  for (const [name, value] of GET) section.onField(idOf(name), name, value, false);
  expect(section.onField(0, "X-Upper", "1", false)).toBe(false);
  expect([section.end(), head.fields.hasId(0)]).toEqual(["field_name", false]);
});

test.each<[title: string, fields: readonly Field[], fault: string]>([
  ["trailers", [["grpc-status", "0"]], ""],
  ["with a pseudo header", [[":status", "200"]], "pseudo_header"],
  ["with too many fields", Array<Field>(33).fill(["a", ""]), "too_many_fields"],
  ["with too many bytes", [["a", "v".repeat(8192)]], "section_too_large"],
])("%s: %#", (_title, fields, expected) => {
  const section = new TrailerSection(DEFAULT_HTTP2_LIMITS);
  section.begin();
  for (const [name, value] of fields) if (!section.onField(idOf(name), name, value, false)) break;
  expect(section.fault).toBe(expected as never);
});
