/** Clusters, assignments, endpoints and a name server for tests: short to write, every default filled in. */
import type {
  Cluster,
  ClusterLoadAssignment,
  DnsOptions,
  Endpoint,
  Locality,
  LocalityEndpoints,
  Thresholds,
} from "../../core/config/model.ts";
import type { LookupFamily, Platform, Resolution } from "../../core/io/platform.ts";
import { Clock } from "../../core/time/clock.ts";
import { Timers } from "../../core/time/timers.ts";

/** A seeded generator of numbers in [0, 1) (mulberry32): the same seed, the same test. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const NOWHERE: Locality = { region: "", zone: "", subZone: "" };

/** `"10.0.0.1:80"` (or a host name, in DNS clusters) with what differs from the defaults. */
export function endpoint(text: string, differs: Partial<Endpoint> = {}): Endpoint {
  const colon = text.lastIndexOf(":");
  return {
    address: { ip: text.slice(0, colon), port: Number(text.slice(colon + 1)), path: "" },
    hostname: "",
    weight: 1,
    health: "HEALTHY",
    metadata: {},
    ...differs,
  };
}

/** One locality's endpoints. */
export function group(endpoints: Endpoint[], differs: Partial<LocalityEndpoints> = {}): LocalityEndpoints {
  return { locality: NOWHERE, priority: 0, weight: 0, endpoints, ...differs };
}

export function assignment(...localities: LocalityEndpoints[]): ClusterLoadAssignment {
  return { clusterName: "shop", version: "", localities, overprovisioningFactor: 140 };
}

/** Endpoints 10.0.0.1, 10.0.0.2, … port 80 with these weights. */
export function weighted(...weights: number[]): Endpoint[] {
  return weights.map((weight, i) => endpoint(`10.0.0.${i + 1}:80`, { weight }));
}

export const THRESHOLDS: Thresholds = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  retryBudget: null,
  trackRemaining: false,
  maxConnectionPools: 4294967295,
};

export const DNS: DnsOptions = {
  refreshRate: 5000,
  failureRefreshBase: 5000,
  failureRefreshMax: 5000,
  jitter: 0,
  respectTtl: false,
  lookupFamily: "auto",
};

export function cluster(differs: Partial<Cluster> = {}): Cluster {
  return {
    name: "shop",
    version: "1",
    altStatName: "",
    type: "STATIC",
    lbPolicy: "ROUND_ROBIN",
    leastRequestChoiceCount: 2,
    leastRequestActiveRequestBias: 1,
    connectTimeout: 5000,
    perConnectionBufferLimitBytes: 1 << 20,
    loadAssignment: null,
    edsServiceName: "",
    dns: DNS,
    circuitBreakers: { default: THRESHOLDS, high: THRESHOLDS },
    common: {
      idleTimeout: 3_600_000,
      maxConnectionDuration: 0,
      maxHeadersCount: 100,
      maxStreamDuration: 0,
      headersWithUnderscoresAction: "ALLOW",
      maxRequestsPerConnection: 0,
    },
    http2: null,
    http1: {
      allowAbsoluteUrl: true,
      acceptHttp10: false,
      defaultHostForHttp10: "",
      headerKeyFormat: "DEFAULT",
      enableTrailers: false,
    },
    maxResponseHeadersBytes: 60 * 1024,
    healthyPanicThreshold: 50,
    tcpPoolIdleTimeout: 600_000,
    tcpKeepalive: null,
    ...differs,
  };
}

/** A name that was asked for and not answered yet. */
export interface Question {
  readonly hostname: string;
  readonly family: LookupFamily;
  /** The virtual time of the question, ms. */
  readonly at: number;
  answer(result: Partial<Resolution>): void;
}

/** A platform that only resolves names, when the test says so, in virtual time. */
export class NameServer {
  readonly clock = new Clock();
  readonly timers = new Timers();
  /** Not answered yet. */
  readonly questions: Question[] = [];
  readonly log: string[] = [];
  asked = 0;
  readonly platform: Platform = {
    connect: unexpected,
    fillRandom: unexpected,
    uuid: unexpected,
    tlsContext: unexpected,
    openLog: unexpected,
    log: (_level, _component, message) => this.log.push(message),
    resolve: (hostname, family, done) => {
      this.asked++;
      const question: Question = {
        hostname,
        family,
        at: this.clock.now,
        answer: (result) => {
          this.questions.splice(this.questions.indexOf(question), 1);
          done({ addresses: [], ttl: 0, error: "", ...result });
        },
      };
      this.questions.push(question);
    },
  };

  /** Answers the oldest question for that name. */
  answer(hostname: string, result: Partial<Resolution> | string[]): void {
    const question = this.questions.find((one) => one.hostname === hostname);
    if (question === undefined) throw new Error(`nobody asked for ${hostname}`);
    question.answer(Array.isArray(result) ? { addresses: result } : result);
  }

  /** Lets `ms` pass, firing each alarm at its own time. */
  pass(ms: number): void {
    const until = this.clock.now + ms;
    while (this.timers.nextDeadline() <= until) {
      this.clock.now = Math.max(this.clock.now, this.timers.nextDeadline());
      this.timers.expire(this.clock.now);
    }
    this.clock.now = until;
  }
}

function unexpected(): never {
  throw new Error("not expected in this test");
}
