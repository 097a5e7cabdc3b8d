/** gRPC through the proxy: what it answers itself, how long it waits, what it tries again, and how it judges endpoints. */
import { describe, expect, test } from "bun:test";
import type { ClusterState } from "../../../core/cluster/cluster.ts";
import type { EndpointState } from "../../../core/cluster/endpoint.ts";
import type { RouteAction } from "../../../core/config/model.ts";
import { Respond } from "../../../core/filter/verdict.ts";
import { formatGrpcTimeout, parseGrpcTimeout } from "../../../core/http/grpc.ts";
import { type StorySetup, story } from "../../support/engine-story.ts";
import { type Http2Peer, POST } from "../../support/http2-peer.ts";
import { http2Client, speaking, streamOf } from "../../support/http2-story.ts";
import { recorded, reply } from "../../support/scripted-filter.ts";
import { retryPolicy, route } from "../../support/snapshot-fixture.ts";

const CALL = [...POST, ["te", "trailers"], ["content-type", "application/grpc"]] as const;
const ANSWER = [
  [":status", "200"],
  ["content-type", "application/grpc"],
] as const;

/** Calls over HTTP/2, and returns what was heard in answer. */
function call(
  s: Awaited<ReturnType<typeof story>>,
  client: Http2Peer,
  fields: readonly (readonly [string, string])[] = [],
) {
  client.head(1, [...CALL, ...fields]).data(1, "\0\0\0\0\0", true);
  s.settle();
  return client.heard();
}

/** A filter that answers every request. */
const answering = (name: string, with_: ReturnType<typeof reply>) =>
  recorded(name, [], (callbacks) => ({
    onRequestHeaders: () => {
      callbacks.respond(with_);
      return Respond;
    },
  }));

describe("an answer of ours", () => {
  const refused = (status: number) => ({
    routes: [route("/", { kind: "direct_response", status, body: "no", bodyFormat: null })],
  });
  for (const [why, setup, status, message] of [
    ["no route", { table: { virtualHosts: [] } }, 12, ""],
    ["no endpoint", { origins: [] }, 14, "no healthy upstream"],
    [
      "no connection",
      { origins: [null] },
      14,
      "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
    ],
    [
      "a breaker",
      { limits: { maxRequests: 0 } },
      14,
      "upstream connect error or disconnect/reset before headers. reset reason: overflow",
    ],
    [
      "a filter's 403",
      {
        filters: [answering("auth", reply(403, "no"))],
      },
      7,
      "no",
    ],
    [
      "a filter's 429",
      {
        filters: [answering("limit", reply(429, "slow down, 100%"))],
      },
      14,
      "slow down, 100%25",
    ],
    [
      "a filter's own status",
      {
        filters: [answering("own", reply(429, "", { grpcStatus: 8 }))],
      },
      8,
      "",
    ],
  ] as readonly [string, StorySetup, number, string][]) {
    test(`${why}: a head with the status, and the end`, async () => {
      const s = await story(setup);
      const heard = call(s, http2Client(s));
      expect(heard.length).toBeGreaterThan(0);
      expect(heard[0]).toStartWith("1 head :status=200 ");
      expect(heard[0]).toContain(` grpc-status=${status} `);
      expect(heard[0]).toContain(" content-type=application/grpc ");
      expect(heard[0]).not.toContain("content-length");
      if (message === "") expect(heard[0]).not.toContain("grpc-message");
      else expect(heard[0]).toContain(` grpc-message=${message}`);
      expect(heard[0]).toEndWith(" end");
      expect(heard.slice(1).join()).toBeOneOf(["", "1 reset NO_ERROR"]); // of a call that was not whole yet
      s.expectNothingLeft();
    });
  }

  test("of a direct response is translated, too", async () => {
    const s = await story(refused(503));
    expect(call(s, http2Client(s))[0]).toContain(" grpc-status=14 ");
    s.expectNothingLeft();
  });

  test("that comes before the call is whole ends its stream without an error", async () => {
    const s = await story({ origins: [] });
    const client = http2Client(s);
    client.head(1, CALL).data(1, "\0\0\0\0\0");
    s.settle();
    const heard = client.heard();
    expect(heard[0]).toEndWith(" end");
    expect(heard.slice(1)).toEqual(["1 reset NO_ERROR"]);
    s.expectNothingLeft();
  });

  test("a body that is too large is 413, which gRPC does not know", async () => {
    const s = await story({
      listener: { perConnectionBufferLimitBytes: 10 },
      filters: [recorded("holds", [], () => ({ onRequestBody: () => 1 }))],
    });
    const client = http2Client(s);
    client.head(1, CALL).data(1, "x".repeat(100));
    s.settle();
    expect(client.heard()[0]).toContain(" grpc-status=2 ");
    s.expectNothingLeft();
  });

  test("to a client of HTTP/1 has no body", async () => {
    const s = await story({ origins: [] });
    const client = s.client(
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n",
    );
    expect(client.received).toStartWith(
      "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\n",
    );
    expect(client.received).toEndWith("content-length: 0\r\n\r\n");
    s.expectNothingLeft();
  });
});

