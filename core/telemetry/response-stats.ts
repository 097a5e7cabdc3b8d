/**
 * Answers counted by status: by class (`downstream_rq_2xx`) for the downstream side, by code (`upstream_rq_200`)
 * for clusters and routes. Codes appear when first seen, as in Envoy.
 */
import { Histogram } from "./histogram.ts";
import { layoutOf } from "./stat-layout.ts";
import { addHistograms, exportHistogram, type StatSource, type StatVisitor } from "./stats-export.ts";

/** `downstream_rq_1xx` … `5xx` and `_completed`: of one listener and stat prefix, and a part of `HttpStats`. */
export class ResponseClassStats {
  downstreamRqCompleted = 0;
  downstreamRq1xx = 0;
  downstreamRq2xx = 0;
  downstreamRq3xx = 0;
  downstreamRq4xx = 0;
  downstreamRq5xx = 0;

  /** Counts an answer that was begun; a status outside 100 … 599 counts as completed only. */
  charge(status: number): void {
    this.downstreamRqCompleted++;
    if (status < 200) {
      if (status >= 100) this.downstreamRq1xx++;
    } else if (status < 300) this.downstreamRq2xx++;
    else if (status < 400) this.downstreamRq3xx++;
    else if (status < 500) this.downstreamRq4xx++;
    else if (status < 600) this.downstreamRq5xx++;
  }
}

export const RESPONSE_CLASSES = layoutOf("response_classes", () => new ResponseClassStats());

/**
 * Answers of an upstream by code, `upstream_rq_<code>`, `upstream_rq_<n>xx` and `upstream_rq_completed`, and how
 * long they took: one look-up per answer, everything else is added up when somebody reads it. With `split`, the
 * same again below `external.` and `internal.`, by where the request came from.
 */
export class ResponseCodeStats implements StatSource {
  /** Distinct codes in the order seen: the usual one is found first. At most 500, so a hostile upstream is bounded. */
  private readonly codes: number[] = [];
  private readonly external: number[] = [];
  private readonly internal: number[] = [];
  private readonly retried: number[] = [];
  private readonly externalTime = new Histogram();
  private readonly internalTime = new Histogram();
  private readonly split: boolean;

  constructor(split: boolean) {
    this.split = split;
  }

  /** Counts the answer that went downstream, an upstream's or a local one for lack of it. Only 100 … 599 count. */
  charge(status: number, internal: boolean): void {
    const at = this.slot(status);
    if (at >= 0) (internal ? this.internal : this.external)[at]++;
  }

  /** Records how long an answered request took, ms (`upstream_rq_time`). */
  chargeTime(ms: number, internal: boolean): void {
    (internal ? this.internalTime : this.externalTime).record(ms);
  }

  /** Counts an answer that led to another try (`retry.upstream_rq_…`); it is in no other count. */
  chargeRetried(status: number): void {
    const at = this.slot(status);
    if (at >= 0) this.retried[at]++;
  }

  visit(visitor: StatVisitor): void {
    if (this.codes.length > 0) {
      const all = this.codes.map((_, i) => this.external[i] + this.internal[i]);
      this.visitCodes(visitor, "", all);
      if (this.split) {
        this.visitCodes(visitor, "external.", this.external);
        this.visitCodes(visitor, "internal.", this.internal);
      }
      this.visitCodes(visitor, "retry.", this.retried);
    }
    const external = exportHistogram(this.externalTime);
    const internal = exportHistogram(this.internalTime);
    const all = addHistograms(external, internal);
    if (all !== null) visitor.histogram("upstream_rq_time", all);
    if (this.split && external !== null) visitor.histogram("external.upstream_rq_time", external);
    if (this.split && internal !== null) visitor.histogram("internal.upstream_rq_time", internal);
  }

  resetCounters(): void {
    for (const counts of [this.external, this.internal, this.retried]) counts.fill(0);
  }

  private slot(status: number): number {
    const codes = this.codes;
    for (let i = 0; i < codes.length; i++) if (codes[i] === status) return i;
    if (!(status >= 100 && status < 600)) return -1;
    codes.push(status);
    this.external.push(0);
    this.internal.push(0);
    this.retried.push(0);
    return codes.length - 1;
  }

  private visitCodes(visitor: StatVisitor, at: string, counts: readonly number[]): void {
    const classes = [0, 0, 0, 0, 0, 0];
    let completed = 0;
    for (let i = 0; i < counts.length; i++) {
      const code = this.codes[i];
      if (counts[i] === 0) continue;
      classes[Math.floor(code / 100)] += counts[i];
      completed += counts[i];
      visitor.counter(`${at}upstream_rq_${code}`, counts[i], `${at}upstream_rq`, [
        "envoy_response_code",
        String(code),
      ]);
    }
    for (let n = 1; n <= 5; n++) {
      if (classes[n] === 0) continue;
      visitor.counter(`${at}upstream_rq_${n}xx`, classes[n], `${at}upstream_rq_xx`, [
        "envoy_response_code_class",
        String(n),
      ]);
    }
    if (completed > 0)
      visitor.counter(`${at}upstream_rq_completed`, completed, `${at}upstream_rq_completed`, null);
  }
}
