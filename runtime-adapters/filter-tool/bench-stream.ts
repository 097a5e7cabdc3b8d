/**
 * An HTTP stream without a network, for measuring one filter: a request of a browser as it comes from the wire, an
 * answer of an upstream, and the callbacks that a chain gives its filters. One object serves all requests.
 *
 * Law: nothing is allocated per request beyond what a filter causes.
 */
import { toBytes } from "../../core/bytes/ascii.ts";
import type { Body } from "../../core/filter/body.ts";
import type { Filter, FilterCallbacks, FilterReply } from "../../core/filter/filter.ts";
import { Continue, Respond, type Verdict } from "../../core/filter/verdict.ts";
import { Fields } from "../../core/http/fields.ts";
import { RequestHead, ResponseHead } from "../../core/http/head.ts";
import type { StreamInfo } from "../../core/http/stream-info.ts";
import type { Address } from "../../core/io/socket.ts";

const REQUEST = `host: shop.example
user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
accept-language: en-GB,en;q=0.5
accept-encoding: gzip, deflate, br
cookie: session=6ba7b8109dad41d180b400c04fd430c8; theme=dark
x-request-id: 6ba7b810-9dad-41d1-80b4-00c04fd430c8
x-user: ada
x-forwarded-proto: http`;

const RESPONSE = `server: app
content-type: application/json
content-length: 65
cache-control: no-cache
date: Sat, 21 Nov 2026 08:00:00 GMT`;

/** Fields as a codec leaves them: places in the bytes that came. */
class WireFields {
  private readonly bytes: Uint8Array;
  private readonly places: readonly (readonly [number, number, number, number])[];

  constructor(text: string) {
    this.bytes = toBytes(text);
    let at = 0;
    this.places = text.split("\n").map((line) => {
      const [start, colon] = [at, at + line.indexOf(":")];
      at += line.length + 1;
      return [start, colon, colon + 2, start + line.length];
    });
  }

  fill(fields: Fields): void {
    fields.bytes = this.bytes;
    for (const [a, b, c, d] of this.places) fields.push(a, b, c, d);
  }
}

const REQUEST_FIELDS = new WireFields(REQUEST);
const RESPONSE_FIELDS = new WireFields(RESPONSE);

export class BenchStream implements FilterCallbacks {
  readonly request: RequestHead = new RequestHead();
  response: ResponseHead | null = null;
  readonly heldRequest: Body | null = null;
  readonly heldResponse: Body | null = null;
  requestTrailers: Fields | null = null;
  responseTrailers: Fields | null = null;
  readonly info: StreamInfo;
  /** What became of the requests so far. */
  passed = 0;
  answered = 0;
  /** Held for good: nothing resumed them. */
  held = 0;
  private readonly answer: ResponseHead = new ResponseHead();
  private readonly path: string;
  /** The answer to calls of the filter, which come as soon as it waits. */
  private readonly answerCalls: () => boolean;
  private resumed = false;
  private replied = false;

  constructor(path: string, answerCalls: () => boolean) {
    this.path = path;
    this.answerCalls = answerCalls;
    this.info = infoOf(this);
  }

  /** One request from its head to the log; null = no filter. */
  exchange(filter: Filter | null): void {
    this.begin();
    this.replied = false;
    let goesOn = filter === null || this.passes(filter.onRequestHeaders?.(this.request, true) ?? Continue);
    if (goesOn || this.replied) {
      this.beginAnswer();
      const verdict = filter?.onResponseHeaders?.(this.answer, this.replied) ?? Continue;
      if (!this.replied) goesOn = this.passes(verdict);
    }
    if (this.replied) this.answered++;
    else if (goesOn) this.passed++;
    else this.held++;
    filter?.onLog?.();
  }

  /** Counts anew. */
  forgetFates(): void {
    this.passed = 0;
    this.answered = 0;
    this.held = 0;
  }

  private begin(): void {
    const { request } = this;
    request.clear();
    request.method = "GET";
    request.path = this.path;
    request.authority = "shop.example";
    REQUEST_FIELDS.fill(request.fields);
    this.response = null;
    this.requestTrailers = null;
    this.responseTrailers = null;
  }

  private beginAnswer(): void {
    const { answer } = this;
    answer.clear();
    answer.status = 200;
    RESPONSE_FIELDS.fill(answer.fields);
    this.response = answer;
  }

  /** True if the message goes on, at once or when the filter's calls have been answered. */
  private passes(verdict: Verdict): boolean {
    if (verdict === Continue) return true;
    if (verdict === Respond) return false;
    this.resumed = false;
    while (!this.resumed && !this.replied && this.answerCalls());
    return this.resumed;
  }

  continueRequest(): void {
    this.resumed = true;
  }

  continueResponse(): void {
    this.resumed = true;
  }

  respond(_reply: FilterReply): void {
    this.replied = true;
  }

  reset(): void {
    this.replied = true;
  }

  clearRouteCache(): void {}

  addRequestTrailers(): Fields {
    this.requestTrailers ??= new Fields();
    return this.requestTrailers;
  }

  addResponseTrailers(): Fields {
    this.responseTrailers ??= new Fields();
    return this.responseTrailers;
  }

  addResponseBody(): void {}
}

function infoOf(stream: BenchStream): StreamInfo {
  const at = (ip: string, port: number): Address => ({ ip, port, path: "" });
  return {
    request: stream.request,
    get response() {
      return stream.response;
    },
    responseTrailers: null,
    startWall: 1.8e12,
    requestReceived: 0,
    upstreamRequestSent: 0,
    upstreamResponseStarted: 1,
    upstreamResponseEnded: 1,
    responseStarted: 1,
    duration: -1,
    responseCode: 200,
    responseCodeDetails: "via_upstream",
    connectionTerminationDetails: "",
    flags: [],
    bytesReceived: 0,
    bytesSent: 65,
    headerBytesReceived: REQUEST.length,
    headerBytesSent: RESPONSE.length,
    upstreamBytesReceived: 65,
    upstreamBytesSent: 0,
    routeName: "",
    virtualHostName: "all",
    clusterName: "upstream",
    clusterStatName: "upstream",
    upstreamHost: at("10.0.0.1", 8080),
    upstreamLocal: at("10.0.0.2", 50_000),
    upstreamFailure: "",
    upstreamAttempts: 1,
    downstreamLocal: at("10.0.0.2", 80),
    downstreamDirectRemote: at("10.0.0.9", 40_000),
    downstreamRemote: at("10.0.0.9", 40_000),
    requestedServerName: "",
    connectionId: 1,
    streamId: "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
    filterChainName: "",
    localReplyBody: "",
    parent: null,
    listener: null,
    route: null,
    cluster: null,
    endpoint: null,
  };
}
