/**
 * A call of a filter whose request and answer pass piece by piece: one attempt, not repeated. What goes wrong before the
 * answer is told in Envoy's words.
 *
 *   start ─▶ (head) ─▶ body … ─▶ end          any ─ failure, time-out ─▶ over       any ─ cancel ─▶ over
 *
 * Laws: the sink hears nothing before `start` returned, and nothing once the call is over; failures come from a timer.
 * Whatever happens, no breaker slot and no timer is left behind. The end of an answer ends the call, whatever of the
 * request is still to come.
 */
import type { Breaker } from "../cluster/breaker.ts";
import type { ClusterState } from "../cluster/cluster.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import type { Fault } from "../errors.ts";
import { Body } from "../filter/body.ts";
import type { CallFailure, CallSink, CallStream } from "../filter/callout.ts";
import type { Fields } from "../http/fields.ts";
import { AsTunnel, ByChunks, type Framing } from "../http/framing.ts";
import { isGrpc, isGrpcSuccess } from "../http/grpc.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import { Timer } from "../time/timers.ts";
import { Attempt, type AttemptOwner } from "./attempt.ts";
import type { Clusters } from "./clusters.ts";
import type { Services } from "./services.ts";
import type { UpstreamExchange } from "./upstream-exchange.ts";
import { describeFailure } from "./upstream-failure.ts";

const GRPC_STATUS = known("grpc-status");

const TOO_LATE: CallFailure = {
  status: 504,
  body: "upstream request timeout",
  details: "response_timeout",
};

export class ClusterCall implements CallStream, AttemptOwner {
  readonly answerPassing = 0;
  private readonly services: Services;
  private readonly clusters: Clusters;
  private readonly cluster: ClusterState;
  /** Until it is sent: there is no second try. */
  private request: RequestHead | null;
  private readonly grpc: boolean;
  private readonly sink: CallSink;
  private attempt: Attempt | null = null;
  private connection: UpstreamExchange | null = null;
  private endpoint: EndpointState | null = null;
  /** Before there is a connection. */
  private readonly waiting = new Body();
  private requestEnded = false;
  /** Bytes that the connection was given and that the sink has not been told of. */
  private handed = 0;
  private blocked = false;
  private answered = false;
  /** Its endpoint has been charged with success or failure. */
  private judged = false;
  private failure: CallFailure | null = null;
  private failed = false;
  private over = false;
  /** The time-out, and then what the sink hears of a failure. */
  private readonly timer = new Timer(() => this.onTimer());
  /** The poll in which something was sent is over: what the connection was given has left. */
  private readonly sent = new Timer(() => this.tellSent());
  private readonly started: number;

  constructor(
    services: Services,
    clusters: Clusters,
    cluster: ClusterState,
    request: RequestHead,
    sink: CallSink,
  ) {
    this.services = services;
    this.clusters = clusters;
    this.cluster = cluster;
    this.request = request;
    this.grpc = isGrpc(request.fields);
    this.sink = sink;
    this.started = services.clock.now;
  }

  /** To be called once. */
  start(endpoint: EndpointState, timeout: number): void {
    const { cluster, services } = this;
    const breaker: Breaker = cluster.defaultBreaker;
    if (timeout > 0) services.timers.arm(this.timer, services.clock.now + timeout);
    if (!breaker.requests.available) {
      cluster.stats.upstreamRqActiveOverflow++;
      this.fail("overflow", "", null);
      return;
    }
    this.endpoint = endpoint;
    const pool = this.clusters.poolOf(cluster, endpoint, breaker, this.grpc);
    this.attempt = new Attempt(this, cluster, breaker, endpoint, pool);
    this.attempt.start();
  }

  // ── The filter's side ─────────────────────────────────────────────────────────────────────────────────────

  send(bytes: Uint8Array): void {
    if (this.over || this.failed || this.requestEnded) return;
    const { connection } = this;
    if (connection === null) this.waiting.push(bytes, 0, bytes.length);
    else {
      this.handed += bytes.length;
      connection.sendBody(bytes, 0, bytes.length);
      this.armSent();
    }
  }

  end(): void {
    if (this.over || this.failed || this.requestEnded) return;
    this.requestEnded = true;
    this.connection?.sendEnd(null);
  }

