/** Health checks for tests: every default filled in, and a prober that answers when the test says so. */
import { type EndpointState, FailedActive } from "../../core/cluster/endpoint.ts";
import type { Probe, Prober, ProbeSink } from "../../core/cluster/health-probe.ts";
import type { GrpcQuestion, HealthCheck, HttpQuestion, TcpQuestion } from "../../core/config/health-check.ts";
import { HTTP2 } from "./snapshot-fixture.ts";

export const HTTP_QUESTION: HttpQuestion = {
  kind: "HTTP",
  http2: null,
  method: "GET",
  host: "",
  path: "/health",
  payload: "",
  receive: [],
  bodyLimit: 1024,
  headersToAdd: [],
  headersToRemove: [],
  expected: [{ start: 200, end: 201 }],
  retriable: [],
  serviceName: null,
};

export const GRPC_QUESTION: GrpcQuestion = {
  kind: "GRPC",
  http2: HTTP2,
  service: "",
  authority: "",
  metadata: [],
};

export const TCP_QUESTION: TcpQuestion = { kind: "TCP", send: "", receive: [] };

/** Every second, for at most 300 ms; two failures or successes in a row count. */
export function healthCheck(change: Partial<HealthCheck> = {}): HealthCheck {
  return {
    timeout: 300,
    interval: 1000,
    initialJitter: 0,
    intervalJitter: 0,
    intervalJitterPercent: 0,
    unhealthyThreshold: 2,
    healthyThreshold: 2,
    reuseConnection: true,
    noTrafficInterval: 1000,
    noTrafficHealthyInterval: 1000,
    unhealthyInterval: 1000,
    unhealthyEdgeInterval: 1000,
    healthyEdgeInterval: 1000,
    alpn: null,
    question: HTTP_QUESTION,
    events: { paths: [], everyFailure: false, everySuccess: false },
    ...change,
  };
}

/** A question that was asked and not answered yet. */
export class Asked implements Probe {
  readonly endpoint: EndpointState;
  readonly sink: ProbeSink;
  times = 0;
  waiting = false;
  gaveUp = 0;
  closed = false;

  constructor(endpoint: EndpointState, sink: ProbeSink) {
    this.endpoint = endpoint;
    this.sink = sink;
  }

  ask(): void {
    this.times++;
    this.waiting = true;
  }

  giveUp(): void {
    this.gaveUp++;
    this.waiting = false;
  }

  close(): void {
    this.closed = true;
    this.waiting = false;
  }

  well(degraded = false): void {
    this.waiting = false;
    this.sink.onWell(degraded);
  }

  unwell(failure: "ACTIVE" | "NETWORK" = "ACTIVE", retriable = false, atOnce = false): void {
    this.waiting = false;
    this.sink.onUnwell(failure, retriable, atOnce, 500, "the test says so");
  }
}

export class ScriptedProber implements Prober {
  readonly probes: Asked[] = [];
  closed = false;

  probe(endpoint: EndpointState, sink: ProbeSink): Probe {
    const made = new Asked(endpoint, sink);
    this.probes.push(made);
    return made;
  }

  close(): void {
    this.closed = true;
  }

  /** The probe of that endpoint, "10.0.0.1:80". */
  of(text: string): Asked {
    const found = this.probes.find((each) => each.endpoint.text === text && !each.closed);
    if (found === undefined) throw new Error(`nobody asks ${text}`);
    return found;
  }

  /** Answers whatever waits. */
  allWell(): void {
    for (const each of [...this.probes]) if (each.waiting) each.well();
  }

  get asked(): string[] {
    return this.probes.filter(({ waiting }) => waiting).map(({ endpoint }) => endpoint.text);
  }
}

/** Failed, as an endpoint is that was not asked yet. */
export function failed(endpoint: EndpointState): EndpointState {
  endpoint.mark(FailedActive);
  return endpoint;
}
