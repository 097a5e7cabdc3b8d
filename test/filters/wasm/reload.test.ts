/** Plugins come, change and go while streams are on their way. */
import { describe, expect, test } from "bun:test";
import { get, gist, silent, storySnapshot } from "../../support/engine-story.ts";
import { guest, HAS_ASSEMBLER } from "../../support/guest.ts";
import { snapshot } from "../../support/snapshot-fixture.ts";
import { wasmFilter, wasmStory } from "../../support/wasm-story.ts";

/** Marks requests and answers with its version, and says when its contexts end. */
const version = (name: string) => guest`
  (on configure (call $say ${`${name} configured`}) #1)
  (on request_headers (drop (call $add_header_map_value #0 ${"x-request"} ${name})) #0)
  (on response_headers (drop (call $add_header_map_value #2 ${"x-answer"} ${name})) #0)
  (on done (call $tell ${`${name} done`} (local.get $id)) #1)
  (on delete (call $tell ${`${name} delete`} (local.get $id)))`;

const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

describe.skipIf(!HAS_ASSEMBLER)("a new module", () => {
  test("takes new streams; old ones finish where they began, and the old VM goes with the last", async () => {
    const { s, supply, said, over } = await wasmStory([{ guest: version("one") }], { origins: [silent] });
    const old = s.client(get("/old"));
    supply({ p: version("two") });
    expect(said()).toEqual(["p: one configured", "p: two configured"]);
    expect(s.stat("wasm.p.active")).toBe(2);
    const young = s.client(get("/young"));
    const [first, second] = s.upstream();
    expect([first.received, second.received].map((head) => /x-request: (\w+)/.exec(head)?.[1])).toEqual([
      "one",
      "two",
    ]);
    first.send(ANSWER);
    second.send(ANSWER);
    s.settle();
    expect(old.received).toContain("x-answer: one\r\n");
    expect(young.received).toContain("x-answer: two\r\n");
    expect(said()).toEqual([
      ...["p: one done=2", "p: one delete=2"], // the stream
      ...["p: one done=1", "p: one delete=1"], // and with it the root
      ...["p: two done=2", "p: two delete=2"],
    ]);
    expect([s.stat("wasm.p.active"), s.stat("wasm.p.created")]).toEqual([1, 2]);
    await over();
  });

  test("without streams on their way lets the old one go at once", async () => {
    const { s, supply, said, over } = await wasmStory([{ guest: version("one") }]);
    supply({ p: version("two") });
    expect(said()).toEqual(["p: one configured", "p: two configured", "p: one done=1", "p: one delete=1"]);
    supply({ p: version("two") }); // the same: nothing happens
    expect(said()).toEqual([]);
    supply({ p: version("one") });
    expect(said()).toEqual(["p: one configured", "p: two done=1", "p: two delete=1"]);
    expect(s.stat("wasm.p.active")).toBe(1);
    await over();
  });

  test("that cannot be used leaves the old one in force", async () => {
    const bad = [
      guest`(on configure (call $say ${"no"}) #0)`,
      guest`(on vm_start #0)`,
      guest`(on context_create (call $trap))`,
      guest`(func (export "_initialize") (call $trap))`,
    ];
    const { s, seen, supply, said, over } = await wasmStory([{ guest: version("one") }]);
    for (const one of bad) {
      supply({ p: one });
      expect(said().some((line) => line.startsWith("error p: "))).toBe(true);
      expect(gist(s.client(get()).received)).toBe("200 ok");
      expect(seen.at(-1)).toContain("x-request: one\r\n");
      expect(s.stat("wasm.p.active")).toBe(1);
    }
    await over();
  });

  test("that was sound where it was tried, and does not start here, is tried again under FAIL_RELOAD", async () => {
    const fickle = guest`
      (on vm_start
        (if (i32.eqz (call $get_shared_data ${"been"} #16 #20 #24)) (then (return #1)))
        (drop (call $set_shared_data ${"been"} ${"here"} #0))
        #0)`;
    const { s, over } = await wasmStory([{ guest: fickle, config: { failure_policy: "FAIL_RELOAD" } }]);
    expect(gist(s.client(get()).received)).toBe("503 ");
    s.advance(3000);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    expect(s.stat("wasm.p.vm_reload_success")).toBe(1);
    await over();
  });

  test("comes to the rescue of a plugin that has failed", async () => {
    const { s, supply, over } = await wasmStory([{ guest: guest`(on request_headers (call $trap) #0)` }]);
    expect(gist(s.client(get()).received)).toBe("503 ");
    supply({ p: version("two") });
    expect(gist(s.client(get()).received)).toBe("200 ok");
    await over();
  });

  test("that arrives after its plugin is waited for with 503", async () => {
    const { s, supply, over } = await wasmStory([{ guest: null }]);
    expect(gist(s.client(get()).received)).toBe("503 ");
    supply({ p: version("one") });
    expect(gist(s.client(get()).received)).toBe("200 ok");
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("a plugin", () => {
  test("that a listener no longer names ends with its last stream", async () => {
    const { s, said } = await wasmStory([{ guest: version("one") }], { origins: [silent] });
    const client = s.client(get());
    await s.apply(snapshot([], storySnapshot().clusters));
    said();
    s.advance(10);
    expect(s.stat("wasm.p.active")).toBe(1);
    s.upstream()[0].send(ANSWER);
    s.settle();
    expect(client.received).toContain("x-answer: one\r\n");
    s.advance(100_000);
    expect(said()).toEqual(["p: one done=2", "p: one delete=2", "p: one done=1", "p: one delete=1"]);
    s.expectNothingLeft();
  });

  test("goes on where a changed listener names it with the same configuration, and begins anew with another", async () => {
    const { s, said, over } = await wasmStory([{ guest: version("one") }]);
    expect(said()).toEqual(["p: one configured"]);
    const manager = (configuration: string, via: string) => ({
      httpFilters: [wasmFilter({ guest: null, name: "p", configuration })],
      via,
    });
    await s.apply(storySnapshot({ manager: manager("", "other") }));
    s.advance(100_000);
    expect(said()).toEqual([]);
    await s.apply(storySnapshot({ manager: manager("new", "other") }));
    expect(said()).toEqual(["p: one configured", "p: one done=1", "p: one delete=1"]);
    await over();
  });

  test("that ends takes its ticks along", async () => {
    const ticks = guest`
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on tick (call $say ${"tick"}))`;
    const { s, said, supply, over } = await wasmStory([{ guest: ticks }]);
    s.advance(150);
    expect(said()).toEqual(["p: tick"]);
    supply({ p: version("two") });
    s.advance(1000);
    expect(said()).toEqual(["p: two configured"]);
    await over();
  });
});
