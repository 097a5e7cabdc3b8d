/**
 * One try of a request at one endpoint: waits for a connection, writes the request to it, and reports what comes
 * back. It keeps the counts that must go up and down together (breaker, active requests) and the connection's
 * pauses. What a failure means, and whether there is another try, is the router's decision.
 *
 *   WAITING (in the pool's queue) ─▶ OPEN (has a connection) ─▶ OVER       WAITING ─ failure ─▶ OVER
 *
 * Law: after OVER the router hears nothing more of this try, and every count is back where it was.
 */
import type { Breaker } from "../cluster/breaker.ts";
import type { ClusterState } from "../cluster/cluster.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import type { Fault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import type { Framing } from "../http/framing.ts";
import type { ResponseHead } from "../http/head.ts";
import type { ConnectionPool, PoolWaiter } from "./pool.ts";
import type { AttemptSink, UpstreamExchange } from "./upstream-exchange.ts";
import { connectFailureText } from "./upstream-failure.ts";

const WAITING = 0;
const OPEN = 1;
const OVER = 2;

/** By which an endpoint takes itself out of service (Envoy). */
const FAILS = "x-envoy-immediate-health-check-fail";

/** Who made the try. Every call is about its current one. */
export interface AttemptOwner {
  /** The connection is there: write the request. */
  onAttemptReady(connection: UpstreamExchange): void;
  onInformational(head: ResponseHead): void;
  onResponseHead(head: ResponseHead, framing: Framing, contentLength: number, endOfStream: boolean): void;
  /** So many bytes `onResponseBody` would write to the client at once, and keep nothing of them. */
  readonly answerPassing: number;
  onResponseBody(bytes: Uint8Array, start: number, end: number): void;
  /** The response is complete, with these trailers, if any; in a tunnel: the upstream sent FIN. */
  onResponseEnd(trailers: Fields | null): void;
  /**
   * The try is over without (complete) response. `connected`: there was a connection; `stale`: its end was
   * most likely an idle close that crossed the request.
   */
  onAttemptFailed(
    reason: ResetReason,
    detail: string,
    fault: Fault | null,
    connected: boolean,
    stale: boolean,
  ): void;
  onUpstreamBlocked(): void;
  onUpstreamDrain(): void;
}

export class Attempt implements AttemptSink, PoolWaiter {
  readonly endpoint: EndpointState;
  connection: UpstreamExchange | null = null;
  private readonly owner: AttemptOwner;
  private readonly cluster: ClusterState;
  private readonly breaker: Breaker;
  private readonly pool: ConnectionPool;
  private state = WAITING;
  private paused = false;
  /** The final head is here: what becomes of the rest says nothing of the endpoint any more (as in Envoy). */
  private answered = false;

  constructor(
    owner: AttemptOwner,
    cluster: ClusterState,
    breaker: Breaker,
    endpoint: EndpointState,
    pool: ConnectionPool,
  ) {
    this.owner = owner;
    this.cluster = cluster;
    this.breaker = breaker;
    this.endpoint = endpoint;
    this.pool = pool;
  }

  /** Asks for a connection; the owner hears, perhaps before this returns. */
  start(): void {
    const connection = this.pool.acquire(this);
    if (connection !== null) this.onPoolReady(connection);
  }

  /** Ends the try from this side: leaves the queue, or destroys the connection with its unfinished exchange. */
  abandon(): void {
    const { connection, state } = this;
    if (state === OVER) return;
    this.close();
    if (state === WAITING) this.pool.cancel(this);
    else if (connection !== null && !connection.tunnelOver) connection.abort();
  }

  /** Its time is over; `abandon` follows. An endpoint that was not asked yet has nothing to do with it. */
  countTimeout(): void {
    if (this.state !== OPEN) return;
    this.endpoint.rqTimeout++;
    if (!this.answered) this.endpoint.rqError++;
  }

  /** The exchange is whole on both sides: the connection goes back to its pool by itself. */
  complete(): void {
    this.resume();
    this.close();
  }

  /** Stops reading the response: the client does not take it. */
  pause(): void {
    if (this.connection === null || this.paused) return;
    this.paused = true;
    this.cluster.stats.upstreamFlowControlPausedReadingTotal++;
    this.connection.pauseReading();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.cluster.stats.upstreamFlowControlResumedReadingTotal++;
    this.connection?.resumeReading();
  }

  private close(): void {
    if (this.state === OPEN) {
      this.breaker.requests.release();
      this.cluster.stats.upstreamRqActive--;
      this.endpoint.rqActive--;
    }
    this.state = OVER;
    this.connection = null;
  }

  // ── The pool's side ───────────────────────────────────────────────────────────────────────────────────────

  onPoolReady(connection: UpstreamExchange): void {
    const { cluster, endpoint } = this;
    this.state = OPEN;
    this.connection = connection;
    connection.assign(this);
    this.breaker.requests.acquire();
    cluster.stats.upstreamRqTotal++;
    cluster.stats.upstreamRqActive++;
    endpoint.rqTotal++;
    endpoint.rqActive++;
    this.owner.onAttemptReady(connection);
  }

  onPoolFailure(reason: ResetReason, detail: string): void {
    this.state = OVER;
    if (reason !== "overflow" && reason !== "pool overflow") this.endpoint.rqError++;
    this.owner.onAttemptFailed(reason, connectFailureText(detail), null, false, false);
  }

  // ── The connection's side ─────────────────────────────────────────────────────────────────────────────────

  onUpstreamInformational(head: ResponseHead): void {
    this.owner.onInformational(head);
  }

  onUpstreamHead(head: ResponseHead, framing: Framing, contentLength: number, endOfStream: boolean): void {
    this.answered = true;
    const { health } = this.cluster;
    if (health.listens && head.fields.has(FAILS)) health.failAtOnce(this.endpoint);
    this.owner.onResponseHead(head, framing, contentLength, endOfStream);
  }

  get passing(): number {
    return this.owner.answerPassing;
  }

  onUpstreamBody(bytes: Uint8Array, start: number, end: number): void {
    this.owner.onResponseBody(bytes, start, end);
  }

  onUpstreamEnd(trailers: Fields | null): void {
    this.owner.onResponseEnd(trailers);
  }

  onUpstreamReset(reason: ResetReason, detail: string, fault: Fault | null): void {
    const stale = this.connection?.stale === true;
    if (!this.answered) this.endpoint.rqError++;
    this.close();
    this.owner.onAttemptFailed(reason, detail, fault, true, stale);
  }

  onUpstreamBlocked(): void {
    this.cluster.stats.upstreamFlowControlBackedUpTotal++;
    this.owner.onUpstreamBlocked();
  }

  onUpstreamDrain(): void {
    this.cluster.stats.upstreamFlowControlDrainedTotal++;
    this.owner.onUpstreamDrain();
  }
}
