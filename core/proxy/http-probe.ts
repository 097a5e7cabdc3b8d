/** Asks by a request of HTTP: an expected status means well, and what the answer should hold must be in it. */
import { toBytes } from "../bytes/ascii.ts";
import { BlockSearch } from "../bytes/block-search.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import type { ProbeSink } from "../cluster/health-probe.ts";
import type { HttpQuestion, StatusRange } from "../config/health-check.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import { compileStringMatcher, type StringMatcher } from "../route/string-matcher.ts";
import { ExchangeProbe, USER_AGENT } from "./exchange-probe.ts";
import type { HealthProber } from "./health-prober.ts";

const NOTHING = new Uint8Array(0);

export class HttpProbe extends ExchangeProbe {
  protected readonly authority: string;
  private readonly question: HttpQuestion;
  private readonly payload: Uint8Array;
  private readonly serviceName: StringMatcher | null;
  private readonly search: BlockSearch;
  /** Bytes of the body that are still looked at. */
  private left = 0;
  private status = 0;
  private degraded = false;
  private atOnce = false;
  private service = "";

  constructor(prober: HealthProber, question: HttpQuestion, endpoint: EndpointState, sink: ProbeSink) {
    super(prober, question.http2, endpoint, sink);
    const { serviceName } = question;
    this.question = question;
    this.authority = question.host;
    this.payload = question.payload === "" ? NOTHING : toBytes(question.payload);
    this.serviceName = serviceName === null ? null : compileStringMatcher(serviceName, "", []);
    this.search = new BlockSearch(question.receive);
  }

  protected write(head: RequestHead): Uint8Array {
    const { question } = this;
    head.method = question.method;
    head.path = question.path;
    head.fields.add("user-agent", USER_AGENT);
    this.prober.mutate(head, this.endpoint);
    return this.payload;
  }

  protected onHead(head: ResponseHead): void {
    const { fields } = head;
    const { bodyLimit } = this.question;
    this.status = head.status;
    this.degraded = fields.has("x-envoy-degraded");
    this.atOnce = fields.has("x-envoy-immediate-health-check-fail");
    this.service = fields.get("x-envoy-upstream-healthchecked-cluster") ?? "";
    this.search.clear();
    this.left = bodyLimit === 0 ? Number.POSITIVE_INFINITY : bodyLimit;
  }

  protected onBody(bytes: Uint8Array, start: number, end: number): void {
    const size = Math.min(end - start, this.left);
    this.left -= size;
    this.search.read(bytes, start, start + size);
  }

  protected onAnswer(): void {
    const { question, sink, status, atOnce, serviceName } = this;
    if (!this.search.done) {
      sink.onUnwell("ACTIVE", false, atOnce, status, "the body is not what is expected");
      return;
    }
    if (!within(question.expected, status)) {
      sink.onUnwell("ACTIVE", within(question.retriable, status), atOnce, status, `status ${status}`);
      return;
    }
    if (serviceName !== null) {
      this.prober.cluster.health.healthStats.verifyCluster++;
      if (!serviceName.matches(this.service)) {
        sink.onUnwell("ACTIVE", false, false, status, "it is another service");
        return;
      }
    }
    sink.onWell(this.degraded);
  }
}

function within(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(({ start, end }) => status >= start && status < end);
}
