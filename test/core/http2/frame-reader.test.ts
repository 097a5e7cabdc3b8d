/** Frames from bytes in any pieces: what is said to the sink, and what is refused. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FrameReader, PREFACE } from "../../../core/http2/frame-reader.ts";
import type { FrameSink } from "../../../core/http2/frame-sink.ts";
import { errorName } from "../../../core/http2/frames.ts";

const MAX_BLOCK = 1000;

/** What a reader says of these bytes, in words; pieces of bodies that touch are one. */
function story(bytes: Uint8Array, cuts: readonly number[] = [], preface = false): string[] {
  const said: string[] = [];
  let body = "";
  const hex = (from: Uint8Array, start: number, end: number) =>
    Array.from(from.subarray(start, end), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const sink: FrameSink = {
    onData(stream, from, start, end) {
      expect(end).toBeGreaterThan(start);
      body += `${stream}:${hex(from, start, end)}`.slice(body === "" ? 0 : `${stream}:`.length);
    },
    onDataEnd(stream, length, ends) {
      said.push(`data ${body === "" ? `${stream}:` : body} ${length}${ends ? " end" : ""}`);
      body = "";
    },
    onBlock: (stream, from, start, end, ends) =>
      said.push(`block ${stream}:${hex(from, start, end)}${ends ? " end" : ""}`),
    onIgnored: () => said.push("ignored"),
    onReset: (stream, code) => said.push(`reset ${stream} ${errorName(code)}`),
    onSetting: (id, value) => said.push(`setting ${id}=${value}`),
    onSettings: (ack) => said.push(ack ? "settings ack" : "settings"),
    onPing: (ack, from, start) => said.push(`ping${ack ? " ack" : ""} ${hex(from, start, start + 8)}`),
    onGoAway: (last, code, debug) => said.push(`goaway ${last} ${errorName(code)} ${debug}`),
    onWindowUpdate: (stream, increment) => said.push(`window ${stream} +${increment}`),
    onStreamFault: (stream, code, why) => said.push(`fault of ${stream}: ${errorName(code)} ${why}`),
    onFault: (code, why) => said.push(`fault: ${errorName(code)} ${why}`),
  };
  const reader = new FrameReader(sink, preface, MAX_BLOCK);
  // What every peer says first is not worth a line.
  if (!preface) reader.feed(SETTINGS_FIRST);
  said.length = 0;
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    if (cut <= at) continue;
    reader.feed(bytes.slice(at, cut));
    at = cut;
  }
  return said;
}

function frame(type: number, flags: number, stream: number, payload: readonly number[]): number[] {
  const { length } = payload;
  return [
    ...[length >> 16, (length >> 8) & 255, length & 255, type, flags],
    ...[stream >>> 24, (stream >> 16) & 255, (stream >> 8) & 255, stream & 255, ...payload],
  ];
}

const SETTINGS_FIRST = Uint8Array.from(frame(4, 0, 0, []));

const DATA = 0;
const HEADERS = 1;
const PRIORITY = 2;
const RESET = 3;
const SETTINGS = 4;
const PUSH = 5;
const PING = 6;
const GOAWAY = 7;
const WINDOW = 8;
const CONTINUATION = 9;
const EIGHT = [1, 2, 3, 4, 5, 6, 7, 8];
const zeros = (count: number) => new Array<number>(count).fill(0);

