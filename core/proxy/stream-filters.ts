/**
 * The filters on one stream: what has passed them goes on to the router or to the client, what they ask for is done
 * to the stream. It sees to it that messages stay well framed whatever filters do to them, and that a client that
 * waits for a 100 is not left waiting by a filter that waits for the body.
 *
 * Laws: what a head declares is what is delivered, or the stream is cut, visibly. A filter that holds an answer holds
 * copies of what the upstream's connection needs for its next one. Used for one stream after another.
 */
import { parseDecimalText } from "../bytes/ascii.ts";
import type { PerFilterConfig } from "../config/model.ts";
import type { Body } from "../filter/body.ts";
import { type ChainOwner, FilterChain } from "../filter/chain.ts";
import type { FilterReply } from "../filter/filter.ts";
import type { FilterSlot } from "../filter/filter-slot.ts";
import type { Fields } from "../http/fields.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import { AsTunnel, ByChunks, ByLength, type Framing, NoBody } from "../http1/message-parser.ts";
import { PausedByFilter } from "./pressure.ts";
import type { Stream } from "./stream.ts";

const CONTENT_LENGTH = known("content-length");

const MISDECLARED = "filter_changed_declared_length";

export class StreamFilters implements ChainOwner {
  private readonly chain = new FilterChain(this);
  private current: Stream | null = null;
  private routeStale = false;
  /** How the answer's body is delimited where it comes from, and its length (-1: not known). */
  private answerFraming: Framing = NoBody;
  private answerLength = -1;
  /** Bytes that the heads which have gone on still promise, -1 if they promised nothing. */
  private requestOwed = -1;
  private answerOwed = -1;

  // ── The stream's side ─────────────────────────────────────────────────────────────────────────────────────

  /** Makes the filters for a stream; false if it goes without any. */
  open(stream: Stream, slots: readonly FilterSlot[]): boolean {
    this.current = stream;
    this.routeStale = false;
    this.requestOwed = -1;
    this.answerOwed = -1;
    return this.chain.open(slots, stream.manager.bufferLimit);
  }

  /** The request's head was admitted; `ends`: it has no body and is no tunnel. */
  requestHead(ends: boolean): void {
    const { chain, stream } = this;
    chain.requestLeg.head(ends);
    if (stream.expects100 && this.current !== null && !chain.requestLeg.headPassed) stream.continueNow();
  }

  requestData(bytes: Uint8Array, start: number, end: number): void {
    this.chain.requestLeg.data(bytes, start, end);
  }

  requestEnd(trailers: Fields | null): void {
    this.chain.requestLeg.end(trailers);
  }

  /** The answer's head; `framing` and `length` say how its source delimits the body. */
  responseHead(framing: Framing, length: number, ends: boolean): void {
    const { chain, stream } = this;
    this.answerFraming = framing;
    this.answerLength = length;
    chain.openResponse(stream.manager.bufferLimit);
    chain.responseLeg.head(ends);
  }

  responseData(bytes: Uint8Array, start: number, end: number): void {
    this.chain.responseLeg.data(bytes, start, end);
  }

  responseEnd(trailers: Fields | null): void {
    const { chain } = this;
    chain.responseLeg.end(trailers);
    // What is held now is held beyond the upstream's part in it.
    if (this.current === null || chain.responseLeg.ended) return;
    this.stream.keepAnswer();
    if (trailers !== null) chain.responseLeg.trailers = trailers.copy();
  }

  /** The request goes no further: it is answered here. */
  stopRequest(): void {
    this.chain.requestLeg.stop();
  }

  /** The answer under way is replaced or cut: no filter sees more of it. */
  stopResponse(): void {
    this.chain.responseLeg.stop();
  }

  /** A filter stops the upstream from sending. */
  get holdsUpstream(): boolean {
    return this.chain.responseLeg.pressed;
  }

  /** The stream is over. */
  log(): void {
    this.chain.stop();
    this.chain.log();
    this.current = null;
  }

  private get stream(): Stream {
    return this.current as Stream;
  }

  // ── The chain's side ──────────────────────────────────────────────────────────────────────────────────────

  get info(): StreamInfo {
    return this.stream;
  }

