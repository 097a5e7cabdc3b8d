/**
 * A question that is one request of HTTP, whichever version, and what HTTP questions of all kinds have in common: the
 * connection, which is kept for the next one, and what can go wrong with it.
 *
 *   RESTING ─ask─▶ ASKING ──answer─▶ RESTING        ASKING ──failure, no answer in time─▶ RESTING, by a new connection
 */
import type { EndpointState } from "../cluster/endpoint.ts";
import type { Probe, ProbeSink } from "../cluster/health-probe.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import type { Http2ProtocolOptions } from "../config/model.ts";
import type { Fault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { AsTunnel, ByChunks, ByLength, type Framing, NoBody } from "../http/framing.ts";
import { RequestHead, type ResponseHead } from "../http/head.ts";
import { formatAddress } from "../io/socket.ts";
import { askedAt, type HealthProber } from "./health-prober.ts";
import type { ConnectionPool, PoolWaiter } from "./pool.ts";
import type { AttemptSink, UpstreamExchange } from "./upstream-exchange.ts";

/** Who asks, in Envoy's word, by which servers know such requests. */
export const USER_AGENT = "Envoy/HC";

export abstract class ExchangeProbe implements Probe, PoolWaiter, AttemptSink {
  readonly passing = 0;
  protected readonly prober: HealthProber;
  protected readonly endpoint: EndpointState;
  protected readonly sink: ProbeSink;
  private readonly http2: Http2ProtocolOptions | null;
  private readonly head = new RequestHead();
  private pool: ConnectionPool | null = null;
  /** Where the pool's connections go. */
  private target = "";
  private exchange: UpstreamExchange | null = null;
  private asking = false;
  /** The answer is nothing but a head. */
  private alone = false;

  constructor(
    prober: HealthProber,
    http2: Http2ProtocolOptions | null,
    endpoint: EndpointState,
    sink: ProbeSink,
  ) {
    this.prober = prober;
    this.http2 = http2;
    this.endpoint = endpoint;
    this.sink = sink;
  }

  // ── What is asked, and what the answer says ───────────────────────────────────────────────────────────────

  /** The name of the service that is asked, "" = the cluster's. */
  protected abstract readonly authority: string;
  /** How a body goes; if its length is not told, trailers are welcome. */
  protected readonly framing: Framing = ByLength;
  /** Writes the rest of the request; returns its body. */
  protected abstract write(head: RequestHead): Uint8Array;
  /** An answer begins. */
  protected abstract onHead(head: ResponseHead): void;
  protected abstract onBody(bytes: Uint8Array, start: number, end: number): void;
  /** It is whole: calls `sink`. `alone`: there was nothing but a head. */
  protected abstract onAnswer(trailers: Fields | null, alone: boolean): void;

  ask(): void {
    this.asking = true;
    this.try();
  }

  giveUp(): void {
    // What does not answer may be dead, and would not answer the next question either.
    this.drop();
  }

  close(): void {
    this.drop();
  }

  /** The answer is bad enough: what is to come of it is of no use. */
  private refuse(): void {
    const { exchange } = this;
    this.exchange = null;
    this.asking = false;
    exchange?.abort();
  }

  private try(): void {
    const at = askedAt(this.endpoint);
    const target = formatAddress(at);
    if (this.pool !== null && target !== this.target) this.drain();
    this.target = target;
    this.pool ??= this.prober.pool(at, this.http2);
    const exchange = this.pool.acquire(this);
    if (exchange !== null) this.onPoolReady(exchange);
  }

  private drop(): void {
    const { exchange, pool } = this;
    if (this.asking && exchange === null) pool?.cancel(this);
    this.asking = false;
    this.exchange = null;
    exchange?.abort();
    this.drain();
  }

  private drain(): void {
    const { pool } = this;
    this.pool = null;
    pool?.drain();
  }

  private fail(why: string): void {
    this.asking = false;
    this.exchange = null;
    this.sink.onUnwell("NETWORK", false, false, 0, why);
  }

  // ── The pool's side ───────────────────────────────────────────────────────────────────────────────────────

  onPoolReady(exchange: UpstreamExchange): void {
    const { head, prober, endpoint } = this;
    this.exchange = exchange;
    exchange.assign(this);
    head.clear();
    head.method = "GET";
    head.version = this.http2 === null ? 11 : 20;
    head.scheme = prober.transport === null ? "http" : "https";
    head.authority = endpoint.healthCheck?.hostname || this.authority || prober.cluster.name;
    const body = this.write(head);
    const framing = body.length === 0 ? NoBody : this.framing;
    exchange.sendHead(head, framing, body.length, "", this.framing === ByChunks);
    if (body.length > 0) exchange.sendBody(body, 0, body.length);
    exchange.sendEnd(null);
  }

  onPoolFailure(reason: ResetReason, detail: string): void {
    this.fail(detail === "" ? reason : `${reason}: ${detail}`);
  }

  // ── The connection's side ─────────────────────────────────────────────────────────────────────────────────

  onUpstreamInformational(): void {}

  onUpstreamHead(head: ResponseHead, framing: Framing, _length: number, endOfStream: boolean): void {
    if (!this.asking) return;
    if (framing === AsTunnel) {
      this.refuse();
      this.fail("the answer is no answer but another protocol");
      return;
    }
    this.alone = endOfStream;
    this.onHead(head);
  }

  onUpstreamBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.asking) this.onBody(bytes, start, end);
  }

  onUpstreamEnd(trailers: Fields | null): void {
    if (!this.asking) return;
    this.asking = false;
    this.exchange = null;
    this.onAnswer(trailers, this.alone);
  }

  onUpstreamReset(reason: ResetReason, detail: string, _fault: Fault | null): void {
    if (!this.asking) return;
    // A connection that was kept and ends as it is used knows nothing of the question.
    if (this.exchange?.stale === true) {
      this.exchange = null;
      this.try();
    } else this.fail(detail === "" ? reason : `${reason}: ${detail}`);
  }

  onUpstreamBlocked(): void {}

  onUpstreamDrain(): void {}
}
