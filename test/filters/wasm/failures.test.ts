/** A guest that traps, loops or plays tricks costs its VM and the streams that needed it, and nothing else. */
import { describe, expect, test } from "bun:test";
import { get, gist, post, silent } from "../../support/engine-story.ts";
import { fuelled, guest, guestWith, HAS_ASSEMBLER, type Wat } from "../../support/guest.ts";
import { recorded } from "../../support/scripted-filter.ts";
import { wasmStory } from "../../support/wasm-story.ts";

const wat = (text: string): Wat => ({ wat: text });

/** Traps in that callback as soon as a request asks for it by "/trap", or at once if `at` is no stream's. */
const traps = (at: string, how = "(call $trap)") => guest`
  (global $armed (mut i32) #0)
  (func $arm
    (drop (call $get_property ${"request\0path"} #out))
    (if (i32.eq (i32.load8_u offset=1 (i32.load #16)) #116) (then (global.set $armed #1))))
  (func $maybe (if (global.get $armed) (then ${wat(how)})))
  (on context_create (if (i32.ne (local.get $id) #1) (then (call $arm))) ${wat(at === "create" ? "(call $maybe)" : "")})
  (on request_headers ${wat(at === "request_headers" ? "(call $maybe)" : "")} #0)
  (on request_body ${wat(at === "request_body" ? "(call $maybe)" : "")} #0)
  (on response_headers ${wat(at === "response_headers" ? "(call $maybe)" : "")} #0)
  (on response_body ${wat(at === "response_body" ? "(call $maybe)" : "")} #0)
  (on log ${wat(at === "log" ? "(call $maybe)" : "")})
  (on done ${wat(at === "done" ? "(call $maybe)" : "")} #1)
  (on delete ${wat(at === "delete" ? "(call $maybe)" : "")})`;

const policy = (failure_policy: string) => ({ failure_policy });

/** What a client gets whose stream trapped there. */
const TRAPPED: readonly (readonly [at: string, outcome: RegExp])[] = [
  ["create", /^HTTP\/1.1 503 /],
  ["request_headers", /^HTTP\/1.1 503 /],
  ["request_body", /^HTTP\/1.1 503 /],
  ["response_headers", /^HTTP\/1.1 503 /],
  ["response_body", /^HTTP\/1.1 200 (?![\s\S]*\r\n\r\nok$)/],
  ["log", /^HTTP\/1.1 200 [\s\S]*ok$/],
  ["done", /^HTTP\/1.1 200 [\s\S]*ok$/],
  ["delete", /^HTTP\/1.1 200 [\s\S]*ok$/],
];