  get request(): RequestHead {
    return this.stream.request;
  }

  get response(): ResponseHead | null {
    return this.current === null ? null : this.current.response;
  }

  filterOverride(name: string): PerFilterConfig | null {
    const { route } = this.stream;
    return route === null || route.perFilter === null ? null : (route.perFilter.get(name) ?? null);
  }

  forwardHead(ends: boolean): void {
    const { stream } = this;
    const { fields } = stream.request;
    if (this.routeStale) {
      this.routeStale = false;
      if (!stream.chooseRoute()) return;
    }
    if (!ends && stream.upgrade === "") {
      const length = this.chain.requestLeg.changedBody ? -1 : declaredLength(fields);
      stream.requestFraming = length < 0 ? ByChunks : ByLength;
      stream.requestLength = Math.max(length, 0);
      this.requestOwed = length;
    }
    stream.forward(ends || stream.upgrade !== "");
  }

  forwardBody(body: Body): void {
    if (this.requestOwed >= 0) {
      this.requestOwed -= body.size;
      if (this.requestOwed < 0) {
        this.stream.resetByFilter(MISDECLARED);
        return;
      }
    }
    body.replay(this);
  }

  /** A piece of what `forwardBody` was given. */
  sendBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.current !== null) this.current.forwardData(bytes, start, end);
  }

  forwardEnd(trailers: Fields | null): void {
    if (this.requestOwed > 0) this.stream.resetByFilter(MISDECLARED);
    else this.stream.forwardEnd(trailers);
  }

  answerHead(ends: boolean): void {
    const { stream } = this;
    const head = stream.response as ResponseHead;
    let framing = this.answerFraming;
    let length = this.answerLength;
    if (framing !== AsTunnel) {
      const declared = this.chain.responseLeg.changedBody ? -1 : declaredLength(head.fields);
      if (framing === NoBody || ends) length = declared;
      else {
        if (declared >= 0) framing = ByLength;
        else if (framing === ByLength) framing = ByChunks;
        length = declared;
        this.answerOwed = stream.request.method === "HEAD" ? -1 : declared;
      }
    }
    stream.writeHead(head, framing, length, ends);
  }

  answerBody(body: Body): void {
    if (this.answerOwed >= 0) {
      this.answerOwed -= body.size;
      if (this.answerOwed < 0) {
        this.stream.resetByFilter(MISDECLARED);
        return;
      }
    }
    body.replay(this.answerSink);
  }

  private readonly answerSink = {
    sendBody: (bytes: Uint8Array, start: number, end: number): void => {
      if (this.current !== null) this.current.writeBody(bytes, start, end);
    },
  };

  answerEnd(trailers: Fields | null): void {
    if (this.answerOwed > 0) this.stream.resetByFilter(MISDECLARED);
    else this.stream.writeEnd(trailers);
  }

  pressRequest(on: boolean): void {
    const { pressure } = this.stream.connection;
    if (on) pressure.press(PausedByFilter);
    else pressure.release(PausedByFilter);
  }

  pressResponse(on: boolean): void {
    if (on) this.stream.pauseAnswer();
    else this.stream.resumeAnswer();
  }

  requestTooLarge(): void {
    this.stream.reply(413, "Payload Too Large", "request_payload_too_large", "");
  }

  responseTooLarge(): void {
    this.stream.reply(500, "Internal Server Error", "response_payload_too_large", "");
  }

  respond(reply: FilterReply): void {
    const { status, body, details, headers, grpcStatus } = reply;
    this.stream.reply(status, body, details, "", headers, null, grpcStatus);
  }

  resetStream(details: string): void {
    this.stream.resetByFilter(details);
  }

  clearRouteCache(): void {
    this.routeStale = true;
  }
}

/** What a filtered head says about its length; a value that is no length is removed. */
function declaredLength(fields: Fields): number {
  if (!fields.hasId(CONTENT_LENGTH)) return -1;
  const length = parseDecimalText(fields.getId(CONTENT_LENGTH) as string, Number.MAX_SAFE_INTEGER);
  if (length < 0) fields.removeId(CONTENT_LENGTH);
  return length;
}