/** Frames, and what is said of them. */
// biome-ignore format: a table
const READ: readonly (readonly [title: string, bytes: readonly number[], said: readonly string[]])[] = [
  ["data", frame(DATA, 0, 1, [1, 2, 3]), ["data 1:010203 3"]],
  ["the last data", frame(DATA, 1, 1, [1]), ["data 1:01 1 end"]],
  ["no data", frame(DATA, 1, 3, []), ["data 3: 0 end"]],
  ["padded data", frame(DATA, 8, 1, [2, 7, 8, 0, 0]), ["data 1:0708 5"]],
  ["nothing but padding", frame(DATA, 8, 1, [3, 0, 0, 0]), ["data 1: 4"]],
  ["a header block", frame(HEADERS, 5, 1, [0x82]), ["block 1:82 end"]],
  ["a padded one with a priority", frame(HEADERS, 0x2c, 1, [1, 0, 0, 0, 0, 9, 0x82, 0]), ["block 1:82"]],
  ["one in three parts", [...frame(HEADERS, 1, 1, [1, 2]), ...frame(CONTINUATION, 0, 1, [3]), ...frame(CONTINUATION, 4, 1, [4])],
    ["block 1:01020304 end"]],
  ["a priority", frame(PRIORITY, 0, 7, [0, 0, 0, 0, 1]), ["ignored"]],
  ["a priority of another size", frame(PRIORITY, 0, 7, [0]), ["fault of 7: FRAME_SIZE_ERROR frame_size"]],
  ["a reset", frame(RESET, 0, 5, [0, 0, 0, 8]), ["reset 5 CANCEL"]],
  ["settings", frame(SETTINGS, 0, 0, [0, 3, 0, 0, 0, 100, 0, 4, 0xff, 0, 0, 0]), ["setting 3=100", "setting 4=4278190080", "settings"]],
  ["no settings", frame(SETTINGS, 0, 0, []), ["settings"]],
  ["an acknowledgement", frame(SETTINGS, 1, 0, []), ["settings ack"]],
  ["pings", [...frame(PING, 0, 0, EIGHT), ...frame(PING, 1, 0, EIGHT)], ["ping 0102030405060708", "ping ack 0102030405060708"]],
  ["a goodbye", frame(GOAWAY, 0, 0, [0x80, 0, 0, 9, 0, 0, 0, 11, 0x62, 0x79, 0x65]), ["goaway 9 ENHANCE_YOUR_CALM bye"]],
  ["window updates", [...frame(WINDOW, 0, 0, [0x80, 0, 0, 1]), ...frame(WINDOW, 0, 3, [0, 1, 0, 0])], ["window 0 +1", "window 3 +65536"]],
  ["an update of nothing on a stream", frame(WINDOW, 0, 3, zeros(4)), ["fault of 3: PROTOCOL_ERROR empty_window_update"]],
  ["what nobody knows", [...frame(77, 255, 9, zeros(100)), ...frame(10, 0, 0, []), ...frame(PING, 0, 0, EIGHT)], ["ignored", "ignored", "ping 0102030405060708"]],
  ["the reserved bit of a stream", frame(RESET, 0, 0x80000005, [0, 0, 0, 0]), ["reset 5 NO_ERROR"]],
];

// biome-ignore format: a table
const REFUSED: readonly (readonly [title: string, bytes: readonly number[], said: string])[] = [
  ["a frame that is too long", [...frame(DATA, 0, 1, zeros(16_385))], "FRAME_SIZE_ERROR frame_size"],
  ["an unknown one that is too long", [...frame(99, 0, 1, zeros(16_385))], "FRAME_SIZE_ERROR frame_size"],
  ["data on stream 0", frame(DATA, 0, 0, [1]), "PROTOCOL_ERROR frame_on_stream_0"],
  ["headers on stream 0", frame(HEADERS, 4, 0, [0x82]), "PROTOCOL_ERROR frame_on_stream_0"],
  ["a reset of stream 0", frame(RESET, 0, 0, zeros(4)), "PROTOCOL_ERROR frame_on_stream_0"],
  ["a priority of stream 0", frame(PRIORITY, 0, 0, zeros(5)), "PROTOCOL_ERROR frame_on_stream_0"],
  ["settings of a stream", frame(SETTINGS, 0, 1, []), "PROTOCOL_ERROR frame_on_a_stream"],
  ["a ping on a stream", frame(PING, 0, 1, EIGHT), "PROTOCOL_ERROR frame_on_a_stream"],
  ["a goodbye on a stream", frame(GOAWAY, 0, 1, EIGHT), "PROTOCOL_ERROR frame_on_a_stream"],
  ["a reset of another size", frame(RESET, 0, 1, zeros(5)), "FRAME_SIZE_ERROR frame_size"],
  ["settings of another size", frame(SETTINGS, 0, 0, zeros(5)), "FRAME_SIZE_ERROR frame_size"],
  ["an acknowledgement with settings", frame(SETTINGS, 1, 0, zeros(6)), "FRAME_SIZE_ERROR frame_size"],
  ["a ping of another size", frame(PING, 0, 0, zeros(7)), "FRAME_SIZE_ERROR frame_size"],
  ["a goodbye that is too short", frame(GOAWAY, 0, 0, zeros(7)), "FRAME_SIZE_ERROR frame_size"],
  ["a window update of another size", frame(WINDOW, 0, 0, zeros(3)), "FRAME_SIZE_ERROR frame_size"],
  ["an update of nothing", frame(WINDOW, 0, 0, zeros(4)), "PROTOCOL_ERROR empty_window_update"],
  ["a push", frame(PUSH, 4, 1, [0, 0, 0, 2, 0x82]), "PROTOCOL_ERROR push_promise"],
  ["a continuation of nothing", frame(CONTINUATION, 4, 1, [0x82]), "PROTOCOL_ERROR unexpected_continuation"],
  ["a ping inside of a block", [...frame(HEADERS, 0, 1, [0x82]), ...frame(PING, 0, 0, EIGHT)], "PROTOCOL_ERROR header_block_interrupted"],
  ["an unknown frame inside of a block", [...frame(HEADERS, 0, 1, [0x82]), ...frame(99, 0, 1, [])], "PROTOCOL_ERROR header_block_interrupted"],
  ["a continuation of another stream", [...frame(HEADERS, 0, 1, [0x82]), ...frame(CONTINUATION, 4, 3, [])], "PROTOCOL_ERROR header_block_interrupted"],
  ["data that is all padding and more", frame(DATA, 8, 1, [3, 0, 0]), "PROTOCOL_ERROR padding"],
  ["data without the length of its padding", frame(DATA, 8, 1, []), "FRAME_SIZE_ERROR frame_size"],
  ["headers that are all padding and more", frame(HEADERS, 0xc, 1, [3, 0, 0]), "PROTOCOL_ERROR padding"],
  ["headers without the length of their padding", frame(HEADERS, 0xc, 1, []), "FRAME_SIZE_ERROR frame_size"],
  ["headers without their priority", frame(HEADERS, 0x24, 1, [0, 0, 0]), "FRAME_SIZE_ERROR padding"],
  ["a block that is too large", frame(HEADERS, 4, 1, zeros(MAX_BLOCK + 1)), "ENHANCE_YOUR_CALM header_block_too_large"],
  ["a block that is too large in parts", [...frame(HEADERS, 0, 1, zeros(600)), ...frame(CONTINUATION, 0, 1, zeros(600))],
    "ENHANCE_YOUR_CALM header_block_too_large"],
  ["a flood of continuations", [...frame(HEADERS, 0, 1, []), ...Array.from({ length: 20 }, () => frame(CONTINUATION, 0, 1, [])).flat()],
    "ENHANCE_YOUR_CALM too_many_continuations"],
];

