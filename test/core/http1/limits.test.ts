/** The fixed numbers of docs/limits.md, through the whole engine: what just fits is served, one more is what the page says. */
import { describe, expect, test } from "bun:test";
import { answers, get, gist, type StorySetup, story } from "../../support/engine-story.ts";

const n = (length: number, byte = "a") => byte.repeat(length);
const line = (length: number) => `GET /${n(length - "GET / HTTP/1.1".length)} HTTP/1.1\r\nhost: a\r\n\r\n`;
/** A head of exactly so many bytes, in fields that are themselves small. */
function head(first: string, length: number): string {
  const field = `x: ${n(995)}\r\n`;
  const room = length - first.length - 2;
  const whole = Math.floor((room - 6) / field.length);
  const last = room - whole * field.length;
  return `${first}${field.repeat(whole)}x: ${n(last - 5)}\r\n\r\n`;
}
const fields = (count: number) => Array.from({ length: count }, (_, i) => `x-${i}: 1\r\n`).join("");
const chunked = (body: string) => `POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${body}`;

test("the heads are as long as they should be", () => {
  expect(line(8192).indexOf("\r\n")).toBe(8192);
  expect(head("GET / HTTP/1.1\r\nhost: a\r\n", 61440)).toHaveLength(61440);
});

describe("requests", () => {
  test.each<[string, string, string, number]>([
    ["start line 8 KiB", line(8192), line(8193), 414],
    [
      "head 60 KiB",
      head("GET / HTTP/1.1\r\nhost: a\r\n", 61440),
      head("GET / HTTP/1.1\r\nhost: a\r\n", 61441),
      431,
    ],
    ["100 fields", get("/", fields(99)), get("/", fields(100)), 431],
    ["name 256 B", get("/", `${n(256)}: 1\r\n`), get("/", `${n(257)}: 1\r\n`), 431],
    ["value 16 KiB", get("/", `x: ${n(16384)}\r\n`), get("/", `x: ${n(16385)}\r\n`), 431],
    [
      "method 32 B",
      `${n(32, "M")} / HTTP/1.1\r\nhost: a\r\n\r\n`,
      `${n(33, "M")} / HTTP/1.1\r\nhost: a\r\n\r\n`,
      501,
    ],
    ["4 empty lines", `${"\r\n".repeat(4)}${get()}`, `${"\r\n".repeat(5)}${get()}`, 400],
    [
      "chunk size 16 digits",
      chunked(`${n(15, "0")}1\r\nx\r\n0\r\n\r\n`),
      chunked(`${n(16, "0")}1\r\nx\r\n`),
      400,
    ],
    [
      "chunk size 8 significant digits",
      chunked(`00000001\r\nx\r\n0\r\n\r\n`),
      chunked(`100000001\r\nx\r\n`),
      400,
    ],
    [
      "extensions 256 B on a line",
      chunked(`1;${n(255)}\r\nx\r\n0\r\n\r\n`),
      chunked(`1;${n(256)}\r\nx\r\n`),
      400,
    ],
    [
      "extensions 4 KiB in a message",
      chunked(`${`1;${n(255)}\r\nx\r\n`.repeat(16)}0\r\n\r\n`),
      chunked(`${`1;${n(255)}\r\nx\r\n`.repeat(16)}0;a\r\n\r\n`),
      400,
    ],
    ["trailers 8 KiB", chunked(`0\r\n${head("", 8192)}`), chunked(`0\r\n${head("", 8193)}`), 400],
    ["32 trailers", chunked(`0\r\n${fields(32)}\r\n`), chunked(`0\r\n${fields(33)}\r\n`), 400],
    [
      "Connection names 10",
      get("/", `connection: ${Array.from({ length: 10 }, (_, i) => `x-${i}`).join(", ")}\r\n`),
      get("/", `connection: ${Array.from({ length: 11 }, (_, i) => `x-${i}`).join(", ")}\r\n`),
      400,
    ],
  ])("%s", async (_, fits, tooMuch, status) => {
    const served = answersAll();
    const s = await story({ origins: [served] });
    expect(gist(s.client(fits).received)).toBe("200 ok");
    const refused = s.client(tooMuch);
    expect(gist(refused.received).slice(0, 3)).toBe(String(status));
    expect(refused.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("x-forwarded-for of 8 KiB is read, of more is passed on unread", async () => {
    const xff = (length: number) => `${n(length - 8, " ")} 9.9.9.9`;
    const s = await story({ log: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" });
    for (const length of [8192, 8193]) {
      const value = `,${xff(length - 1)}`;
      expect(value).toHaveLength(length);
      s.client(get("/", `x-forwarded-for: ${value}\r\n`));
    }
    expect(s.logs).toEqual(["9.9.9.9", "127.0.0.1"]);
    s.expectNothingLeft();
  });

  test("our own name may stand 4 times in via", async () => {
    const s = await story({ manager: { via: "mesh" } });
    const via = (times: number) => get("/", `via: ${Array(times).fill("1.1 mesh").join(", ")}\r\n`);
    expect(gist(s.client(via(4)).received)).toBe("200 ok");
    expect(gist(s.client(via(5)).received).slice(0, 3)).toBe("508");
    s.expectNothingLeft();
  });
});

describe("answers", () => {
  const END = "content-length: 0\r\n\r\n";
  const first = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n";
  test.each<[string, string, string]>([
    ["status line 8 KiB", `HTTP/1.1 200 ${n(8179)}\r\n${END}`, `HTTP/1.1 200 ${n(8180)}\r\n${END}`],
    ["head 60 KiB", head(first, 61440), head(first, 61441)],
    ["100 fields", `HTTP/1.1 200 OK\r\n${fields(99)}${END}`, `HTTP/1.1 200 OK\r\n${fields(100)}${END}`],
    ["name 256 B", `HTTP/1.1 200 OK\r\n${n(256)}: 1\r\n${END}`, `HTTP/1.1 200 OK\r\n${n(257)}: 1\r\n${END}`],
    [
      "value 16 KiB",
      `HTTP/1.1 200 OK\r\nx: ${n(16384)}\r\n${END}`,
      `HTTP/1.1 200 OK\r\nx: ${n(16385)}\r\n${END}`,
    ],
    [
      "16 interim answers",
      `${"HTTP/1.1 103 Early\r\n\r\n".repeat(16)}HTTP/1.1 200 OK\r\n${END}`,
      `${"HTTP/1.1 103 Early\r\n\r\n".repeat(17)}HTTP/1.1 200 OK\r\n${END}`,
    ],
  ])("%s", async (_, fits, tooMuch) => {
    for (const [answer, status] of [
      [fits, "200"],
      [tooMuch, "502"],
    ]) {
      const s = await story({ origins: [answers(answer)] });
      const received = s.client(get()).received.replaceAll(/HTTP\/1\.1 103 [^\r]*\r\n\r\n/g, "");
      expect([status, received.slice(9, 12)]).toEqual([status, status]);
      s.expectNothingLeft();
    }
  });
});

/** Answers each whole request, however it is framed. */
function answersAll(): NonNullable<NonNullable<StorySetup["origins"]>[number]> {
  return (peer) => {
    if (!peer.received.endsWith("\r\n\r\n")) return;
    if (/^POST/.test(peer.received) && !/\r\n0\r\n(.+\r\n)*\r\n$/.test(peer.received)) return;
    peer.take();
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  };
}
