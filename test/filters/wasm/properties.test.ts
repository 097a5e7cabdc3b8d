/** What guests can ask about their streams, and what filters leave for each other. */
import { describe, expect, test } from "bun:test";
import { get, gist, post } from "../../support/engine-story.ts";
import { guest, HAS_ASSEMBLER, onCallback, pairs, tried } from "../../support/guest.ts";
import { wasmStory } from "../../support/wasm-story.ts";

/** Bytes as the guest got them, for comparison. */
const u64 = (n: number | bigint): string => {
  const bytes = new Uint8Array(new BigInt64Array([BigInt(n)]).buffer);
  return String.fromCharCode(...bytes);
};

/** The values at these paths (segments joined by "."), as the guest finds them in that callback. */
async function values(paths: readonly string[], callback = "log"): Promise<Map<string, string | number>> {
  const nul = (path: string): string => path.replaceAll(".", "\0");
  const lines = paths.flatMap((path, i) => [
    tried(`s${i}`, "$get_property", nul(path), 16, 20),
    tried(`v${i}`, "$show"),
  ]);
  const shows = `(func $show (result i32)
    (call $say (i32.load (i32.const 16)) (i32.load (i32.const 20))) (i32.store (i32.const 20) (i32.const 0)) (i32.const 0))`;
  const { s, said, over } = await wasmStory(
    [
      {
        guest: onCallback(callback, lines, shows),
        config: { root_id: "root" },
        vm: { vm_id: "vm" },
      },
    ],
    { routes: [] },
  );
  said();
  s.client(
    post("abc")
      .replace("POST / ", "POST /a/b?c=d&e ")
      .replace("\r\n\r\n", "\r\nUser-Agent: me\r\nx-two: 1\r\nx-two: 2\r\n\r\n"),
  );
  const said_ = said();
  const out = new Map<string, string | number>();
  let at = 0;
  for (const path of paths) {
    const status = Number(said_[at].slice(said_[at].lastIndexOf("=") + 1));
    out.set(path, status === 0 ? said_[at + 1].slice("p: ".length) : status);
    at += 3;
  }
  await over();
  return out;
}

