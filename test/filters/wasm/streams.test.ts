/** What guests ask to be done to streams, on whose behalf, and what they hear of each stream. */
import { describe, expect, test } from "bun:test";
import { get, gist, post, silent } from "../../support/engine-story.ts";
import { guest, guestWith, HAS_ASSEMBLER, pairs, type Wat } from "../../support/guest.ts";
import { recorded } from "../../support/scripted-filter.ts";
import { type Plugin, wasmStory } from "../../support/wasm-story.ts";

const wat = (text: string): Wat => ({ wat: text });

/** Every callback says its name and its context; `more` is what happens in which of them. */
function chatty(more: { readonly [callback: string]: string } = {}): Plugin {
  const extra = (name: string): Wat => wat(more[name] ?? "");
  return {
    guest: guest`
    (on context_create (call $tell ${"create"} (local.get $id)) (call $tell ${" of"} (local.get $a)) ${extra("create")})
    (on configure (call $tell ${"configure"} (local.get $id)) #1)
    (on request_headers (call $tell ${"request"} (local.get $id)) ${extra("request")} #0)
    (on request_body (call $tell ${"body"} (local.get $a)) ${extra("body")} #0)
    (on response_headers (call $tell ${"response"} (local.get $id)) ${extra("response")} #0)
    (on response_body ${extra("answer")} #0)
    (on done (call $tell ${"done"} (local.get $id)) #1)
    (on log (call $tell ${"log"} (local.get $id)) ${extra("log")})
    (on delete (call $tell ${"delete"} (local.get $id)))
    (func $own (drop (call $add_header_map_value #2 ${"x-own"} ${"1"})))
    (func $refuse (param $status i32)
      (call $tell ${"refuse"} (call $send_local_response
        (local.get $status) ${"why not"} ${"no"} ${pairs(["x-why", "because"])} #-1)))`,
  };
}

