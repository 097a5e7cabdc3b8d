import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Breaker } from "../../../core/cluster/breaker.ts";
import { EndpointState } from "../../../core/cluster/endpoint.ts";
import type { ResetReason } from "../../../core/cluster/reset-reason.ts";
import { compileRetryPolicy } from "../../../core/cluster/retry-policy.ts";
import {
  isIdempotent,
  LimitExceeded,
  NoRetry,
  Overflow,
  Retry,
  type RetryDecision,
  RetryState,
} from "../../../core/cluster/retry-state.ts";
import type { HeaderMatcher, RetryPolicy } from "../../../core/config/model.ts";
import type { ConfigFault } from "../../../core/errors.ts";
import { RequestHead, ResponseHead } from "../../../core/http/head.ts";
import { BreakerStats, ClusterStats } from "../../../core/telemetry/cluster-stats.ts";
import { endpoint, NOWHERE, seeded, THRESHOLDS } from "../../support/cluster-fixture.ts";

const POLICY: RetryPolicy = {
  retryOn: [],
  numRetries: 2,
  perTryTimeout: 0,
  perTryIdleTimeout: 0,
  retriableStatusCodes: [],
  retriableHeaders: [],
  retriableRequestHeaders: [],
  backOffBase: 25,
  backOffMax: 250,
  previousHosts: false,
  hostSelectionAttempts: 1,
};

type Headers = { [name: string]: string };

function begin(differs: Partial<RetryPolicy> | null, headers: Headers = {}, maxRetries = 3) {
  const stats = new ClusterStats();
  const breaker = new Breaker(new BreakerStats());
  breaker.configure({ ...THRESHOLDS, maxRetries }, null);
  const faults: ConfigFault[] = [];
  const policy =
    differs === null ? null : compileRetryPolicy({ ...POLICY, ...differs }, "retry_policy", faults);
  expect(faults).toEqual([]);
  const request = new RequestHead();
  request.method = "POST";
  for (const name in headers) request.fields.add(name, headers[name]);
  const state = new RetryState();
  const possible = state.begin(policy, request, breaker, stats);
  return { state, stats, breaker, request, possible };
}

function response(status: number, headers: Headers = {}): ResponseHead {
  const head = new ResponseHead();
  head.status = status;
  for (const name in headers) head.fields.add(name, headers[name]);
  return head;
}

function present(name: string): HeaderMatcher {
  return { name, test: { kind: "present", present: true }, invert: false, treatMissingAsEmpty: false };
}

describe("resets: which condition repeats which", () => {
  // Columns: was the request begun?
  const REASONS: [ResetReason, boolean][] = [
    ["local connection failure", false],
    ["remote connection failure", false],
    ["connection timeout", false],
    ["connection termination", false],
    ["connection termination", true],
    ["remote reset", true],
    ["remote refused stream reset", true],
    ["local reset", true], // a per-try timeout
    ["protocol error", true],
    ["overflow", false],
  ];
  test.each([
    ["connect-failure", "yyy......."],
    ["reset-before-request", "yyyy......"],
    ["refused-stream", "......y..."],
    ["reset", "yyyyyyyyy."],
    ["5xx", "yyyyyyyyy."],
    ["gateway-error", "yyyyyyyyy."],
    ["retriable-4xx", ".........."],
    ["retriable-status-codes", ".........."],
    ["retriable-headers", ".........."],
    ["envoy-ratelimited", ".........."],
    ["unavailable", ".........."],
  ])("%s", (condition, expected) => {
    const decided = REASONS.map(([reason, started]) => {
      const { state } = begin({ retryOn: [condition] });
      return state.onReset(reason, started) === Retry ? "y" : ".";
    });
    expect(decided.join("")).toBe(expected);
  });
});

