/** Guests read and change heads and trailers. */
import { describe, expect, test } from "bun:test";
import { get, gist, post } from "../../support/engine-story.ts";
import { WITH_TRAILERS } from "../../support/filtered-story.ts";
import { guest, guestWith, HAS_ASSEMBLER, onCallback, pairs, tried } from "../../support/guest.ts";
import { route } from "../../support/snapshot-fixture.ts";
import { origin, wasmStory } from "../../support/wasm-story.ts";

const UPSTREAM_TIME = ["x-envoy-upstream-service-time", "0"] as const;

describe.skipIf(!HAS_ASSEMBLER)("reading", () => {
  const reads = (abi: "0.1.0" | "0.2.1") => guestWith({ abi })`(on request_headers
    (call $tell ${"n"} (local.get $a))
    (call $tell ${"path"} (call $get_header_map_value #0 ${":path"} #out))
    (call $tell_out ${"path"})
    (call $tell ${"X-One"} (call $get_header_map_value #0 ${"X-One"} #out))
    (call $tell_out ${"X-One"})
    (call $tell ${"host"} (call $get_header_map_value #0 ${"host"} #out))
    (call $tell_out ${"host"})
    (call $tell ${"connection"} (call $get_header_map_value #0 ${"connection"} #out))
    (i32.store #16 #7) (i32.store #20 #7)
    (call $tell ${"none"} (call $get_header_map_value #0 ${"none"} #out))
    (call $tell ${"N"} (i32.load #20))
    (call $tell ${"empty name"} (call $get_header_map_value #0 ${""} #out))
    #0)`;

  test("a field, the first of two, a pseudo header, one of the hop, one that is not there", async () => {
    const { s, said, over } = await wasmStory([{ guest: reads("0.2.1") }]);
    expect(gist(s.client(get("/a?b", "x-one: 1\r\nX-ONE: 2\r\n")).received)).toBe("200 ok");
    expect(said()).toEqual([
      "p: n=8",
      "p: path=0",
      "p: path=/a?b",
      "p: X-One=0",
      "p: X-One=1",
      "p: host=0",
      "p: host=a.example",
      "p: connection=1",
      "p: none=1",
      "p: N=7",
      "p: empty name=1",
    ]);
    await over();
  });

  test("0.1.0 is told of a missing field by an empty one", async () => {
    const { s, said, over } = await wasmStory([{ guest: reads("0.1.0") }]);
    s.client(get());
    expect(said().slice(-5)).toEqual([
      "p: host=a.example",
      "p: connection=0",
      "p: none=0",
      "p: N=0",
      "p: empty name=0",
    ]);
    await over();
  });

  test("all pairs, in order, without what belongs to the hop; their bytes", async () => {
    const lists = guest`(on response_headers
      (call $tell ${"pairs"} (call $get_header_map_pairs #2 #out))
      (call $tell_out ${"pairs"})
      (call $tell ${"size"} (call $get_header_map_size #2 #32))
      (call $tell ${"bytes"} (i32.load #32))
      (call $tell ${"trailers"} (call $get_header_map_pairs #3 #out))
      (call $tell ${"P"} (i32.load #16))
      (call $tell ${"N"} (i32.load #20))
      (call $tell ${"none"} (call $get_header_map_size #3 #32))
      (call $tell ${"bytes"} (i32.load #32))
      #0)`;
    const answer = "HTTP/1.1 200 OK\r\nconnection: x\r\nX-A: 1\r\ncontent-length: 0\r\nx-a: 2\r\n\r\n";
    const { s, said, over } = await wasmStory([{ guest: lists }], { origins: [origin([], answer)] });
    s.client(get());
    expect(said()).toEqual([
      "p: pairs=0",
      `p: pairs=${pairs([":status", "200"], ["x-a", "1"], ["content-length", "0"], ["x-a", "2"], UPSTREAM_TIME)}`,
      "p: size=0",
      `p: bytes=${":status200x-a1content-length0x-a2x-envoy-upstream-service-time0".length}`,
      "p: trailers=0",
      "p: P=0",
      "p: N=0",
      "p: none=0",
      "p: bytes=0",
    ]);
    await over();
  });

  test("a head is closed to the guest once it has gone on, and open again, for reading, in the log", async () => {
    const peeks = guest`
      (func $peek (param $label i32) (param $size i32)
        (call $tell (local.get $label) (local.get $size)
          (call $get_header_map_value #0 ${":path"} #out))
        (call $tell (local.get $label) (local.get $size)
          (call $add_header_map_value #0 ${"x-late"} ${"1"})))
      (on request_headers #0)
      (on request_body (call $peek ${"body"}) #0)
      (on response_headers (call $peek ${"answer"}) #0)
      (on log
        (call $peek ${"log"})
        (call $tell ${"status"} (call $get_header_map_value #2 ${":status"} #out))
        (call $tell ${"add"} (call $add_header_map_value #2 ${"x"} ${"1"})))`;
    const { s, said, seen, over } = await wasmStory([{ guest: peeks }]);
    s.client(post("x"));
    expect(said()).toEqual([
      "p: body=1",
      "p: body=2",
      "p: body=1",
      "p: body=2",
      "p: answer=1",
      "p: answer=2",
      "p: log=0",
      "p: log=2",
      "p: status=0",
      "p: add=2",
    ]);
    expect(seen[0]).not.toContain("x-late");
    await over();
  });

  test("a held head is open until it is let go, from a tick, too", async () => {
    const holds = guest`
      (global $stream (mut i32) #0)
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on request_headers (global.set $stream (local.get $id)) #1)
      (on tick
        (if (i32.eqz (global.get $stream)) (then (return)))
        (call $tell ${"act"} (call $set_effective_context (global.get $stream)))
        (call $tell ${"add"} (call $add_header_map_value #0 ${"x-tick"} ${"1"}))
        (drop (call $continue_stream #0)))
      (on response_headers (global.set $stream #0) #0)`;
    const { s, said, seen, over } = await wasmStory([{ guest: holds }], {
      origins: [() => undefined],
    });
    const client = s.client(get());
    s.advance(350);
    expect(said()).toEqual([
      "p: act=0",
      "p: add=0", // the first tick lets it go …
      "p: act=0",
      "p: add=2", // … and later ones find it closed
      "p: act=0",
      "p: add=2",
    ]);
    const upstream = s.upstream()[0].received;
    expect(upstream.match(/x-tick: 1/g)).toHaveLength(1);
    client.close();
    expect(seen).toEqual([]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("writing", () => {
  test("add, replace, remove, on both heads", async () => {
    const edits = guest`
      (func $edit (param $map i32)
        (call $tell ${"add"} (call $add_header_map_value (local.get $map) ${"X-Two"} ${"b"}))
        (call $tell ${"replace"} (call $replace_header_map_value (local.get $map) ${"x-one"} ${"c"}))
        (call $tell ${"create"} (call $replace_header_map_value (local.get $map) ${"x-new"} ${""}))
        (call $tell ${"remove"} (call $remove_header_map_value (local.get $map) ${"X-GONE"}))
        (call $tell ${"absent"} (call $remove_header_map_value (local.get $map) ${"x-absent"})))
      (on request_headers (call $edit #0) #0)
      (on response_headers (call $edit #2) #0)`;
    const seen: string[] = [];
    const fields = "x-one: 1\r\nx-gone: 1\r\nx-two: a\r\nx-one: 2\r\nX-Gone: 2\r\n";
    const { s, said, over } = await wasmStory([{ guest: edits }], {
      origins: [origin(seen, `HTTP/1.1 200 OK\r\n${fields}content-length: 0\r\n\r\n`)],
    });
    const { received } = s.client(get("/", fields));
    for (const head of [seen[0], received]) {
      expect(head.match(/^x-\S+: .*$/gm)?.filter((line) => /^x-(one|two|gone|new)/.test(line))).toEqual([
        "x-one: c",
        "x-two: a",
        "x-two: b",
        "x-new: ",
      ]);
    }
    expect(said()).toEqual(
      [...Array(2)].flatMap(() => ["p: add=0", "p: replace=0", "p: create=0", "p: remove=0", "p: absent=0"]),
    );
    await over();
  });

  test("the start line by its pseudo headers", async () => {
    const edits = guest`
      (on request_headers
        (call $tell ${"path"} (call $replace_header_map_value #0 ${":path"} ${"/new?q"}))
        (call $tell ${"method"} (call $replace_header_map_value #0 ${":method"} ${"PUT"}))
        (call $tell ${"authority"} (call $replace_header_map_value #0 ${":authority"} ${"b.example:81"}))
        (call $tell ${"scheme"} (call $replace_header_map_value #0 ${":scheme"} ${"https"}))
        (call $tell ${"remove"} (call $remove_header_map_value #0 ${":path"}))
        #0)
      (on response_headers
        (call $tell ${"status"} (call $replace_header_map_value #2 ${":status"} ${"203"}))
        #0)`;
    const { s, seen, said, over } = await wasmStory([{ guest: edits }]);
    expect(s.client(get("/old")).received).toStartWith("HTTP/1.1 203 ");
    expect(seen[0]).toStartWith("PUT /new?q HTTP/1.1\r\nhost: b.example:81\r\n");
    expect(said().every((line) => line.endsWith("=0"))).toBe(true);
    await over();
  });

  test("a status without a body leaves none behind for the next answer", async () => {
    for (const status of ["204", "304"]) {
      const silences = guest`(on response_headers
        (drop (call $replace_header_map_value #2 ${":status"} ${status})) #0)`;
      const { s, over } = await wasmStory([{ guest: silences }]);
      const { received } = s.client(get("/1") + get("/2"));
      // Whatever becomes of the bodies, none of their bytes stands where a head is due.
      expect(received).not.toMatch(/ok$|okHTTP/);
      await over();
    }
  });

  test("what could not be sent is refused", async () => {
    const bad: [number, string, string][] = [
      [0, "", "x"],
      [0, "a b", "x"],
      [0, "a:", "x"],
      [0, "x\r\ny", "x"],
      [0, "x", "a\r\nb: c"],
      [0, "x", "a\nb"],
      [0, "x", "a\0b"],
      [0, "\xe9", "x"],
      [0, ":path", "/a b"],
      [0, ":path", "/a\r\n"],
      [0, ":path", "/a#b"],
      [0, ":path", "http://other/"],
      [0, ":path", ""],
      [0, ":method", ""],
      [0, ":method", "GET /x"],
      [0, ":authority", "a b"],
      [0, ":authority", "a\r\nx: y"],
      [0, ":authority", ""],
      [0, "host", "a/b"],
      [0, ":scheme", "ftp"],
      [0, ":status", "200"],
      [0, ":other", "x"],
      [2, "x", ""],
      [8, "x", "y"],
      [-1, "x", "y"],
      [4, "x", "y"],
      [6, "x", "y"],
    ];
    for (const how of ["add", "replace"]) {
      const tries = bad.map(([map, name, value], i) =>
        tried(`${i}`, `$${how}_header_map_value`, map, name, value),
      );
      const { s, seen, said, over } = await wasmStory([{ guest: onCallback("request_headers", tries) }]);
      expect(gist(s.client(get("/was")).received)).toBe("200 ok");
      expect(said()).toEqual(bad.map((_, i) => `p: ${i}=2`));
      expect(seen[0]).toStartWith("GET /was HTTP/1.1\r\nhost: a.example\r\n");
      await over();
    }
  });

  test("framing and the hop's fields stay the proxy's, whatever a guest writes", async () => {
    const smuggles = guest`
      (func $write (param $map i32)
        (drop (call $replace_header_map_value (local.get $map) ${"content-length"} ${"nonsense"}))
        (drop (call $add_header_map_value (local.get $map) ${"transfer-encoding"} ${"chunked"}))
        (drop (call $add_header_map_value (local.get $map) ${"connection"} ${"x-secret"}))
        (drop (call $add_header_map_value (local.get $map) ${"upgrade"} ${"websocket"})))
      (on request_headers (call $write #0) #0)
      (on response_headers (call $write #2) #0)`;
    const { s, seen, over } = await wasmStory([{ guest: smuggles }]);
    const { received } = s.client(post("abc"));
    expect(seen[0]).not.toMatch(/nonsense|upgrade|x-secret/);
    expect(seen[0]).toContain("transfer-encoding: chunked\r\n");
    expect(seen[0]).toEndWith("3\r\nabc\r\n0\r\n\r\n");
    expect(received).not.toMatch(/nonsense|upgrade|x-secret/);
    expect(received).toEndWith("2\r\nok\r\n0\r\n\r\n");
    await over();
  });

  test("a method that would change how the answer is framed for the client does not", async () => {
    for (const [from, to] of [
      ["GET", "HEAD"],
      ["HEAD", "GET"],
      ["GET", "CONNECT"],
    ]) {
      const changes = guest`(on request_headers
        (call $tell ${"method"} (call $replace_header_map_value #0 ${":method"} ${to}))
        #0)`;
      const { s, seen, said, over } = await wasmStory([{ guest: changes }]);
      s.client(get().replace("GET", from));
      expect(said()).toEqual(["p: method=2"]);
      expect(seen[0]).toStartWith(`${from} / `);
      await over();
    }
  });

  test("a request's new path or authority chooses the route again", async () => {
    const direct = (body: string) => ({
      kind: "direct_response" as const,
      status: 299,
      body,
      bodyFormat: null,
    });
    const moves = guest`(on request_headers
      (drop (call $replace_header_map_value #0 ${":path"} ${"/b"}))
      #0)`;
    const { s, over } = await wasmStory([{ guest: moves }], { routes: [route("/b", direct("b"))] });
    expect(gist(s.client(get("/a")).received)).toBe("299 b");
    await over();
  });

  test("a guest cannot make the proxy keep more than its share", async () => {
    const greedy = guest`(on request_headers
      (loop $more
        (local.set $i (call $add_header_map_value #0 ${"x"} #65536 #16384))
        (br_if $more (i32.eqz (local.get $i))))
      (call $tell ${"status"} (local.get $i))
      (call $tell ${"local"} (call $send_local_response #403 ${""} ${""} ${""} #-1))
      #0)
      (func $fill (export "proxy_on_vm_start") (param i32 i32) (result i32)
        (memory.fill #65536 #65 #65536) #1)`;
    const { s, said, over } = await wasmStory([{ guest: greedy }]);
    expect(gist(s.client(get()).received)).toBe("403 ");
    expect(said()).toEqual(["p: status=10", "p: local=0"]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("all pairs at once", () => {
  const setting = (map: number, list: string) => guest`
    (on ${{ wat: map === 0 ? "request_headers" : "response_headers" }}
      (call $tell ${"set"} (call $set_header_map_pairs ${{ wat: `#${map}` }} ${list}))
      (call $tell ${"size"} (call $get_header_map_size ${{ wat: `#${map}` }} #32))
      (call $tell ${"bytes"} (i32.load #32))
      #0)`;

  test("replace a request's head", async () => {
    const list = pairs([":path", "/p"], [":method", "GET"], [":authority", "c"], ["X-A", "1"], ["x-a", "2"]);
    const { s, seen, said, over } = await wasmStory([{ guest: setting(0, list) }]);
    s.client(get("/", "x-old: 1\r\n"));
    expect(seen[0]).toStartWith("GET /p HTTP/1.1\r\nhost: c\r\nx-a: 1\r\nx-a: 2\r\n");
    expect(seen[0]).not.toContain("x-old");
    expect(said()[0]).toBe("p: set=0");
    await over();
  });

  test("replace an answer's head", async () => {
    const list = pairs([":status", "404"], ["x-a", "1"]);
    const { s, over } = await wasmStory([{ guest: setting(2, list) }]);
    const { received } = s.client(get());
    expect(received).toStartWith("HTTP/1.1 404 Not Found\r\nx-a: 1\r\n");
    await over();
  });

  test("malformed ones wipe a request's head, which is then no request", async () => {
    const whole = pairs([":path", "/p"], [":method", "GET"]);
    const malformed = [
      "\x01",
      "\x01\0\0\0",
      whole.slice(0, -1),
      `${whole}x`,
      `${whole.slice(0, -1)}x`,
      `\xff\xff\xff\xff${whole.slice(4)}`,
      `\x01\x04\0\0${whole.slice(4)}`,
      "\x01\0\0\0\xff\xff\xff\xff\x01\0\0\0",
      "",
      "\0",
    ];
    for (const list of malformed) {
      const { s, seen, said, over } = await wasmStory([{ guest: setting(0, list) }]);
      const { received } = s.client(get());
      expect([list, received.slice(9, 12)]).toEqual([list, "503"]);
      expect(said()).toEqual(["p: set=0", "p: size=0", "p: bytes=21"]); // method and scheme stay
      expect(seen).toEqual([]);
      await over();
    }
  });
});

describe.skipIf(!HAS_ASSEMBLER)("trailers", () => {
  const chunked = (trailers: string) =>
    `POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n${trailers}\r\n`;

  test("are read and changed while they are shown", async () => {
    const edits = guest`(on request_trailers
      (call $tell ${"n"} (local.get $a))
      (call $tell ${"get"} (call $get_header_map_value #1 ${"x-t"} #out))
      (call $tell_out ${"get"})
      (call $tell ${"add"} (call $add_header_map_value #1 ${"x-u"} ${"2"}))
      (call $tell ${"pseudo"} (call $add_header_map_value #1 ${":path"} ${"/"}))
      #0)`;
    const { s, seen, said, over } = await wasmStory([{ guest: edits }], {
      manager: { http1: WITH_TRAILERS },
      cluster: { http1: WITH_TRAILERS },
    });
    s.client(chunked("x-t: 1\r\n"));
    expect(seen[0]).toEndWith("0\r\nx-t: 1\r\nx-u: 2\r\n\r\n");
    expect(said()).toEqual(["p: n=1", "p: get=0", "p: get=1", "p: add=0", "p: pseudo=2"]);
    await over();
  });

  test("are added as the end of a body without any is shown", async () => {
    const adds = guest`
      (func $try (param $map i32) (param $end i32)
        (call $tell ${"end"} (local.get $end))
        (call $tell ${"get"} (call $get_header_map_value (local.get $map) ${"x-t"} #out))
        (call $tell ${"add"} (call $add_header_map_value (local.get $map) ${"x-t"} ${"1"}))
        (call $tell ${"get"} (call $get_header_map_value (local.get $map) ${"x-t"} #out)))
      (on request_body (call $try #1 (local.get $b)) #0)
      (on response_body (call $try #3 (local.get $b)) #0)`;
    const seen: string[] = [];
    const { s, said, over } = await wasmStory([{ guest: adds }], {
      origins: [origin(seen, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")],
      manager: { http1: WITH_TRAILERS },
      cluster: { http1: WITH_TRAILERS },
    });
    const { received } = s.client(chunked(""));
    expect(seen[0]).toEndWith("1\r\nx\r\n0\r\nx-t: 1\r\n\r\n");
    expect(received).toEndWith("2\r\nok\r\n0\r\nx-t: 1\r\n\r\n");
    const half = [
      "p: end=0",
      "p: get=1",
      "p: add=2",
      "p: get=1",
      "p: end=1",
      "p: get=1",
      "p: add=0",
      "p: get=0",
    ];
    expect(said()).toEqual([...half, ...half]);
    await over();
  });
});