describe.skipIf(!HAS_ASSEMBLER)("properties", () => {
  test("of a stream at its end, in Envoy's encodings", async () => {
    const expected: { readonly [path: string]: string | number | RegExp } = {
      "request.path": "/a/b?c=d&e",
      "request.url_path": "/a/b",
      "request.query": "c=d&e",
      "request.host": "a.example",
      "request.scheme": "http",
      "request.method": "POST",
      "request.useragent": "me",
      "request.referer": 1,
      "request.id": /^[0-9a-f-]{36}$/,
      "request.protocol": "HTTP/1.1",
      "request.headers.x-two": "1,2",
      "request.headers.X-Two": "1,2",
      "request.headers.:path": "/a/b?c=d&e",
      "request.headers.none": 1,
      "request.size": u64(3),
      "request.time": u64(1767225600000000000n),
      "request.nothing": 1,
      "response.code": u64(200),
      "response.code_details": "via_upstream",
      "response.flags": u64(0),
      "response.size": u64(2),
      "response.headers.content-length": "2",
      "response.headers.:status": "200",
      "response.grpc_status": u64(2),
      "response.trailers.x": 1,
      "source.address": /^[\d.]+:\d+$/,
      "source.port": /^.{8}$/s,
      "destination.address": "127.0.0.1:80",
      "destination.port": u64(80),
      "connection.mtls": "\0",
      "connection.id": /^.{8}$/s,
      connection_id: /^.{8}$/s,
      "connection.tls_version": 1,
      "upstream.address": "10.0.0.1:8080",
      "upstream.port": u64(8080),
      "xds.cluster_name": "app",
      "xds.virtual_host_name": "all",
      "xds.route_name": "",
      plugin_name: "p",
      plugin_root_id: "root",
      plugin_vm_id: "vm",
      cluster_name: 1,
      "node.id": 1,
      "request.headers": /x-two.1.(.*x-two.2.)?/s,
      "response.headers": /:status.200./s,
      "response.trailers": pairs(),
      "": 3,
    };
    const found = await values(Object.keys(expected));
    for (const [path, value] of Object.entries(expected)) {
      const is = found.get(path);
      if (value instanceof RegExp) expect([path, is]).toEqual([path, expect.stringMatching(value)]);
      else expect([path, is]).toEqual([path, value]);
    }
  });

  test("as a request comes in there is nothing of its answer", async () => {
    const paths = [
      "request.path",
      "response.code",
      "response.headers.x",
      "upstream.address",
      "request.duration",
    ];
    expect([...(await values(paths, "request_headers")).values()]).toEqual(["/a/b?c=d&e", 1, 1, 1, 1]);
  });

  test("have no names but their own: what every object has is not found", async () => {
    const paths = [
      "__proto__",
      "constructor",
      "toString",
      "hasOwnProperty",
      "valueOf",
      "request.constructor",
    ];
    expect([...(await values(paths)).values()]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test("of a root: of its plugin alone; a path in one segment with dots; a NUL at the end", async () => {
    const asks = onCallback(
      "configure",
      [
        tried("name", "$get_property", "plugin_name", 16, 20),
        tried("path", "$get_property", "request\0path", 16, 20),
        tried("set", "$set_property", "x", "y"),
      ],
      "",
      {},
    );
    void asks;
    const dots = onCallback("request_headers", [
      tried("dots", "$get_property", "request.path", 16, 20),
      tried("nul", "$get_property", "request\0path\0", 16, 20),
      tried("nuls", "$get_property", "request\0path\0\0", 16, 20),
      tried("plugin", "$get_property", "plugin_name\0", 16, 20),
    ]);
    const { s, said, over } = await wasmStory([{ guest: dots }]);
    s.client(get());
    expect(said()).toEqual(["p: dots=0", "p: nul=0", "p: nuls=1", "p: plugin=0"]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("what a filter leaves", () => {
  test("is there for the later ones, in both directions, and for no other stream", async () => {
    const leaves = guest`
      (on request_headers (call $tell ${"set"} (call $set_property ${"who"} ${"me"})) #0)
      (on response_headers
        (call $tell ${"back"} (call $get_property ${"back"} #out)) (call $tell_out ${"back"}) #0)`;
    const reads = guest`
      (on request_headers
        (call $tell ${"get"} (call $get_property ${"who"} #out)) (call $tell_out ${"get"})
        (drop (call $set_property ${"back"} ${"and back"}))
        (drop (call $set_property ${"back"} ${"again"}))
        #0)`;
    const { s, said, over } = await wasmStory([
      { guest: reads, name: "first" },
      { guest: leaves },
      { guest: reads },
    ]);
    s.client(get());
    const once = [
      "first: get=1",
      "first: get=",
      "q: set=0",
      "r: get=0",
      "r: get=me",
      "q: back=0",
      "q: back=again",
    ];
    expect(said()).toEqual(once);
    s.client(get());
    expect(said()).toEqual(once);
    await over();
  });

  test("never stands before what is true of the stream", async () => {
    const lies = onCallback("request_headers", [
      tried("a", "$set_property", "request\0path", "/lie"),
      tried("b", "$set_property", "source\0address", "1.2.3.4:5"),
      tried("c", "$set_property", "response\0code_details", "lie"),
      tried("d", "$set_property", "plugin_name", "lie"),
    ]);
    const reads = guest`
      (func $show (param $from i32) (param $size i32)
        (if (i32.eqz (call $get_property (local.get $from) (local.get $size) #out))
          (then (call $tell_out ${"is"})) (else (call $say ${"none"}))))
      (on request_headers
        (call $show ${"request\0path"}) (call $show ${"source\0address"})
        (call $show ${"response\0code_details"}) (call $show ${"plugin_name"}) #0)`;
    const { s, said, over } = await wasmStory([{ guest: lies }, { guest: reads }]);
    s.client(get("/true"));
    const lines = said().filter((line) => line.startsWith("q"));
    expect(lines[0]).toBe("q: is=/true");
    expect(lines[1]).not.toContain("1.2.3.4");
    expect(lines.slice(2)).toEqual(["q: none", "q: is=q"]);
    await over();
  });

  test("is bounded: 128 values, 64 KiB in all", async () => {
    const many = guest`
      (on request_headers
        (loop $more
          (i32.store #8 (local.get $i))
          (local.set $i (i32.add (local.get $i) #1))
          (br_if $more (i32.eqz (call $set_property #8 #4 ${"x"}))))
        (call $tell ${"values"} (i32.sub (local.get $i) #1))
        #0)`;
    const large = guest`(on request_headers
      (call $tell ${"a"} (call $set_property ${"a"} #65536 #40000))
      (call $tell ${"b"} (call $set_property ${"b"} #65536 #40000))
      (call $tell ${"a"} (call $set_property ${"a"} #65536 #10))
      (call $tell ${"b"} (call $set_property ${"b"} #65536 #40000))
      (call $tell ${"all"} (call $set_property ${"c"} #0 #262144))
      #0)`;
    const { s, said, over } = await wasmStory([{ guest: many }]);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    expect(said()).toEqual(["p: values=128"]);
    await over();
    const other = await wasmStory([{ guest: large }]);
    other.s.client(get());
    expect(other.said()).toEqual(["p: a=0", "p: b=2", "p: a=0", "p: b=0", "p: all=2"]);
    await other.over();
    expect(pairs()).toBe("\0\0\0\0");
  });
});
