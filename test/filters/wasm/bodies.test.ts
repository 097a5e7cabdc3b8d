/** Guests read, change and hold bodies, and heads until they have seen the body. */
import { describe, expect, test } from "bun:test";
import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import { get, gist, post, silent } from "../../support/engine-story.ts";
import { guest, HAS_ASSEMBLER } from "../../support/guest.ts";
import { type Plugin, wasmStory } from "../../support/wasm-story.ts";

const bodyOf = (message: string): string => message.slice(message.indexOf("\r\n\r\n") + 4);

/** The body of a chunked message, its pieces joined. */
function unchunked(body: string): string {
  let out = "";
  for (let rest = body; ; ) {
    const [line] = rest.split("\r\n", 1);
    const size = Number.parseInt(line, 16);
    if (!(size > 0)) return out;
    out += rest.slice(line.length + 2, line.length + 2 + size);
    rest = rest.slice(line.length + 4 + size);
  }
}

/** Without content-length: a guest that changes a body says so. */
const FREES = `(on request_headers (call $unsized #0) #0) (on response_headers (call $unsized #2) #0)`;

/** A guest that does this with each piece ($kind: 0 or 1, $size, $end), and answers $action while more is to come. */
function editing(edit: string, buffered: boolean): CompiledModule {
  return guest`
    (func $unsized (param $map i32)
      (drop (call $remove_header_map_value (local.get $map) ${"content-length"})))
    (func $edit (param $kind i32) (param $size i32) (param $end i32) (result i32)
      (if (i32.and #${{ wat: buffered ? "1" : "0" }} (i32.eqz (local.get $end))) (then (return #1)))
      ${{ wat: edit }}
      #0)
    (func $set (param $kind i32) (param $start i32) (param $length i32) (param $from i32) (param $size i32)
      (call $tell ${"set"}
        (call $set_buffer_bytes
          (local.get $kind) (local.get $start) (local.get $length) (local.get $from) (local.get $size))))
    ${{ wat: FREES }}
    (on request_body (call $edit #0 (local.get $a) (local.get $b)))
    (on response_body (call $edit #1 (local.get $a) (local.get $b)))
    (global $text (mut i32) (i32.const 8))
    (func (export "_initialize") (i32.store #8 #0x403c3e5b) (i32.store8 #12 #0x5d))`; // "[><@]" at 8
}

const EDITS: readonly (readonly [name: string, edit: string, streamed: string, buffered: string])[] = [
  ["read only", `(drop (call $get_buffer_bytes (local.get $kind) #0 #-1 #out))`, "abcdef", "abcdef"],
  ["prepend", `(call $set (local.get $kind) #0 #0 #8 #1)`, "[abc[def[", "[abcdef"],
  ["append", `(call $set (local.get $kind) #-1 #0 #12 #1)`, "abc]def]]", "abcdef]"],
  ["append at the size", `(call $set (local.get $kind) (local.get $size) #5 #12 #1)`, "abc]def]]", "abcdef]"],
  ["replace", `(call $set (local.get $kind) #0 #-1 #8 #2)`, "[>[>[>", "[>"],
  ["replace by its size", `(call $set (local.get $kind) #0 (local.get $size) #8 #2)`, "[>[>[>", "[>"],
  ["replace the first two", `(call $set (local.get $kind) #0 #2 #8 #1)`, "[c[f[", "[cdef"],
  ["remove", `(call $set (local.get $kind) #0 #-1 #8 #0)`, "", ""],
  ["remove the first", `(call $set (local.get $kind) #0 #1 #8 #0)`, "bcef", "bcdef"],
  // (the end of a streamed body is a call of its own, where 1 is at its end)
  ["the middle: refused", `(call $set (local.get $kind) #1 #1 #8 #1)`, "abcdef[", "abcdef"],
];