const AFTER = frame(PING, 0, 0, EIGHT);

describe("what is said", () => {
  test.each(READ)("%s", (_title, bytes, said) => {
    expect(story(Uint8Array.from([...bytes, ...AFTER]))).toEqual([...said, "ping 0102030405060708"]);
  });
});

describe("what is refused, and nothing after it is read", () => {
  test.each(REFUSED)("%s", (_title, bytes, said) => {
    expect(story(Uint8Array.from([...bytes, ...AFTER]))).toEqual([`fault: ${said}`]);
  });
});

test("the pieces in which bytes come make no difference", () => {
  const all = Uint8Array.from([...READ.flatMap(([, bytes]) => [...bytes]), ...READ[8][1]]);
  const whole = story(all);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: all.length }), { maxLength: 40 }), (cuts) => {
      expect(
        story(
          all,
          cuts.sort((a, b) => a - b),
        ),
      ).toEqual(whole);
    }),
  );
  expect(story(all, Array.from(all.keys()))).toEqual(whole);
  for (const [, bytes, said] of REFUSED) {
    if (bytes.length > 2000) continue;
    expect(story(Uint8Array.from(bytes), Array.from(bytes.keys()))).toEqual([`fault: ${said}`]);
  }
});

test("a client begins with its preface, to the letter", () => {
  const preface = Array.from(PREFACE, (letter) => letter.charCodeAt(0));
  const bytes = Uint8Array.from([...preface, ...frame(SETTINGS, 0, 0, [])]);
  expect(story(bytes, [], true)).toEqual(["settings"]);
  expect(story(bytes, [3, 10, 24, 25], true)).toEqual(["settings"]);
  bytes[20] ^= 0x20;
  expect(story(bytes, [19, 20, 21], true)).toEqual(["fault: PROTOCOL_ERROR bad_preface"]);
});

test("any bytes at all are read or refused, and never kept beyond the bounds", () => {
  const sink = new Proxy({} as FrameSink, { get: () => () => undefined });
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
      const reader = new FrameReader(sink, false, MAX_BLOCK);
      reader.feed(SETTINGS_FIRST);
      for (const chunk of chunks) reader.feed(chunk);
      expect(reader.heldBytes).toBeLessThanOrEqual(16_384 + MAX_BLOCK);
    }),
    { numRuns: 1000 },
  );
});

test("both sides begin with SETTINGS of their own", () => {
  const first = (bytes: readonly number[]) => {
    const faults: string[] = [];
    const sink = new Proxy({} as FrameSink, {
      get: (_, name) => (code: number, why: string) =>
        name === "onFault" && faults.push(`${errorName(code)} ${why}`),
    });
    new FrameReader(sink, false, MAX_BLOCK).feed(Uint8Array.from(bytes));
    return faults;
  };
  expect(first(frame(SETTINGS, 0, 0, []))).toEqual([]);
  expect(first(frame(SETTINGS, 1, 0, []))).toEqual(["PROTOCOL_ERROR no_settings"]);
  expect(first(frame(PING, 0, 0, EIGHT))).toEqual(["PROTOCOL_ERROR no_settings"]);
  expect(first(frame(99, 0, 0, []))).toEqual(["PROTOCOL_ERROR no_settings"]);
});