describe("responses: which condition repeats which", () => {
  const RESPONSES: ResponseHead[] = [
    response(200),
    response(409),
    response(429),
    response(500),
    response(502),
    response(503),
    response(504),
    response(599),
    response(200, { "x-again": "1" }),
    response(200, { "grpc-status": "14" }),
    response(503, { "x-envoy-ratelimited": "true" }),
  ];
  test.each([
    ["5xx", "...yyyyy..."],
    ["gateway-error", "....yyy...."],
    ["retriable-4xx", ".y........."],
    ["retriable-status-codes", "..y.y......"],
    ["retriable-headers", "........y.."],
    ["envoy-ratelimited", "..........y"],
    ["unavailable", ".........y."],
    ["cancelled", "..........."],
    ["connect-failure", "..........."],
    ["reset", "..........."],
    ["reset-before-request", "..........."],
    ["refused-stream", "..........."],
  ])("%s", (condition, expected) => {
    const decided = RESPONSES.map((head) => {
      const { state } = begin({
        retryOn: [condition],
        retriableStatusCodes: [429, 502],
        retriableHeaders: [present("x-again")],
      });
      return state.onHeaders(head) === Retry ? "y" : ".";
    });
    expect(decided.join("")).toBe(expected);
  });

  test.each([
    ["cancelled", "1"],
    ["deadline-exceeded", "4"],
    ["resource-exhausted", "8"],
    ["internal", "13"],
    ["unavailable", "14"],
  ])("gRPC %s is status %s", (condition, status) => {
    for (const seen of ["0", "1", "2", "4", "8", "13", "14", "x"]) {
      const { state } = begin({ retryOn: [condition] });
      expect(state.onHeaders(response(200, { "grpc-status": seen }))).toBe(seen === status ? Retry : NoRetry);
    }
  });

  test("a rate-limited answer is not repeated by 5xx, however bad", () => {
    const { state } = begin({ retryOn: ["5xx", "envoy-ratelimited"] });
    expect(state.onHeaders(response(429, { "x-envoy-ratelimited": "true" }))).toBe(Retry);
  });
});

describe("how often", () => {
  test("numRetries, then the limit; each is counted", () => {
    const { state, stats } = begin({ retryOn: ["5xx"], numRetries: 2 });
    const decided: RetryDecision[] = [];
    for (let i = 0; i < 3; i++) decided.push(state.onHeaders(response(503)));
    expect(decided).toEqual([Retry, Retry, LimitExceeded]);
    expect(stats).toMatchObject({
      upstreamRqRetry: 2,
      upstreamRqRetryBackoffExponential: 2,
      upstreamRqRetryLimitExceeded: 1,
      upstreamRqRetrySuccess: 0,
    });
  });

  test("a good answer after a retry is a success, one without is not", () => {
    const { state, stats } = begin({ retryOn: ["5xx"] });
    state.onHeaders(response(503));
    expect(state.onHeaders(response(200))).toBe(NoRetry);
    expect(stats.upstreamRqRetrySuccess).toBe(1);
    const plain = begin({ retryOn: ["5xx"] });
    plain.state.onHeaders(response(200));
    expect(plain.stats.upstreamRqRetrySuccess).toBe(0);
  });

  test("the breaker refuses: overflow, counted, nothing held", () => {
    const { state, stats, breaker } = begin({ retryOn: ["5xx"] }, {}, 0);
    expect(state.onHeaders(response(503))).toBe(Overflow);
    expect(stats.upstreamRqRetryOverflow).toBe(1);
    expect(breaker.retries.active).toBe(0);
  });

  test("a granted retry holds its place until the next decision or the end", () => {
    const { state, breaker } = begin({ retryOn: ["5xx"] });
    state.onHeaders(response(503));
    expect(breaker.retries.active).toBe(1);
    state.onReset("remote reset", true);
    expect(breaker.retries.active).toBe(1);
    state.end();
    state.end();
    expect([breaker.retries.active, breaker.retries.misuse]).toEqual([0, 0]);
  });

  test("the same object begins the next request afresh", () => {
    const { state, breaker, stats } = begin({ retryOn: ["5xx"], numRetries: 1 });
    state.onHeaders(response(503));
    expect(state.begin(null, new RequestHead(), breaker, stats)).toBe(false);
    expect(breaker.retries.active).toBe(0);
    expect(state.onHeaders(response(503))).toBe(NoRetry);
    expect(state.onReset("remote connection failure", false)).toBe(NoRetry);
  });

  test("property: whatever happens, no place is lost or given back twice", () => {
    const event = fc.constantFrom("503", "200", "reset", "refused", "end", "begin");
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 40 }),
        fc.nat(3),
        fc.nat(3),
        (events, numRetries, maxRetries) => {
          const { state, breaker, stats } = begin({ retryOn: ["5xx"], numRetries }, {}, maxRetries);
          const policy = compileRetryPolicy({ ...POLICY, retryOn: ["5xx"], numRetries }, "", []);
          for (const what of events) {
            if (what === "503") state.onHeaders(response(503));
            else if (what === "200") state.onHeaders(response(200));
            else if (what === "reset") state.onReset("connection termination", true);
            else if (what === "refused") state.onReset("overflow", false);
            else if (what === "end") state.end();
            else state.begin(policy, new RequestHead(), breaker, stats);
            expect(breaker.retries.active).toBeLessThanOrEqual(1);
          }
          state.end();
          expect([breaker.retries.active, breaker.retries.misuse]).toEqual([0, 0]);
        },
      ),
      { seed: 7 },
    );
  });
});