describe.skipIf(!HAS_ASSEMBLER)("changes", () => {
  for (const buffered of [false, true]) {
    for (const [name, edit, streamed, whole] of EDITS) {
      test(`${buffered ? "buffered" : "streamed"}: ${name}`, async () => {
        const expected = buffered ? whole : streamed;
        const seen: string[] = [];
        const { s, said, over } = await wasmStory([{ guest: editing(edit, buffered) }], {
          origins: [
            (peer) => {
              if (!peer.received.endsWith("0\r\n\r\n")) return;
              seen.push(peer.take());
              peer.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc");
            },
          ],
        });
        const client = s.client(post("abc", 6));
        s.send(client, "def");
        s.upstream()[0].send("def");
        s.settle();
        expect(unchunked(bodyOf(seen[0]))).toBe(expected);
        expect(unchunked(bodyOf(client.received))).toBe(expected);
        if (name.startsWith("the middle")) expect(said()[0]).toBe("p: set=2");
        else expect(said().every((line) => line === "p: set=0")).toBe(true);
        await over();
      });
    }
  }

  test("a body that is no longer what its head declared is cut, visibly", async () => {
    const grows = guest`(on request_body (drop (call $set_buffer_bytes #0 #-1 #0 ${"more"})) #0)`;
    const { s, over } = await wasmStory([{ guest: grows }], { origins: [silent] });
    const client = s.client(post("abc"));
    expect(s.upstream()[0]?.received ?? "").not.toContain("more");
    expect(client.closed || client.ended || client.received !== "").toBe(true);
    await over();
  });

  test("nor of as many pieces", async () => {
    const shreds = guest`
      (on request_body
        (loop $more
          (local.set $i (i32.add (local.get $i) #1))
          (br_if $more (i32.eqz (call $set_buffer_bytes #0 #0 #0 ${"x"}))))
        (call $tell ${"less than 20000"} (i32.lt_u (local.get $i) #20000))
        (drop (call $send_local_response #413 ${""} ${""} ${""} #-1))
        #0)`;
    const { s, said, over } = await wasmStory([{ guest: shreds }]);
    expect(gist(s.client(post("abc")).received)).toBe("413 ");
    expect(said()).toEqual(["p: less than 20000=1"]);
    await over();
  });

  test("a guest cannot make a body as large as it likes", async () => {
    const greedy = guest`
      (on request_body
        (loop $more
          (local.set $i (call $set_buffer_bytes #0 #-1 #0 #0 #65536))
          (br_if $more (i32.eqz (local.get $i))))
        (call $tell ${"status"} (local.get $i))
        (drop (call $send_local_response #413 ${""} ${""} ${""} #-1))
        #0)`;
    const { s, said, over } = await wasmStory([{ guest: greedy }]);
    expect(gist(s.client(post("abc")).received)).toBe("413 ");
    expect(said()).toEqual(["p: status=10"]);
    await over();
  });
});

/** Tells of each call and of the buffer, and answers `action`. */
const reader = (action: number) => guest`
  (on request_body
    (call $tell ${"size"} (local.get $a))
    (call $tell ${"end"} (local.get $b))
    (drop (call $get_buffer_bytes #0 #0 #-1 #out))
    (call $tell_out ${"body"})
    (if (result i32) (local.get $b) (then #0) (else #${{ wat: String(action) }})))`;

