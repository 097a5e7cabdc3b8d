/** Each host function: what it answers in each phase, and that it reaches nothing but the guest's own memory. */
import { describe, expect, test } from "bun:test";
import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import { get, gist } from "../../support/engine-story.ts";
import { WITH_TRAILERS } from "../../support/filtered-story.ts";
import { guest, HAS_ASSEMBLER, onCallback, pairs, tried } from "../../support/guest.ts";
import { origin, wasmStory } from "../../support/wasm-story.ts";

/** A pair of arguments that names bytes of the guest, and one that says where the host may write 4 or 8 bytes. */
const IN = "in";
const TO4 = "to4";
const TO8 = "to8";
type Argument = number | typeof IN | typeof TO4 | typeof TO8;

/** A sound call of every function that takes pointers, as far as its pointers go. */
const POINTERS: readonly (readonly [call: string, ...args: Argument[]])[] = [
  ["log", 2, IN],
  ["get_log_level", TO4],
  ["get_current_time_nanoseconds", TO8],
  ["get_property", IN, TO4, TO4],
  ["set_property", IN, IN],
  ["get_header_map_value", 0, IN, TO4, TO4],
  ["add_header_map_value", 0, IN, IN],
  ["replace_header_map_value", 0, IN, IN],
  ["remove_header_map_value", 0, IN],
  ["get_header_map_pairs", 0, TO4, TO4],
  ["get_header_map_pairs", 3, TO4, TO4],
  ["set_header_map_pairs", 0, IN],
  ["get_header_map_size", 0, TO4],
  ["get_buffer_bytes", 7, 0, 10, TO4, TO4],
  ["get_buffer_status", 7, TO4, TO4],
  ["set_buffer_bytes", 0, 0, 0, IN],
  ["send_local_response", 403, IN, IN, IN, -1],
  ["http_call", IN, IN, IN, IN, 1000, TO4],
  ["get_status", TO4, TO4, TO4],
  ["get_shared_data", IN, TO4, TO4, TO4],
  ["set_shared_data", IN, IN, 0],
  ["define_metric", 0, IN, TO4],
  ["register_shared_queue", IN, TO4],
  ["resolve_shared_queue", IN, IN, TO4],
  ["enqueue_shared_queue", 1, IN],
  ["dequeue_shared_queue", 1, TO4, TO4],
  ["call_foreign_function", IN, IN, 0, 0],
  ["get_configuration", TO4, TO4],
];

/** Of the guest's memory. */
const SIZE = 4 * 65536;
const BAD_IN = [
  [-1, 1],
  [SIZE, 1],
  [SIZE - 1, 2],
  [8, -1],
  [-1, -1],
  [0x7fffffff, 0x7fffffff],
] as const;

/** A path that is there, for get_property; a header, for get_header_map_value. */
const NAME: { readonly [call: string]: string } = {
  get_property: "plugin_name",
  get_header_map_value: ":path",
};

/** There is a value "x" among the shared ones. */
const REMEMBERS = `(on configure (i32.store8 #8 #120) (drop (call $set_shared_data #8 #1 #8 #1 #0)) #1)`;

