/** Heads as the codec leaves them, for benches of what comes after it. */
import type { RequestHead, ResponseHead } from "../../../core/http/head.ts";
import { DEFAULT_LIMITS } from "../../../core/http1/limits.ts";
import { RequestParser } from "../../../core/http1/request-parser.ts";
import { ResponseParser } from "../../../core/http1/response-parser.ts";
import { SilentSink } from "./silent-sink.ts";

export function parsedRequest(bytes: Uint8Array): RequestHead {
  const parser = new RequestParser(new SilentSink(), DEFAULT_LIMITS, "ALLOW", { copiedBytes: 0 });
  parser.feed(bytes);
  return parser.head;
}

/** The answer to a GET. */
export function parsedResponse(bytes: Uint8Array): ResponseHead {
  const parser = new ResponseParser(new SilentSink(), DEFAULT_LIMITS, { copiedBytes: 0 });
  parser.expect("GET", false);
  parser.feed(bytes);
  return parser.head;
}
