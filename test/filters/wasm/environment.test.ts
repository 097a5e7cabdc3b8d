/** What a guest has around it: the log, the time, WASI, metrics, and what it may be denied. */
import { describe, expect, test } from "bun:test";
import { get, gist } from "../../support/engine-story.ts";
import { guest, guestWith, HAS_ASSEMBLER, onCallback, tried } from "../../support/guest.ts";
import { wasmStory } from "../../support/wasm-story.ts";

describe.skipIf(!HAS_ASSEMBLER)("the log", () => {
  test("has six levels and the plugin's name; there is no seventh", async () => {
    const logs = onCallback(
      "request_headers",
      [0, 1, 2, 3, 4, 5, 6, -1].map((level) => tried("", "$log", level, `l${level}`)),
    );
    const { s, said, over } = await wasmStory([{ guest: logs, name: "mine" }]);
    s.client(get());
    expect(said().filter((line) => !line.includes("="))).toEqual([
      ...[
        "trace mine: l0",
        "debug mine: l1",
        "mine: l2",
        "warning mine: l3",
        "error mine: l4",
        "critical mine: l5",
      ],
    ]);
    await over();
  });

  test("is asked for the operator's level, and not written below it", async () => {
    const asks = guest`(on request_headers
      (drop (call $get_log_level #64))
      (drop (call $log #1 ${"debug"}))
      (drop (call $log (i32.load #64) ${"least"}))
      (drop (call $log #5 ${"critical"}))
      #0)`;
    const { s, said, over } = await wasmStory([{ guest: asks }]);
    s.proxy.levels = new Set(["warning", "error", "critical"]);
    s.client(get());
    expect(said()).toEqual(["warning p: least", "critical p: critical"]);
    s.proxy.levels = new Set(["trace", "debug", "info", "warning", "error", "critical"]);
    s.client(get());
    expect(said()).toEqual(["debug p: debug", "trace p: least", "critical p: critical"]);
    s.proxy.levels = new Set();
    s.client(get());
    expect(said()).toEqual([]);
    await over();
  });

  test("cuts what is too long", async () => {
    const logs = guest`(on request_headers (drop (call $log #2 #0 #200000)) #0)`;
    const { s, said, over } = await wasmStory([{ guest: logs }]);
    s.client(get());
    expect(said()[0].length).toBe("p: ".length + 16 * 1024);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("time", () => {
  test("is the wall clock, in nanoseconds, and stands still during a call", async () => {
    const asks = guest`(on request_headers
      (drop (call $get_current_time_nanoseconds #64))
      (drop (call $get_current_time_nanoseconds #72))
      (call $tell ${"same"} (i64.eq (i64.load #64) (i64.load #72)))
      (call $tell ${"seconds"} (i32.wrap_i64 (i64.div_u (i64.load #64) (i64.const 1000000000))))
      #0)`;
    const { s, said, over } = await wasmStory([{ guest: asks }]);
    s.client(get());
    expect(said()).toEqual(["p: same=1", "p: seconds=1767225600"]);
    await over();
  });
});

const WASI = {
  fd_write: "iiii",
  environ_sizes_get: "ii",
  environ_get: "ii",
  args_sizes_get: "ii",
  args_get: "ii",
  clock_res_get: "ii",
  clock_time_get: "ili",
  random_get: "ii",
  poll_oneoff: "iiii",
  sched_yield: "",
  fd_fdstat_get: "ii",
  fd_prestat_get: "ii",
  fd_read: "iiii",
  fd_close: "i",
  path_open: "iiiiillii",
} as const;

describe.skipIf(!HAS_ASSEMBLER)("WASI", () => {
  const wasi = (calls: string) => guestWith({ wasi: WASI })`
    (func $t (param $n i32) (call $tell ${"t"} (local.get $n)))
    (on configure ${{ wat: calls }} #1)
    (data (i32.const 512) "one\\0atwo\\0a")`;
  const told = async (calls: string, vm = {}, variables = {}): Promise<string[]> => {
    const { said, over } = await wasmStory([{ guest: wasi(calls), vm }], {}, { variables });
    const lines = said();
    await over();
    return lines;
  };

  test("output goes to the log, without its line's end", async () => {
    const vectors = "(i32.store #64 #512) (i32.store #68 #4) (i32.store #72 #516) (i32.store #76 #4)";
    expect(
      await told(`${vectors}
        (call $t (call $fd_write #1 #64 #2 #80)) (call $t (i32.load #80))
        (call $t (call $fd_write #2 #64 #1 #80))
        (call $t (call $fd_write #3 #64 #1 #80))
        (call $t (call $fd_write #1 #64 #0 #80))
        (call $t (call $fd_write #1 #64 #-1 #80))
        (call $t (call $fd_write #1 #-8 #2 #80))
        (call $t (call $fd_write #1 #64 #1 #-2))
        (i32.store #68 #-1)
        (call $t (call $fd_write #1 #64 #1 #80))`),
    ).toEqual([
      ...["p: one\ntwo", "p: t=0", "p: t=8", "error p: one", "p: t=0"],
      ...["p: t=8", "p: t=0", "p: t=21", "p: t=21", "p: t=21", "p: t=21"],
    ]);
  });

  test("the environment is what was configured, and nothing else", async () => {
    const reads = `
      (call $t (call $environ_sizes_get #64 #68)) (call $t (i32.load #64)) (call $t (i32.load #68))
      (call $t (call $environ_get #80 #4096))
      (call $say (i32.load #80) (i32.load #68))
      (call $t (call $environ_get #-4 #4096))
      (call $t (call $environ_sizes_get #-4 #68))`;
    const environment_variables = { host_env_keys: ["HOME", "NONE"], key_values: { MODE: "test" } };
    expect(await told(reads, { environment_variables }, { HOME: "/h", SECRET: "s" })).toEqual([
      ...["p: t=0", "p: t=2", "p: t=18", "p: t=0"],
      expect.stringMatching(/^p: (HOME=\/h\0MODE=test|MODE=test\0HOME=\/h)\0$/),
      ...["p: t=21", "p: t=21"],
    ]);
    expect((await told(reads, {}, { SECRET: "s" })).slice(0, 3)).toEqual(["p: t=0", "p: t=0", "p: t=0"]);
  });

  test("clocks, randomness, and what there is not", async () => {
    expect(
      await told(`
        (call $t (call $clock_time_get #0 (i64.const 1) #64))
        (call $t (i32.wrap_i64 (i64.div_u (i64.load #64) (i64.const 1000000000))))
        (call $t (call $clock_time_get #1 (i64.const 1) #64))
        (call $t (call $clock_time_get #2 (i64.const 1) #64))
        (call $t (call $clock_time_get #0 (i64.const 1) #-4))
        (call $t (call $clock_res_get #0 #64)) (call $t (call $clock_res_get #7 #64))
        (call $t (call $random_get #65536 #65536)) (call $t (call $random_get #65536 #65537))
        (call $t (call $random_get #-1 #16)) (call $t (call $random_get #0 #0))
        (call $t (call $args_sizes_get #64 #68)) (call $t (i32.load #64)) (call $t (call $args_get #0 #0))
        (i32.store #64 #9) (call $t (call $poll_oneoff #0 #0 #1 #64)) (call $t (i32.load #64))
        (call $t (call $sched_yield))
        (call $t (call $fd_fdstat_get #1 #64)) (call $t (call $fd_fdstat_get #0 #64)) (call $t (call $fd_fdstat_get #1 #-8))
        (call $t (call $fd_prestat_get #3 #64)) (call $t (call $fd_read #0 #0 #0 #0)) (call $t (call $fd_close #3))
        (call $t (call $path_open #0 #0 #0 #0 #0 (i64.const 0) (i64.const 0) #0 #0))`),
    ).toEqual(
      [0, 1767225600, 0, 58, 21, 0, 58, 0, 28, 21, 0, 0, 0, 0, 0, 0, 0, 0, 8, 21, 8, 52, 0, 44].map(
        (n) => `p: t=${n}`,
      ),
    );
  });
});

describe.skipIf(!HAS_ASSEMBLER)("metrics", () => {
  test("counters, gauges and histograms, by name, under wasmcustom.", async () => {
    const counts = guest`
      (func $t (param $n i32) (call $tell ${"t"} (local.get $n)))
      (on configure
        (call $t (call $define_metric #0 ${"hits"} #64))
        (call $t (call $define_metric #1 ${"level"} #68))
        (call $t (call $define_metric #2 ${"times"} #72))
        (call $t (call $define_metric #0 ${"hits"} #76))
        (call $tell ${"same"} (i32.eq (i32.load #64) (i32.load #76)))
        (call $tell ${"kinds"} (i32.add
          (i32.mul (i32.and (i32.load #68) #3) #10) (i32.and (i32.load #72) #3)))
        #1)
      (on request_headers
        (call $t (call $increment_metric (i32.load #64) (i64.const 2)))
        (call $t (call $increment_metric (i32.load #64) (i64.const 0)))
        (call $t (call $increment_metric (i32.load #64) (i64.const -1)))
        (call $t (call $record_metric (i32.load #64) (i64.const 5)))
        (call $t (call $record_metric (i32.load #68) (i64.const 7)))
        (call $t (call $increment_metric (i32.load #68) (i64.const -10)))
        (call $t (call $record_metric (i32.load #72) (i64.const 3)))
        (call $t (call $increment_metric (i32.load #72) (i64.const 1)))
        (call $t (call $get_metric (i32.load #64) #80))
        (call $tell ${"hits"} (i32.wrap_i64 (i64.load #80)))
        (call $t (call $get_metric (i32.load #68) #80))
        (call $tell ${"level is -3"} (i64.eq (i64.load #80) (i64.const -3)))
        (call $t (call $get_metric (i32.load #72) #80))
        (call $t (call $get_metric #0 #80)) (call $t (call $get_metric #-1 #80)) (call $t (call $get_metric #99 #80))
        (call $t (call $increment_metric #99 (i64.const 1))) (call $t (call $record_metric #99 (i64.const 1)))
        (call $t (call $get_metric (i32.load #64) #-8))
        #0)`;
    const { s, said, over } = await wasmStory([{ guest: counts }]);
    expect(said()).toEqual(["p: t=0", "p: t=0", "p: t=0", "p: t=0", "p: same=1", "p: kinds=12"]);
    s.client(get());
    const t = (...numbers: number[]) => numbers.map((n) => `p: t=${n}`);
    expect(said()).toEqual([
      ...t(0, 2, 2, 0, 0, 0, 0, 2),
      ...[...t(0), "p: hits=7", ...t(0), "p: level is -3=1"],
      ...t(2, 1, 1, 1, 1, 1, 6),
    ]);
    expect(s.stat("wasmcustom.hits")).toBe(7);
    expect(s.stat("wasmcustom.level")).toBe(-3);
    await over().catch(() => undefined); // the gauge is not 0
    expect(s.stat("wasmcustom.hits")).toBe(0); // gone with the last plugin
  });

  test("a name that is another kind's, none, or too many: refused; the VM lives", async () => {
    const odd = guest`
      (on configure
        (call $tell ${"counter"} (call $define_metric #0 ${"x"} #64))
        (call $tell ${"gauge"} (call $define_metric #1 ${"x"} #64))
        (call $tell ${"none"} (call $define_metric #0 ${""} #64))
        (call $tell ${"long"} (call $define_metric #0 #0 #257 #64))
        (call $tell ${"kind"} (call $define_metric #3 ${"y"} #64))
        (call $tell ${"odd"} (call $define_metric #0 ${"a b\n\xffc"} #64))
        (local.set $i #0)
        (loop $more
          (i32.store #128 (i32.add #0x41000000 (local.get $i)))
          (local.set $i (i32.add (local.get $i) #1))
          (br_if $more (i32.eqz (call $define_metric #0 #128 #4 #64))))
        (call $tell ${"not all"} (i32.lt_u (local.get $i) #100000))
        #1)`;
    const { s, said, over } = await wasmStory([{ guest: odd }]);
    expect(said()).toEqual([
      ...["p: counter=0", "p: gauge=2", "p: none=2", "p: long=2", "p: kind=2", "p: odd=0", "p: not all=1"],
    ]);
    expect(s.proxy.stats.export().scopes.flatMap(({ singles }) => singles.map(({ name }) => name))).toContain(
      "a_b__c",
    );
    expect(s.stat("wasm.p.vm_failed")).toBe(0);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("capabilities", () => {
  const tries = guestWith({ wasi: { random_get: "ii" } })`
    (on request_headers
      (call $tell ${"get"} (call $get_header_map_value #0 ${":path"} #out))
      (call $tell ${"add"} (call $add_header_map_value #0 ${"x"} ${"y"}))
      (call $tell ${"random"} (call $random_get #64 #8))
      #0)
    (on response_headers (call $say ${"never"}) #0)`;
  const allow = (...names: string[]) => ({
    capability_restriction_config: {
      allowed_capabilities: Object.fromEntries(names.map((name) => [name, {}])),
    },
  });

  test("what is not allowed answers 10 or 76, or is not called, and the guest goes on", async () => {
    const config = allow("proxy_log", "proxy_on_request_headers", "proxy_get_header_map_value");
    const { s, seen, said, over } = await wasmStory([{ guest: tries, config }]);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    expect(said()).toEqual(["p: get=0", "p: add=10", "p: random=76"]);
    expect(seen[0]).not.toContain("x: y");
    await over();
  });

  test("none named means none denied", async () => {
    const { s, said, over } = await wasmStory([{ guest: tries, config: allow() }]);
    s.client(get());
    expect(said()).toEqual(["p: get=0", "p: add=0", "p: random=0", "p: never"]);
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("foreign functions", () => {
  test("clear_route_cache, with and without a place for a result; others are not found", async () => {
    const calls = onCallback("request_headers", [
      tried("route", "$call_foreign_function", "clear_route_cache", "", 64, 68),
      tried("nowhere", "$call_foreign_function", "clear_route_cache", "", 0, 0),
      tried("other", "$call_foreign_function", "compress", "", 64, 68),
    ]);
    const { s, said, over } = await wasmStory([{ guest: calls }]);
    s.client(get());
    expect(said()).toEqual(["p: route=0", "p: nowhere=0", "p: other=1"]);
    await over();
  });
});
