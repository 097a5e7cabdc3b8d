/**
 * Requests of filters: sends them through the clusters like any other request, and collects the whole answer. What
 * goes wrong becomes an answer, too, with the texts that Envoy's asynchronous client uses. Nothing is tried again but
 * what the proxy itself would try again without a policy: see `onAttemptFailed`.
 *
 * Laws: the sink hears once, or never if the callout was cancelled, and not before `send` returned: of an answer as
 * soon as it is whole (a timer would make it wait for a millisecond), of a failure from a timer. The answer is bounded;
 * whatever happens, no breaker slot and no timer is left behind.
 */
import { toBytes } from "../bytes/ascii.ts";
import type { Breaker } from "../cluster/breaker.ts";
import type { ClusterState } from "../cluster/cluster.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import { isIdempotent } from "../cluster/retry-state.ts";
import type { Fault } from "../errors.ts";
import { Body } from "../filter/body.ts";
import {
  type Callout,
  type CalloutRefusal,
  type CalloutSink,
  type Callouts,
  type CallSink,
  type CallStream,
  NoSuchCluster,
  NotSent,
} from "../filter/callout.ts";
import type { Fields } from "../http/fields.ts";
import { AsTunnel, ByLength, type Framing, NoBody } from "../http/framing.ts";
import { isGrpc } from "../http/grpc.ts";
import { type RequestHead, ResponseHead } from "../http/head.ts";
import { Timer } from "../time/timers.ts";
import { Attempt, type AttemptOwner } from "./attempt.ts";
import { ClusterCall } from "./cluster-call.ts";
import type { Clusters } from "./clusters.ts";
import type { Services } from "./services.ts";
import type { UpstreamExchange } from "./upstream-exchange.ts";
import { describeFailure } from "./upstream-failure.ts";

/** Bytes of an answer's body that are kept for a filter. */
const MAX_ANSWER_BYTES = 1024 * 1024;

export class ClusterCallouts implements Callouts {
  private readonly services: Services;
  private readonly clusters: Clusters;

  constructor(services: Services, clusters: Clusters) {
    this.services = services;
    this.clusters = clusters;
  }

  has(cluster: string): boolean {
    return this.clusters.find(cluster) !== null;
  }

  send(
    name: string,
    head: RequestHead,
    body: Uint8Array,
    timeout: number,
    sink: CalloutSink,
  ): Callout | CalloutRefusal {
    const cluster = this.clusters.find(name);
    if (cluster === null) return NoSuchCluster;
    const endpoint = cluster.chooseEndpoint(null);
    if (endpoint === null) return NotSent;
    const { defaultBreaker: breaker } = cluster;
    const exchange = new Exchange(this.services, this.clusters, cluster, breaker, head, body, sink);
    exchange.start(endpoint, timeout);
    return exchange;
  }

  open(name: string, head: RequestHead, timeout: number, sink: CallSink): CallStream | CalloutRefusal {
    const cluster = this.clusters.find(name);
    if (cluster === null) return NoSuchCluster;
    const endpoint = cluster.chooseEndpoint(null);
    if (endpoint === null) return NotSent;
    const call = new ClusterCall(this.services, this.clusters, cluster, head, sink);
    call.start(endpoint, timeout);
    return call;
  }
}

class Exchange implements Callout, AttemptOwner {
  private readonly services: Services;
  private readonly clusters: Clusters;
  private readonly cluster: ClusterState;
  private readonly breaker: Breaker;
  private readonly request: RequestHead;
  private readonly body: Uint8Array;
  private readonly sink: CalloutSink;
  private readonly timer: Timer;
  private attempt: Attempt | null = null;
  private answer: ResponseHead | null = null;
  private readonly answerBody = new Body();
  private trailers: Fields | null = null;
  /** It has failed, and the sink hears when the timer fires. */
  private complete = false;
  private retried = false;
  private over = false;

  constructor(
    services: Services,
    clusters: Clusters,
    cluster: ClusterState,
    breaker: Breaker,
    request: RequestHead,
    body: Uint8Array,
    sink: CalloutSink,
  ) {
    this.services = services;
    this.clusters = clusters;
    this.cluster = cluster;
    this.breaker = breaker;
    this.request = request;
    this.body = body;
    this.sink = sink;
    this.timer = new Timer(() => this.onTimer());
  }

  start(endpoint: EndpointState, timeout: number): void {
    const { timers, clock } = this.services;
    if (timeout > 0) timers.arm(this.timer, clock.now + timeout);
    this.try(endpoint);
  }