test("trailers only, and trailers behind messages, are the upstream's as they are", async () => {
  const { s } = await speaking((line, peer) => {
    if (!line.endsWith(" end")) return;
    const id = streamOf(line);
    if (id === 1) peer.head(1, [...ANSWER, ["grpc-status", "5"]], { end: true });
    else
      peer
        .head(3, ANSWER)
        .data(3, "m")
        .head(
          3,
          [
            ["grpc-status", "0"],
            ["x-bin", "AAE="],
          ],
          { end: true },
        );
  });
  const client = http2Client(s);
  const [head] = call(s, client);
  expect(head).toContain(" grpc-status=5 ");
  expect(head).not.toContain("content-length");
  expect(head).toEndWith(" end");
  client.head(3, CALL).data(3, "m", true);
  s.settle();
  expect(client.heard().slice(1)).toEqual(["3 data m", "3 head grpc-status=0 x-bin=AAE= end"]);
  s.expectNothingLeft();
});

test("a call's outcome is its endpoint's, as far as the server is to blame", async () => {
  const outcomes = ["0", "5", "13", "14", ""];
  const { s } = await speaking((line, peer) => {
    if (!line.endsWith(" end")) return;
    const id = streamOf(line);
    const status = outcomes.shift() as string;
    peer.head(id, ANSWER).head(id, status === "" ? [["x", "y"]] : [["grpc-status", status]], { end: true });
  });
  const client = http2Client(s);
  for (let id = 1; id <= 9; id += 2) {
    client.head(id, CALL).data(id, "m", true);
    s.settle();
  }
  const { clusters } = s.proxy.worker as unknown as { clusters: { find(name: string): ClusterState } };
  const { rqSuccess, rqError } = clusters.find("app").chooseEndpoint(null) as EndpointState;
  expect([rqSuccess, rqError]).toEqual([2, 3]);
  s.expectNothingLeft();
});

describe("retry_on", () => {
  test.each([
    ["cancelled", "1"],
    ["deadline-exceeded", "4"],
    ["resource-exhausted", "8"],
    ["internal", "13"],
    ["unavailable", "14"],
  ])("%s: a head that says %s is tried again, trailers are not", async (condition, status) => {
    let tries = 0;
    const { s } = await speaking(
      (line, peer) => {
        if (!line.endsWith(" end")) return;
        const id = streamOf(line);
        if (tries++ === 0) peer.head(id, [...ANSWER, ["grpc-status", status]], { end: true });
        else
          peer
            .head(id, ANSWER)
            .data(id, "m")
            .head(id, [["grpc-status", status]], { end: true });
      },
      { action: { retryPolicy: retryPolicy({ retryOn: [condition], numRetries: 3 }) } },
    );
    const client = http2Client(s);
    call(s, client);
    s.advance(1000);
    expect(client.heard().at(-1)).toBe(`1 head grpc-status=${status} end`);
    expect(tries).toBe(2);
    s.expectNothingLeft();
  });
});