describe("back-off", () => {
  test("random in [0, min(base · 2^(n-1), max)): below 25, 50, 100, 200, 250, 250 ms", () => {
    const random = seeded(9);
    const longest = [0, 0, 0, 0, 0, 0];
    for (let run = 0; run < 2000; run++) {
      const { state } = begin({ retryOn: ["5xx"] });
      for (let n = 0; n < longest.length; n++) longest[n] = Math.max(longest[n], state.backOff(random));
    }
    const bounds = [25, 50, 100, 200, 250, 250];
    for (let n = 0; n < bounds.length; n++) {
      expect(longest[n]).toBeLessThan(bounds[n]);
      expect(longest[n]).toBeGreaterThan(bounds[n] * 0.98);
    }
  });

  test("a maximum below the base counts as the base", () => {
    const { state } = begin({ retryOn: ["5xx"], backOffBase: 100, backOffMax: 10 });
    expect([state.backOff(() => 0.5), state.backOff(() => 0.5)]).toEqual([50, 50]);
  });
});

describe("request headers", () => {
  test("are taken out, with or without a policy", () => {
    const { request, possible } = begin(null, {
      "x-envoy-max-retries": "3",
      "x-envoy-retriable-status-codes": "418",
      "x-envoy-retriable-header-names": "x-a",
      "x-envoy-hedge-on-per-try-timeout": "true",
      "x-kept": "1",
    });
    expect(possible).toBe(false);
    expect(request.fields.count).toBe(1);
    expect(begin({ retryOn: ["5xx"] }, { "x-envoy-retry-on": "reset" }).request.fields.count).toBe(0);
  });

  test("x-envoy-retry-on alone makes one retry", () => {
    const { state, possible } = begin(null, { "x-envoy-retry-on": "bogus, gateway-error ,retriable-4xx" });
    expect(possible).toBe(true);
    expect([state.onHeaders(response(409)), state.onHeaders(response(502))]).toEqual([Retry, LimitExceeded]);
  });

  test("conditions add to the policy's; gRPC conditions have their own header", () => {
    const { state } = begin({ retryOn: ["5xx"] }, { "x-envoy-retry-on": "retriable-4xx,unavailable" });
    expect(state.onHeaders(response(500))).toBe(Retry);
    expect(state.onHeaders(response(409))).toBe(Retry);
    const grpc = begin(
      { retryOn: [] },
      { "x-envoy-retry-on": "unavailable", "x-envoy-retry-grpc-on": "cancelled" },
    );
    expect(grpc.state.onHeaders(response(200, { "grpc-status": "14" }))).toBe(NoRetry);
    expect(grpc.state.onHeaders(response(200, { "grpc-status": "1" }))).toBe(Retry);
  });

  test.each([
    ["0", 0],
    ["5", 5],
    ["+5", 2],
    ["5x", 2],
    ["", 2],
    ["-1", 2],
    ["99999999999", 2],
  ])("x-envoy-max-retries: %p gives %d retries", (text, retries) => {
    const { state } = begin({ retryOn: ["5xx"], numRetries: 2 }, { "x-envoy-max-retries": text });
    let granted = 0;
    while (state.onHeaders(response(503)) === Retry) granted++;
    expect(granted).toBe(retries);
  });

  test("more status codes and header names; nonsense among them does nothing", () => {
    const { state } = begin(null, {
      "x-envoy-retry-on": "retriable-status-codes,retriable-headers",
      "x-envoy-max-retries": "9",
      "x-envoy-retriable-status-codes": "418, x, 4000,,451",
      "x-envoy-retriable-header-names": "X-Again, x-more",
    });
    expect(state.onHeaders(response(418))).toBe(Retry);
    expect(state.onHeaders(response(451))).toBe(Retry);
    expect(state.onHeaders(response(503))).toBe(NoRetry);
    expect(state.onHeaders(response(200, { "x-again": "" }))).toBe(Retry);
    expect(state.onHeaders(response(200, { "x-more": "1" }))).toBe(Retry);
  });

  test("one request's overrides do not outlive it", () => {
    const { state, breaker, stats } = begin(null, {
      "x-envoy-retry-on": "retriable-status-codes,retriable-headers",
      "x-envoy-retriable-status-codes": "418",
      "x-envoy-retriable-header-names": "x-again",
    });
    const next = new RequestHead();
    next.fields.add("x-envoy-retry-on", "retriable-status-codes,retriable-headers");
    state.begin(null, next, breaker, stats);
    expect(state.onHeaders(response(418, { "x-again": "1" }))).toBe(NoRetry);
  });

  test("retriable_request_headers: without a match nothing is retried", () => {
    const gated = { retryOn: ["5xx"], retriableRequestHeaders: [present("x-safe"), present(":never")] };
    expect(begin(gated).possible).toBe(false);
    expect(begin(gated, { "x-envoy-retry-on": "5xx" }).possible).toBe(false);
    expect(begin(gated, { "x-safe": "1" }).possible).toBe(true);
  });
});