describe.skipIf(!HAS_ASSEMBLER)("contexts", () => {
  test("root, then each stream: created, heard, log, done, delete; numbers go up", async () => {
    const { s, said, over } = await wasmStory([chatty()]);
    expect(said()).toEqual(["p: create=1", "p:  of=0", "p: configure=1"]);
    s.client(get() + get());
    expect(said()).toEqual(
      [2, 3].flatMap((id) => [
        ...[`p: create=${id}`, "p:  of=1", `p: request=${id}`, `p: response=${id}`],
        ...[`p: log=${id}`, `p: done=${id}`, `p: delete=${id}`],
      ]),
    );
    await over();
    expect(said()).toEqual(["p: done=1", "p: delete=1"]);
  });

  test("a stream that another filter refuses before is created to be logged", async () => {
    const refuses = recorded("a", [], (callbacks) => ({
      onRequestHeaders() {
        callbacks.respond({ status: 403, body: "", details: "x", headers: [], grpcStatus: -1 });
        return 2;
      },
    }));
    const { s, said, over } = await wasmStory([refuses, { ...chatty(), name: "p" }]);
    said();
    s.client(get());
    expect(said()).toEqual(["p: create=2", "p:  of=1", "p: log=2", "p: done=2", "p: delete=2"]);
    await over();
  });

  test("numbers of the living stay theirs, however many come and go", async () => {
    const { s, said, over } = await wasmStory([chatty()], { origins: [silent] });
    const held = Array.from({ length: 200 }, (_, i) => s.client(get(`/${i}`)));
    for (const [i, client] of held.entries()) if (i % 3 !== 0) client.reset();
    s.settle();
    for (let i = 0; i < 100; i++) s.client(get()).reset();
    s.settle();
    const ids = said().flatMap((line) => /^p: create=(\d+)/.exec(line)?.[1] ?? []);
    expect(ids).toHaveLength(301);
    expect(new Set(ids).size).toBe(301);
    await over();
  });

  test("guests of 0.1.0 see no end of stream and may name no stream", async () => {
    const old = guestWith({ abi: "0.1.0" })`
      (on request_headers (call $tell ${"n"} (local.get $a)) #1)
      (on configure
        (drop (call $set_tick_period_milliseconds #100))
        (call $tell ${"configuration"} (call $get_configuration #out))
        (call $tell_out ${"configuration"})
        #1)
      (on vm_start
        (call $tell ${"vm"} (call $get_configuration #out))
        (call $tell_out ${"vm"})
        #1)
      (on tick
        (drop (call $set_effective_context #2))
        (call $tell ${"go"} (call $continue_request)))`;
    const { s, said, over } = await wasmStory([
      {
        guest: old,
        configuration: "mine",
        vm: { configuration: { "@type": "type.googleapis.com/google.protobuf.StringValue", value: "its" } },
      },
    ]);
    const client = s.client(get());
    expect(client.received).toBe("");
    s.advance(100);
    expect(gist(client.received)).toBe("200 ok");
    expect(said()).toEqual([
      "p: vm=0",
      "p: vm=its",
      "p: configuration=0",
      "p: configuration=mine",
      "p: n=6",
      "p: go=0",
    ]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("local replies", () => {
  test("from the request's head: nothing goes upstream, its own answer is shown to it", async () => {
    const { s, seen, said, over } = await wasmStory([chatty({ request: "(call $refuse #403)" })], {
      log: "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%",
    });
    said();
    const { received } = s.client(get());
    expect(received).toStartWith("HTTP/1.1 403 Forbidden\r\n");
    expect(received).toContain("x-why: because\r\n");
    expect(received).toContain("content-type: text/plain\r\n");
    expect(received).toEndWith("\r\n\r\nno");
    expect(seen).toEqual([]);
    expect(s.logs).toEqual(["403 why_not"]);
    expect(
      said()
        .map((line) => line.slice(3))
        .join(" "),
    ).toBe("create=2  of=1 request=2 refuse=0 response=2 log=2 done=2 delete=2");
    await over();
  });

  test("from a body, from the answer's head (it takes its place), from the answer's body (it is cut)", async () => {
    const cases = [
      ["body", /^HTTP\/1.1 403 [\s\S]*no$/],
      ["response", /^HTTP\/1.1 403 [\s\S]*no$/],
      ["answer", /^HTTP\/1.1 200 (?![\s\S]*no$)/],
      ["log", /^HTTP\/1.1 200 [\s\S]*ok$/],
    ] as const;
    for (const [where, expected] of cases) {
      const { s, over } = await wasmStory([chatty({ [where]: "(call $refuse #403)" })]);
      const client = s.client(post("abc"));
      expect(client.received).toMatch(expected);
      await over();
    }
  });

  test("twice: the first one counts", async () => {
    const { s, said, over } = await wasmStory([
      chatty({ request: "(call $refuse #403) (call $refuse #404)", response: "(call $refuse #405)" }),
    ]);
    expect(gist(s.client(get()).received)).toBe("403 no");
    expect(said().filter((line) => line.includes("refuse"))).toEqual([..."123"].map(() => "p: refuse=0"));
    await over();
  });

  test("continue and close in the answer to it change nothing", async () => {
    const { s, over } = await wasmStory([
      chatty({
        request: "(call $refuse #403)",
        response: `(call $own) (drop (call $continue_stream #1)) (drop (call $continue_stream #0))`,
      }),
    ]);
    const client = s.client(get() + get());
    expect(client.received.match(/HTTP\/1.1 403/g)).toHaveLength(2);
    expect(client.received.match(/x-own: 1/g)).toHaveLength(2); // it is the answer that was shown
    await over();
  });

  test("every filter that saw the request sees the answer, a later one does not", async () => {
    const calls: string[] = [];
    const parts = [recorded("a", calls), chatty({ request: "(call $refuse #403)" }), recorded("c", calls)];
    const { s, over } = await wasmStory(parts);
    s.client(get());
    expect(calls).toEqual([
      "a.requestHeaders(GET / end)",
      "a.responseHeaders(403)",
      "a.responseBody(no)",
      "a.responseBody( end)",
      "a.log()",
      "c.log()",
    ]);
    await over();
  });

  test("no such status, headers that cannot be sent: refused, and the request goes on", async () => {
    const tries = guest`
      (func $try (param $status i32) (param $headers i32) (param $size i32)
        (call $tell ${"status"} (call $send_local_response
          (local.get $status) #0 #0 #0 #0 (local.get $headers) (local.get $size) #-1)))
      (on request_headers
        (call $try #0 ${""}) (call $try #100 ${""}) (call $try #199 ${""}) (call $try #600 ${""})
        (call $try #-1 ${""}) (call $try #99999 ${""})
        (call $try #403 ${pairs(["a b", "x"])})
        (call $try #403 ${pairs(["x", "a\r\nb: c"])})
        (call $try #403 ${pairs(["x", "y"]).slice(1)})
        #0)`;
    const { s, said, over } = await wasmStory([{ guest: tries }]);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    expect(said()).toEqual([...Array(9)].map(() => "p: status=2"));
    await over();
  });

  test("headers of the framing stay the proxy's; pseudo headers are passed over", async () => {
    const odd = pairs(
      [":status", "200"],
      ["content-length", "999"],
      ["transfer-encoding", "chunked"],
      ["connection", "x"],
      ["Content-Type", "application/json"],
      ["set-cookie", "a"],
      ["set-cookie", "b"],
    );
    const replies = guest`(on request_headers
      (drop (call $send_local_response #401 ${""} ${"{}"} ${odd} #-1)) #0)`;
    const { s, over } = await wasmStory([{ guest: replies }]);
    const { received } = s.client(get());
    expect(received).toStartWith("HTTP/1.1 401 ");
    expect(received.match(/^(content|transfer|connection|set-).*$/gm)).toEqual([
      "content-type: application/json",
      "set-cookie: a",
      "set-cookie: b",
      "content-length: 2",
    ]);
    expect(received).toEndWith("\r\n\r\n{}");
    await over();
  });

  test("to a gRPC client: 200 with a grpc-status, given or from the code", async () => {
    const grpc = "content-type: application/grpc\r\nte: trailers\r\n";
    for (const [given, expected] of [
      [-1, 7],
      [16, 16],
      [0, 0],
      [17, 7],
    ]) {
      const replies = guest`(on request_headers
        (drop (call $send_local_response #403 ${""} ${"no way"} ${pairs(["x-a", "1"])} #${wat(String(given))}))
        #0)`;
      const { s, over } = await wasmStory([{ guest: replies }]);
      const { received } = s.client(get("/", grpc));
      expect(received).toStartWith("HTTP/1.1 200 ");
      expect(received).toContain(`grpc-status: ${expected}\r\n`);
      expect(received).toContain("grpc-message: no way\r\n");
      expect(received).toContain("x-a: 1\r\n");
      await over();
    }
  });
});

/** Holds requests ($held is the last one's number) and does `act` in every tick. */
const ticking = (act: string, hold = "request_headers") => guest`
  (global $held (mut i32) #0)
  (global $other (mut i32) #0)
  (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
  (on ${wat(hold)}
    (global.set $other (global.get $held))
    (global.set $held (local.get $id))
    #1)
  (on tick
    (if (i32.eqz (global.get $held)) (then (return)))
    (call $tell ${"act for"} (call $set_effective_context (global.get $held)))
    ${wat(act)})
  (func $status (param $s i32) (call $tell ${"status"} (local.get $s)))
  (on delete (call $tell ${"delete"} (local.get $id)))`;

describe.skipIf(!HAS_ASSEMBLER)("from a tick", () => {
  test("a request goes on, is refused, is cut", async () => {
    const cases = [
      ["(call $status (call $continue_stream #0))", "200 ok"],
      ["(call $status (call $send_local_response #429 #0 #0 #0 #0 #0 #0 #-1))", "429 "],
      ["(call $status (call $close_stream #0))", " "],
    ] as const;
    for (const [act, expected] of cases) {
      const { s, said, over } = await wasmStory([{ guest: ticking(act) }]);
      const client = s.client(get());
      expect(client.received).toBe("");
      s.advance(100);
      expect(client.received === "" ? " " : gist(client.received)).toBe(expected);
      if (expected === " ") expect(client.ended || client.closed).toBe(true);
      expect(said()).toEqual(["p: act for=0", "p: status=0", "p: delete=2"]);
      s.advance(100);
      expect(said()).toEqual(["p: act for=2", "p: status=0"]); // the stream is gone: the root acts, in vain
      await over();
    }
  });

  test("an answer that is held goes on", async () => {
    const { s, over } = await wasmStory([
      { guest: ticking("(call $status (call $continue_stream #1))", "response_headers") },
    ]);
    const client = s.client(get());
    expect(client.received).toBe("");
    s.advance(100);
    expect(gist(client.received)).toBe("200 ok");
    await over();
  });

  test("one stream's callback lets another one go on", async () => {
    const pairwise = guest`
      (global $held (mut i32) #0)
      (on request_headers
        (if (i32.eqz (global.get $held)) (then (global.set $held (local.get $id)) (return #1)))
        (drop (call $set_effective_context (global.get $held)))
        (drop (call $continue_stream #0))
        (drop (call $add_header_map_value #0 ${"x-from"} ${"the other"}))
        #0)`;
    const { s, seen, over } = await wasmStory([{ guest: pairwise }]);
    const first = s.client(get("/1"));
    expect(first.received).toBe("");
    const second = s.client(get("/2"));
    expect([gist(first.received), gist(second.received)]).toEqual(["200 ok", "200 ok"]);
    expect(seen.find((head) => head.includes("GET /1 "))).toContain("x-from: the other");
    expect(seen.find((head) => head.includes("GET /2 "))).not.toContain("x-from");
    await over();
  });

  test("the period: none by 0, a new one takes the place of the old", async () => {
    const periods = guest`
      (global $n (mut i32) #0)
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on tick
        (global.set $n (i32.add (global.get $n) #1))
        (call $tell ${"tick"} (global.get $n))
        (if (i32.eq (global.get $n) #2) (then (drop (call $set_tick_period_milliseconds #1000))))
        (if (i32.eq (global.get $n) #4) (then (drop (call $set_tick_period_milliseconds #0)))))`;
    const { s, said, over } = await wasmStory([{ guest: periods }]);
    s.advance(250);
    expect(said()).toEqual(["p: tick=1", "p: tick=2"]);
    s.advance(900);
    expect(said()).toEqual([]);
    s.advance(1100);
    expect(said()).toEqual(["p: tick=3", "p: tick=4"]);
    s.advance(10_000);
    expect(said()).toEqual([]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("roots", () => {
  test("one that is not done is waited for until it says so", async () => {
    const lingers = guest`
      (global $ends (mut i32) #0)
      (on done
        (if (i32.ne (local.get $id) #1) (then (return #1)))
        (drop (call $set_tick_period_milliseconds #500))
        (global.set $ends #1)
        #0)
      (on tick (call $tell ${"done"} (call $done)) (call $tell ${"again"} (call $done)))
      (on delete (call $tell ${"delete"} (local.get $id)))
      (on configure (call $tell ${"now"} (call $done)) #1)`;
    const { said, over } = await wasmStory([{ guest: lingers }]);
    expect(said()).toEqual(["p: now=1"]);
    await over();
    expect(said()).toEqual(["p: done=0", "p: again=0", "p: delete=1"]);
  });

  test("and no longer than a minute", async () => {
    const never = guest`(on done (i32.ne (local.get $id) #1)) (on delete (call $tell ${"delete"} (local.get $id)))`;
    const { s, said, supply, over } = await wasmStory([{ guest: never }]);
    supply({ p: guest`(on request_headers #0)` });
    s.advance(59_000);
    expect([said(), s.stat("wasm.p.active")]).toEqual([[], 2]);
    s.advance(2000);
    expect([said(), s.stat("wasm.p.active")]).toEqual([["p: delete=1"], 1]);
    await over();
  });
});