describe.skipIf(!HAS_ASSEMBLER)("reading", () => {
  test("parts: clamped to what is there, beyond it nothing, an overflow refused, each half by its own number", async () => {
    const parts = guest`
      (func $part (param $from i32) (param $max i32)
        (call $tell ${"status"} (call $get_buffer_bytes #0 (local.get $from) (local.get $max) #out))
        (call $tell_out ${"part"}))
      (on request_body
        (if (local.get $b) (then (return #0)))
        (call $part #1 #3) (call $part #4 #100) (call $part #0 #-1) (call $part #6 #1) (call $part #-1 #0)
        (call $part #2 #0)
        (call $tell ${"overflow"} (call $get_buffer_bytes #0 #1 #-1 #out))
        (call $tell ${"size"} (call $get_buffer_status #0 #32 #36))
        (call $tell ${"is"} (i32.load #32))
        (call $tell ${"other"} (call $get_buffer_bytes #1 #0 #-1 #out))
        #0)
      (on response_body
        (call $tell ${"mine"} (call $get_buffer_bytes #1 #0 #-1 #out))
        (call $tell ${"other"} (call $get_buffer_bytes #0 #0 #-1 #out))
        #0)`;
    const { s, said, over } = await wasmStory([{ guest: parts }]);
    s.client(post("abcdef"));
    expect(said()).toEqual([
      ...["bcd", "ef", "abcdef", "", "", ""].flatMap((part) => ["p: status=0", `p: part=${part}`]),
      "p: overflow=2",
      "p: size=0",
      "p: is=6",
      "p: other=1",
      ...["p: mine=0", "p: other=1"],
      ...["p: mine=0", "p: other=1"],
    ]);
    await over();
  });

  const shown = async (action: number): Promise<{ lines: string[]; upstream: string }> => {
    const { s, seen, said, over } = await wasmStory([{ guest: reader(action) }]);
    const client = s.client(post("ab", 4));
    s.send(client, "cd");
    const lines = said().map((line) => line.slice(3));
    await over();
    return { lines, upstream: bodyOf(seen[0] ?? "") };
  };

  test("streamed: each piece by itself, then the end", async () => {
    const { lines, upstream } = await shown(0);
    expect(lines.join(" ")).toBe("size=2 end=0 body=ab size=2 end=0 body=cd size=0 end=1 body=");
    expect(upstream).toBe("abcd");
  });

  test("held by 1: all that is there, each time", async () => {
    const { lines, upstream } = await shown(1);
    expect(lines.join(" ")).toBe("size=2 end=0 body=ab size=4 end=0 body=abcd size=4 end=1 body=abcd");
    expect(upstream).toBe("abcd");
  });

  test("held by 2: each piece by itself, though nothing goes on", async () => {
    const { lines, upstream } = await shown(2);
    expect(lines.join(" ")).toBe("size=2 end=0 body=ab size=2 end=0 body=cd size=0 end=1 body=");
    expect(upstream).toBe("abcd");
  });

  // What Envoy 1.40 did with this very guest: the sizes that it was shown, and what went upstream.
  test.each([
    ["1", "3 5 4 0", "xxxyyzzzz"],
    ["13", "3 5 4 0", "xxxyyzzzz"],
    ["130", "3 5 4 0", "xxxyyzzzz"],
    ["23", "3 2 4 0", "xxxzzzz"],
    ["3", "3 2 4 0", "yyzzzz"],
    ["33", "3 2 4 0", "zzzz"],
    ["31", "3 2 6 0", "yyzzzz"],
    ["313", "3 2 6 0", "yyzzzz"],
    ["231", "3 2 4 7", "xxxzzzz"],
    ["113", "3 5 9 0", "xxxyyzzzz"],
    ["213", "3 2 9 0", "xxxyyzzzz"],
    ["331", "3 2 4 4", "zzzz"],
  ])("one piece after another held or taken: %s, then let go", async (actions, sizes, upstream) => {
    const scripted = guest`
      (global $call (mut i32) #0)
      (on request_headers
        (drop (call $get_header_map_value #0 ${":path"} #out))
        (memory.copy #50000 (i32.load #16) (i32.load #20))
        #0)
      (on request_body
        (call $tell ${"size"} (local.get $a))
        (global.set $call (i32.add (global.get $call) #1))
        (local.set $i (i32.load8_u (i32.add #50000 (global.get $call))))
        (if (result i32) (i32.eqz (local.get $i)) (then #0) (else (i32.sub (local.get $i) #48))))`;
    const { s, seen, said, over } = await wasmStory([{ guest: scripted }]);
    const client = s.client(`POST /${actions} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n`);
    for (const piece of ["xxx", "yy", "zzzz"]) s.send(client, `${piece.length}\r\n${piece}\r\n`);
    s.send(client, "0\r\n\r\n");
    expect(
      said()
        .map((line) => line.slice("p: size=".length))
        .join(" "),
    ).toBe(sizes);
    expect(unchunked(bodyOf(seen[0]))).toBe(upstream);
    await over();
  });

  test("taken by 3 (and by any other number): the pieces go nowhere", async () => {
    for (const action of [3, 7, -1]) {
      const { s, seen, said, over } = await wasmStory([{ guest: reader(action) }]);
      const client = s.client("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n");
      s.send(client, "2\r\ncd\r\n0\r\n\r\n");
      expect(said().join(" ")).toBe(
        "p: size=2 p: end=0 p: body=ab p: size=2 p: end=0 p: body=cd p: size=0 p: end=1 p: body=",
      );
      expect(unchunked(bodyOf(seen[0]))).toBe("");
      await over();
    }
  });

  test("more than may wait: 413 by 1, the sender waits by 2", async () => {
    for (const action of [1, 2]) {
      const held = guest`(on request_body #${{ wat: String(action) }})`;
      const { s, said, over } = await wasmStory([{ guest: held }], { origins: [silent] });
      const client = s.client(post("x".repeat(3_000_000), 4_000_000));
      s.advance(10);
      expect(client.received.slice(9, 12)).toBe(action === 1 ? "413" : "");
      expect(said()).toEqual([]);
      await over();
    }
  });

  test("what is held can be read and changed from a tick, until it goes on", async () => {
    const held = guest`
      (global $stream (mut i32) #0)
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on request_headers (call $unsized) #0)
      (func $unsized (drop (call $remove_header_map_value #0 ${"content-length"})))
      (on request_body (global.set $stream (local.get $id)) #1)
      (on tick
        (if (i32.eqz (global.get $stream)) (then (return)))
        (drop (call $set_effective_context (global.get $stream)))
        (call $tell ${"read"} (call $get_buffer_bytes #0 #0 #-1 #out))
        (call $tell_out ${"body"})
        (call $tell ${"set"} (call $set_buffer_bytes #0 #-1 #0 ${"!"}))
        (drop (call $continue_stream #0)))
      (on response_headers (call $tell ${"late"} (call $get_buffer_bytes #0 #0 #-1 #out)) #0)
      (on log (global.set $stream #0))`;
    const { s, seen, said, over } = await wasmStory([{ guest: held }]);
    s.client(post("abc"));
    s.advance(150);
    expect(unchunked(bodyOf(seen[0]))).toBe("abc!");
    expect(said()).toEqual(["p: read=0", "p: body=abc", "p: set=0", "p: late=1"]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("a head that waits", () => {
  const waits = guest`
    (on request_headers #1)
    (on request_body
      (call $tell ${"size"} (local.get $a))
      (call $tell ${"end"} (local.get $b))
      (call $tell ${"head"} (call $add_header_map_value #0 ${"x-size"} ${"known"}))
      (if (local.get $b) (then (call $tell ${"go"} (call $continue_stream #0)) (return #0)))
      #1)`;
  const plugin = (allow: boolean): Plugin => ({
    guest: waits,
    config: { allow_on_headers_stop_iteration: allow },
  });

  test("with allow_on_headers_stop_iteration sees the body and goes on with it", async () => {
    const { s, seen, said, over } = await wasmStory([plugin(true)]);
    const client = s.client(post("ab", 4));
    expect(seen).toEqual([]);
    s.send(client, "cd");
    expect(seen[0]).toContain("x-size: known\r\n");
    expect(bodyOf(seen[0])).toBe("abcd");
    expect(said().join(" ")).toBe(
      "p: size=2 p: end=0 p: head=0 p: size=4 p: end=0 p: head=0 p: size=4 p: end=1 p: head=0 p: go=0",
    );
    await over();
  });

  test("without it no callback comes until somebody says continue", async () => {
    const { s, seen, said, over } = await wasmStory([plugin(false)]);
    const client = s.client(post("ab", 4));
    s.send(client, "cd");
    expect([seen, said()]).toEqual([[], []]);
    client.close();
    await over();
  });

  test("and every other way to stop holds head and body alike, with the knob, too", async () => {
    for (const action of [3, 4, 9]) {
      const stops = guest`
        (global $stream (mut i32) #0)
        (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
        (on request_headers (global.set $stream (local.get $id)) #${{ wat: String(action) }})
        (on request_body (call $tell ${"size"} (local.get $a)) #0)
        (on tick
          (if (i32.eqz (global.get $stream)) (then (return)))
          (drop (call $set_effective_context (global.get $stream)))
          (drop (call $continue_stream #0))
          (global.set $stream #0))`;
      const { s, seen, said, over } = await wasmStory([
        { guest: stops, config: { allow_on_headers_stop_iteration: true } },
      ]);
      s.client(post("abcd"));
      expect([seen, said()]).toEqual([[], []]);
      s.advance(100);
      expect(bodyOf(seen[0])).toBe("abcd");
      expect(said()).toEqual(["p: size=4"]);
      await over();
    }
  });

  test("2 is continue, as in Envoy", async () => {
    const { s, over } = await wasmStory([{ guest: guest`(on request_headers #2)` }]);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    await over();
  });

  test("an answer's head waits and is changed with the body in sight", async () => {
    const holds = guest`
      (on response_headers #1)
      (on response_body
        (if (i32.eqz (local.get $b)) (then (return #1)))
        (drop (call $replace_header_map_value #2 ${":status"} ${"299"}))
        (drop (call $replace_header_map_value #2 ${"content-length"} ${"5"}))
        (drop (call $set_buffer_bytes #1 #-1 #0 ${"..."}))
        #0)`;
    const { s, over } = await wasmStory([
      { guest: holds, config: { allow_on_headers_stop_iteration: true } },
    ]);
    const { received } = s.client(get());
    expect(received.slice(9, 12)).toBe("299");
    expect(received).toMatch(
      /content-length: 5\r\n[\s\S]*\r\n\r\nok\.\.\.$|\r\n\r\n2\r\nok\r\n3\r\n\.\.\.\r\n0\r\n\r\n$/,
    );
    await over();
  });
});
