/** Guests send requests of their own and hear of the answers. */
import { describe, expect, test } from "bun:test";
import {
  get,
  gist,
  type Script,
  type StorySetup,
  silent,
  storySnapshot,
} from "../../support/engine-story.ts";
import { guest, HAS_ASSEMBLER, pairs, type Wat } from "../../support/guest.ts";
import { origin, type Plugin, wasmStory } from "../../support/wasm-story.ts";

const wat = (text: string): Wat => ({ wat: text });

const HEADERS = pairs([":method", "GET"], [":path", "/ask"], [":authority", "auth"], ["x-ask", "1"]);

/** Asks cluster "app" for each request, holds it, and tells of the answer; then `after` happens for the stream. */
const asking = (
  after: string,
  { cluster = "app", headers = HEADERS, body = "", timeout = 1000 } = {},
): Plugin => ({
  guest: guest`
    (global $stream (mut i32) #0)
    (func $ask
      (call $tell ${"call"} (call $http_call
        ${cluster} ${headers} ${body} ${""} #${wat(String(timeout))} #64)))
    (on request_headers
      (drop (call $get_property ${"request\0path"} #out))
      (if (i32.eq (i32.load8_u offset=1 (i32.load #16)) #97) (then (return #0))) ;; "/ask" itself
      (global.set $stream (local.get $id))
      (call $ask)
      #1)
    (on http_call_response
      (call $tell ${"root"} (local.get $id))
      (call $tell ${"token"} (i32.eq (local.get $a) (i32.load #64)))
      (call $tell ${"headers"} (local.get $b))
      (call $tell ${"size"} (local.get $c))
      (call $tell ${"status"} (call $get_header_map_value #6 ${":status"} #out))
      (call $tell_out ${"status"})
      (drop (call $get_buffer_bytes #4 #0 #-1 #out))
      (call $tell_out ${"body"})
      (call $tell ${"for"} (call $set_effective_context (global.get $stream)))
      (call $tell ${"still"} (call $get_header_map_value #6 ${":status"} #out))
      ${wat(after)})
    (func $deny (call $tell ${"deny"} (call $send_local_response #403 ${""} ${"denied"} ${""} #-1)))
    (on delete (call $tell ${"delete"} (local.get $id)))`,
});

const GO_ON = "(drop (call $continue_stream #0))";
const DENY = "(call $deny)";

/** Answers /ask with `text` (null: not at all), and everything else with 200. */
const asked =
  (text: string | null, heard: string[] = []): Script =>
  (peer) => {
    if (!peer.received.endsWith("\r\n\r\n")) return;
    const head = peer.take();
    heard.push(head);
    if (!head.startsWith("GET /ask ")) peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    else if (text !== null) peer.send(text);
  };

const YES = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-user: me\r\n\r\nyes";

