import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { sha1, webSocketAccept } from "../../../core/bytes/websocket-accept.ts";
import { Random } from "../../../runtime-adapters/memory/random.ts";

test("the example of RFC 6455 1.3", () => {
  expect(webSocketAccept("dGhlIHNhbXBsZSBub25jZQ==")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

test("SHA-1 is that of the runtime, at every length around the edges of its blocks", () => {
  const random = new Random(7);
  for (let length = 0; length <= 200; length++) {
    const text = Array.from({ length }, () => String.fromCharCode(random.between(0, 255))).join("");
    const theirs = createHash("sha1").update(Buffer.from(text, "latin1")).digest();
    expect([length, Buffer.from(sha1(text)).equals(theirs)]).toEqual([length, true]);
  }
});

test("the answer is the whole digest in Base64, whatever the key", () => {
  const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  for (const key of ["", "x", "\xff\xfe\x00", "A".repeat(1000)]) {
    const theirs = createHash("sha1")
      .update(Buffer.from(key + guid, "latin1"))
      .digest("base64");
    expect(webSocketAccept(key)).toBe(theirs);
  }
});
