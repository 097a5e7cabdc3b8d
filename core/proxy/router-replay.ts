/**
 * Whether a request can be sent once more: what of its body is kept for that, and what its policy says. Tries
 * themselves are the router's business, which extends this.
 *
 * Law: a request is sent again only while nothing of an answer has gone downstream and the whole body so far is here.
 */
import type { Breaker } from "../cluster/breaker.ts";
import type { ClusterState } from "../cluster/cluster.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import { isIdempotent, NoRetry, type RetryDecision, RetryState } from "../cluster/retry-state.ts";
import type { Fault } from "../errors.ts";
import { known } from "../http/names.ts";
import type { ClusterTarget } from "../route/cluster-choice.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import { KeptBody } from "./kept-body.ts";
import { RouterAccount } from "./router-account.ts";
import type { Stream } from "./stream.ts";

const RETRY_ON = known("x-envoy-retry-on");
const RETRY_GRPC_ON = known("x-envoy-retry-grpc-on");

export class RouterReplay extends RouterAccount {
  protected readonly breaker: Breaker;
  /** Null if this request is not retried under a policy. */
  protected retry: RetryState | null = null;
  /** Null until there is some. */
  protected body: KeptBody | null = null;
  /** The body so far is kept for another try. */
  protected keepBody: boolean;
  private freeTried = false;

  constructor(
    stream: Stream,
    route: RouteEntry,
    target: ClusterTarget,
    cluster: ClusterState,
    endOfStream: boolean,
  ) {
    super(stream, route, target, cluster);
    this.breaker = cluster.breaker(this.action.priority);
    this.keepBody = endOfStream || isIdempotent(stream.request.method);
  }

  /** Where pieces of the body wait, or are kept. */
  protected kept(): KeptBody {
    this.body ??= KeptBody.of(this.stream, this.route, this.cluster.config.perConnectionBufferLimitBytes);
    return this.body;
  }

  /** Looks whether the route, or the request itself, asks for retries. */
  protected beginRetries(): void {
    const { stream, route, cluster } = this;
    const { fields } = stream.request;
    if (route.retryPolicy === null && !fields.hasId(RETRY_ON) && !fields.hasId(RETRY_GRPC_ON)) return;
    const retry = new RetryState();
    const policy = stream.manager.clusters.retryPolicy(route.retryPolicy);
    if (!retry.begin(policy, stream.request, this.breaker, cluster.stats)) return;
    this.retry = retry;
    this.keepBody = true;
  }

  /** What the policy says to a try that failed before anything of an answer went downstream. */
  protected askRetry(reason: ResetReason, started: boolean): RetryDecision {
    if (this.retry === null) return NoRetry;
    if (!this.canReplay()) {
      this.cluster.stats.retryOrShadowAbandoned++;
      return NoRetry;
    }
    return this.retry.onReset(reason, started);
  }

  /** Nothing of an answer went downstream, and the body so far is here. */
  protected canReplay(): boolean {
    return this.keepBody && this.stream.response === null && this.stream.upgrade === "";
  }

  /**
   * Whether a try that failed costs nothing to do again, whatever the policy; once. Row K3: a reused connection that ends before any
   * byte (`stale`) most likely crossed our request with its idle close. Only what may be done twice is: a policy for other
   * failures keeps the body of a POST, too. What a peer of HTTP/2 says that it has not looked at may be done whatever it
   * is (RFC 9113 8.7).
   */
  protected isFree(reason: ResetReason, fault: Fault | null, stale: boolean): boolean {
    const crossed = stale && fault === null && isIdempotent(this.stream.request.method);
    if (!crossed && reason !== "remote refused stream reset") return false;
    if (this.freeTried || !this.canReplay()) return false;
    this.freeTried = true;
    return true;
  }

  /** It has been tried again for nothing. */
  protected get wasFree(): boolean {
    return this.freeTried;
  }
}
