/** The machine that requests and responses share: what waits for `next`, what FIN means in each state, and stopping in any callback. */
import { describe, expect, test } from "bun:test";
import { latin1, toBytes } from "../../../core/bytes/ascii.ts";
import { AsTunnel } from "../../../core/http/framing.ts";
import { DEFAULT_LIMITS } from "../../../core/http1/limits.ts";
import type { MessageSink } from "../../../core/http1/message-parser.ts";
import { RequestParser } from "../../../core/http1/request-parser.ts";
import { ResponseParser } from "../../../core/http1/response-parser.ts";

type Event = "head" | "body" | "end" | "fault";

/** A parser and the list of what it reported. `on` may act in the middle of a report. */
function parsing(
  side: "request" | "response" = "request",
  on: (event: Event, text: string) => void = () => {},
) {
  const seen: string[] = [];
  const tell = (event: Event, text: string) => {
    seen.push(text === "" ? event : `${event} ${text}`);
    on(event, text);
  };
  const sink: MessageSink = {
    onHead: () =>
      tell("head", parser instanceof RequestParser ? parser.head.path : String(parser.head.status)),
    onBody: (bytes, start, end) => tell("body", latin1(bytes, start, end)),
    onMessageEnd: () => tell("end", ""),
    onFault: (fault) => tell("fault", fault.code.replace("http1.", "")),
  };
  const copied = { copiedBytes: 0 };
  const parser: RequestParser | ResponseParser =
    side === "request"
      ? new RequestParser(sink, DEFAULT_LIMITS, "ALLOW", copied)
      : new ResponseParser(sink, DEFAULT_LIMITS, copied);
  if (parser instanceof ResponseParser) parser.expect("GET", false);
  const feed = (text: string) => parser.feed(toBytes(text));
  const take = () => seen.splice(0);
  return { parser, feed, take };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
const LENGTH = "POST /l HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n";
const CHUNKS = "POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

describe("one message at a time", () => {
  test("what comes behind a message waits until it is asked for, in order", () => {
    const { parser, feed, take } = parsing();
    expect([parser.idle, parser.done]).toEqual([true, false]);
    feed(get("/1") + get("/2") + LENGTH.slice(0, 20));
    expect(take()).toEqual(["head /1", "end"]);
    feed(LENGTH.slice(20));
    feed("abc");
    feed(get("/4"));
    expect(take()).toEqual([]);
    expect([parser.idle, parser.done]).toEqual([false, true]);
    expect(parser.restLength).toBe(get("/2").length + LENGTH.length + 3 + get("/4").length);

    parser.next();
    expect(take()).toEqual(["head /2", "end"]);
    parser.next();
    expect(take()).toEqual(["head /l", "body abc", "end"]);
    expect(parser.restLength).toBe(get("/4").length);
    parser.next();
    expect(take()).toEqual(["head /4", "end"]);
    expect([parser.restLength, parser.idle]).toEqual([0, false]);
    parser.next();
    expect([take(), parser.idle, parser.done]).toEqual([[], true, false]);
  });

  test("asking for the next from within the end of the last", () => {
    const { parser, feed, take } = parsing("request", (event) => {
      if (event === "end") parser.next();
    });
    feed(get("/1") + get("/2").slice(0, 9));
    feed(get("/2").slice(9) + get("/3"));
    expect(take()).toEqual(["head /1", "end", "head /2", "end", "head /3", "end"]);
    expect(parser.idle).toBe(true);
  });

  test("asking in the middle of a message changes nothing", () => {
    const { parser, feed, take } = parsing();
    feed(`${LENGTH}ab`);
    parser.next();
    feed("c");
    expect(take()).toEqual(["head /l", "body ab", "body c", "end"]);
  });

  test("a body is told as ranges of the chunks that it came in", () => {
    const chunks: Uint8Array[] = [];
    const { parser, take } = parsing();
    const { sink } = parser as unknown as { sink: MessageSink };
    const told = sink.onBody;
    sink.onBody = (bytes, start, end) => {
      chunks.push(bytes);
      told(bytes, start, end);
    };
    const first = toBytes(`${LENGTH}a`);
    const second = toBytes("bc");
    parser.feed(first);
    parser.feed(second);
    expect(take()).toEqual(["head /l", "body a", "body bc", "end"]);
    expect([chunks[0] === first, chunks[1] === second, chunks.length]).toEqual([true, true, 2]);
  });

  test("a message without a body has no trailers of the one before", () => {
    const { parser, feed, take } = parsing();
    feed(`${CHUNKS}0\r\nx-t: 1\r\n\r\n${get("/2")}`);
    expect(parser.trailers.get("x-t")).toBe("1");
    parser.next();
    expect([take().at(-1), parser.trailers.get("x-t")]).toEqual(["end", null]);
  });
});

describe("the end of the connection", () => {
  test.each<[string, "request" | "response", string, string[]]>([
    ["before anything", "request", "", []],
    ["behind empty lines", "request", "\r\n\r\n", []],
    ["in a start line", "request", "GET", ["fault incomplete"]],
    ["in a head", "request", "GET / HTTP/1.1\r\nhost: a\r\n", ["fault incomplete"]],
    ["behind a whole request", "request", get("/"), ["head /", "end"]],
    ["in a body with a length", "request", `${LENGTH}ab`, ["head /l", "body ab", "fault incomplete"]],
    ["in a chunk", "request", `${CHUNKS}3\r\nab`, ["head /c", "body ab", "fault incomplete"]],
    ["before the last chunk", "request", `${CHUNKS}1\r\na\r\n`, ["head /c", "body a", "fault incomplete"]],
    ["before the trailers' end", "request", `${CHUNKS}0\r\n`, ["head /c", "fault incomplete"]],
    ["of a body until close", "response", "HTTP/1.1 200 OK\r\n\r\nab", ["head 200", "body ab", "end"]],
    ["behind an interim answer", "response", "HTTP/1.1 103 E\r\n\r\n", ["head 103"]],
    ["behind a fault", "request", "\0", ["fault start_line"]],
  ])("%s", (_, side, bytes, lines) => {
    const { parser, feed, take } = parsing(side);
    if (bytes !== "") feed(bytes);
    parser.finish();
    expect(take()).toEqual(lines);
    parser.finish();
    feed("more");
    expect(take()).toEqual([]);
  });
});

describe("after a fault, and after `stop`, nothing is told", () => {
  test("whatever else is in the chunk or comes later", () => {
    const { parser, feed, take } = parsing();
    feed(`GET /\0${get("/2")}`);
    feed(get("/3"));
    parser.next();
    parser.finish();
    expect(take()).toEqual(["fault start_line"]);
    expect([parser.failed, parser.restLength]).toEqual([true, 0]);
  });

  test.each<[Event, string, string[]]>([
    ["head", get("/1") + get("/2"), ["head /1"]],
    ["head", `${LENGTH}abc${get("/2")}`, ["head /l"]],
    ["head", `${CHUNKS}1\r\na\r\n0\r\n\r\n`, ["head /c"]],
    ["body", `${LENGTH}abc${get("/2")}`, ["head /l", "body abc"]],
    ["body", `${CHUNKS}1\r\na\r\n1\r\nb\r\n0\r\n\r\n`, ["head /c", "body a"]],
    ["end", get("/1") + get("/2"), ["head /1", "end"]],
  ])("stopped in %s of %j", (when, bytes, lines) => {
    const { parser, feed, take } = parsing("request", (event) => {
      if (event === when) parser.stop();
    });
    feed(bytes);
    parser.next();
    feed(bytes);
    expect(take()).toEqual(lines);
  });

  test("stopped in an interim answer", () => {
    const { parser, feed, take } = parsing("response", () => parser.stop());
    feed("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    expect(take()).toEqual(["head 100"]);
  });
});

describe("a tunnel", () => {
  test("begins with what came behind the request, in order, and never ends by a FIN of ours to judge", () => {
    const { parser, feed, take } = parsing();
    feed(`${get("/1")}early `);
    feed("bytes ");
    take();
    parser.enterTunnel();
    expect([take(), parser.framing, parser.restLength]).toEqual([
      ["body early ", "body bytes "],
      AsTunnel,
      0,
    ]);
    feed("GET \0\r\n");
    parser.finish();
    expect(take()).toEqual(["body GET \0\r\n"]);
  });

  test("does not begin in the middle of a message", () => {
    const { parser, feed, take } = parsing();
    feed(`${LENGTH}a`);
    parser.enterTunnel();
    feed(`bc${get("/2")}`);
    expect(take()).toEqual(["head /l", "body a", "body bc", "end"]);
  });

  test("stopped in its first bytes tells no more", () => {
    const { parser, feed, take } = parsing("request", (event) => {
      if (event === "body") parser.stop();
    });
    feed(`${get("/1")}a`);
    feed("b");
    parser.enterTunnel();
    expect(take()).toEqual(["head /1", "end", "body a"]);
  });
});
