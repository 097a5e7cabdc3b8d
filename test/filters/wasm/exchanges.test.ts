/**
 * Whole exchanges with a guest in the middle, where several callbacks matter together: the cases of other hosts' lists
 * (Envoy's HTTP and common tests, ngx_wasm_module's) that are not about one host function or one callback.
 */
import { describe, expect, test } from "bun:test";
import { get, gist, post, silent } from "../../support/engine-story.ts";
import { WITH_TRAILERS } from "../../support/filtered-story.ts";
import { guest, HAS_ASSEMBLER, pairs, type Wat } from "../../support/guest.ts";
import { origin, wasmStory } from "../../support/wasm-story.ts";

const wat = (text: string): Wat => ({ wat: text });

const WHOLE = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-t: 1\r\n\r\n";
const ANSWER = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n";
const TRAILERS = { manager: { http1: WITH_TRAILERS }, cluster: { http1: WITH_TRAILERS } };

describe.skipIf(!HAS_ASSEMBLER)("trailers", () => {
  test("a trap in either of them cuts what has begun; the VM is lost", async () => {
    for (const [at, outcome] of [
      // The request was under way: the client gets an answer. The answer was: it is never finished.
      ["request_trailers", /^HTTP\/1.1 503 /],
      ["response_trailers", /^HTTP\/1.1 200 (?![\s\S]*\r\n0\r\n)/],
    ] as const) {
      const { s, said, over } = await wasmStory([{ guest: guest`(on ${wat(at)} (call $trap) #0)` }], {
        origins: [origin([], ANSWER)],
        ...TRAILERS,
      });
      const client = s.client(WHOLE);
      expect([at, client.received]).toEqual([at, expect.stringMatching(outcome)]);
      expect(said()[0]).toMatch(/^critical p: RuntimeError/);
      expect(s.stat("wasm.p.vm_failed")).toBe(1);
      await over();
    }
  });

  test("that are paused hold the end of their message until somebody says continue", async () => {
    const pauses = guest`
      (global $held (mut i32) #0)
      (global $which (mut i32) #0)
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on request_trailers (call $say ${"request"}) (global.set $held (local.get $id)) (global.set $which #0) #1)
      (on response_trailers (call $say ${"response"}) (global.set $held (local.get $id)) (global.set $which #1) #1)
      (on tick
        (if (i32.eqz (global.get $held)) (then (return)))
        (drop (call $set_effective_context (global.get $held)))
        (global.set $held #0)
        (call $tell ${"get"} (call $get_header_map_value
          (i32.add (i32.mul (global.get $which) #2) #1) ${"x-t"} #out))
        (drop (call $continue_stream (global.get $which))))`;
    const seen: string[] = [];
    const { s, said, over } = await wasmStory([{ guest: pauses }], {
      origins: [origin(seen, ANSWER)],
      ...TRAILERS,
    });
    const client = s.client(WHOLE);
    expect(said()).toEqual(["p: request"]);
    expect(seen).toEqual([]); // the end is not there
    s.advance(100);
    expect(seen[0]).toEndWith("1\r\nx\r\n0\r\nx-t: 1\r\n\r\n");
    expect(said()).toEqual(["p: get=0", "p: response"]);
    expect(client.received).not.toContain("x-t: 1");
    s.advance(100);
    expect(client.received).toEndWith("2\r\nok\r\n0\r\nx-t: 1\r\n\r\n");
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("a stream's end", () => {
  const logs = guest`
    (on log
      (call $tell ${"path"} (call $get_header_map_value #0 ${":path"} #out)) (call $tell_out ${"path"})
      (call $tell ${"status"} (call $get_header_map_value #2 ${":status"} #out)))
    (on done (call $say ${"done"}) #1)
    (on delete (call $say ${"delete"}))`;

  test("is all that a guest hears that exports nothing but log, and it reads both heads", async () => {
    const { s, said, over } = await wasmStory([{ guest: logs }]);
    expect(gist(s.client(get("/here")).received)).toBe("200 ok");
    expect(said()).toEqual(["p: path=0", "p: path=/here", "p: status=0", "p: done", "p: delete"]);
    await over();
  });

  test("is told when the client leaves: before the answer, and in the middle of its own request", async () => {
    for (const request of [get("/here"), post("abc", 10).replace("POST / ", "POST /here ")]) {
      const { s, said, over } = await wasmStory([{ guest: logs }], { origins: [silent] });
      const client = s.client(request);
      client.reset();
      s.settle();
      expect(said()).toEqual(["p: path=0", "p: path=/here", "p: status=1", "p: done", "p: delete"]);
      await over();
    }
  });

  test("is told once, whatever is held at that time", async () => {
    const holds = guest`
      (on request_headers #1)
      (on log (call $say ${"log"}))
      (on done (call $say ${"done"}) #1)
      (on delete (call $say ${"delete"}))`;
    const { s, said, over } = await wasmStory([{ guest: holds }]);
    s.client(get()).reset();
    s.settle();
    expect(said()).toEqual(["p: log", "p: done", "p: delete"]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("bodies", () => {
  test("are held until there is enough of them, then stream: both ways", async () => {
    const patient = (direction: "request" | "response") => guest`
      (global $open (mut i32) #0)
      (on ${wat(direction)}_body
        (call $tell ${"size"} (local.get $a))
        (if (i32.ge_u (local.get $a) #4) (then (global.set $open #1)))
        (select #0 #1 (global.get $open)))`;
    const asks = await wasmStory([{ guest: patient("request") }], { origins: [silent] });
    const client = asks.s.client(post("ab", 10));
    const upstream = () => asks.s.upstream()[0]?.take() ?? "";
    expect(upstream()).not.toContain("ab");
    asks.s.send(client, "cd");
    expect(upstream()).toEndWith("abcd");
    asks.s.send(client, "ef");
    expect(upstream()).toBe("ef");
    expect(asks.said()).toEqual(["p: size=2", "p: size=4", "p: size=2"]);
    await asks.over();

    const answers = await wasmStory([{ guest: patient("response") }], { origins: [silent] });
    const reader = answers.s.client(get());
    answers.s.send(answers.s.upstream()[0], "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab");
    expect(reader.take()).not.toContain("ab");
    answers.s.send(answers.s.upstream()[0], "cd");
    expect(reader.take()).toEndWith("abcd");
    answers.s.send(answers.s.upstream()[0], "ef");
    expect(reader.take()).toBe("ef");
    await answers.over();
  });

  test("that are too large for who holds them end the stream, and the guest hears of it", async () => {
    const holds = guest`
      (on request_body #1)
      (on response_headers (call $tell ${"status"} (call $get_header_map_value #2 ${":status"} #out)) (call $tell_out ${"status"}) #0)
      (on log (call $say ${"log"}))
      (on delete (call $say ${"delete"}))`;
    const { s, said, over } = await wasmStory([{ guest: holds }], { origins: [silent] });
    const client = s.client(post("x".repeat(3_000_000), 4_000_000));
    s.advance(10);
    expect(client.received.slice(9, 12)).toBe("413");
    client.reset();
    s.settle();
    expect(said()).toEqual(["p: status=0", "p: status=413", "p: log", "p: delete"]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("closing a stream", () => {
  test.each(["request_headers", "request_body", "response_headers", "response_body"])(
    "in %s, by either of its numbers: the client gets nothing more, and the end is told",
    async (at) => {
      for (const stream of ["#0", "#1"]) {
        const closes = guest`
          (on ${wat(at)} (call $tell ${"close"} (call $close_stream ${wat(stream)})) #0)
          (on log (call $say ${"log"}))
          (on delete (call $say ${"delete"}))`;
        const { s, said, over } = await wasmStory([{ guest: closes }]);
        const client = s.client(post("abc"));
        expect([client.received.includes("ok"), client.closed || client.ended]).toEqual([false, true]);
        expect(said().filter((line) => line !== "p: close=0")).toEqual(["p: log", "p: delete"]);
        expect(s.stat("wasm.p.vm_failed")).toBe(0);
        await over();
      }
    },
  );
});

describe.skipIf(!HAS_ASSEMBLER)("local replies", () => {
  const refuses = (response: string) => guest`
    (func $refuse (param $status i32)
      (call $tell ${"refuse"} (call $send_local_response (local.get $status) ${""} ${"no"} ${""} #-1)))
    (on request_headers (call $refuse #403) #1)
    (on response_headers ${wat(response)} #0)`;

  test("one in the request and one as its answer passes: the first stays", async () => {
    const { s, said, over } = await wasmStory([{ guest: refuses("(call $refuse #500)") }]);
    const client = s.client(get() + get());
    expect(client.received.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 403", "HTTP/1.1 403"]);
    expect(said()).toEqual(Array(4).fill("p: refuse=0"));
    await over();
  });

  test("one whose own answer traps: the client gets one answer, and it is 503", async () => {
    const { s, over } = await wasmStory([{ guest: refuses("(call $trap)") }]);
    const client = s.client(get());
    expect(client.received.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 503"]);
    expect(s.stat("wasm.p.vm_failed")).toBe(1);
    await over();
  });

  const HEAD = pairs([":method", "GET"], [":path", "/ask"], [":authority", "auth"]);

  test("one beside a call: the client is answered at once, the call's answer comes to the root", async () => {
    const both = guest`
      (global $stream (mut i32) #0)
      (on request_headers
        (global.set $stream (local.get $id))
        (call $tell ${"call"} (call $http_call ${"app"} ${HEAD} ${""} ${""} #1000 #64))
        (call $tell ${"reply"} (call $send_local_response #403 ${""} ${"no"} ${""} #-1))
        #1)
      (on http_call_response
        (call $tell ${"size"} (local.get $c))
        (call $tell ${"stream"} (call $set_effective_context (global.get $stream))))`;
    const { s, said, over } = await wasmStory([{ guest: both }], { origins: [silent] });
    expect(gist(s.client(get()).received)).toBe("403 no");
    expect(said()).toEqual(["p: call=0", "p: reply=0"]);
    s.send(s.upstream()[0], "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes");
    s.advance(5);
    expect(said()).toEqual(["p: size=3", "p: stream=2"]);
    await over();
  });

  test("ten calls of one request are ten tokens and ten answers, in the order in which these come", async () => {
    const ten = guest`
      (global $left (mut i32) #10)
      (global $stream (mut i32) #0)
      (on request_headers
        (drop (call $get_property ${"request\0path"} #out))
        (if (i32.eq (i32.load8_u offset=1 (i32.load #16)) #97) (then (return #0)))
        (global.set $stream (local.get $id))
        (loop $next
          (drop (call $http_call ${"app"} ${HEAD} ${""} ${""} #1000 #64))
          (call $tell ${"asked"} (i32.load #64))
          (local.set $i (i32.add (local.get $i) #1))
          (br_if $next (i32.lt_u (local.get $i) #10)))
        #1)
      (on http_call_response
        (call $tell ${"answer"} (local.get $a))
        (global.set $left (i32.sub (global.get $left) #1))
        (if (global.get $left) (then (return)))
        (drop (call $set_effective_context (global.get $stream)))
        (drop (call $continue_stream #0)))`;
    const { s, said, over } = await wasmStory([{ guest: ten }]);
    const client = s.client(get());
    s.advance(5);
    const lines = said();
    const tokens = (word: string) =>
      lines.filter((line) => line.startsWith(`p: ${word}=`)).map((line) => line.split("=")[1]);
    expect(new Set(tokens("asked")).size).toBe(10);
    expect(tokens("answer").sort()).toEqual(tokens("asked").sort());
    expect(gist(client.received)).toBe("200 ok");
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("several plugins", () => {
  const ticking = (period: number) => guest`
    (on configure (drop (call $set_tick_period_milliseconds ${wat(`#${period}`)})) #1)
    (on tick (call $say ${"tick"}))`;

  test("tick each at their own pace", async () => {
    const { s, said, over } = await wasmStory([
      { guest: ticking(100), name: "fast" },
      { guest: ticking(250), name: "slow" },
    ]);
    s.advance(550);
    const lines = said().map((line) => line.split(":")[0]);
    expect(lines.filter((name) => name === "fast")).toHaveLength(5);
    expect(lines.filter((name) => name === "slow")).toHaveLength(2);
    await over();
  });

  test("of one module and vm_id have their own globals and memory, and one shared data", async () => {
    const counting = guest`
      (global $n (mut i32) #0)
      (on request_headers
        (global.set $n (i32.add (global.get $n) #1))
        (i32.store #512 (i32.add (i32.load #512) #1))
        (call $tell ${"n"} (i32.add (i32.mul (i32.load #512) #10) (global.get $n)))
        (call $tell ${"shared"} (call $get_shared_data ${"key"} #out #24))
        (drop (call $set_shared_data ${"key"} ${"x"} #0))
        #0)`;
    const vm = { vm_id: "one" };
    const { s, said, over } = await wasmStory([
      { guest: counting, vm },
      { guest: counting, vm },
    ]);
    s.client(get() + get());
    expect(said()).toEqual([
      ...["p: n=11", "p: shared=1", "q: n=11", "q: shared=0"],
      ...["p: n=22", "p: shared=0", "q: n=22", "q: shared=0"],
    ]);
    await over();
  });

  test("a trap in the answer of a queue takes the plugin that was told, and no other", async () => {
    const worker = guest`
      (on configure (drop (call $register_shared_queue ${"jobs"} #64)) #1)
      (on queue_ready (call $trap))`;
    const giver = guest`
      (on request_headers
        (drop (call $resolve_shared_queue ${""} ${"jobs"} #64))
        (call $tell ${"given"} (call $enqueue_shared_queue (i32.load #64) ${"job"}))
        #0)`;
    const { s, said, over } = await wasmStory([
      { guest: worker, name: "worker", config: { failure_policy: "FAIL_OPEN" } },
      { guest: giver, name: "giver" },
    ]);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    s.advance(10);
    const lines = said();
    expect(lines[0]).toBe("giver: given=0");
    expect(lines[1]).toMatch(/^critical worker: RuntimeError/);
    expect([s.stat("wasm.worker.vm_failed"), s.stat("wasm.giver.vm_failed")]).toEqual([1, 0]);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    await over();
  });
});
