/**
 * How long a request and each of its tries may take, by the route's word or an internal client's, and the timers
 * that run for it. What their end means is the router's decision.
 *
 * Laws: one timer serves a try and the time between two, another all tries together; neither runs in a tunnel.
 */
import { parseDecimalText } from "../bytes/ascii.ts";
import type { GrpcTimeoutRules, RouteAction } from "../config/model.ts";
import type { Fields } from "../http/fields.ts";
import { formatGrpcTimeout, isGrpc, parseGrpcTimeout } from "../http/grpc.ts";
import { known } from "../http/names.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import type { Stream } from "./stream.ts";

const RQ_TIMEOUT = known("x-envoy-upstream-rq-timeout-ms");
const TRY_TIMEOUT = known("x-envoy-upstream-rq-per-try-timeout-ms");
const ALT_RESPONSE = known("x-envoy-upstream-rq-timeout-alt-response");
const EXPECTED_TIMEOUT = known("x-envoy-expected-rq-timeout-ms");
const GRPC_TIMEOUT = known("grpc-timeout");

const MAX_MS = Number.MAX_SAFE_INTEGER;

export class RouteTimeouts {
  /** ms from the end of the request to the end of the response, all tries together; 0 = off. */
  readonly total: number;
  /** ms for one try; 0 = off, or not below `total`. */
  readonly perTry: number;
  /** ms without a byte of the response during one try; 0 = off. */
  readonly perTryIdle: number;
  /** Answer a timeout with 204 instead of 504. */
  readonly alternative: boolean;
  /** The request is told in gRPC's way, too, how long it may take. */
  private readonly tellsGrpc: boolean;
  /** When the current try had its whole request, ms. */
  private trySent = 0;

  /**
   * Reads and removes the request's `x-envoy-…-timeout` fields (those that may speak still have them). With
   * `respectExpected`, what the proxy before us announced counts, and what its client asked for does not: that
   * proxy has dealt with it.
   */
  constructor(
    route: RouteEntry,
    { timeout, grpcTimeout }: RouteAction,
    fields: Fields,
    respectExpected: boolean,
  ) {
    this.tellsGrpc = grpcTimeout !== null && grpcTimeout.of === "answer" && isGrpc(fields);
    let total = this.tellsGrpc ? grpcTotal(grpcTimeout as GrpcTimeoutRules, fields) : timeout;
    let perTry = route.retryPolicy === null ? 0 : route.retryPolicy.perTryTimeout;
    if (respectExpected && fields.hasId(EXPECTED_TIMEOUT)) total = asked(fields, EXPECTED_TIMEOUT, total);
    else if (fields.hasId(RQ_TIMEOUT)) {
      total = asked(fields, RQ_TIMEOUT, total);
      fields.removeId(RQ_TIMEOUT);
    }
    if (fields.hasId(TRY_TIMEOUT)) {
      perTry = asked(fields, TRY_TIMEOUT, perTry);
      fields.removeId(TRY_TIMEOUT);
    }
    this.perTryIdle = route.retryPolicy === null ? 0 : route.retryPolicy.perTryIdleTimeout;
    this.alternative = fields.removeId(ALT_RESPONSE);
    this.total = total;
    this.perTry = total > 0 && perTry >= total ? 0 : perTry;
  }

  /** Tells the upstream how long we will wait; in a field of Envoy's unless `silent`. */
  announce(fields: Fields, silent: boolean): void {
    const expected = this.perTry > 0 ? this.perTry : this.total;
    if (expected === 0) return;
    if (!silent) fields.setId(EXPECTED_TIMEOUT, String(expected));
    if (this.tellsGrpc) fields.setId(GRPC_TIMEOUT, formatGrpcTimeout(expected));
  }

  /**
   * The route's own limit for the whole stream (0 = none), or what the request's `grpc-timeout` says where the route
   * heeds it, takes the place of the listener's. The upstream is told with that field, if it was there.
   */
  limitStream(stream: Stream, { grpcTimeout, maxStreamDuration }: RouteAction): void {
    const { connection, started, request } = stream;
    const { services, timers } = connection;
    const asked = request.fields.hasId(GRPC_TIMEOUT)
      ? parseGrpcTimeout(request.fields.getId(GRPC_TIMEOUT) as string)
      : -1;
    let limit = maxStreamDuration;
    let unlimited = limit === 0;
    if (asked >= 0 && grpcTimeout !== null && grpcTimeout.of === "stream") {
      const { max, offset } = grpcTimeout;
      limit = Math.max(0, (max > 0 ? Math.min(asked, max) : asked) - offset);
      unlimited = false;
    }
    if (limit === null) return;
    if (unlimited) services.timers.cancel(timers.duration);
    else {
      if (asked >= 0) request.fields.setId(GRPC_TIMEOUT, formatGrpcTimeout(limit));
      services.timers.arm(timers.duration, started + limit);
    }
  }

  /** The whole request is here (Envoy): the time of all its tries runs, unless it asked for a tunnel. */
  startAll({ connection, upgrade }: Stream): void {
    if (this.total === 0 || upgrade !== "") return;
    const { services, timers } = connection;
    services.timers.arm(timers.route, services.clock.now + this.total);
  }

  /** A try was given its whole request: its time runs. */
  startTry({ connection }: Stream): void {
    const { perTry, perTryIdle } = this;
    if (perTry + perTryIdle === 0) return;
    const { services, timers } = connection;
    this.trySent = services.clock.now;
    const limit = perTry === 0 ? perTryIdle : perTryIdle === 0 ? perTry : Math.min(perTry, perTryIdle);
    services.timers.arm(timers.attempt, this.trySent + limit);
  }

  /** The upstream gave a sign of life within its answer. */
  touchTry({ connection, upgrade }: Stream): void {
    if (this.perTryIdle === 0 || upgrade !== "") return;
    const { services, timers } = connection;
    services.timers.arm(timers.attempt, services.clock.now + this.perTryIdle);
  }

  /** Another try is made after so many ms. */
  startBackOff({ connection }: Stream, ms: number): void {
    const { services, timers } = connection;
    services.timers.arm(timers.attempt, services.clock.now + ms);
  }

  /** Nothing more is timed. */
  stop({ connection }: Stream): void {
    const { services, timers } = connection;
    services.timers.cancel(timers.attempt);
    services.timers.cancel(timers.route);
  }

  /** The time of a try that has no answer yet ended at `now`: true if only because of silence. */
  endedIdle(now: number): boolean {
    return this.perTry === 0 || now < this.trySent + this.perTry;
  }
}

/** How long an answer of gRPC may take: what its client says, within what the route says; 0 = for ever. */
function grpcTotal({ max, offset }: GrpcTimeoutRules, fields: Fields): number {
  let total = fields.hasId(GRPC_TIMEOUT) ? parseGrpcTimeout(fields.getId(GRPC_TIMEOUT) as string) : 0;
  if (total < 0) total = 0;
  if (offset < total) total -= offset;
  return max > 0 && (total === 0 || total > max) ? max : total;
}

function asked(fields: Fields, id: number, otherwise: number): number {
  const ms = parseDecimalText(fields.getId(id) as string, MAX_MS);
  return ms >= 0 ? ms : otherwise;
}