describe("safety (http.md K3)", () => {
  test("without policy and headers nothing is ever sent again", () => {
    const { state } = begin(null);
    expect(state.onReset("remote connection failure", false)).toBe(NoRetry);
    expect(state.onHeaders(response(503))).toBe(NoRetry);
  });

  test("idempotent methods are those of RFC 9110 9.2.2, in capitals", () => {
    const methods = [
      "GET",
      "HEAD",
      "OPTIONS",
      "TRACE",
      "PUT",
      "DELETE",
      "POST",
      "PATCH",
      "CONNECT",
      "get",
      "LOCK",
    ];
    expect(methods.filter(isIdempotent)).toEqual(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
  });
});

describe("previous hosts", () => {
  const host = (n: number) => new EndpointState(endpoint(`10.0.0.${n}:80`), NOWHERE, 0);

  test("the first try takes any endpoint; a retry avoids those that were tried", () => {
    const { state } = begin({ retryOn: ["5xx"], previousHosts: true, hostSelectionAttempts: 5 });
    expect(state.hostSelectionAttempts).toBe(0);
    const [one, two] = [host(1), host(2)];
    state.onTry(one);
    expect([state.hostSelectionAttempts, state.rejects(one), state.rejects(two)]).toEqual([5, true, false]);
    state.end();
    expect(state.rejects(one)).toBe(false);
  });

  test("not asked for: nobody is avoided", () => {
    const { state } = begin({ retryOn: ["5xx"], hostSelectionAttempts: 5 });
    const one = host(1);
    state.onTry(one);
    expect([state.hostSelectionAttempts, state.rejects(one)]).toEqual([0, false]);
  });
});

test("an unknown condition is a fault with its place; so is a bad matcher", () => {
  const faults: ConfigFault[] = [];
  compileRetryPolicy(
    {
      ...POLICY,
      retryOn: ["5xx", "http3-post-connect-failure", "moon"],
      retriableHeaders: [{ ...present("x"), test: { kind: "string", match: { kind: "regex", regex: "(" } } }],
    },
    "routes[0].route.retry_policy",
    faults,
  );
  expect(faults.map((fault) => fault.path)).toEqual([
    "routes[0].route.retry_policy.retry_on",
    "routes[0].route.retry_policy.retry_on",
    "routes[0].route.retry_policy.retriable_headers[0].string_match.safe_regex.regex",
  ]);
  expect(faults[1].message).toBe('unknown condition "moon"');
});