describe("grpc-timeout", () => {
  // What Envoy 1.40 does with these, observed: when the call ends (ms), how, and what the upstream is told.
  const stream = (max: number, offset = 0) => ({ of: "stream", max, offset }) as const;
  const answer = (max: number, offset = 0) => ({ of: "answer", max, offset }) as const;
  for (const [what, action, asked, ends, status, told] of [
    ["unheeded", { timeout: 200 }, "300m", 200, 14, "300m"],
    ["max_stream_duration alone", { timeout: 0, maxStreamDuration: 1000 }, "300m", 1000, 4, "1000m"],
    ["header_max 0", { timeout: 0, grpcTimeout: stream(0) }, "300m", 300, 4, "300m"],
    ["header_max 0, no header", { timeout: 0, grpcTimeout: stream(0) }, "", 0, 0, ""],
    ["header_max 0, no time", { timeout: 0, grpcTimeout: stream(0) }, "0m", 1, 4, "0m"],
    ["header_max 0, nonsense", { timeout: 0, grpcTimeout: stream(0) }, "abc", 0, 0, "abc"],
    [
      "header_max below",
      { timeout: 0, grpcTimeout: stream(500), maxStreamDuration: 1000 },
      "2S",
      500,
      4,
      "500m",
    ],
    [
      "header_max above",
      { timeout: 0, grpcTimeout: stream(500), maxStreamDuration: 1000 },
      "400000u",
      400,
      4,
      "400m",
    ],
    [
      "header_max, no header",
      { timeout: 0, grpcTimeout: stream(500), maxStreamDuration: 1000 },
      "",
      1000,
      4,
      "",
    ],
    ["header_offset", { timeout: 0, grpcTimeout: stream(0, 100) }, "300m", 200, 4, "200m"],
    ["header_offset that leaves nothing", { timeout: 0, grpcTimeout: stream(0, 100) }, "100m", 1, 4, "0m"],
    ["max_grpc_timeout 0", { timeout: 200, grpcTimeout: answer(0) }, "300m", 300, 14, "300m"],
    ["max_grpc_timeout 0, no header", { timeout: 200, grpcTimeout: answer(0) }, "", 0, 0, ""],
    ["max_grpc_timeout, offset", { timeout: 200, grpcTimeout: answer(500, 100) }, "300m", 200, 14, "200m"],
    ["max_grpc_timeout below", { timeout: 200, grpcTimeout: answer(500, 100) }, "2S", 500, 14, "500m"],
    [
      "max_grpc_timeout, an offset too large",
      { timeout: 200, grpcTimeout: answer(500, 100) },
      "100m",
      100,
      14,
      "100m",
    ],
    ["max_grpc_timeout, no header", { timeout: 200, grpcTimeout: answer(500, 100) }, "", 500, 14, "500m"],
    ["max_grpc_timeout, nanoseconds", { timeout: 200, grpcTimeout: answer(500, 100) }, "1n", 1, 14, "1m"],
  ] as readonly [string, Partial<RouteAction>, string, number, number, string][]) {
    test(`${what}: ${asked === "" ? "none" : asked}`, async () => {
      const { s, origins } = await speaking(() => undefined, { action });
      const client = http2Client(s);
      call(s, client, asked === "" ? [] : [["grpc-timeout", asked]]);
      const said = / grpc-timeout=(\S+)/.exec(origins.heard[0] ?? "")?.[1] ?? "";
      if (ends !== 1) expect(said).toBe(told);
      if (ends === 0) {
        s.advance(10_000);
        expect(client.heard()).toEqual([]);
      } else {
        s.advance(Math.max(0, ends - 5));
        if (ends > 5) expect(client.heard()).toEqual([]);
        s.advance(20);
        if (ends > 5) expect(client.heard()[0]).toContain(` grpc-status=${status} `);
        if (ends > 5) expect(origins.heard.at(-1)).toBe("1 reset CANCEL");
        expect(s.stat("cluster.app.upstream_rq_active")).toBe(0);
      }
      s.expectNothingLeft();
    });
  }

  test("is written and read", () => {
    expect(
      ["1H", "2M", "3S", "4m", "5u", "6n", "0m", "", "m", "1", "123456789m", "-1m", "1.5S", "1X"].map(
        parseGrpcTimeout,
      ),
    ).toEqual([3_600_000, 120_000, 3000, 4, 1, 1, 0, -1, -1, -1, -1, -1, -1, -1]);
    const times = [0, 99_999_999, 100_000_000, 99_999_999_000, 100_000_000_000, 1e15];
    expect(times.map(formatGrpcTimeout)).toEqual([
      "0m",
      "99999999m",
      "100000S",
      "99999999S",
      "1666666M",
      "99999999H",
    ]);
  });
});
