/**
 * What a guest gives up makes room for others, and their end may be told to the same guest: never while it is being
 * called, lest it acts for somebody else.
 */
import { describe, expect, test } from "bun:test";
import { get, gist, type StorySetup } from "../../support/engine-story.ts";
import { cancelled, closed, grpcGuest, open, stored, withoutSpeaker } from "../../support/grpc-guest.ts";
import { HAS_ASSEMBLER } from "../../support/guest.ts";
import { Origins } from "../../support/http2-story.ts";
import { HTTP2 } from "../../support/snapshot-fixture.ts";
import { wasmStory } from "../../support/wasm-story.ts";

const reply = (status: number): string =>
  `(call $tried (call $send_local_response #${status} #0 #0 #0 #0 #0 #0 #-1))`;

/** Writes a line: where the guest is. */
function note(text: string): string {
  return `${stored(text, 41_000)} (call $note #41000 #${text.length} #0)`;
}

/** More than may wait for one call's upstream. */
const CROWD = `(drop (memory.grow #80))
  (call $tried (call $grpc_send (i32.load #64) #300000 #4000000 #0))
  (call $tried (call $grpc_send (i32.load #64) #300000 #4000000 #0))`;

const ways: readonly (readonly [what: string, act: string, statuses: number[]])[] = [
  ["cancel", cancelled(), [0]],
  ["a send that is too much", CROWD, [0, 0]],
  ["cancel after close", closed() + cancelled(), [0, 0]],
];

describe.skipIf(!HAS_ASSEMBLER)("a guest is not entered from inside of its own call", () => {
  test.each(ways)("by %s", async (_what, act, statuses) => {
    // The first request makes two calls, which take all of the only connection; the second waits for it; then the
    // breaker closes, so that the room that the third one's act makes is one that the second may not use.
    const acts = `(i32.store #80 (i32.add (i32.load #80) #1))
      (if (i32.eq (i32.load #80) #1) (then
        ${open({ service: "app", method: "m" })} ${open({ service: "app", method: "n", token: 68 })} ${reply(200)}))
      (if (i32.eq (i32.load #80) #3) (then ${act} ${note("returns")} ${reply(403)}))`;
    const guest = grpcGuest({ act: acts, more: `(on response_headers ${note("head")} #0)` });
    const setup: StorySetup = {
      cluster: { http2: { ...HTTP2, maxConcurrentStreams: 2 } },
      origins: [new Origins(() => undefined, []).script],
    };
    const { s, said, limit } = await wasmStory([{ guest }], { ...setup, limits: { maxConnections: 1 } });
    s.client(get());
    s.advance(5);
    const second = s.client(get());
    s.advance(5);
    expect(s.stat("cluster.app.upstream_rq_pending_active")).toBe(1);
    said();
    await limit({ maxConnections: 1, maxRequests: 1 });
    const third = s.client(get());
    s.advance(5);
    expect(gist(third.received)).toStartWith("403");
    expect(gist(second.received)).toStartWith("503");
    const told = withoutSpeaker(said());
    const tried = statuses.map((status) => `tried ${status}`);
    expect(told.slice(0, tried.length + 2)).toEqual([...tried, "returns 0", "tried 0"]);
    expect(told.filter((line) => line === "head 0").length).toBe(2);
  });
});
