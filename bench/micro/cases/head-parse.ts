/** From bytes to a head: whole in one chunk, as nearly always, and cut in two. */

import { toBytes } from "../../../core/bytes/ascii.ts";
import { DEFAULT_LIMITS } from "../../../core/http1/limits.ts";
import { RequestParser } from "../../../core/http1/request-parser.ts";
import { ResponseParser } from "../../../core/http1/response-parser.ts";
import type { MicroCase } from "../micro-case.ts";
import { BROWSER_REQUEST, RESPONSE, SMALL_REQUEST } from "./sample-heads.ts";
import { SilentSink } from "./silent-sink.ts";

function requests(name: string, chunks: readonly Uint8Array[]): MicroCase {
  return {
    name: `head parse: ${name}`,
    prepare: () => {
      const sink = new SilentSink();
      const parser = new RequestParser(sink, DEFAULT_LIMITS, "ALLOW", { copiedBytes: 0 });
      return (times) => {
        for (let i = 0; i < times; i++) {
          for (let c = 0; c < chunks.length; c++) parser.feed(chunks[c]);
          parser.next();
        }
        return sink.heads;
      };
    },
  };
}

const RESPONSES: MicroCase = {
  name: "head parse: response, 8 fields",
  prepare: () => {
    const sink = new SilentSink();
    const parser = new ResponseParser(sink, DEFAULT_LIMITS, { copiedBytes: 0 });
    return (times) => {
      for (let i = 0; i < times; i++) {
        parser.expect("GET", false);
        parser.feed(RESPONSE);
        parser.next();
      }
      return sink.heads;
    };
  },
};

const CHUNKED_BODY = toBytes(
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${"400\r\n"}${"x".repeat(1024)}\r\n0\r\n\r\n`,
);

export const HEAD_PARSE: readonly MicroCase[] = [
  requests("small request, 1 field", [SMALL_REQUEST]),
  requests("browser request, 15 fields", [BROWSER_REQUEST]),
  requests("browser request, cut in two", [BROWSER_REQUEST.slice(0, 400), BROWSER_REQUEST.slice(400)]),
  requests("request with a 1 KiB chunked body", [CHUNKED_BODY]),
  RESPONSES,
];
