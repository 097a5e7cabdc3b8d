/** The filters for gRPC that ship without WASM: `grpc_stats`, `grpc_web`, in the proxy, and what they refuse. */
import { describe, expect, test } from "bun:test";
import { toBytes } from "../../../core/bytes/ascii.ts";
import type { Json } from "../../../core/config/model.ts";
import { Body } from "../../../core/filter/body.ts";
import { checkGrpcStats, GRPC_STATS } from "../../../filters/grpc/grpc-stats.ts";
import { checkGrpcWeb, GRPC_WEB } from "../../../filters/grpc/grpc-web.ts";
import { MessageCounter } from "../../../filters/grpc/message-counter.ts";
import { NATIVE_FILTERS } from "../../../filters/standard.ts";
import { gist, type Story, type StorySetup } from "../../support/engine-story.ts";
import { POST } from "../../support/http2-peer.ts";
import { http2Client, type OnLine, speaking, streamOf } from "../../support/http2-story.ts";

const filter = (typeName: string, config: Json = {}): StorySetup => ({
  kinds: NATIVE_FILTERS,
  manager: { httpFilters: [{ name: "it", typeName, disabled: false, config, discovery: null }] },
});

const ANSWER = [
  [":status", "200"],
  ["content-type", "application/grpc"],
] as const;

/** A message of gRPC. */
const message = (text: string): string => `\0\0\0\0${String.fromCharCode(text.length)}${text}`;

/** What was counted of calls. */
const counted = (s: Story): string[] =>
  [...(s as unknown as { stats(): Map<string, number> }).stats()]
    .filter(([name, value]) => /\.grpc(-web)?\./.test(name) && value > 0)
    .map(([name, value]) => `${name} ${value}`)
    .sort();

/** Two messages and a status for each call. */
const serves =
  (status = "0"): OnLine =>
  (line, peer) => {
    if (!line.endsWith(" end")) return;
    const id = streamOf(line);
    peer
      .head(id, ANSWER)
      .data(id, message("one"))
      .data(id, message("two"))
      .head(
        id,
        [
          ["grpc-status", status],
          ["grpc-message", "said"],
        ],
        { end: true },
      );
  };

describe("grpc_stats", () => {
  type Head = readonly (readonly [string, string])[];
  const to = (path: string): Head => POST.map(([name, value]) => [name, name === ":path" ? path : value]);
  const CALL = to("/shop.Cart/Add?x");

  async function called(config: Json, status: string, calls: readonly Head[] = [CALL]) {
    const { s } = await speaking(serves(status), filter(GRPC_STATS, config));
    const client = http2Client(s);
    calls.forEach((call, i) => {
      const id = 2 * i + 1;
      client
        .head(id, [...call, ["content-type", "application/grpc"]])
        .data(id, message("a") + message("b").slice(0, 3));
      s.settle();
      client.data(id, message("b").slice(3), true);
      s.settle();
    });
    return s;
  }

  test("counts calls of a cluster together, unless it is told otherwise", async () => {
    const s = await called({}, "0");
    expect(counted(s)).toEqual([
      "cluster.app.grpc.0 1",
      "cluster.app.grpc.request_message_count 2",
      "cluster.app.grpc.response_message_count 2",
      "cluster.app.grpc.success 1",
      "cluster.app.grpc.total 1",
    ]);
    s.expectNothingLeft();
  });

  test("counts each method, if it is told so", async () => {
    const s = await called({ stats_for_all_methods: true }, "5");
    expect(counted(s)).toEqual([
      "cluster.app.grpc.shop.Cart.Add.5 1",
      "cluster.app.grpc.shop.Cart.Add.failure 1",
      "cluster.app.grpc.shop.Cart.Add.request_message_count 2",
      "cluster.app.grpc.shop.Cart.Add.response_message_count 2",
      "cluster.app.grpc.shop.Cart.Add.total 1",
    ]);
    s.expectNothingLeft();
  });

  test("counts listed methods, and the others together; dots are replaced if it is told so", async () => {
    const list = { services: [{ name: "shop.Cart", method_names: ["Add"] }] };
    const s = await called(
      { individual_method_stats_allowlist: list, replace_dots_in_grpc_service_name: true },
      "0",
      [CALL, POST],
    );
    expect(counted(s).filter((line) => line.includes("total"))).toEqual([
      "cluster.app.grpc.shop_Cart.Add.total 1",
      "cluster.app.grpc.total 1",
    ]);
    s.expectNothingLeft();
  });

  test("names that clients make up are bounded", async () => {
    const paths = Array.from({ length: 1010 }, (_, i) => to(`/a/m${i}`));
    const s = await called({ stats_for_all_methods: true }, "0", paths);
    const totals = counted(s).filter((line) => / ?\.total /.test(line));
    expect(totals.length).toBe(1001);
    expect(totals).toContain("cluster.app.grpc.total 10");
    s.expectNothingLeft();
  });

  test("a request that is no gRPC is not counted", async () => {
    const { s } = await speaking(serves(), filter(GRPC_STATS, {}));
    const client = http2Client(s);
    client.head(1, CALL, { end: true });
    s.settle();
    expect(counted(s)).toEqual([]);
    s.expectNothingLeft();
  });

  test("an answer of ours is an outcome", async () => {
    const { s } = await speaking(serves(), { ...filter(GRPC_STATS, {}), action: { timeout: 50 } });
    const client = http2Client(s);
    client.head(1, [...CALL, ["content-type", "application/grpc"]]).data(1, message("a"));
    s.advance(10);
    client.reset(1, 8);
    s.settle();
    expect(counted(s)).toEqual(["cluster.app.grpc.request_message_count 1"]);
    s.expectNothingLeft();
  });

  test("what is wrong with its configuration", () => {
    expect(checkGrpcStats({ emit_filter_state: true, nonsense: 1 })).toEqual([
      { path: "emit_filter_state", message: "not implemented yet: emit_filter_state" },
      { path: "nonsense", message: "unknown field" },
    ]);
    const list = { services: [{ name: "a", method_names: 1 }] };
    expect(checkGrpcStats({ individual_method_stats_allowlist: list }).map(({ path }) => path)).toEqual([
      "individual_method_stats_allowlist.services[0].method_names",
    ]);
    expect(checkGrpcStats({ stats_for_all_methods: true, enable_upstream_stats: true })).toEqual([]);
  });
});

