import { describe, expect, test } from "bun:test";
import { ResponseReader } from "../../../../bench/macro/load/response-reader.ts";

const answer = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nCONTENT-length: 5\r\nx: y\r\n\r\nhello";

function feed(reader: ResponseReader, text: string): number {
  return reader.take(Buffer.from(text, "latin1"), text.length);
}

describe("ResponseReader", () => {
  test("whole, then again on the same connection", () => {
    const reader = new ResponseReader();
    expect(feed(reader, answer)).toBe(1);
    expect([reader.status, reader.bodyLength]).toEqual([200, 5]);
    expect(feed(reader, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")).toBe(1);
    expect([reader.status, reader.bodyLength]).toEqual([503, 0]);
  });

  test("cut at any byte", () => {
    for (let cut = 1; cut < answer.length; cut++) {
      const reader = new ResponseReader();
      expect(feed(reader, answer.slice(0, cut))).toBe(0);
      expect(feed(reader, answer.slice(cut))).toBe(1);
      expect(reader.bodyLength).toBe(5);
    }
  });

  const unreadable = {
    "more than was asked for": `${answer}H`,
    "no length": "HTTP/1.1 200 OK\r\nx: y\r\n\r\n",
    "not HTTP": "SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n\r\n",
    "an endless head": `HTTP/1.1 200 OK\r\nx: ${"y".repeat(9000)}`,
  };
  for (const [what, text] of Object.entries(unreadable)) {
    test(`${what} is refused`, () => expect(feed(new ResponseReader(), text)).toBe(-1));
  }
});