describe.skipIf(!HAS_ASSEMBLER)("pointers", () => {
  for (const [call, ...args] of POINTERS) {
    test(`of ${call}(${args.join(", ")})`, async () => {
      const sound = args.flatMap((arg, i): (string | number)[] => {
        if (arg === IN) return [NAME[call] ?? "x"];
        return [arg === TO4 || arg === TO8 ? 16 + 8 * i : arg];
      });
      const lines = args.flatMap((arg, i) => {
        const bad =
          arg === IN
            ? BAD_IN
            : arg === TO4
              ? [[-1], [SIZE], [SIZE - 3], [-4]]
              : arg === TO8
                ? [[-1], [SIZE], [SIZE - 7], [-8]]
                : [];
        return bad.map((values) =>
          tried(`${i} ${values}`, `$${call}`, ...sound.slice(0, i), ...values, ...sound.slice(i + 1)),
        );
      });
      expect(lines.length).toBeGreaterThan(3);
      const { s, said, over } = await wasmStory([
        { guest: onCallback("request_headers", lines, REMEMBERS), configuration: "abc" },
      ]);
      expect(gist(s.client(get()).received)).toBe("200 ok");
      expect(said()).toEqual(lines.map(({ label }) => `p: ${label}=6`));
      await over();
    });
  }

  test("a place to write to may be anywhere, aligned or not", async () => {
    const odd = guest`(on request_headers
      (call $tell ${"get"} (call $get_header_map_value #0 ${":path"} #33 #39))
      (call $say (i32.load #33) (i32.load #39))
      (call $tell ${"last"} (call $get_header_map_size #0 #${{ wat: String(SIZE - 4) }}))
      #0)`;
    const { s, said, over } = await wasmStory([{ guest: odd }]);
    s.client(get("/odd"));
    expect(said()).toEqual(["p: get=0", "p: /odd", "p: last=0"]);
    await over();
  });

  test("nothing at the very end of memory is something", async () => {
    const lines = [
      tried("log", "$log", 2, SIZE, 0),
      tried("set", "$set_buffer_bytes", 0, 0, 0, SIZE, 0),
      tried("property", "$get_property", SIZE, 0, 16, 20),
      tried("local", "$send_local_response", 299, SIZE, 0, SIZE, 0, SIZE, 0, -1),
    ];
    const { s, said, over } = await wasmStory([{ guest: onCallback("request_headers", lines) }]);
    expect(gist(s.client(get()).received)).toBe("299 ");
    expect(said()).toEqual(["p: ", "p: log=0", "p: set=1", "p: property=3", "p: local=0"]);
    await over();
  });
});

/** Calls that change nothing which the next phase would miss. */
const EVERYWHERE = [
  tried("log", "$log", 2, "-"),
  tried("level", "$get_log_level", 32),
  tried("time", "$get_current_time_nanoseconds", 32),
  tried("tick", "$set_tick_period_milliseconds", 100),
  tried("get property", "$get_property", "plugin_name", 16, 20),
  tried("path", "$get_property", "request\0path", 16, 20),
  tried("code", "$get_property", "response\0code", 16, 20),
  tried("set property", "$set_property", "x", "y"),
  tried("get 0", "$get_header_map_value", 0, ":path", 16, 20),
  tried("get 1", "$get_header_map_value", 1, "x-t", 16, 20),
  tried("get 2", "$get_header_map_value", 2, ":status", 16, 20),
  tried("get 3", "$get_header_map_value", 3, "x-t", 16, 20),
  tried("get 4", "$get_header_map_value", 4, "x", 16, 20),
  tried("get 6", "$get_header_map_value", 6, ":status", 16, 20),
  tried("get 8", "$get_header_map_value", 8, "x", 16, 20),
  tried("pairs 0", "$get_header_map_pairs", 0, 16, 20),
  tried("pairs 8", "$get_header_map_pairs", 8, 16, 20),
  tried("size 2", "$get_header_map_size", 2, 32),
  tried("size 8", "$get_header_map_size", 8, 32),
  tried("add 0", "$add_header_map_value", 0, "x-a", "1"),
  tried("add 1", "$add_header_map_value", 1, "x-a", "1"),
  tried("replace 2", "$replace_header_map_value", 2, "x-a", "1"),
  tried("remove 3", "$remove_header_map_value", 3, "x-a"),
  tried("add 6", "$add_header_map_value", 6, "x-a", "1"),
  tried("set pairs 8", "$set_header_map_pairs", 8, pairs()),
  tried("body 0", "$get_buffer_bytes", 0, 0, -1, 16, 20),
  tried("body 1", "$get_buffer_bytes", 1, 0, -1, 16, 20),
  tried("buffer 4", "$get_buffer_bytes", 4, 0, -1, 16, 20),
  tried("buffer 6", "$get_buffer_bytes", 6, 0, -1, 16, 20),
  tried("buffer 7", "$get_buffer_bytes", 7, 0, -1, 16, 20),
  tried("buffer 9", "$get_buffer_bytes", 9, 0, -1, 16, 20),
  tried("status 1", "$get_buffer_status", 1, 32, 36),
  tried("status 9", "$get_buffer_status", 9, 32, 36),
  tried("write 0", "$set_buffer_bytes", 0, -1, 0, ""),
  tried("write 1", "$set_buffer_bytes", 1, -1, 0, ""),
  tried("write 7", "$set_buffer_bytes", 7, 0, 0, ""),
  tried("write 9", "$set_buffer_bytes", 9, 0, 0, ""),
  tried("continue 4", "$continue_stream", 4),
  tried("continue 3", "$continue_stream", 3),
  tried("continue 2", "$continue_stream", 2),
  tried("close 2", "$close_stream", 2),
  tried("close -1", "$close_stream", -1),
  tried("reply 99", "$send_local_response", 99, "", "", "", -1),
  tried("http call", "$http_call", "nowhere", pairs([":method", "GET"]), "", "", 0, 32),
  tried("grpc call", "$grpc_call", "app", "s", "m", "", "", 0, 32),
  tried("grpc stream", "$grpc_stream", "app", "s", "m", "", 32),
  tried("grpc send", "$grpc_send", 1, "", 0),
  tried("grpc cancel", "$grpc_cancel", 1),
  tried("grpc close", "$grpc_close", 1),
  tried("status", "$get_status", 32, 16, 20),
  tried("get shared", "$get_shared_data", "k", 16, 20, 32),
  tried("set shared", "$set_shared_data", "k", "v", 0),
  tried("queue", "$resolve_shared_queue", "", "q", 32),
  tried("enqueue", "$enqueue_shared_queue", 99, ""),
  tried("dequeue", "$dequeue_shared_queue", 99, 16, 20),
  tried("define", "$define_metric", 0, "m", 32),
  tried("define 3", "$define_metric", 3, "m", 32),
  tried("context", "$set_effective_context", 12345),
  tried("context 0", "$set_effective_context", 0),
  tried("done", "$done"),
  tried("foreign", "$call_foreign_function", "nothing", "", 16, 20),
  tried("route", "$call_foreign_function", "clear_route_cache", "", 0, 0),
];