describe("grpc_web", () => {
  const ask = (type: string, body: string, accept = "") =>
    `POST /shop.Cart/List HTTP/1.1\r\nhost: a.example\r\ncontent-type: ${type}\r\n` +
    `${accept === "" ? "" : `accept: ${accept}\r\n`}content-length: ${body.length}\r\n\r\n${body}`;
  /** Of an answer in chunks. */
  const body = (received: string): string => {
    let text = received.slice(received.indexOf("\r\n\r\n") + 4);
    let out = "";
    for (;;) {
      const size = Number.parseInt(text, 16);
      const at = text.indexOf("\r\n") + 2;
      if (!(size > 0)) return out;
      out += text.slice(at, at + size);
      text = text.slice(at + size + 2);
    }
  };
  const TRAILERS = "grpc-status:0\r\ngrpc-message:said\r\n";
  const FRAMES = `${message("one")}${message("two")}\x80\0\0\0${String.fromCharCode(TRAILERS.length)}${TRAILERS}`;

  test("bytes pass, and trailers are the last frame", async () => {
    const { s, origins } = await speaking(serves(), filter(GRPC_WEB));
    const client = s.client(ask("application/grpc-web+proto", message("a")));
    expect(client.received).toContain("\r\ncontent-type: application/grpc-web+proto\r\n");
    expect(body(client.received)).toBe(FRAMES);
    expect(origins.heard[0]).toContain(" content-type=application/grpc ");
    expect(origins.heard[0]).toContain(" te=trailers");
    expect(origins.heard[0]).toContain(" grpc-accept-encoding=identity ");
    expect(origins.heard[0]).not.toContain("content-length");
    expect(origins.heard.slice(1).join("")).toContain(message("a"));
    s.expectNothingLeft();
  });

  test.each([[message("hello")], [message("ab") + message("c")], [message("x".repeat(50))]])(
    "text is decoded, in pieces, too: %j",
    async (sent) => {
      const { s, origins } = await speaking(serves(), filter(GRPC_WEB));
      const encoded = [...sent].length % 2 === 0 ? btoa(sent.slice(0, 5)) + btoa(sent.slice(5)) : btoa(sent);
      const whole = ask("application/grpc-web-text", encoded, "application/grpc-web-text");
      const client = s.client(whole.slice(0, -5));
      for (const char of whole.slice(-5)) s.send(client, char);
      const sentOn = origins.heard
        .filter((line) => line.startsWith("1 data "))
        .map((line) => line.slice(7).replace(/ end$/, ""));
      expect(sentOn.join("")).toBe(sent);
      expect(client.received).toContain("\r\ncontent-type: application/grpc-web-text+proto\r\n");
      const decoded = body(client.received).replace(/[^=]+=*/g, (group) => atob(group));
      expect(decoded).toBe(FRAMES);
      s.expectNothingLeft();
    },
  );

  test("outcomes are counted by method, and a `grpc_stats` behind it sees calls of gRPC", async () => {
    const both = [GRPC_WEB, GRPC_STATS].map((typeName) => ({
      ...{ name: typeName, typeName, disabled: false, config: {}, discovery: null },
    }));
    const { s } = await speaking(serves(), { kinds: NATIVE_FILTERS, manager: { httpFilters: both } });
    s.client(ask("application/grpc-web", message("a")));
    expect(counted(s)).toEqual([
      "cluster.app.grpc-web.shop.Cart.List.0 1",
      "cluster.app.grpc-web.shop.Cart.List.success 1",
      "cluster.app.grpc-web.shop.Cart.List.total 1",
      "cluster.app.grpc.0 1",
      "cluster.app.grpc.request_message_count 1",
      "cluster.app.grpc.response_message_count 2",
      "cluster.app.grpc.success 1",
      "cluster.app.grpc.total 1",
    ]);
    s.expectNothingLeft();
  });

  test("an answer that is nothing but trailers stays a head", async () => {
    const { s } = await speaking((line, peer) => {
      if (line.endsWith(" end")) peer.head(1, [...ANSWER, ["grpc-status", "5"]], { end: true });
    }, filter(GRPC_WEB));
    const client = s.client(ask("application/grpc-web", message("a")));
    expect(client.received).toContain("\r\ncontent-type: application/grpc-web+proto\r\n");
    expect(client.received).toContain("\r\ngrpc-status: 5\r\n");
    expect(gist(client.received)).toBe("200 ");
    s.expectNothingLeft();
  });

  test("an answer of ours is one of gRPC-Web", async () => {
    const { s } = await speaking(serves(), { ...filter(GRPC_WEB), limits: { maxRequests: 0 } });
    const client = s.client(ask("application/grpc-web", message("a")));
    expect(client.received).toContain("\r\ncontent-type: application/grpc-web+proto\r\ngrpc-status: 14\r\n");
    s.expectNothingLeft();
  });

  test.each([["AAAA*AAA"], ["AAAAA"], ["=AAA"], ["AA-_"], ["A==="], ["===="], ["AA==AA=A"]])(
    "text that is no Base64 is refused: %s",
    async (text) => {
      const { s } = await speaking(serves(), filter(GRPC_WEB));
      const client = s.client(ask("application/grpc-web-text", text));
      expect(client.received).toContain("\r\ngrpc-status: 13\r\n");
      expect(client.received).toContain("\r\ngrpc-message: Bad gRPC-web request, invalid base64 data.\r\n");
      s.expectNothingLeft();
    },
  );

  test("an answer's length is no longer that, and its trailers are told once", async () => {
    const { s } = await speaking((line, peer) => {
      if (!line.endsWith(" end")) return;
      const id = streamOf(line);
      peer.head(id, [...ANSWER, ["content-length", "6"]]).data(id, message("a"));
      peer.head(id, [["grpc-status", "0"]], { end: true });
    }, filter(GRPC_WEB));
    const client = http2Client(s);
    client.head(1, [...POST, ["content-type", "application/grpc-web"]]).data(1, message("x"), true);
    s.settle();
    const [head, ...rest] = client.heard();
    expect(head).toContain(" content-type=application/grpc-web+proto ");
    expect(head).not.toContain("content-length");
    expect(client.bodies.get(1)).toBe(`${message("a")}\x80\0\0\0\x0fgrpc-status:0\r\n`);
    expect(rest.every((line) => line.startsWith("1 data "))).toBe(true);
    expect(rest.at(-1)).toEndWith(" end");
    s.expectNothingLeft();
  });

  test("other requests, and answers that are no gRPC, are not touched", async () => {
    const { s, origins } = await speaking((line, peer) => {
      if (line.endsWith(" end"))
        peer
          .head(streamOf(line), [
            [":status", "500"],
            ["content-type", "text/plain"],
          ])
          .data(streamOf(line), "no", true);
    }, filter(GRPC_WEB));
    const client = s.client(ask("application/json", "{}"));
    expect(origins.heard[0]).toContain("content-type=application/json");
    client.take();
    s.send(client, ask("application/grpc-web", message("a")));
    expect(client.received).toStartWith("HTTP/1.1 500 ");
    expect(client.received).toContain("\r\ncontent-type: text/plain\r\n");
    expect(body(client.received)).toBe("no");
    s.expectNothingLeft();
  });

  test("what is wrong with its configuration", () => {
    expect(checkGrpcWeb({})).toEqual([]);
    expect(checkGrpcWeb({ x: 1 }).length).toBe(1);
  });
});

describe("messages are counted as they pass", () => {
  const count = (...pieces: string[]): number => {
    const counter = new MessageCounter();
    return pieces.reduce((sum, piece) => {
      const body = new Body();
      body.push(toBytes(piece), 0, piece.length);
      return sum + counter.count(body);
    }, 0);
  };
  const huge = "\0\x80\0\0\0";

  test.each<[what: string, pieces: readonly string[], messages: number]>([
    ["none", [""], 0],
    ["one, and an empty one", [message("a") + message("")], 2],
    ["byte by byte", [...(message("abc") + message("d"))], 2],
    ["one that is compressed", ["\x01\0\0\0\x01a"], 1],
    ["two gigabytes, of which some have come", [huge, message("a"), message("b")], 1],
    ["one, and then something else", [message("a"), "\x02\0\0\0\0", message("b")], 1],
    ["no gRPC at all", ["hello, world", message("b")], 0],
  ])("%s", (_what, pieces, messages) => {
    expect(count(...pieces)).toBe(messages);
  });
});
