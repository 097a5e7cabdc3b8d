import { describe, expect, test } from "bun:test";
import { Http2ResponseReader } from "../../../../bench/macro/load/http2-response-reader.ts";

const frame = (type: number, flags: number, stream: number, payload: readonly number[]) => [
  ...[0, payload.length >> 8, payload.length & 0xff, type, flags, 0, 0, 0, stream],
  ...payload,
];
const SETTINGS = frame(4, 0, 0, [0, 3, 0, 0, 0, 100]);
const body = (length: number) => frame(0, 1, 1, new Array(length).fill(120));

function feed(reader: Http2ResponseReader, bytes: readonly number[]): number {
  return reader.take(Uint8Array.from(bytes), bytes.length);
}

describe("Http2ResponseReader", () => {
  test("a head and a body, cut at any byte, among frames of the connection", () => {
    const answer = [...SETTINGS, ...frame(1, 4, 1, [0x88]), ...frame(8, 0, 0, [0, 0, 0, 9]), ...body(300)];
    for (let cut = 1; cut < answer.length; cut++) {
      const reader = new Http2ResponseReader();
      expect(feed(reader, answer.slice(0, cut))).toBe(0);
      expect(feed(reader, answer.slice(cut))).toBe(1);
      expect([reader.status, reader.bodyLength]).toEqual([200, 300]);
    }
  });

  test("sizes of the table may come before the status, and another status is none", () => {
    const sized = new Http2ResponseReader();
    expect(feed(sized, frame(1, 5, 1, [0x20, 0x88]))).toBe(1);
    expect(sized.status).toBe(200);
    const other = new Http2ResponseReader();
    expect(feed(other, frame(1, 5, 1, [0x8d, 0x88]))).toBe(1);
    expect(other.status).toBe(0);
  });

  test("an answer on a stream that nobody opened cannot be read", () => {
    expect(feed(new Http2ResponseReader(), frame(1, 5, 3, [0x88]))).toBe(-1);
  });
});