const PHASES = [
  "start",
  "create",
  "vm_start",
  "configure",
  "tick",
  "request_headers",
  "request_body",
  "request_trailers",
  "response_headers",
  "response_body",
  "response_trailers",
  "log",
  "done",
  "delete",
] as const;

const WHOLE = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-t: 1\r\n\r\n";

/** A guest that makes all those calls in that phase; of what roots and streams have in common, in the stream's. */
function inPhase(phase: string): CompiledModule {
  if (phase === "start")
    return onCallback("log", EVERYWHERE, `(func (export "_initialize") (call $on_log #0))`);
  if (phase === "create") return onCallback("context_create", EVERYWHERE, "(on request_headers #0)");
  const ticks = "(on configure (drop (call $set_tick_period_milliseconds #50)) #1)";
  return onCallback(phase, EVERYWHERE, phase === "tick" ? ticks : "");
}

/**
 * Statuses, a column per phase in the order of `PHASES`: 0 done, 1 not there now, 2 not possible, 10 closed, 12 never.
 */
const EXPECTED = `
log           0  0  0  0  0  0  0  0  0  0  0  0  0  0
level         0  0  0  0  0  0  0  0  0  0  0  0  0  0
time          0  0  0  0  0  0  0  0  0  0  0  0  0  0
tick         10  0  0  0  0  0  0  0  0  0  0  0  0  0
get property 10  0  0  0  0  0  0  0  0  0  0  0  0  0
path         10  0  1  1  1  0  0  0  0  0  0  0  0  0
code         10  1  1  1  1  1  1  1  0  0  0  0  0  0
set property 10  0  1  1  1  0  0  0  0  0  0  0  0  0
get 0        10  0  1  1  1  0  1  1  1  1  1  0  0  0
get 1        10  1  1  1  1  1  1  0  1  1  1  0  0  0
get 2        10  1  1  1  1  1  1  1  0  1  1  0  0  0
get 3        10  1  1  1  1  1  1  1  1  1  0  0  0  0
get 4        10  1  1  1  1  1  1  1  1  1  1  1  1  1
get 6        10  1  1  1  1  1  1  1  1  1  1  1  1  1
get 8        10  2  2  2  2  2  2  2  2  2  2  2  2  2
pairs 0      10  0  0  0  0  0  0  0  0  0  0  0  0  0
pairs 8      10  2  2  2  2  2  2  2  2  2  2  2  2  2
size 2       10  0  0  0  0  0  0  0  0  0  0  0  0  0
size 8       10  2  2  2  2  2  2  2  2  2  2  2  2  2
add 0        10  0  2  2  2  0  2  2  2  2  2  2  2  2
add 1        10  2  2  2  2  2  2  0  2  2  2  2  2  2
replace 2    10  2  2  2  2  2  2  2  0  2  2  2  2  2
remove 3     10  2  2  2  2  2  2  2  2  2  0  2  2  2
add 6        10  2  2  2  2  2  2  2  2  2  2  2  2  2
set pairs 8  10  2  2  2  2  2  2  2  2  2  2  2  2  2
body 0       10  1  1  1  1  1  0  1  1  1  1  1  1  1
body 1       10  1  1  1  1  1  1  1  1  0  1  1  1  1
buffer 4     10  1  1  1  1  1  1  1  1  1  1  1  1  1
buffer 6     10  0  0  0  0  0  0  0  0  0  0  0  0  0
buffer 7     10  0  0  0  0  0  0  0  0  0  0  0  0  0
buffer 9     10  2  2  2  2  2  2  2  2  2  2  2  2  2
status 1     10  1  1  1  1  1  1  1  1  0  1  1  1  1
status 9     10  2  2  2  2  2  2  2  2  2  2  2  2  2
write 0      10  1  1  1  1  1  0  1  1  1  1  1  1  1
write 1      10  1  1  1  1  1  1  1  1  0  1  1  1  1
write 7      10  2  2  2  2  2  2  2  2  2  2  2  2  2
write 9      10  2  2  2  2  2  2  2  2  2  2  2  2  2
continue 4   10  2  2  2  2  2  2  2  2  2  2  2  2  2
continue 3   10 12 12 12 12 12 12 12 12 12 12 12 12 12
continue 2   10  0  0  0  0  0  0  0  0  0  0  0  0  0
close 2      10  0  0  0  0  0  0  0  0  0  0  0  0  0
close -1     10  2  2  2  2  2  2  2  2  2  2  2  2  2
reply 99     10  2  2  2  2  2  2  2  2  2  2  2  2  2
http call    10  2  2  2  2  2  2  2  2  2  2  2  2  2
grpc call    10  0  0  0  0  0  0  0  0  0  0  0  0  0
grpc stream  10  0  0  0  0  0  0  0  0  0  0  0  0  0
grpc send    10  2  2  2  2  2  2  2  2  2  2  2  2  2
grpc cancel  10  1  1  1  1  1  1  1  1  1  1  1  1  1
grpc close   10  1  1  1  1  1  1  1  1  1  1  1  1  1
status       10  0  0  0  0  0  0  0  0  0  0  0  0  0
get shared   10  0  1  1  1  1  1  1  1  1  1  1  1  1
set shared   10  0  0  0  0  0  0  0  0  0  0  0  0  0
queue        10  1  1  1  1  1  1  1  1  1  1  1  1  1
enqueue      10  1  1  1  1  1  1  1  1  1  1  1  1  1
dequeue      10  1  1  1  1  1  1  1  1  1  1  1  1  1
define       10  0  0  0  0  0  0  0  0  0  0  0  0  0
define 3     10  2  2  2  2  2  2  2  2  2  2  2  2  2
context      10  2  2  2  2  2  2  2  2  2  2  2  2  2
context 0    10  2  2  2  2  2  2  2  2  2  2  2  2  2
done         10  1  1  1  1  1  1  1  1  1  1  1  1  1
foreign      10  1  1  1  1  1  1  1  1  1  1  1  1  1
route        10  0  0  0  0  0  0  0  0  0  0  0  0  0
`;

describe.skipIf(!HAS_ASSEMBLER)("phases", () => {
  test("what every call answers in every phase", async () => {
    const found = new Map<string, string>(EVERYWHERE.map(({ label }) => [label, ""]));
    for (const phase of PHASES) {
      const { s, said, over } = await wasmStory([{ guest: inPhase(phase) }], {
        origins: [
          origin([], "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n"),
        ],
        manager: { http1: WITH_TRAILERS },
        cluster: { http1: WITH_TRAILERS },
      });
      if (!["start", "vm_start", "configure"].includes(phase)) said();
      s.advance(60);
      if (phase === "tick") s.advance(0);
      else s.client(WHOLE);
      const lines = said();
      for (const [label, row] of found) {
        const line = lines.find((text) => text.startsWith(`p: ${label}=`)) ?? "?";
        found.set(label, `${row} ${line.slice(line.lastIndexOf("=") + 1).padStart(2)}`);
      }
      await over();
    }
    const rows = [...found].map(([label, row]) => label.padEnd(12) + row);
    expect(rows).toEqual(EXPECTED.trim().split("\n"));
  });
});