  private try(endpoint: EndpointState): void {
    const { cluster, breaker } = this;
    if (!breaker.requests.available) {
      cluster.stats.upstreamRqActiveOverflow++;
      this.fail("overflow", "", null);
      return;
    }
    const pool = this.clusters.poolOf(cluster, endpoint, breaker, isGrpc(this.request.fields));
    this.attempt = new Attempt(this, cluster, breaker, endpoint, pool);
    this.attempt.start();
  }

  cancel(): void {
    if (this.over) return;
    this.finish();
  }

  private onTimer(): void {
    if (this.over) return;
    if (!this.complete) {
      this.cluster.stats.upstreamRqTimeout++;
      this.attempt?.countTimeout();
      this.cluster.responses.charge(504, false);
      this.reply(504, "upstream request timeout");
    }
    this.tell();
  }

  private tell(): void {
    const { sink, answer, answerBody, trailers } = this;
    const body = new Uint8Array(answerBody.size);
    answerBody.copy(0, body.length, body, 0);
    this.finish();
    sink.onAnswer(answer as ResponseHead, body, trailers);
  }

  private finish(): void {
    const { attempt } = this;
    this.over = true;
    this.attempt = null;
    this.services.timers.release(this.timer);
    attempt?.abandon();
  }

  private reply(status: number, body: string): void {
    const head = new ResponseHead();
    head.status = status;
    head.fields.add("content-length", String(body.length));
    head.fields.add("content-type", "text/plain");
    this.answer = head;
    this.answerBody.clear();
    this.answerBody.push(toBytes(body), 0, body.length);
    this.trailers = null;
  }

  private fail(reason: ResetReason, detail: string, fault: Fault | null): void {
    const { status, body } = describeFailure(reason, detail, fault, false);
    this.cluster.responses.charge(status, false);
    this.reply(status, body);
    // `send` may be under way, or others wait to hear the same: the sink is told when the poll is over.
    this.complete = true;
    this.services.timers.arm(this.timer, this.services.clock.now);
  }

  // ── The attempt's side ────────────────────────────────────────────────────────────────────────────────────

  onAttemptReady(connection: UpstreamExchange): void {
    const { body, request } = this;
    const framing = body.length === 0 ? NoBody : ByLength;
    connection.sendHead(request, framing, body.length, "", false);
    if (body.length > 0) connection.sendBody(body, 0, body.length);
    connection.sendEnd(null);
  }

  onInformational(): void {}

  onResponseHead(head: ResponseHead, framing: Framing): void {
    this.cluster.responses.charge(head.status, false);
    this.answer = head.copy();
    if (framing === AsTunnel) this.abandon("protocol error");
  }

  readonly answerPassing = 0;

  onResponseBody(bytes: Uint8Array, start: number, end: number): void {
    const { answerBody, sink } = this;
    if (answerBody.size + end - start > MAX_ANSWER_BYTES || sink.mayHold?.(end - start) === false)
      this.abandon("protocol error");
    else answerBody.push(bytes, start, end);
  }

  onResponseEnd(trailers: Fields | null): void {
    const { attempt } = this;
    if (attempt === null || attempt.connection === null) return;
    if (trailers !== null && trailers.count > 0) this.trailers = trailers.copy();
    this.attempt = null;
    attempt.complete();
    this.tell();
  }

  onAttemptFailed(
    reason: ResetReason,
    detail: string,
    fault: Fault | null,
    _connected: boolean,
    stale: boolean,
  ): void {
    this.attempt = null;
    if (this.over) return;
    // Row K3, as in the router: a reused connection that ends before any byte most likely crossed our request.
    const refused = reason === "remote refused stream reset"; // it was not looked at, whatever it is
    const harmless = refused || (stale && fault === null && isIdempotent(this.request.method));
    if (harmless && !this.retried) {
      this.retried = true;
      const endpoint = this.cluster.chooseEndpoint(null);
      if (endpoint !== null) {
        this.try(endpoint);
        return;
      }
    }
    this.fail(reason, detail, fault);
  }

  onUpstreamBlocked(): void {}

  onUpstreamDrain(): void {}

  /** An answer that cannot be used. */
  private abandon(reason: ResetReason): void {
    const { attempt } = this;
    this.attempt = null;
    attempt?.abandon();
    this.fail(reason, "", null);
  }
}