describe.skipIf(!HAS_ASSEMBLER)("an answer", () => {
  test("comes to the root, with head and body, and lets the stream go on or be refused", async () => {
    for (const [after, outcome] of [
      [GO_ON, "200 ok"],
      [DENY, "403 denied"],
    ]) {
      const heard: string[] = [];
      const { s, said, over } = await wasmStory([asking(after)], { origins: [asked(YES, heard)] });
      const client = s.client(get());
      s.advance(5);
      expect(gist(client.received)).toBe(outcome);
      expect(heard[0]).toStartWith("GET /ask HTTP/1.1\r\nhost: auth\r\n");
      expect(heard[0]).toContain("x-ask: 1\r\n");
      expect(heard).toHaveLength(after === GO_ON ? 2 : 1);
      expect(said().slice(0, 9)).toEqual([
        ...["p: call=0", "p: root=1", "p: token=1", "p: headers=3", "p: size=3", "p: status=0"],
        ...["p: status=200", "p: body=yes", "p: for=0"],
      ]);
      await over();
    }
  });

  test("after the stream's end comes all the same, and finds nobody", async () => {
    const { s, said, over } = await wasmStory([asking(DENY)], { origins: [silent] });
    const client = s.client(get());
    client.reset();
    s.settle();
    expect(said()).toEqual(["p: call=0", "p: delete=2"]);
    s.upstream()[0].send(YES);
    s.advance(5);
    const lines = said();
    expect(lines).toContain("p: status=200");
    expect(lines).toContain("p: for=2");
    expect(lines).toContain("p: deny=0"); // the root's: nobody is answered
    await over();
  });

  test("whose handler traps takes the VM, and those that wait are answered", async () => {
    const { s, over } = await wasmStory([asking("(call $trap)")], { origins: [asked(YES)] });
    const client = s.client(get());
    s.advance(5);
    expect(gist(client.received)).toBe("503 ");
    expect(s.stat("wasm.p.vm_failed")).toBe(1);
    await over();
  });

  test("may lead to the next call", async () => {
    const heard: string[] = [];
    const twice = asking(
      "(if (i32.eq (i32.load #64) #4) (then (call $ask)) (else (drop (call $continue_stream #0))))",
    );
    const { s, said, over } = await wasmStory([twice], { origins: [asked(YES, heard)] });
    const client = s.client(get());
    s.advance(10);
    expect(gist(client.received)).toBe("200 ok");
    expect(heard.map((head) => head.split(" ")[1])).toEqual(["/ask", "/ask", "/"]);
    expect(said().filter((line) => line === "p: call=0")).toHaveLength(2);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("no answer", () => {
  const outcomes: readonly (readonly [what: string, setup: StorySetup, lines: readonly string[]])[] = [
    ["in time: 504", { origins: [asked(null)] }, ["status=504", "body=upstream request timeout"]],
    ["for want of an origin: 503", { origins: [null] }, ["status=503"]],
    [
      "but a connection that breaks: 503",
      {
        origins: [
          (peer) => {
            if (peer.received !== "") peer.reset();
          },
        ],
      },
      ["status=503"],
    ],
    ["that is HTTP: 502", { origins: [asked("SSH-2.0-x\r\n\r\n")] }, ["status=502"]],
  ];
  for (const [what, setup, lines] of outcomes) {
    test(what, async () => {
      const { s, said, over } = await wasmStory([asking(DENY)], setup);
      const client = s.client(get());
      s.advance(2000);
      expect(gist(client.received)).toBe("403 denied");
      const all = said();
      for (const line of lines) expect(all).toContain(`p: ${line}`);
      await over();
    });
  }

  test("because nothing was sent: no such cluster, nobody in it, a head that is none, a time that is none", async () => {
    const bad: readonly (readonly [status: number, change: object, setup?: StorySetup])[] = [
      [2, { cluster: "nowhere" }],
      [2, { cluster: "" }],
      [2, { timeout: -1 }],
      [2, { headers: "" }],
      [2, { headers: "nonsense" }],
      [2, { headers: pairs([":method", "GET"], [":path", "/"]) }],
      [2, { headers: pairs([":method", "GET"], [":authority", "a"]) }],
      [2, { headers: pairs([":path", "/"], [":authority", "a"]) }],
      [2, { headers: pairs([":method", "G T"], [":path", "/"], [":authority", "a"]) }],
      [2, { headers: pairs([":method", "GET"], [":path", "/ x"], [":authority", "a"]) }],
      [2, { headers: pairs([":method", "GET"], [":path", "/"], [":authority", "a\r\nb: c"]) }],
      [2, { headers: pairs([":method", "GET"], [":path", "/"], [":authority", "a"], ["b", "c\r\nd: e"]) }],
      [2, { headers: pairs([":method", "GET"], [":path", "/"], [":authority", "a"], ["b c", "d"]) }],
      [2, { headers: pairs([":method", "GET"], [":path", "/"], [":authority", "a"], [":odd", "d"]) }],
    ];
    for (const [status, change] of bad) {
      const plugin = asking(DENY, { ...change, timeout: 1000, ...change });
      const { s, said, over } = await wasmStory([plugin], { origins: [silent] });
      s.client(get());
      expect([change, said()]).toEqual([change, [`p: call=${status}`]]);
      expect(s.upstream()).toEqual([]);
      await over();
    }
    const empty = storySnapshot().clusters[0];
    const { s, said, over } = await wasmStory([asking(DENY)], {
      cluster: { loadAssignment: { ...empty.loadAssignment, localities: [] } as never },
    });
    s.client(get());
    expect(said()).toEqual(["p: call=10"]);
    await over();
  });

  test("once the plugin is gone: the call is given up", async () => {
    const { s, said, supply, over } = await wasmStory([asking(DENY)], { origins: [silent] });
    s.client(get()).reset();
    s.settle();
    supply({ p: guest`(on request_headers #0)` });
    s.advance(5000);
    expect(said()).toEqual(["p: call=0", "p: delete=2", "p: delete=1"]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("a request", () => {
  test("has its body and its length, whatever its head says; joined pseudo headers; no trailers", async () => {
    const headers = pairs(
      ...([
        [":method", "POST"],
        [":path", "/ask"],
        [":authority", "a"],
      ] as const),
      ...([
        ["content-length", "99"],
        ["transfer-encoding", "chunked"],
        ["connection", "x"],
        ["Host", "h"],
      ] as const),
    );
    const { s, over } = await wasmStory([asking(GO_ON, { headers, body: "abc" })], { origins: [silent] });
    s.client(get()).reset();
    s.settle();
    const { received } = s.upstream()[0];
    expect(received).toStartWith("POST /ask HTTP/1.1\r\nhost: h\r\n");
    expect(received).toContain("content-length: 3\r\n");
    expect(received).not.toMatch(/99|chunked|connection/);
    expect(received).toEndWith("\r\n\r\nabc");
    await over();
  });

  test("from the configuration of a plugin is sent at once", async () => {
    const early = guest`
      (on configure
        (call $tell ${"call"} (call $http_call ${"app"} ${HEADERS} ${""} ${""} #1000 #64)) #1)
      (on http_call_response (call $tell ${"answer"} (local.get $b)))`;
    const { s, said, over } = await wasmStory([{ guest: early }], { origins: [asked(YES)] });
    s.advance(5);
    expect(said()).toEqual(["p: call=0", "p: answer=3"]);
    await over();
  });

  test("of a tick; two under way have two numbers", async () => {
    const ticks = guest`
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on tick
        (drop (call $set_tick_period_milliseconds #0))
        (drop (call $http_call ${"app"} ${HEADERS} ${""} ${""} #1000 #64))
        (drop (call $http_call ${"app"} ${HEADERS} ${""} ${""} #1000 #68))
        (call $tell ${"differ"} (i32.ne (i32.load #64) (i32.load #68))))
      (on http_call_response (call $tell ${"token"} (local.get $a)))`;
    const { s, said, over } = await wasmStory([{ guest: ticks }], { origins: [asked(YES)] });
    s.advance(150);
    expect(said()).toEqual(["p: differ=1", "p: token=4", "p: token=8"]);
    await over();
  });

  test("there are not more than a thousand under way", async () => {
    const greedy = guest`
      (on request_headers
        (loop $more
          (local.set $i (i32.add (local.get $i) #1))
          (br_if $more
            (i32.eqz (call $http_call ${"app"} ${HEADERS} ${""} ${""} #1000 #64))))
        (call $tell ${"sent"} (i32.sub (local.get $i) #1))
        #0)`;
    const { s, said, over } = await wasmStory([{ guest: greedy }], {
      origins: [origin([])],
      limits: { maxRequests: 10_000, maxPendingRequests: 10_000 },
    });
    s.client(get());
    expect(said()).toEqual(["p: sent=1024"]);
    await over();
  });
});