describe.skipIf(!HAS_ASSEMBLER)("a trap in a stream", () => {
  for (const [at, outcome] of TRAPPED) {
    test(`in ${at}, under each policy`, async () => {
      for (const failure_policy of ["FAIL_CLOSED", "FAIL_OPEN", "FAIL_RELOAD"]) {
        const { s, said, over } = await wasmStory([{ guest: traps(at), config: policy(failure_policy) }], {
          log: "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%",
        });
        expect(gist(s.client(get("/fine")).received)).toBe("200 ok");
        const hit = s.client(post("abc").replace("POST / ", "POST /trap "));
        expect(hit.received).toMatch(outcome);
        expect(said()[0]).toMatch(/^critical p: RuntimeError/);
        if (outcome.source.includes("503")) expect(s.logs.at(-1)).toBe("503 wasm_fail_stream");
        expect(s.stat("wasm.p.vm_failed")).toBe(1);
        // Those that come later:
        const next = gist(s.client(get("/fine")).received);
        expect(next).toBe(failure_policy === "FAIL_OPEN" ? "200 ok" : "503 ");
        s.advance(1600);
        const later = gist(s.client(get("/fine")).received);
        expect(later).toBe(failure_policy === "FAIL_CLOSED" ? "503 " : "200 ok");
        expect(s.stat("wasm.p.vm_reload_success")).toBe(failure_policy === "FAIL_RELOAD" ? 1 : 0);
        await over();
      }
    });
  }

  test("leaves other plugins, and other VMs of the same module, alone", async () => {
    const calls: string[] = [];
    const parts = [
      { guest: traps("request_headers") },
      recorded("b", calls),
      { guest: traps("none"), name: "other" },
    ];
    const { s, over } = await wasmStory(parts);
    s.client(get("/trap"));
    expect(calls).toEqual(["b.log()"]);
    expect([s.stat("wasm.p.vm_failed"), s.stat("wasm.other.vm_failed")]).toEqual([1, 0]);
    expect(s.stat("wasm.other.active")).toBe(1);
    await over();
  });

  test("answers those that wait for it, at once", async () => {
    const holds = guest`
      (global $n (mut i32) #0)
      (on request_headers
        (global.set $n (i32.add (global.get $n) #1))
        (if (i32.eq (global.get $n) #4) (then (call $trap)))
        #1)`;
    const { s, over } = await wasmStory([{ guest: holds }]);
    const held = [s.client(get("/1")), s.client(get("/2")), s.client(get("/3"))];
    expect(held.map(({ received }) => received)).toEqual(["", "", ""]);
    expect(gist(s.client(get("/4")).received)).toBe("503 ");
    expect(held.map(({ received }) => gist(received))).toEqual(["503 ", "503 ", "503 "]);
    await over();
  });

  test("does not touch a stream that needs the guest no more", async () => {
    const looksOnce = guest`
      (global $n (mut i32) #0)
      (global $held (mut i32) #0)
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on request_headers
        (global.set $n (i32.add (global.get $n) #1))
        (if (i32.eq (global.get $n) #2) (then (call $trap)))
        (global.set $held (local.get $id))
        #1)
      (on tick
        (if (i32.eqz (global.get $held)) (then (return)))
        (drop (call $set_effective_context (global.get $held)))
        (global.set $held #0)
        (drop (call $continue_stream #0)))`;
    const { s, over } = await wasmStory([{ guest: looksOnce }], { origins: [silent] });
    const first = s.client(get("/1"));
    s.advance(100);
    expect(s.upstream()).toHaveLength(1);
    expect(gist(s.client(get("/2")).received)).toBe("503 ");
    expect(first.received).toBe(""); // it has passed
    s.upstream()[0].send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    s.settle();
    expect(gist(first.received)).toBe("200 ok");
    await over();
  });

  test("in a tick, in the answer to a call: the VM is lost, and its streams are answered", async () => {
    const inTick = guest`
      (global $n (mut i32) #0)
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on request_headers #1)
      (on tick
        (global.set $n (i32.add (global.get $n) #1))
        (if (i32.eq (global.get $n) #2) (then (call $trap))))`;
    const { s, said, over } = await wasmStory([{ guest: inTick }]);
    const held = s.client(get());
    s.advance(250);
    expect(gist(held.received)).toBe("503 ");
    expect(said()).toHaveLength(1);
    s.advance(1000);
    expect(said()).toEqual([]);
    await over();
  });

  test("takes back what the same call had asked for", async () => {
    const asks = guest`(on request_headers
      (drop (call $send_local_response #299 ${""} ${"early"} ${""} #-1))
      (drop (call $continue_stream #0))
      (call $trap) #0)`;
    const { s, over } = await wasmStory([{ guest: asks }]);
    expect(gist(s.client(get()).received)).toBe("503 ");
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("a guest that cannot start", () => {
  const cases = {
    start: guest`(func (export "_initialize") (call $trap)) (on request_headers #0)`,
    main: guest`(func (export "_initialize")) (func (export "main") (param i32 i32) (result i32) (unreachable))`,
    "older start": guest`(func (export "_start") (call $trap))`,
    create: guest`(on context_create (call $trap))`,
    vm_start: guest`(on vm_start (call $trap) #1)`,
    "refusing vm_start": guest`(on vm_start #0)`,
    configure: guest`(on configure (call $trap) #1)`,
    "refusing configure": guest`(on configure #0)`,
    "missing import": guestWith({ imports: '(import "env" "proxy_nothing" (func $nothing))' })`
      (on request_headers (call $nothing) #0)`,
    "no allocator": guestWith({ allocator: false })`(on request_headers #0)`,
    "endless depth": guest`(on vm_start (call $deep #0))`,
  };
  for (const [name, bad] of Object.entries(cases)) {
    test(`${name}: requests are refused, or go on without it where that is wanted`, async () => {
      for (const [failure_policy, expected] of [
        ["FAIL_CLOSED", "503 "],
        ["FAIL_OPEN", "200 ok"],
        ["FAIL_RELOAD", "503 "],
      ] as const) {
        const { s, said, over } = await wasmStory([{ guest: bad, config: policy(failure_policy) }]);
        expect(gist(s.client(get()).received)).toBe(expected);
        expect(said().some((line) => line.startsWith("error p: "))).toBe(true);
        expect(s.stat("wasm.p.active")).toBe(0);
        await over();
      }
    });
  }

  test("a start section finds no memory, and no harm is done", async () => {
    const early = guest`
      (global $status (mut i32) #0)
      (func $early
        (global.set $status (i32.add
          (i32.mul (call $log #2 ${"x"}) #100)
          (call $get_property ${"plugin_name"} #out))))
      (start $early)
      (on configure (call $tell ${"statuses"} (global.get $status)) #1)`;
    const { said, over } = await wasmStory([{ guest: early }]);
    expect(said()).toEqual(["p: statuses=610"]);
    await over();
  });

  test("main follows _initialize; _start is called only without it", async () => {
    const both = guest`
      (func (export "_initialize") (call $say ${"initialize"}))
      (func (export "_start") (call $say ${"start"}))
      (func (export "main") (param i32 i32) (result i32) (call $tell ${"main"} (local.get 1)) #0)`;
    const { said, over } = await wasmStory([{ guest: both }]);
    expect(said()).toEqual(["p: initialize", "p: main=0"]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("reload after a failure", () => {
  const fragile = guest`
    (on configure (call $say ${"configured"}) #1)
    (on request_headers
      (drop (call $get_header_map_value #0 ${"x-trap"} #out))
      (if (i32.eqz (call $get_header_map_value #0 ${"x-trap"} #out)) (then (call $trap)))
      #0)`;
  const TRAP = "x-trap: 1\r\n";

  test("one attempt per back-off, which has a jitter of its own each time", async () => {
    const config = {
      failure_policy: "FAIL_RELOAD",
      reload_config: { backoff: { base_interval: "2s" } },
    };
    const { s, said, over } = await wasmStory([{ guest: fragile, config }]);
    s.client(get("/", TRAP));
    let waited = 0;
    while (gist(s.client(get()).received) === "503 ") {
      s.advance(50);
      waited += 50;
      expect(waited).toBeLessThan(3100);
    }
    expect(waited).toBeGreaterThan(1800);
    expect(said().filter((line) => line === "p: configured")).toHaveLength(2);
    expect(s.stat("wasm.p.vm_reload")).toBe(1);
    expect(s.stat("wasm.p.vm_reload_success")).toBe(1);
    expect(s.stat("wasm.p.vm_reload_backoff")).toBeGreaterThan(20);
    expect(s.stat("wasm.p.created")).toBe(2);
    expect(s.stat("wasm.p.active")).toBe(1);
    // It failed again long after its start: the next one comes at once.
    s.advance(10_000);
    expect(gist(s.client(get("/", TRAP)).received)).toBe("503 ");
    expect(gist(s.client(get()).received)).toBe("200 ok");
    await over();
  });

  test("that does not start is tried again later", async () => {
    const { s, supply, said, over } = await wasmStory([{ guest: fragile, config: policy("FAIL_RELOAD") }]);
    s.client(get("/", TRAP));
    supply({ p: guest`(on configure #0)` }); // refused: the old one stays what is tried
    s.advance(2000);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    expect(said().filter((line) => line === "p: configured")).toHaveLength(2);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("a guest without end", () => {
  test("loops: it is stopped, its request answered, and the proxy lives", async () => {
    const loops = fuelled(traps("request_headers", "(call $spin)"));
    const { s, said, over } = await wasmStory(
      [{ guest: loops }, recorded("b", [])],
      {},
      {
        runtime: { "tulle.wasm.fuel_per_call": 100_000 },
      },
    );
    expect(gist(s.client(get("/fine")).received)).toBe("200 ok");
    expect(gist(s.client(get("/trap")).received)).toBe("503 ");
    expect(said()[0]).toStartWith("critical p: used up its fuel");
    await over();
  });

  test("goes on for ever in its start, its configuration, a tick, an allocation", async () => {
    const runtime = { "tulle.wasm.fuel_per_call": 100_000 };
    for (const endless of [
      guest`(on configure (call $spin) #1)`,
      guest`(on vm_start (call $spin) #1)`,
      guestWith({ allocator: false })`
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (call $spin) #0)
        (on configure (drop (call $get_property ${"plugin_name"} #out)) #1)`,
    ]) {
      const { s, said, over } = await wasmStory([{ guest: fuelled(endless) }], {}, { runtime });
      expect(said()[0]).toContain("used up its fuel");
      expect(gist(s.client(get()).received)).toBe("503 ");
      await over();
    }
  });

  test("has the host work for it: that counts as its own", async () => {
    const runtime = { "tulle.wasm.fuel_per_call": 1_000_000 };
    for (const busy of [
      guest`(on request_headers (loop $more (drop (call $log #2 #0 #65536)) (br $more)) #0)`,
      guest`(on request_headers (loop $more (drop (call $get_buffer_bytes #7 #0 #-1 #out)) (br $more)) #0)`,
    ]) {
      const plugin = { guest: fuelled(busy), configuration: "x".repeat(60_000) };
      const { s, said, over } = await wasmStory([plugin], {}, { runtime });
      expect(gist(s.client(get()).received)).toBe("503 ");
      const lines = said();
      expect(lines.length).toBeLessThan(40);
      expect(lines.at(-1)).toStartWith("critical p: used up its fuel");
      await over();
    }
  });

  test("calls itself without end", async () => {
    for (const deep of [
      traps("request_headers", "(drop (call $deep #0))"),
      guest`
      (func $log_deep (param $n i32) (call $log_deep (local.get $n)) (call $say ${"x"}))
      (on request_headers (call $log_deep #0) #0)`,
    ]) {
      const { s, over } = await wasmStory([{ guest: deep }]);
      expect(gist(s.client(get("/trap")).received)).toBe("503 ");
      expect(s.stat("wasm.p.vm_failed")).toBe(1);
      await over();
    }
  });
});

describe.skipIf(!HAS_ASSEMBLER)("an allocator that", () => {
  const allocating = (body: string, more = "") => guestWith({ allocator: false })`
    (func (export "proxy_on_memory_allocate") (param $size i32) (result i32) ${wat(body)})
    ${wat(more)}
    (on request_headers
      (i32.store #16 #9) (i32.store #20 #9)
      (call $tell ${"get"} (call $get_header_map_value #0 ${":path"} #out))
      (call $tell ${"P"} (i32.load #16))
      (call $tell ${"N"} (i32.load #20))
      (call $tell ${"empty"} (call $get_buffer_bytes #7 #0 #10 #out))
      (call $tell ${"pairs"} (call $get_header_map_pairs #0 #out))
      #0)`;

  test("has no room, or names what is not there, is believed in neither", async () => {
    for (const answer of ["#0", "#-1", "#262143", "#262144", "(i32.const 0x7ffffffe)"]) {
      const { s, said, over } = await wasmStory([{ guest: allocating(answer) }]);
      expect(gist(s.client(get("/abc")).received)).toBe("200 ok");
      expect(said()).toEqual(["p: get=6", "p: P=9", "p: N=9", "p: empty=0", "p: pairs=6"]);
      await over();
    }
  });

  test("gives what is in use hurts only itself", async () => {
    const { s, said, over } = await wasmStory([{ guest: allocating("#14") }]);
    expect(gist(s.client(get("/abc")).received)).toBe("200 ok");
    expect(said().filter((line) => /get|pairs/.test(line))).toEqual(["p: get=0", "p: pairs=0"]);
    await over();
  });

  test("traps takes the VM along", async () => {
    const { s, over } = await wasmStory([{ guest: allocating("(call $trap) #0") }]);
    expect(gist(s.client(get("/abc")).received)).toBe("503 ");
    await over();
  });

  test("throws, to be caught by the guest itself, takes the VM along", async () => {
    const throws = guestWith({ allocator: false })`
      (tag $escape)
      (func (export "proxy_on_memory_allocate") (param i32) (result i32) (throw $escape))
      (on request_headers
        (block $caught (try_table (catch_all $caught)
          (drop (call $get_header_map_value #0 ${":path"} #out))))
        (call $say ${"caught"})
        #0)`;
    const { s, said, over } = await wasmStory([{ guest: throws }]);
    expect(gist(s.client(get("/abc")).received)).toBe("503 ");
    expect(said()).toEqual(["p: caught", "critical p: its allocator did not return"]);
    await over();
  });

  test("calls the host finds nearly everything closed", async () => {
    const calls = `
      (call $tell #8 #1 (call $get_header_map_value (i32.const 0) #8 #1 #24 #28))
      (call $tell #8 #1 (call $add_header_map_value (i32.const 0) #8 #1 #8 #1))
      (call $tell #8 #1 (call $send_local_response #403 #0 #0 #0 #0 #0 #0 #-1))
      (call $tell #8 #1 (call $continue_stream #0))
      (call $tell #8 #1 (call $set_effective_context #1))
      (call $tell #8 #1 (call $get_current_time_nanoseconds #32))
      (call $tell #8 #1 (call $define_metric #0 #8 #1 #32))
      (call $tell #8 #1 (call $set_tick_period_milliseconds #1))
      (call $tell #8 #1 (call $set_property #8 #1 #8 #1))
      (i32.const 4096)`;
    const { s, said, over } = await wasmStory([{ guest: allocating(calls) }]);
    expect(gist(s.client(get("/abc")).received)).toBe("200 ok");
    expect(
      said()
        .slice(0, 9)
        .map((line) => line.split("=")[1]),
    ).toEqual(["10", "10", "10", "10", "10", "0", "10", "10", "10"]);
    await over();
  });

  test("grows the memory under the host's hands is followed there", async () => {
    const grows = allocating("(i32.mul (memory.grow #1) #65536)");
    const { s, said, over } = await wasmStory([{ guest: grows }]);
    expect(gist(s.client(get("/abc")).received)).toBe("200 ok");
    expect(said().slice(0, 3)).toEqual(["p: get=0", `p: P=${4 * 65536}`, "p: N=4"]);
    await over();
  });

  test("is never asked for nothing", async () => {
    const strict = allocating("(if (i32.eqz (local.get $size)) (then (unreachable))) (i32.const 4096)");
    const { s, said, over } = await wasmStory([{ guest: strict }]);
    expect(gist(s.client(get("/abc")).received)).toBe("200 ok");
    expect(said()).toContain("p: empty=0");
    await over();
  });

  test("is called malloc serves as well", async () => {
    const malloc = guestWith({ allocator: false })`
      (func (export "malloc") (param i32) (result i32) #4096)
      (on request_headers
        (drop (call $get_header_map_value #0 ${":path"} #out)) (call $tell_out ${"path"}) #0)`;
    const { s, said, over } = await wasmStory([{ guest: malloc }]);
    s.client(get("/m"));
    expect(said()).toEqual(["p: path=/m"]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("memory", () => {
  test("that grows inside of a callback is seen by the calls that follow", async () => {
    const grows = guest`(on request_headers
      (local.set $i (i32.mul (memory.grow #2) #65536))
      (memory.fill (local.get $i) #97 #3)
      (call $tell ${"add"} (call $add_header_map_value #0 ${"x-new"} (local.get $i) #3))
      (call $tell ${"get"} (call $get_header_map_value #0 ${"x-new"} (local.get $i) (i32.add (local.get $i) #4)))
      (call $say (i32.load (local.get $i)) (i32.load offset=4 (local.get $i)))
      #0)`;
    const { s, seen, said, over } = await wasmStory([{ guest: grows }]);
    s.client(get());
    expect(said()).toEqual(["p: add=0", "p: get=0", "p: aaa"]);
    expect(seen[0]).toContain("x-new: aaa\r\n");
    await over();
  });

  test("that has grown too large is exchanged between streams, at most once per back-off", async () => {
    const fat = guest`
      (on configure (call $say ${"configured"}) #1)
      (on request_headers (drop (memory.grow #4)) #1)
      (on delete (call $tell ${"delete"} (local.get $id)))`;
    const { s, said, over } = await wasmStory(
      [{ guest: fat }],
      {},
      {
        runtime: { "tulle.wasm.recycle_above_bytes": 6 * 65536 },
      },
    );
    s.advance(5000);
    const first = s.client(get()); // grows to 8 pages, and stays
    said();
    s.client(get()).reset();
    s.settle();
    expect(said()).toEqual(["p: configured", "p: delete=2"]);
    s.client(get()).reset(); // too large as well, but too young
    s.settle();
    expect(said()).toEqual(["p: delete=3"]);
    expect(s.stat("wasm.p.active")).toBe(2);
    // Of the first, 4 pages as long as no stream of it has ended; of the second, which grew twice, 12.
    expect(s.stat("wasm.p.vm_memory_bytes") / 65536).toBe(4 + 12);
    first.reset();
    s.settle();
    expect(said()).toEqual(["p: delete=2", "p: delete=1"]);
    expect([s.stat("wasm.p.active"), s.stat("wasm.p.vm_recycled")]).toEqual([1, 1]);
    expect(s.stat("wasm.p.vm_memory_bytes") / 65536).toBe(12);
    await over();
  });

  test("that is large from the start is left as it is", async () => {
    const large = guest`(on configure (drop (memory.grow #8)) (call $say ${"configured"}) #1) (on request_headers #0)`;
    const { s, said, over } = await wasmStory(
      [{ guest: large }],
      {},
      {
        runtime: { "tulle.wasm.recycle_above_bytes": 6 * 65536 },
      },
    );
    for (let i = 0; i < 5; i++) {
      s.advance(5000);
      s.client(get());
    }
    expect(said()).toEqual(["p: configured"]);
    await over();
  });
});
