/**
 * Properties of the codec, P1–P8: for valid, mutated and random bytes. TULLE_FUZZ multiplies the number of runs;
 * a failing property prints its seed and path.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { latin1, toBytes } from "../../../core/bytes/ascii.ts";
import { DEFAULT_LIMITS } from "../../../core/http1/limits.ts";
import { RequestParser } from "../../../core/http1/request-parser.ts";
import { ResponseParser } from "../../../core/http1/response-parser.ts";
import { llhttpRequests } from "./llhttp-oracle.ts";
import {
  hostileRequests,
  hostileResponse,
  requestTree,
  responseTree,
  writeRequest,
  writeResponse,
} from "./messages.ts";
import { checkAgainstLlhttp, checkSplits } from "./properties.ts";
import { feedAsIs, parseRequests, parseResponses } from "./transcript.ts";

const RUNS = Number(process.env.TULLE_FUZZ ?? 1);
const many = (count: number) => ({ numRuns: count * RUNS });
const anyBytes = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
  maxLength: 200,
});

const SINK = { onHead() {}, onBody() {}, onMessageEnd() {}, onFault() {} };

describe("P1 split invariance, P2 no throw, P6 nothing after a fault", () => {
  test("hostile requests", () => {
    fc.assert(
      fc.property(hostileRequests, fc.nat(), (text, seed) => checkSplits(parseRequests, text, seed)),
      many(1500),
    );
  });
  test("hostile responses", () => {
    fc.assert(
      fc.property(hostileResponse, fc.nat(), (text, seed) => checkSplits(parseResponses, text, seed)),
      many(1500),
    );
  });
  test("random bytes", () => {
    fc.assert(
      fc.property(anyBytes, fc.nat(), (text, seed) => {
        checkSplits(parseRequests, text, seed);
        checkSplits(parseResponses, text, seed);
      }),
      many(500),
    );
  });
});

describe("P3 progress: work is linear in the bytes, also byte by byte", () => {
  const H = "GET / HTTP/1.1\r\nHost: v.test\r\n";
  const streams: { readonly [what: string]: string } = {
    "an endless name": H + "a".repeat(60_000),
    "an endless value": `${H}X: ${"a".repeat(60_000)}`,
    "an endless target": `GET /${"a".repeat(60_000)}`,
    "a chunk size that does not end": `POST / HTTP/1.1\r\nHost: v.test\r\nTransfer-Encoding: chunked\r\n\r\n${"0".repeat(60_000)}`,
    "many chunks of one byte": `POST / HTTP/1.1\r\nHost: v.test\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(10_000)}`,
    "many fields": H + "x: y\r\n".repeat(10_000),
    "many empty lines": "\r\n".repeat(30_000),
    "a trailer that does not end": `POST / HTTP/1.1\r\nHost: v.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ${"a".repeat(60_000)}`,
  };
  for (const [what, text] of Object.entries(streams)) {
    test(what, () => {
      const parser = new RequestParser(
        SINK,
        {
          ...DEFAULT_LIMITS,
          maxHeadBytes: 1 << 20,
          maxStartLineBytes: 1 << 20,
          maxValueBytes: 1 << 20,
          maxFields: 1 << 20,
          maxTrailerBytes: 1 << 20,
        },
        "ALLOW",
        { copiedBytes: 0 },
      );
      const bytes = toBytes(text);
      const before = process.cpuUsage();
      for (let i = 0; i < bytes.length; i++) feedAsIs(parser, bytes.slice(i, i + 1));
      const { user, system } = process.cpuUsage(before);
      // Linear work takes a few ms; work that grows with the square takes seconds.
      expect((user + system) / 1000).toBeLessThan(600);
    });
  }
});

describe("P4 parse(serialise(x)) = x, and a second forward changes nothing", () => {
  test("requests", () => {
    fc.assert(
      fc.property(requestTree, (tree) => {
        const { messages, fault } = parseRequests(writeRequest(tree));
        expect(fault).toBe("");
        expect(messages.length).toBe(1);
        const [message] = messages;
        expect(message.start).toBe(`${tree.method} ${tree.target} 11`);
        expect(message.authority).toBe(tree.host);
        expect(message.body).toBe(tree.body);
        expect(message.complete).toBe(true);
        const wanted = tree.fields.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
        expect(message.fields.filter((field) => field.startsWith("x-"))).toEqual(wanted);
      }),
      many(800),
    );
  });
  test("responses", () => {
    fc.assert(
      fc.property(responseTree, (tree) => {
        const { messages, fault } = parseResponses(writeResponse(tree));
        expect(fault).toBe("");
        expect(messages.map((message) => [message.start, message.body, message.complete])).toEqual([
          [`${tree.status} 11`, tree.body, true],
        ]);
      }),
      many(800),
    );
  });
});

describe("P5 memory is bounded by the limits", () => {
  for (const [what, prefix] of Object.entries({
    head: "GET / HTTP/1.1\r\nHost: v.test\r\nX: ",
    "start line": "GET /",
    "chunk line": "POST / HTTP/1.1\r\nHost: v.test\r\nTransfer-Encoding: chunked\r\n\r\n5;",
    trailer: "POST / HTTP/1.1\r\nHost: v.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
  })) {
    test(`an endless ${what} fails at its limit`, () => {
      const parser = new RequestParser(SINK, DEFAULT_LIMITS, "ALLOW", { copiedBytes: 0 });
      parser.feed(toBytes(prefix));
      let fed = 0;
      while (!parser.failed && fed < 1 << 20) {
        parser.feed(new Uint8Array(512).fill(0x61));
        fed += 512;
      }
      expect(fed).toBeLessThanOrEqual(DEFAULT_LIMITS.maxHeadBytes + 1024);
      parser.feed(new Uint8Array(1 << 16).fill(0x61));
      expect(parser.restLength).toBe(0);
    });
  }
  test("an endless status line fails at its limit", () => {
    const parser = new ResponseParser(SINK, DEFAULT_LIMITS, { copiedBytes: 0 });
    parser.expect("GET", false);
    parser.feed(toBytes("HTTP/1.1 200 "));
    let fed = 0;
    for (; !parser.failed && fed < 1 << 20; fed += 512) parser.feed(new Uint8Array(512).fill(0x61));
    expect(fed).toBeLessThanOrEqual(DEFAULT_LIMITS.maxHeadBytes + 1024);
  });
});

describe("P8 what llhttp refuses, we refuse; what both accept, both read alike", () => {
  test("valid requests", () => {
    fc.assert(
      fc.property(requestTree, (tree) => {
        const bytes = writeRequest(tree);
        const theirs = llhttpRequests(bytes);
        expect(theirs.error).toBe("");
        expect(theirs.messages.map((m) => [m.method, m.target, m.body, m.complete])).toEqual([
          [tree.method, tree.target, tree.body, true],
        ]);
        checkAgainstLlhttp(bytes);
      }),
      many(500),
    );
  });
  test("hostile requests", () => {
    fc.assert(
      fc.property(hostileRequests, (bytes) => checkAgainstLlhttp(bytes)),
      many(5000),
    );
  });
});

test("the recorder sees bytes, not characters", () => {
  expect(latin1(toBytes("\x80\xff"), 0, 2)).toBe("\x80\xff");
});