  cancel(): void {
    if (this.over) return;
    this.judge(null);
    this.finish();
  }

  private armSent(): void {
    const { timers, clock } = this.services;
    if (!this.blocked && this.handed > 0) timers.arm(this.sent, clock.now);
  }

  private tellSent(): void {
    const { handed } = this;
    if (this.blocked || this.over || handed === 0) return;
    this.handed = 0;
    this.sink.onSent(handed);
  }

  private finish(): void {
    const { attempt, services } = this;
    this.over = true;
    this.attempt = null;
    this.connection = null;
    this.request = null;
    this.waiting.clear();
    services.timers.release(this.timer);
    services.timers.release(this.sent);
    attempt?.abandon();
  }

  // ── Failures ──────────────────────────────────────────────────────────────────────────────────────────────

  private onTimer(): void {
    if (this.over) return;
    if (!this.failed) {
      this.cluster.stats.upstreamRqTimeout++;
      this.attempt?.countTimeout();
      if (this.answered) this.judge(null);
      else {
        this.cluster.responses.charge(TOO_LATE.status, false);
        this.failure = TOO_LATE;
      }
    }
    const { sink, failure } = this;
    this.finish();
    sink.onFailure(failure);
  }

  private fail(reason: ResetReason, detail: string, fault: Fault | null): void {
    this.failed = true;
    this.connection = null;
    if (this.answered) this.judge(null);
    else {
      this.failure = describeFailure(reason, detail, fault, false);
      this.cluster.responses.charge(this.failure.status, false);
    }
    // `open` may be under way, or others hear the same: the sink is told when the poll is over.
    this.services.timers.arm(this.timer, this.services.clock.now);
  }

  /** How an answer of gRPC went is known at its end; nobody says it of one that was cut. */
  private judge(fields: Fields | null): void {
    if (!this.answered || this.judged || this.endpoint === null) return;
    this.judged = true;
    if (fields !== null && isGrpcSuccess(fields.getId(GRPC_STATUS))) this.endpoint.rqSuccess++;
    else this.endpoint.rqError++;
  }

  // ── The attempt's side ────────────────────────────────────────────────────────────────────────────────────

  onAttemptReady(connection: UpstreamExchange): void {
    const { waiting, request } = this;
    this.connection = connection;
    this.request = null;
    if (request !== null) connection.sendHead(request, ByChunks, -1, "", true);
    if (waiting.size > 0) {
      this.handed += waiting.size;
      waiting.replay(connection);
      waiting.clear();
    }
    if (this.requestEnded) connection.sendEnd(null);
    this.armSent();
  }

  onInformational(): void {}

  onResponseHead(head: ResponseHead, framing: Framing, _contentLength: number, endOfStream: boolean): void {
    const { cluster, endpoint } = this;
    if (framing === AsTunnel) {
      const { attempt } = this;
      this.attempt = null;
      attempt?.abandon();
      this.fail("protocol error", "", null);
      return;
    }
    this.answered = true;
    cluster.responses.charge(head.status, false);
    if (endpoint !== null && (head.status >= 500 || !this.grpc)) {
      this.judged = true;
      if (head.status >= 500) endpoint.rqError++;
      else endpoint.rqSuccess++;
    }
    if (endOfStream) this.judge(head.fields);
    this.sink.onHead(head, endOfStream);
  }

  onResponseBody(bytes: Uint8Array, start: number, end: number): void {
    if (!this.over && !this.failed) this.sink.onBody(bytes, start, end);
  }

  onResponseEnd(trailers: Fields | null): void {
    const { attempt, sink } = this;
    if (this.over || attempt === null || attempt.connection === null) return;
    const kept = attempt.connection.passesTrailers ? trailers : null;
    this.judge(trailers);
    this.cluster.responses.chargeTime(this.services.clock.now - this.started, false);
    if (this.requestEnded) {
      this.attempt = null;
      attempt.complete();
    }
    this.finish(); // what is left of the request is of no use
    sink.onEnd(kept);
  }

  onAttemptFailed(reason: ResetReason, detail: string, fault: Fault | null): void {
    this.attempt = null;
    if (!this.over) this.fail(reason, detail, fault);
  }

  onUpstreamBlocked(): void {
    this.blocked = true;
  }

  onUpstreamDrain(): void {
    this.blocked = false;
    this.armSent();
  }
}
