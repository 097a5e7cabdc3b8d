/**
 * The filters on one stream: what has passed them goes on to the router or to the client, what they ask for is done
 * to the stream. It sees to it that messages stay well framed whatever filters do to them, and that a client that
 * waits for a 100 is not left waiting by a filter that waits for the body.
 *
 * Laws: what a head declares is what is delivered, or the stream is cut, visibly. A filter that holds an answer holds
 * copies of what the upstream's connection needs for its next one. A filter that throws costs its stream and nobody
 * else. Used for one stream after another, but never from inside of itself: the end of a stream may begin the next
 * one on the same connection before any of the calls below has returned.
 */
import { parseDecimalText } from "../bytes/ascii.ts";
import type { PerFilterConfig } from "../config/model.ts";
import type { Body } from "../filter/body.ts";
import { type ChainOwner, FilterChain } from "../filter/chain.ts";
import type { FilterReply } from "../filter/filter.ts";
import type { FilterContext } from "../filter/filter-context.ts";
import type { FilterSlot } from "../filter/filter-slot.ts";
import type { Fields } from "../http/fields.ts";
import { AsTunnel, ByChunks, ByLength, type Framing, NoBody } from "../http/framing.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import { Timer } from "../time/timers.ts";
import { AdmittedStartLine, isRoutable } from "./filtered-request.ts";
import { PausedByFilter } from "./pressure.ts";
import type { Stream } from "./stream.ts";

const CONTENT_LENGTH = known("content-length");
const TE = known("te");

const MISDECLARED = "filter_changed_declared_length";
const THREW = "filter_exception";

/** So many are kept for streams to come. */
const MAX_IDLE = 1024;

export class StreamFilters implements ChainOwner {
  private readonly chain = new FilterChain(this);
  private readonly context: FilterContext;
  /** Where it waits for its next stream. */
  private readonly idle: StreamFilters[];
  private current: Stream | null = null;
  /** Calls that have not returned: while there are any it serves no other stream. */
  private depth = 0;
  /** A filter threw, so that the state of this is anybody's guess. */
  private broken = false;
  private routeStale = false;
  private readonly admitted = new AdmittedStartLine();
  /** How the answer's body is delimited where it comes from, and its length (-1: not known). */
  private answerFraming: Framing = NoBody;
  private answerLength = -1;
  /** Bytes that the heads which have gone on still promise, -1 if they promised nothing. */
  private requestOwed = -1;
  private answerOwed = -1;

  constructor(context: FilterContext, idle: StreamFilters[]) {
    this.context = context;
    this.idle = idle;
  }

  // ── The stream's side ─────────────────────────────────────────────────────────────────────────────────────

  /** Makes the filters for a stream; false if it goes without any, or was cut because one could not be made. */
  open(stream: Stream, slots: readonly FilterSlot[]): boolean {
    this.current = stream;
    this.routeStale = false;
    this.requestOwed = -1;
    this.answerOwed = -1;
    this.admitted.remember(stream);
    try {
      if (this.chain.open(slots, stream.manager.bufferLimit)) return true;
    } catch (error) {
      this.failed(error);
    }
    this.close();
    return false;
  }

  /** The request's head was admitted; `ends`: it has no body and is no tunnel. */
  requestHead(ends: boolean): void {
    const { requestLeg } = this.chain;
    this.depth++;
    try {
      requestLeg.head(ends);
    } catch (error) {
      this.failed(error);
    }
    if (this.current?.expects100 === true && !requestLeg.headPassed) this.current.continueNow();
    this.leave();
  }

  requestData(bytes: Uint8Array, start: number, end: number): void {
    this.stream.connection.services.bodyEnd.clear(); // a filter may hold it, or let more follow
    this.depth++;
    try {
      this.chain.requestLeg.data(bytes, start, end);
    } catch (error) {
      this.failed(error);
    }
    this.leave();
  }

  requestEnd(trailers: Fields | null): void {
    this.depth++;
    try {
      this.chain.requestLeg.end(trailers);
    } catch (error) {
      this.failed(error);
    }
    this.leave();
  }

  /** The answer's head; `framing` and `length` say how its source delimits the body. */
  responseHead(framing: Framing, length: number, ends: boolean): void {
    const { chain } = this;
    this.answerFraming = framing;
    this.answerLength = length;
    this.depth++;
    try {
      chain.openResponse(this.stream.manager.bufferLimit);
      chain.responseLeg.head(ends);
    } catch (error) {
      this.failed(error);
    }
    this.leave();
  }

  responseData(bytes: Uint8Array, start: number, end: number): void {
    this.stream.connection.services.bodyEnd.clear(); // a filter may hold it, or let more follow
    this.depth++;
    try {
      this.chain.responseLeg.data(bytes, start, end);
    } catch (error) {
      this.failed(error);
    }
    this.leave();
  }

