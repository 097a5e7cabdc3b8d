/** What the calls of a guest may hold and cost: heads, bodies and answers share one room, and each call has its price. */
import { describe, expect, test } from "bun:test";
import { get, type Script } from "../../support/engine-story.ts";
import { grpcGuest, REPLY, stored, withoutSpeaker } from "../../support/grpc-guest.ts";
import { fuelled, HAS_ASSEMBLER } from "../../support/guest.ts";
import { HTTP2 } from "../../support/snapshot-fixture.ts";
import { type WasmStory, wasmStory } from "../../support/wasm-story.ts";

/** Far from what guest.ts uses: names, a map, a body. */
const APP = 50_000;
const ASK = 50_100;
const MAP = 2_000_000;
const BODY = 3_000_000;
const LIMITS = { maxRequests: 10_000, maxPendingRequests: 10_000 };
const NOBODY: Script = () => undefined;

/** Puts pairs, of which the last one's value is `length` times "b". */
function map(
  at: number,
  pairs: readonly (readonly [string, string])[],
  length: number,
): readonly [string, number] {
  const all = [...pairs, ["a", null]] as const;
  let stores = `(i32.store #${at} #${all.length})`;
  let to = at + 4 + all.length * 8;
  all.forEach(([name, value], i) => {
    const size = value === null ? length : value.length;
    stores += `(i32.store #${at + 4 + i * 8} #${name.length}) (i32.store #${at + 8 + i * 8} #${size})`;
    stores += stored(`${name}\0`, to);
    to += name.length + 1;
    stores += value === null ? `(memory.fill #${to} #98 #${length})` : stored(value, to);
    to += size;
    stores += `(i32.store8 #${to} #0)`;
    to++;
  });
  return [stores, to - at];
}

const GROWN = "(drop (memory.grow #120))";

/** Tells how often `act`, a call's status, was 0 in that many tries, and the last status. */
const often = (act: string, tries: number): string => `
  (i32.store #84 #${tries}) (i32.store #92 #0)
  (loop $again (i32.store #88 ${act})
    (i32.store #92 (i32.add (i32.load #92) (i32.eqz (i32.load #88))))
    (i32.store #84 (i32.sub (i32.load #84) #1)) (br_if $again (i32.load #84)))
  (call $tried (i32.load #92)) (call $tried (i32.load #88))`;

/** Streams with metadata of that many bytes. */
function streams(length: number, tries: number): string {
  const [stores, size] = map(MAP, [], length);
  const open = `(call $grpc_stream #${APP} #3 #${APP} #3 #${APP} #3 #${MAP} #${size} #64)`;
  return GROWN + stored("app", APP) + stores + often(open, tries);
}

/** Requests with a field and a body of that many bytes. */
function requests(length: number, body: number, tries: number): string {
  const head = [
    [":method", "GET"],
    [":path", "/ask"],
    [":authority", "auth"],
  ] as const;
  const [stores, size] = map(MAP, head, length);
  const ask = `(call $http_call #${APP} #3 #${MAP} #${size} #${BODY} #${body} #0 #0 #1000 #${ASK})`;
  return GROWN + stored("app", APP) + stores + often(ask, tries);
}

/** Of the first 2000 tokens. */
const CANCEL_ALL = `(i32.store #100 #0) (loop $more
  (drop (call $grpc_cancel (i32.or (i32.shl (i32.load #100) #2) #2)))
  (i32.store #100 (i32.add (i32.load #100) #1)) (br_if $more (i32.lt_u (i32.load #100) #2000)))`;

interface Made extends WasmStory {
  told(): string[];
}

async function acting(act: string, origin: Script, http2: boolean, fuel = 0): Promise<Made> {
  const plain = grpcGuest({
    act: act + REPLY,
    more: `(on http_call_response (call $tried_status))${TELL_STATUS}`,
  });
  const setup = { cluster: http2 ? { http2: HTTP2 } : {}, limits: LIMITS, origins: [origin] };
  const runtime: { [name: string]: number } = fuel === 0 ? {} : { "tulle.wasm.fuel_per_call": fuel };
  const made = await wasmStory([{ guest: fuel === 0 ? plain : fuelled(plain) }], setup, { runtime });
  const told = (): string[] =>
    withoutSpeaker(made.said().filter((line) => line.includes("tried") || line.includes("answer")));
  return { ...made, told };
}

const TELL_STATUS = `(func $tried_status
  (drop (call $get_header_map_value #6 #${APP + 200} #7 #out))
  ${stored("answer", APP + 300)}
  (call $line_text #${APP + 300} #6) (call $line_space) (call $line_given) (call $note_end))`;
const STATUS_NAME = stored(":status", APP + 200);

describe.skipIf(!HAS_ASSEMBLER)("the room of a VM's calls", () => {
  test("has place for the heads of gRPC calls, as long as they live", async () => {
    // Streams that are given up hold their bytes until the guest has returned; then there is room again.
    const made = await acting(streams(60_000, 282) + CANCEL_ALL + streams(60_000, 2), NOBODY, true);
    for (let round = 0; round < 2; round++) {
      made.s.client(get());
      expect(made.told()).toEqual(["tried 278", "tried 10", "tried 0", "tried 10"]);
    }
    await made.over();
  });

  test("has place for heads and bodies of HTTP requests, until they are answered", async () => {
    const made = await acting(STATUS_NAME + requests(10, 4_000_000, 10), NOBODY, false);
    for (let round = 0; round < 2; round++) {
      made.s.client(get());
      expect(made.told()).toEqual(["tried 4", "tried 10"]);
      made.s.advance(1010);
      expect(made.told()).toEqual(Array(4).fill("answer [504]"));
    }
    await made.over();
  });

  test("has place for answers that are not whole", async () => {
    const half: Script = (peer) => {
      if (!peer.received.endsWith("\r\n\r\n")) return;
      peer.take();
      peer.send(`HTTP/1.1 200 OK\r\ncontent-length: 1000001\r\n\r\n${"x".repeat(1_000_000)}`);
    };
    const made = await acting(STATUS_NAME + requests(10, 0, 20), half, false);
    made.s.client(get());
    expect(made.told()).toEqual(["tried 20", "tried 0"]);
    made.s.advance(500);
    expect(made.told()).toEqual(Array(4).fill("answer [502]"));
    made.s.advance(510);
    expect(made.told()).toEqual(Array(16).fill("answer [504]"));
    await made.over();
  });

  test("takes no head above 60 KiB", async () => {
    for (const [act, refused] of [
      [streams(61_500, 2), 10],
      [requests(61_500, 0, 2), 2],
    ] as const) {
      const made = await acting(act, NOBODY, true);
      made.s.client(get());
      expect(made.told()).toEqual(["tried 0", `tried ${refused}`]);
      await made.over();
    }
  });
});

describe.skipIf(!HAS_ASSEMBLER)("a call has its price", () => {
  // 10 million units of fuel are enough for 305 of 32 768, and for nothing else.
  test.each([
    ["gRPC", streams(1, 1_000_000).replace(/#64\)\)/, "#64)) (drop (call $grpc_cancel (i32.load #64)))")],
    ["HTTP", requests(1, 0, 1_000_000)],
  ])("of %s: a loop of them ends", async (_what, act) => {
    const made = await acting(act, NOBODY, true, 10_000_000);
    made.s.client(get());
    expect(made.s.proxy.messages.join()).toContain("used up its fuel");
    const begun = made.s.stat("cluster.app.upstream_rq_pending_total");
    expect(begun).toBeGreaterThan(250);
    expect(begun).toBeLessThan(306);
    await made.over();
  });
});
