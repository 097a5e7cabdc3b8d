/** How long a request and each of its tries may take: the route's word, or an internal client's. */
import { parseDecimalText } from "../bytes/ascii.ts";
import type { Fields } from "../http/fields.ts";
import { known } from "../http/names.ts";
import type { RouteEntry } from "../route/route-entry.ts";

const RQ_TIMEOUT = known("x-envoy-upstream-rq-timeout-ms");
const TRY_TIMEOUT = known("x-envoy-upstream-rq-per-try-timeout-ms");
const ALT_RESPONSE = known("x-envoy-upstream-rq-timeout-alt-response");
const EXPECTED_TIMEOUT = known("x-envoy-expected-rq-timeout-ms");

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

  /**
   * Reads and removes the request's `x-envoy-…-timeout` fields (those that may speak still have them). With
   * `respectExpected`, what the proxy before us announced counts, and what its client asked for does not: that
   * proxy has dealt with it.
   */
  constructor(route: RouteEntry, timeout: number, fields: Fields, respectExpected: boolean) {
    let total = timeout;
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

  /** Tells the upstream how long we will wait. */
  announce(fields: Fields): void {
    const expected = this.perTry > 0 ? this.perTry : this.total;
    if (expected > 0) fields.setId(EXPECTED_TIMEOUT, String(expected));
  }
}

function asked(fields: Fields, id: number, otherwise: number): number {
  const ms = parseDecimalText(fields.getId(id) as string, MAX_MS);
  return ms >= 0 ? ms : otherwise;
}
