/**
 * One request and its answer. It has the request admitted (admission.ts), finds its route,
 * hands it to the filters and the router, and carries the answer back to the connection. What happened is
 * kept in the record that it extends.
 *
 * Laws: at most one answer; after `finish` nothing happens any more; the log is written exactly once, while both
 * heads are still there.
 */

import { toBytes } from "../bytes/ascii.ts";
import type { Fault, ResponseFlag } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { ByLength, type Framing, NoBody } from "../http/framing.ts";
import { DEADLINE_EXCEEDED, isGrpc } from "../http/grpc.ts";
import type { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import { reasonPhrase } from "../http/status.ts";
import type { Circumstances } from "../route/circumstances.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import { admit } from "./admission.ts";
import type { DownstreamExchange } from "./downstream-exchange.ts";
import type { Forwarder } from "./forwarder.ts";
import { chooseRoute, followRoute } from "./route-request.ts";
import { MAX_DISCARDED_BYTES, StreamAnswer } from "./stream-answer.ts";
import type { StreamFilters } from "./stream-filters.ts";
import type { StreamDeadlines } from "./stream-timers.ts";

const CONTENT_LENGTH = known("content-length");

/** How long the rest of an answered request is read and thrown away before its connection closes, ms. */
const MAX_DISCARD_MS = 5000;

/** More fields for a local reply: lower-case name, value. */
export type ReplyHeaders = readonly (readonly [string, string])[];
const NO_HEADERS: ReplyHeaders = [];

export class Stream extends StreamAnswer implements StreamDeadlines, Circumstances {
  /** `TE: trailers` was asked for. */
  trailers = false;
  /** How the body that goes upstream is delimited. */
  requestFraming: Framing;
  requestLength: number;
  /** One random number per request for all routing decisions. */
  readonly random: number;

  private router: Forwarder | null = null;
  /** Null if there are none. */
  private filters: StreamFilters | null = null;
  private responseEnded = false;
  /** The answer passes no filter. */
  private bypass = false;
  private discarded = 0;

  constructor(connection: DownstreamExchange) {
    super(connection);
    this.requestFraming = connection.message.framing;
    this.requestLength = connection.message.contentLength;
    this.random = connection.services.random32();
    this.manager.requestBegun(connection.http2);
  }

  // ── The request ───────────────────────────────────────────────────────────────────────────────────────────

  /** The head is complete. */
  begin(endOfStream: boolean): void {
    this.armTimers(endOfStream);
    if (!admit(this) || !chooseRoute(this, endOfStream)) return;
    this.filters = this.manager.filters.open(this);
    if (this.filters !== null) this.filters.requestHead(endOfStream && this.upgrade === "");
    else if (!this.done) this.forward(endOfStream);
  }

  /** Finds the route again: a filter has changed what it depends on. False if the request was answered. */
  chooseRoute(): boolean {
    return chooseRoute(this, this.requestIsEmpty());
  }

  /** The filters have let the head pass. */
  forward(endOfStream: boolean): void {
    this.router = followRoute(this, endOfStream);
    this.router?.start();
  }

  forwardData(bytes: Uint8Array, start: number, end: number): void {
    this.router?.onData(bytes, start, end);
  }

  forwardEnd(trailers: Fields | null): void {
    this.router?.onEnd(this.passTrailers(trailers, this.request.fields));
  }

  /** So many bytes of the request would go on at once, and nothing of them be kept. */
  get requestPassing(): number {
    return this.filters === null && this.router !== null ? this.router.passing : 0;
  }

  /** The same for the answer. */
  get answerPassing(): number {
    return this.filters === null || this.bypass ? this.connection.direct : 0;
  }

  onRequestBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.done) return;
    this.bytesReceived += end - start;
    if (this.responseEnded && !this.tunnelOpen) {
      // Row F14: what is left of an answered request is read and thrown away, up to a limit.
      this.discarded += end - start;
      if (this.discarded > MAX_DISCARDED_BYTES) this.finish(false);
      return;
    }
    this.touch();
    if (this.filters === null) this.forwardData(bytes, start, end);
    else this.filters.requestData(bytes, start, end);
  }

  /** The request is complete (or, in a tunnel, the client sent FIN). */
  onRequestEnd(trailers: Fields | null): void {
    if (this.done || this.requestEnded) return;
    this.requestEnded = true;
    this.requestReceived = this.elapsed();
    const { services, timers } = this.connection;
    services.timers.cancel(timers.request);
    if (this.tunnelOpen && !this.responseEnded) this.leftByClient();
    if (!this.responseEnded || this.tunnelOpen) this.endRequest(trailers);
    if (this.responseEnded) this.finish();
  }

  /** What may become a tunnel has no end yet that a filter could be shown. */
  private endRequest(trailers: Fields | null): void {
    const { filters } = this;
    if (filters === null || (this.upgrade !== "" && !this.tunnelOpen)) this.forwardEnd(trailers);
    else if (!this.requestIsEmpty() || this.tunnelOpen)
      filters.requestEnd(this.passTrailers(trailers, this.request.fields));
  }

  get requestComplete(): boolean {
    return this.requestEnded;
  }

  // ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Answers here. Always returns false, so that checks read `return this.reply(…)`. */
  reply(
    status: number,
    body: string,
    details: string,
    flag: ResponseFlag | "",
    headers: ReplyHeaders = NO_HEADERS,
    route: RouteEntry | null = null,
    grpcStatus = -1,
  ): boolean {
    if (this.isAnswered) return false;
    if (flag !== "") this.flag(flag);
    this.responseCodeDetails = details;
    this.router?.stop();
    this.filters?.stopRequest();
    if (this.answering) {
      // Too late for an answer: the one under way is cut, visibly.
      this.abort();
      return false;
    }
    if (this.response !== null) {
      // It takes the place of one that filters have seen, and hold: this one they do not see (Envoy).
      this.filters?.stopResponse();
      this.bypass = true;
    }
    const { connection, manager } = this;
    const head = connection.localHead;
    head.clear();
    this.responseCode = status;
    this.localReplyBody = body;
    for (const [name, value] of headers) head.fields.add(name, value);
    const grpc = isGrpc(this.request.fields);
    const text = manager.localReplies.compose(this, head, grpc, grpcStatus);
    if (route !== null) route.finalizeResponse(head.fields, null, this);
    if (!this.requestEnded && !this.requestIsEmpty()) {
      this.discards = status !== 408 && status !== 413 && this.mayDiscard();
      if (!this.discards) connection.closeAfter();
    }
    // What follows was meant for a tunnel (RFC 9931), or comes from somebody who errs about HTTP (Envoy).
    if (this.upgrade !== "" || status === 400) connection.closeAfter();
    const bytes = toBytes(text);
    // An answer of gRPC that is nothing but trailers declares no length.
    if (this.filters !== null && !grpc) head.fields.setId(CONTENT_LENGTH, String(bytes.length));
    this.sendHead(head, grpc ? NoBody : ByLength, grpc ? -1 : bytes.length, bytes.length === 0);
    if (this.isAnswered) return false; // otherwise, by a filter that saw this head
    if (bytes.length > 0 && !this.toHead) this.sendBody(bytes, 0, bytes.length);
    this.sendEnd(null);
    return false;
  }

  /** Nothing can be said any more. */
  private get isAnswered(): boolean {
    return this.done || (this.responseEnded && !this.tunnelOpen);
  }

  /** The head of the answer, from wherever it comes; `framing` and `length` say how its body is delimited there. */
  sendHead(head: ResponseHead, framing: Framing, length: number, endOfStream: boolean): void {
    this.response = head;
    this.responseCode = head.status;
    if (this.filters === null || this.bypass) this.writeHead(head, framing, length, endOfStream);
    else {
      this.touch();
      this.filters.responseHead(framing, length, endOfStream);
    }
  }

  sendBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.filters === null || this.bypass) this.writeBody(bytes, start, end);
    else {
      this.touch(); // a filter that collects a long answer is not idle
      this.filters.responseData(bytes, start, end);
    }
  }

  /** The answer is complete (in a tunnel: the upstream sent FIN). */
  sendEnd(trailers: Fields | null): void {
    if (this.done || this.responseEnded) return;
    if (this.filters === null || this.bypass) this.writeEnd(trailers);
    else this.filters.responseEnd(trailers);
  }

  writeEnd(trailers: Fields | null): void {
    if (this.done || this.responseEnded) return;
    this.responseEnded = true;
    this.responseTrailers = trailers;
    this.connection.writeEnd(this.passTrailers(trailers, (this.response as ResponseHead).fields));
    if (this.requestEnded || (!this.tunnelOpen && this.requestIsEmpty())) this.finish();
    else if (this.tunnelOpen) this.connection.tunnelEnded();
    else {
      // Row E5: what is left of the request is of no use to anybody: only our patience with it ends.
      this.manager.stats.downstreamRqResponseBeforeRqComplete++;
      this.router?.stop();
      this.filters?.stopRequest();
      if (!this.discards) this.finish(false);
      else this.connection.timers.endAt(this.connection.services.clock.now + MAX_DISCARD_MS);
    }
  }

  /** The answer may not come any faster: the client does not take it, or a filter holds as much as it may. */
  get holdsUpstream(): boolean {
    return this.connection.blocked || this.filters?.holdsUpstream === true;
  }

  // ── Trouble ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The client leaves the rest of an answered request unsent: true, and the stream is over. */
  abandonRest(): boolean {
    if (!this.responseEnded || this.done) return false;
    this.finish(false);
    return true;
  }

  /** The client's bytes are not HTTP; `inHead`: not even the head of a request. */
  onCodecFault(fault: Fault, inHead: boolean): void {
    if (this.responseEnded) {
      this.finish(false); // in what was being thrown away
      return;
    }
    if (fault.flag !== "") this.flag(fault.flag);
    if (inHead) this.countCutHead();
    const body = fault.flag === "" ? "" : reasonPhrase(fault.status);
    this.reply(fault.status, body, fault.details, "");
  }

  /** A head that is not whole is no whole request, whatever is known of its body; `sendEnd` counts the others. */
  countCutHead(): void {
    if (this.requestIsEmpty()) this.manager.stats.downstreamRqResponseBeforeRqComplete++;
  }

  onHeadTimeout(): void {
    this.reply(408, "request header timeout", "request_header_timeout", "");
  }

  /** The client's connection is gone. */
  onDownstreamGone(_reason: string): void {
    if (this.done) return;
    this.router?.stop();
    if (!this.tunnelOpen || !(this.requestEnded || this.responseEnded)) this.leftByClient();
    this.manager.stats.downstreamRqRxReset++;
    this.conclude();
  }

  /** The client has given this stream up, with that code, or (`broken`) has broken a rule of it; its connection lives. */
  onDownstreamReset(code: number, broken: string): void {
    if (this.done) return;
    this.resetByClient(code, broken);
    this.manager.stats.downstreamRqRxReset++;
    this.conclude();
  }

  onDownstreamBlocked(): void {
    this.pauseAnswer();
  }

  onDownstreamDrain(): void {
    if (!this.responseEnded || this.tunnelOpen) this.touch(); // else the timer bounds what is thrown away
    this.resumeAnswer();
  }

  pauseAnswer(): void {
    this.router?.pauseUpstream();
  }

  resumeAnswer(): void {
    if (!this.holdsUpstream) this.router?.resumeUpstream();
  }

  /** A filter wants this stream no more, or has made something of it that cannot be sent. */
  resetByFilter(details: string): void {
    if (this.isAnswered) return;
    this.responseCodeDetails = details;
    this.router?.stop();
    this.abort();
  }

  onStreamIdle(): void {
    if (this.done) return;
    if (this.responseEnded && !this.tunnelOpen) {
      this.finish(false);
      return;
    }
    if (this.idleTimeout === 0) {
      this.connection.onHalfClosedIdle();
      return;
    }
    this.manager.stats.downstreamRqIdleTimeout++;
    if (this.answering) {
      this.flag("SI");
      this.responseCodeDetails = "stream_idle_timeout";
      this.router?.stop();
      this.abort();
    } else this.reply(this.requestComplete ? 504 : 408, "stream timeout", "stream_idle_timeout", "SI");
  }

  onRequestTimeout(): void {
    this.manager.stats.downstreamRqTimeout++;
    this.reply(408, "request timeout", "request_overall_timeout", "");
  }

  onMaxDuration(): void {
    this.manager.stats.downstreamRqMaxDurationReached++;
    if (this.answering) {
      this.responseCodeDetails = "max_duration_timeout";
      this.router?.stop();
      this.abort();
      return;
    }
    const [status, flag] = this.requestComplete ? ([504, ""] as const) : ([408, "UMSDR"] as const);
    const text = "downstream duration timeout";
    this.reply(status, text, "max_duration_timeout", flag, NO_HEADERS, null, DEADLINE_EXCEEDED);
  }

  onRouteTimeout(): void {
    this.router?.onRouteTimeout();
  }

  onTryTimer(): void {
    this.router?.onTryTimer();
  }

  /** The answer that has begun cannot be completed. */
  abort(): void {
    if (this.done) return;
    this.manager.stats.downstreamRqTxReset++;
    this.conclude();
    this.connection.abort();
  }

  private finish(clean = true): void {
    if (this.done) return;
    try {
      this.conclude(); // whatever a logger does, the connection goes on
    } finally {
      this.connection.streamDone(clean);
    }
  }

  /** Counts and logs; the stream is over. */
  private conclude(): void {
    this.done = true;
    this.router?.stop();
    const { manager, filters } = this;
    const { stats } = manager;
    this.duration = this.elapsed();
    stats.downstreamRqActive--;
    stats.downstreamRqTime.record(this.duration);
    if (this.tunnelOpen) stats.downstreamCxUpgradesActive--;
    if (this.response !== null && this.answering) {
      stats.charge(this.response.status);
      manager.listenerResponses.charge(this.response.status);
    }
    if (filters !== null) {
      this.filters = null;
      filters.close();
    }
    const loggers = manager.loggers;
    for (let i = 0; i < loggers.length; i++) loggers[i].log(this);
  }
}