  responseEnd(trailers: Fields | null): void {
    const { responseLeg } = this.chain;
    this.depth++;
    try {
      responseLeg.end(trailers !== null && trailers.count > 0 ? trailers : null);
    } catch (error) {
      this.failed(error);
    }
    if (this.current !== null && !responseLeg.ended) {
      // What is held now is held beyond the upstream's part in it.
      this.current.keepAnswer();
      if (responseLeg.trailers !== null) responseLeg.trailers = responseLeg.trailers.copy();
    }
    this.leave();
  }

  /** A call has returned. */
  private leave(): void {
    if (--this.depth === 0 && this.current === null) this.retire();
  }

  private retire(): void {
    if (!this.broken && this.idle.length < MAX_IDLE) this.idle.push(this);
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

  /** The stream is over: every filter is told. */
  close(): void {
    this.chain.stop();
    this.chain.log();
    this.current = null;
    this.admitted.forget();
    if (this.depth === 0) this.retire();
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
    const { route, random } = this.stream;
    const said = route === null ? null : route.perFilterFor(random);
    return said === null ? null : (said.get(name) ?? null);
  }

  resumeRequest(at: number): void {
    this.depth++;
    try {
      this.chain.requestLeg.resume(at);
    } catch (error) {
      this.failed(error);
    }
    this.leave();
  }

  resumeResponse(at: number): void {
    this.depth++;
    try {
      this.chain.responseLeg.resumeLink(at);
    } catch (error) {
      this.failed(error);
    }
    this.leave();
  }

  /** Cuts the stream, and throws again where nobody else's work is interrupted, and where it is counted. */
  failed(error: unknown): void {
    this.broken = true;
    const { timers, clock } = this.context;
    const again = new Timer(() => {
      throw error;
    });
    timers.arm(again, clock.now);
    this.current?.resetByFilter(THREW);
  }

  forwardHead(ends: boolean): void {
    const { stream } = this;
    const { fields } = stream.request;
    const changed = !this.admitted.isThatOf(stream);
    if (changed && !isRoutable(stream)) return;
    if (this.routeStale && (changed || !this.admitted.decidesRoute(stream))) {
      this.routeStale = false;
      const { upgrade } = stream;
      if (!stream.chooseRoute()) return;
      if (upgrade !== stream.upgrade) {
        // The new route knows nothing of that protocol: it is a request like any other, and ends here.
        stream.forward(true);
        return;
      }
    }
    if (!ends && stream.upgrade === "") {
      const known = stream.connection.message.contentLength;
      const length = this.chain.requestLeg.changedBody ? -1 : declaredLength(fields, known);
      stream.requestFraming = length < 0 ? ByChunks : ByLength;
      stream.requestLength = Math.max(length, 0);
      this.requestOwed = length;
    }
    if (fields.hasId(TE) && fields.getId(TE) === "trailers") stream.trailers = true;
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
    if (!this.maySay(head.status)) {
      stream.reply(502, "", "filter_removed_required_response_headers", "");
      return;
    }
    if (framing !== AsTunnel) {
      length = this.chain.responseLeg.changedBody ? -1 : declaredLength(head.fields, length);
      if (framing === NoBody || ends) {
        // Only these may declare what does not follow.
        if (!stream.toHead && head.status !== 304) length = Math.min(length, 0);
      } else {
        if (length >= 0) framing = ByLength;
        else if (framing === ByLength) framing = ByChunks;
        this.answerOwed = stream.toHead ? -1 : length;
      }
    }
    stream.responseCode = head.status;
    stream.writeHead(head, framing, length, ends);
  }

  /** A filter may choose the status of an answer, but not make or unmake a tunnel, or an answer that is none. */
  private maySay(status: number): boolean {
    if (this.answerFraming !== AsTunnel) return status >= 200 && status <= 999 && Number.isInteger(status);
    return this.stream.upgrade === "connect" ? status >= 200 && status < 300 : status === 101;
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
    const { body, details, headers, grpcStatus } = reply;
    const status = reply.status >= 200 && reply.status <= 599 ? Math.floor(reply.status) : 500;
    this.stream.reply(status, body, details, "", headers, null, grpcStatus);
  }

  resetStream(details: string): void {
    this.stream.resetByFilter(details);
  }

  clearRouteCache(): void {
    this.routeStale = true;
  }
}

/**
 * What a filtered head says about its length; a value that is no length is removed. `known` is what the codec has read
 * in a field that is still as it came.
 */
function declaredLength(fields: Fields, known: number): number {
  if (!fields.hasId(CONTENT_LENGTH)) return -1;
  if (known >= 0 && fields.spans[(fields.slotOfId(CONTENT_LENGTH, 0) << 2) + 2] >= 0) return known;
  const length = parseDecimalText(fields.getId(CONTENT_LENGTH) as string, Number.MAX_SAFE_INTEGER);
  if (length < 0) fields.removeId(CONTENT_LENGTH);
  return length;
}
