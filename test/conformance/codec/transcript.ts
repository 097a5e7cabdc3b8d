/**
 * Runs our codec on bytes cut in any way and writes down what it reports, so that two runs can be compared. The
 * parser is behind a small interface: a deliberately broken one can take its place (see positive-control.test.ts).
 */
import { toBytes } from "../../../core/bytes/ascii.ts";
import type { Fault } from "../../../core/errors.ts";
import type { Fields } from "../../../core/http/fields.ts";
import { DEFAULT_LIMITS } from "../../../core/http1/limits.ts";
import type { MessageParser } from "../../../core/http1/message-parser.ts";
import { RequestParser } from "../../../core/http1/request-parser.ts";
import { ResponseParser } from "../../../core/http1/response-parser.ts";
import { type Chunking, cut } from "../../support/exchange.ts";

export interface ParsedMessage {
  readonly start: string;
  readonly authority: string;
  readonly fields: readonly string[];
  readonly framing: number;
  body: string;
  trailers: readonly string[];
  complete: boolean;
}

export interface Transcript {
  readonly messages: readonly ParsedMessage[];
  /** Code of the fault that ended it, or "". Where two rules are broken, which one is named may depend on the cut. */
  readonly fault: string;
  /** What the fault is answered with, 0 without one. */
  readonly status: number;
  /** Reports that came after the fault: always 0. */
  readonly afterFault: number;
}

/** How bytes get into a parser; the identity for the real one. */
export type Feed = (parser: MessageParser, chunk: Uint8Array) => void;

export const feedAsIs: Feed = (parser, chunk) => parser.feed(chunk);

function list(fields: Fields): string[] {
  const out: string[] = [];
  for (let slot = 0; slot < fields.slots; slot++) {
    if (fields.live(slot)) out.push(`${fields.nameAt(slot)}: ${fields.valueAt(slot)}`);
  }
  return out;
}

class Recorder {
  readonly messages: ParsedMessage[] = [];
  fault = "";
  status = 0;
  afterFault = 0;
  parser!: RequestParser | ResponseParser;

  onHead(): void {
    if (this.fault !== "") this.afterFault++;
    const { head, framing } = this.parser;
    const request = "method" in head;
    this.messages.push({
      start: request ? `${head.method} ${head.path} ${head.version}` : `${head.status} ${head.version}`,
      authority: request ? head.authority : "",
      fields: list(head.fields),
      framing,
      body: "",
      trailers: [],
      complete: false,
    });
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.fault !== "") this.afterFault++;
    const message = this.messages[this.messages.length - 1];
    for (let i = start; i < end; i++) message.body += String.fromCharCode(bytes[i]);
  }

  onMessageEnd(): void {
    if (this.fault !== "") this.afterFault++;
    const message = this.messages[this.messages.length - 1];
    message.complete = true;
    message.trailers = list(this.parser.trailers);
  }

  onFault(fault: Fault): void {
    if (this.fault !== "") this.afterFault++;
    else {
      this.fault = fault.code;
      this.status = fault.status;
    }
  }
}

function run(recorder: Recorder, text: string, chunking: Chunking, finish: boolean, feed: Feed): Transcript {
  const { parser } = recorder;
  const advance = () => {
    for (let guard = 0; parser.done && guard < 10_000; guard++) {
      if (parser instanceof ResponseParser) parser.expect("GET", false);
      parser.next();
    }
  };
  for (const piece of cut(text, chunking)) {
    feed(parser, toBytes(piece));
    advance();
  }
  if (finish) {
    parser.finish();
    advance();
  }
  const { messages, fault, status, afterFault } = recorder;
  return { messages, fault, status, afterFault };
}

export function parseRequests(
  text: string,
  chunking: Chunking = "whole",
  finish = true,
  feed: Feed = feedAsIs,
): Transcript {
  const recorder = new Recorder();
  recorder.parser = new RequestParser(recorder, DEFAULT_LIMITS, "ALLOW", { copiedBytes: 0 });
  return run(recorder, text, chunking, finish, feed);
}

export function parseResponses(
  text: string,
  chunking: Chunking = "whole",
  finish = true,
  feed: Feed = feedAsIs,
): Transcript {
  const recorder = new Recorder();
  const parser = new ResponseParser(recorder, DEFAULT_LIMITS, { copiedBytes: 0 });
  parser.expect("GET", false);
  recorder.parser = parser;
  return run(recorder, text, chunking, finish, feed);
}
