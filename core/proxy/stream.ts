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
import { isGrpc } from "../http/grpc.ts";
import type { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import { reasonPhrase } from "../http/status.ts";
import { allowedTrailers } from "../http/trailers.ts";
import { AsTunnel, ByChunks, ByLength, type Framing, NoBody } from "../http1/message-parser.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import { admit } from "./admission.ts";
import type { ConnectionManager } from "./connection-manager.ts";
import type { DownstreamConnection } from "./downstream.ts";
import type { Forwarder } from "./forwarder.ts";
import { routeRequest } from "./route-request.ts";
import { StreamRecord } from "./stream-record.ts";
import { MAX_HALF_CLOSED_MS, type StreamDeadlines } from "./stream-timers.ts";

const SERVER = known("server");
const REQUEST_ID = known("x-request-id");
const FORCE_TRACE = known("x-envoy-force-trace");
const VIA = known("via");

/** How much of an answered request is read and thrown away, bytes and ms, before its connection closes. */
const MAX_DISCARDED_BYTES = 64 * 1024;
const MAX_DISCARD_MS = 5000;

/** More fields for a local reply: lower-case name, value. */
export type ReplyHeaders = readonly (readonly [string, string])[];
const NO_HEADERS: ReplyHeaders = [];

export class Stream extends StreamRecord implements StreamDeadlines {
  readonly manager: ConnectionManager;
  /** The protocol to switch to, lower case, "connect" for CONNECT, or "". */
  upgrade = "";
  /** `TE: trailers` was asked for. */
  trailers = false;
  /** The client waits for a 100 before it sends the body. */
  expects100 = false;
  /** One random number per request for all routing decisions. */
  readonly random: number;

  private router: Forwarder | null = null;
  private requestEnded = false;
  private responseEnded = false;
  private done = false;
  private tunnelOpen = false;
  /** The rest of the request is read and thrown away after the answer. */
  private discards = false;
  private discarded = 0;

  constructor(connection: DownstreamConnection) {
    super(connection);
    this.manager = connection.manager;
    this.random = connection.services.random32();
    const { stats } = this.manager;
    stats.downstreamRqTotal++;
    stats.downstreamRqHttp1Total++;
    stats.downstreamRqActive++;
  }

  // ── The request ───────────────────────────────────────────────────────────────────────────────────────────

  /** The head is complete. */
  begin(endOfStream: boolean): void {
    this.armTimers(endOfStream);
    if (!admit(this)) return;
    this.router = routeRequest(this, endOfStream);
    this.router?.start();
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
    this.router?.onData(bytes, start, end);
  }

  /** The request is complete (or, in a tunnel, the client sent FIN). */
  onRequestEnd(trailers: Fields | null): void {
    if (this.done || this.requestEnded) return;
    this.requestEnded = true;
    this.requestReceived = this.elapsed();
    const { services, timers } = this.connection;
    services.timers.cancel(timers.request);
    if (this.tunnelOpen && !this.responseEnded) this.leftByClient();
    if (!this.responseEnded || this.tunnelOpen) {
      this.router?.onEnd(this.passTrailers(trailers, this.request.fields));
    }
    if (this.responseEnded) this.finish();
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
  ): boolean {
    if (this.done || this.responseEnded) return false;
    if (flag !== "") this.flag(flag);
    this.responseCodeDetails = details;
    this.router?.stop();
    if (this.response !== null) {
      // Too late for an answer: the one under way is cut, visibly.
      this.abort();
      return false;
    }
    const { connection, manager } = this;
    const head = connection.localHead;
    head.clear();
    this.responseCode = status;
    this.localReplyBody = body;
    for (const [name, value] of headers) head.fields.add(name, value);
    const grpc = isGrpc(this.request.fields);
    const text = manager.localReplies.compose(this, head, grpc);
    if (route !== null) route.finalizeResponse(head.fields, null, this);
    if (!this.requestEnded && !this.requestIsEmpty()) {
      this.discards = status !== 408 && status !== 413 && this.mayDiscard();
      if (!this.discards) connection.closeAfter();
    }
    // What follows was meant for a tunnel (RFC 9931), or comes from somebody who errs about HTTP (Envoy).
    if (this.upgrade !== "" || status === 400) connection.closeAfter();
    const bytes = toBytes(text);
    this.sendHead(head, ByLength, bytes.length, bytes.length === 0);
    if (bytes.length > 0 && this.request.method !== "HEAD") this.sendBody(bytes, 0, bytes.length);
    this.sendEnd(null);
    return false;
  }

  /** Row C6: trailers go on, either way, only where the listener enables them. */
  private passTrailers(trailers: Fields | null, head: Fields): Fields | null {
    if (trailers === null || trailers.count === 0 || !this.manager.config.http1.enableTrailers) return null;
    return allowedTrailers(trailers, head);
  }

  private requestIsEmpty(): boolean {
    const { parser } = this.connection;
    return parser.framing === NoBody || (parser.framing === ByLength && parser.contentLength === 0);
  }

  /** An interim response of the upstream. */
  sendInformational(head: ResponseHead): void {
    if (this.done || this.response !== null) return;
    if (head.status === 100 && !this.expects100) return; // ours to swallow: the client did not ask
    head.fields.removeId(SERVER);
    this.connection.writeInformational(head);
  }

  /** The head of the answer: adds what every answer carries and writes it. */
  sendHead(head: ResponseHead, framing: Framing, length: number, endOfStream: boolean): void {
    const { manager, connection } = this;
    const { config } = manager;
    this.response = head;
    this.responseCode = head.status;
    this.responseStarted = this.elapsed();
    this.touch();
    const fields = head.fields;
    if (config.serverHeaderTransformation === "OVERWRITE") fields.setId(SERVER, config.serverName);
    else if (config.serverHeaderTransformation === "APPEND_IF_ABSENT" && !fields.hasId(SERVER)) {
      fields.addId(SERVER, config.serverName);
    }
    if (config.via !== "") {
      const before = fields.getId(VIA);
      fields.setId(VIA, before === null ? `1.1 ${config.via}` : `${before}, 1.1 ${config.via}`);
    }
    if (config.alwaysSetRequestIdInResponse || this.request.fields.hasId(FORCE_TRACE)) {
      const id = this.request.fields.getId(REQUEST_ID);
      if (id !== null) fields.setId(REQUEST_ID, id);
    }
    // Row E5: an upstream that answers early leaves the client's framing in doubt.
    if (!this.requestEnded && !this.discards && !this.requestIsEmpty() && framing !== AsTunnel) {
      connection.closeAfter();
    }
    const upgrade = framing === AsTunnel && head.status === 101 ? this.upgrade : "";
    this.headerBytesSent = connection.writeHead(
      head,
      framing,
      length,
      endOfStream,
      this.request.method === "HEAD",
      upgrade,
    );
    if (framing === AsTunnel) {
      this.tunnelOpen = true;
      this.requestEnded = false;
      connection.enterTunnel();
    }
  }

  sendBody(bytes: Uint8Array, start: number, end: number): void {
    this.bytesSent += end - start;
    this.touch();
    this.connection.writeBody(bytes, start, end);
  }

  /** The answer is complete (in a tunnel: the upstream sent FIN). */
  sendEnd(trailers: Fields | null): void {
    if (this.done || this.responseEnded) return;
    this.responseEnded = true;
    this.responseTrailers = trailers;
    const { fields } = this.response as ResponseHead;
    this.connection.writeEnd(this.passTrailers(trailers, fields));
    if (this.requestEnded || (!this.tunnelOpen && this.requestIsEmpty())) this.finish();
    else if (this.tunnelOpen) this.connection.tunnelEnded();
    else {
      // Row E5: what is left of the request is of no use to anybody: only our patience with it ends.
      this.manager.stats.downstreamRqResponseBeforeRqComplete++;
      this.router?.stop();
      if (!this.discards) this.finish(false);
      else this.connection.timers.endAt(this.connection.services.clock.now + MAX_DISCARD_MS);
    }
  }

  /** A refused request whose rest is known to be small costs no connection; one that waits for a 100 does. */
  private mayDiscard(): boolean {
    const { closing, parser } = this.connection;
    if (closing || this.expects100) return false;
    return parser.framing === ByChunks || parser.contentLength <= MAX_DISCARDED_BYTES;
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

  onDownstreamBlocked(): void {
    this.router?.pauseUpstream();
  }

  onDownstreamDrain(): void {
    if (!this.responseEnded || this.tunnelOpen) this.touch(); // else the timer bounds what is thrown away
    this.router?.resumeUpstream();
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
    if (this.response !== null) {
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
    if (this.response !== null) {
      this.responseCodeDetails = "max_duration_timeout";
      this.router?.stop();
      this.abort();
    } else
      this.reply(
        this.requestComplete ? 504 : 408,
        "downstream duration timeout",
        "max_duration_timeout",
        this.requestComplete ? "" : "UMSDR",
      );
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

  /** Restarts the stream idle timeout: something moved. */
  touch(): void {
    const { connection } = this;
    const { services, timers } = connection;
    const idle = this.idleTimeout || (connection.mayBeGone ? MAX_HALF_CLOSED_MS : 0);
    if (idle > 0) services.timers.arm(timers.idle, services.clock.now + idle);
    else services.timers.cancel(timers.idle);
  }

  private get idleTimeout(): number {
    return this.route?.action?.idleTimeout ?? this.manager.config.streamIdleTimeout;
  }

  private armTimers(endOfStream: boolean): void {
    const { config } = this.manager;
    const { services, timers } = this.connection;
    this.touch();
    if (config.requestTimeout > 0 && !endOfStream)
      services.timers.arm(timers.request, this.started + config.requestTimeout);
    if (config.common.maxStreamDuration > 0)
      services.timers.arm(timers.duration, this.started + config.common.maxStreamDuration);
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
    const { manager } = this;
    const { stats } = manager;
    this.duration = this.elapsed();
    stats.downstreamRqActive--;
    stats.downstreamRqTime.record(this.duration);
    if (this.tunnelOpen) stats.downstreamCxUpgradesActive--;
    if (this.response !== null) {
      stats.charge(this.response.status);
      manager.listenerResponses.charge(this.response.status);
    }
    const loggers = manager.loggers;
    for (let i = 0; i < loggers.length; i++) loggers[i].log(this);
  }
}
