/** gRPC calls of guests in virtual time: how they begin, flow, end and are given up, and that nothing of them is left. */
import { describe, expect, test } from "bun:test";
import { get, type StorySetup } from "../../support/engine-story.ts";
import {
  type Acts,
  call,
  cancelled,
  closed,
  grpcGuest,
  open,
  REPLY,
  sent,
  withoutSpeaker,
} from "../../support/grpc-guest.ts";
import { guest, HAS_ASSEMBLER } from "../../support/guest.ts";
import type { Http2Peer } from "../../support/http2-peer.ts";
import { CUTS, type OnLine, Origins, streamOf } from "../../support/http2-story.ts";
import { HTTP2 } from "../../support/snapshot-fixture.ts";
import { type WasmStory, wasmStory } from "../../support/wasm-story.ts";

/** A message with its prefix. */
function framed(text: string, flag = 0, length = text.length): string {
  const bytes = [flag, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255];
  return String.fromCharCode(...bytes) + text;
}

const HEAD = [
  [":status", "200"],
  ["content-type", "application/grpc"],
] as const;

const GRPC_OK = [["grpc-status", "0"]] as const;

/** Says all of an answer when a request is complete. */
const yes: OnLine = (line, peer) => {
  if (line.endsWith(" end")) whole(streamOf(line), peer);
};

function whole(stream: number, peer: Http2Peer): void {
  peer.head(stream, HEAD).data(stream, framed("yes")).head(stream, GRPC_OK, { end: true });
}

interface CallStory extends WasmStory {
  readonly origins: Origins;
  /** What the guest told, without its prefix. */
  told(): string[];
}

/** A guest that acts so when a request comes, and an origin of gRPC. */
async function calling(
  acts: Acts,
  on: OnLine,
  setup: StorySetup = {},
  settings: number[] = [],
): Promise<CallStory> {
  const origins = new Origins(on, settings);
  const cluster = { http2: HTTP2, ...setup.cluster };
  const made = await wasmStory([{ guest: grpcGuest({ ...acts, act: acts.act + REPLY }) }], {
    ...setup,
    cluster,
    origins: setup.origins ?? [origins.script],
  });
  const told = (): string[] => withoutSpeaker(made.said());
  return { ...made, origins, told };
}

const inApp = { service: "app" } as const;
const ask = call({ ...inApp, method: "m" });
const stream = open({ ...inApp, method: "m" });

describe.skipIf(!HAS_ASSEMBLER)("a unary call", () => {
  test("is a request of gRPC, and its message is the answer", async () => {
    for (const [title, network] of CUTS) {
      const { s, origins, told, over } = await calling({ act: ask }, yes, { network });
      s.client(get());
      s.advance(5);
      expect([title, told()]).toEqual([title, ["tried 0", "message 3 [yes]"]]);
      const [head, body] = origins.heard;
      expect(head).toContain(":path=/t.S/m");
      for (const field of [":method=POST", ":authority=app", "te=trailers", "grpc-timeout=1000m"])
        expect(head).toContain(field);
      expect(body).toContain(framed("ask"));
      expect(s.stat("cluster.app.upstream_rq_total")).toBe(1);
      expect(s.stat("cluster.app.upstream_rq_200")).toBe(1);
      await over();
    }
  });

  test("without a time-out says none, and waits", async () => {
    const { s, origins, told, over } = await calling(
      { act: call({ ...inApp, method: "m", timeout: 0 }) },
      () => undefined,
    );
    s.client(get());
    s.advance(60_000);
    expect(told()).toEqual(["tried 0"]);
    expect(origins.heard.join()).not.toContain("grpc-timeout");
    await over();
  });

  test("that takes too long is UNAVAILABLE, as in Envoy, and the stream is reset", async () => {
    const { s, origins, told, over } = await calling({ act: ask }, () => undefined);
    s.client(get());
    s.advance(998);
    expect(told()).toEqual(["tried 0"]);
    s.advance(5);
    expect(told()).toEqual(["close 14 14 [upstream request timeout{response_timeout}]"]);
    expect(origins.heard.at(-1)).toContain("CANCEL");
    expect(s.stat("cluster.app.upstream_rq_timeout")).toBe(1);
    expect(s.stat("cluster.app.upstream_rq_504")).toBe(1);
    await over();
  });

  test("whose head came in time and nothing else is UNKNOWN", async () => {
    const { s, told, over } = await calling({ act: ask }, (line, peer) => {
      if (line.endsWith(" end")) peer.head(streamOf(line), HEAD);
    });
    s.client(get());
    s.advance(1010);
    expect(told()).toEqual(["tried 0", "close 2 2 [via_upstream]"]);
    await over();
  });

  test("from a tick, and from the answer to another one", async () => {
    const again = `(if (i32.eq (global.get $heard) #1) (then ${ask}))`;
    const ticks = `(on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on tick (drop (call $set_tick_period_milliseconds #0)) ${ask})`;
    const { s, told, over } = await calling({ act: "", onMessage: again, more: ticks }, yes);
    s.advance(110);
    expect(told()).toEqual(["tried 0", "message 3 [yes]", "tried 0", "message 3 [yes]"]);
    await over();
  });

  test("lets a stream that waits for it go on", async () => {
    const waits = `(global $waiting (mut i32) #0)`;
    const { s, told, over } = await calling(
      {
        act: `(global.set $waiting (local.get $id)) ${ask} (return #1)`,
        onMessage:
          "(drop (call $set_effective_context (global.get $waiting))) (drop (call $continue_stream #0))",
        more: waits,
      },
      (line, peer) => {
        if (line.includes(":path=/ ")) peer.head(streamOf(line), [[":status", "204"]], { end: true });
        else yes(line, peer);
      },
    );
    const client = s.client(get());
    s.advance(5);
    expect(told()).toEqual(["tried 0", "message 3 [yes]"]);
    expect(client.received).toStartWith("HTTP/1.1 204 ");
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("a stream", () => {
  test("passes messages both ways as they come", async () => {
    const { s, origins, told, over } = await calling(
      { act: stream + sent("a"), onMessage: sent("more") },
      () => undefined,
    );
    s.client(get());
    const [peer] = origins.peers;
    expect(origins.heard.at(-1)).toBe(`1 data ${framed("a")}`);
    peer.head(1, HEAD);
    s.settle();
    expect(told().slice(0, 2)).toEqual(["tried 0", "tried 0"]);
    peer.data(1, framed("one").slice(0, 6));
    s.settle();
    expect(told()).toEqual([]);
    peer.data(1, framed("one").slice(6) + framed("two"));
    s.settle();
    expect(told()).toEqual(["message 3 [one]", "tried 0", "message 3 [two]", "tried 0"]);
    expect(peer.bodies.get(1)).toBe(framed("a") + framed("more") + framed("more"));
    peer.head(1, GRPC_OK, { end: true });
    s.settle();
    expect(told()).toEqual(["trailing 1 [............grpc-status.0.]", "close 0 0 [via_upstream]"]);
    await over();
  });

  test("that its server ends is over: what is left to be said is taken back", async () => {
    const { s, origins, told, over } = await calling({ act: stream, onClose: sent("late") }, (line, peer) => {
      if (line.includes(":path=/t.S/m")) whole(streamOf(line), peer);
    });
    s.client(get());
    s.advance(5);
    expect(told().slice(-2)).toEqual(["close 0 0 [via_upstream]", "tried 0"]);
    expect(origins.heard.at(-1)).toBe("1 reset NO_ERROR");
    await over();
  });

  test("outlives the stream that made it, and not its plugin", async () => {
    const { s, origins, supply, told, over } = await calling({ act: stream }, () => undefined);
    s.client(get()).close();
    s.advance(30_000);
    origins.peers[0].head(1, HEAD).data(1, framed("still"));
    s.settle();
    expect(told().at(-1)).toBe("message 5 [still]");
    supply({ p: guest`(on request_headers #0)` });
    s.settle();
    expect(origins.heard.at(-1)).toBe("1 reset CANCEL");
    origins.peers[0].data(1, framed("nobody"));
    s.settle();
    expect(told()).toEqual([]);
    await over();
  });

  test("is given up with the VM when a callback traps; others of it, too", async () => {
    for (const at of ["onInitial", "onMessage", "onClose"] as const) {
      const two =
        stream +
        open({ ...inApp, method: "other", token: 68 }) +
        call({ ...inApp, method: "third", token: 72, timeout: 0 });
      const { s, origins, told, over } = await calling({ act: two, [at]: "(call $trap)" }, (line, peer) => {
        if (line.includes(":path=/t.S/m")) whole(streamOf(line), peer);
      });
      s.client(get());
      s.advance(5);
      expect(s.stat("wasm.p.vm_failed")).toBe(1);
      expect(told().some((line) => line.startsWith("critical"))).toBe(true);
      const resets = origins.heard.filter((line) => line.includes(" reset "));
      expect([at, resets.filter((line) => !line.startsWith("1 "))]).toEqual([
        at,
        ["3 reset CANCEL", "5 reset CANCEL"],
      ]);
      s.advance(5);
      await over();
    }
  });

  test("whose connection breaks is UNAVAILABLE before its head, UNKNOWN afterwards", async () => {
    for (const [begun, status] of [
      [false, "close 14 14"],
      [true, "close 2 2"],
    ] as const) {
      const { s, origins, told, over } = await calling({ act: stream }, (line, peer) => {
        if (begun && line.includes(":path")) peer.head(streamOf(line), HEAD);
      });
      s.client(get());
      s.advance(5);
      origins.peers[0].peer.reset();
      s.advance(5);
      expect(told().at(-1)).toStartWith(status);
      await over();
    }
  });

  test("cancelled by its guest is reset, and says nothing more", async () => {
    const { s, origins, told, over } = await calling({ act: stream + cancelled() }, (line, peer) => {
      if (line.includes(":path")) whole(streamOf(line), peer);
    });
    s.client(get());
    s.advance(5);
    expect(told()).toEqual(["tried 0", "tried 0"]);
    const resets = origins.heard.filter((line) => line.endsWith("reset CANCEL"));
    expect(resets.length).toBe(origins.heard.some((line) => line.includes(":path")) ? 1 : 0);
    await over();
  });

  test("over HTTP/1 is a chunked request; its answer has no trailers there, and so no status", async () => {
    const heard: string[] = [];
    const { s, told, over } = await calling({ act: stream + sent("a") + closed() }, () => undefined, {
      cluster: { http2: null },
      origins: [
        (peer) => {
          if (!peer.received.endsWith("0\r\n\r\n")) return;
          heard.push(peer.take());
          peer.send(
            `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 8\r\n\r\n${framed("yes")}`,
          );
        },
      ],
    });
    s.client(get());
    s.advance(5);
    expect(told().slice(3)).toEqual([
      "initial 3 [............................:status.200.content-type.application/grpc.content-length.8.]",
      ...["message 3 [yes]", "trailing 0 []", "close 2 2 [via_upstream]"],
    ]);
    expect(heard[0]).toContain("POST /t.S/m HTTP/1.1\r\n");
    expect(heard[0]).toContain("transfer-encoding: chunked\r\n");
    await over();
  });
});

describe.skipIf(!HAS_ASSEMBLER)("limits", () => {
  const LONG = 1_000_000;
  /** Sends so many messages of a megabyte, from memory that is zeros. */
  const flood = (times: number): string =>
    `(drop (memory.grow #20)) (loop $more (local.set $i (i32.add (local.get $i) #1))
      (if (call $grpc_send (i32.load #64) #300000 #${LONG} #0) (then (call $tried #99)))
      (br_if $more (i32.lt_u (local.get $i) #${times})))`;

  test("a peer that takes nothing ends a call that goes on sending: RESOURCE_EXHAUSTED", async () => {
    const more = `(on tick ${flood(6)} (drop (call $set_tick_period_milliseconds #0)))
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)`;
    const { s, origins, told, over } = await calling({ act: stream, more }, () => undefined);
    s.client(get());
    s.advance(110);
    expect(told()).toEqual([...["tried 0", "trailing 0 []", "close 8 8 [too many bytes of calls wait]"]]);
    expect(origins.heard.at(-1)).toBe("1 reset CANCEL");
    await over();
  });

  test("one that takes them, though slowly, gets them all", async () => {
    const { s, origins, told, over } = await calling({ act: stream + flood(4) + closed() }, () => undefined);
    s.client(get());
    const [peer] = origins.peers;
    for (let i = 0; i < 60; i++) {
      peer.windowUpdate(0, 70_000).windowUpdate(1, 70_000);
      s.advance(5);
    }
    expect(peer.bodies.get(1)?.length).toBe(4 * (LONG + 5));
    expect(origins.heard.at(-1)).toEndWith("end");
    expect(told()).toEqual(["tried 0", "tried 0"]);
    peer.head(1, [...HEAD, ["grpc-status", "0"]], { end: true });
    s.settle();
    expect(told().at(-1)).toBe("close 0 0 [via_upstream]");
    await over();
  });

  test("what was taken makes room for more", async () => {
    const more = `(on tick ${flood(3)})
      (on configure (drop (call $set_tick_period_milliseconds #1000)) #1)`;
    const { s, origins, told, over } = await calling({ act: stream, more }, () => undefined);
    s.client(get());
    const [peer] = origins.peers;
    for (let i = 0; i < 400; i++) {
      peer.windowUpdate(0, 60_000).windowUpdate(1, 60_000);
      s.advance(20);
    }
    expect(peer.bodies.get(1)?.length).toBeGreaterThanOrEqual(18 * LONG);
    expect(told()).toEqual(["tried 0"]);
    await over();
  });

  test("all calls of a VM share one room", async () => {
    const five = [64, 68, 72, 76, 80]
      .map(
        (token) =>
          open({ ...inApp, method: "m", token }) +
          flood(4).replaceAll("#64", `#${token}`) +
          "(local.set $i #0)",
      )
      .join("");
    const { s, told, over } = await calling({ act: five }, () => undefined);
    s.client(get());
    s.advance(5);
    expect(told().filter((line) => line.startsWith("close"))).toEqual([
      "close 8 8 [too many bytes of calls wait]",
    ]);
    await over();
  });

  test("a message that is too long, of the server or of the guest", async () => {
    const tooLong = `(drop (memory.grow #80)) (call $tried (call $grpc_send (i32.load #64) #300000 #4194305 #0))`;
    const { s, told, over } = await calling({ act: stream + tooLong }, (line, peer) => {
      if (line.includes(":path"))
        peer.head(streamOf(line), HEAD).data(streamOf(line), framed("", 0, 4_194_305));
    });
    s.client(get());
    s.advance(5);
    expect(told().filter((line) => !line.startsWith("initial"))).toEqual([
      ...["tried 0", "tried 2", "trailing 0 []", "close 8 8 [via_upstream]"],
    ]);
    await over();
  });

  test("there are not more than a thousand under way, of all kinds together", async () => {
    const greedy = `(loop $more (local.set $i (i32.add (local.get $i) #1))
      (br_if $more (i32.eqz (call $grpc_stream #${AT_APP} #3 #${AT_APP} #3 #${AT_APP} #3 #0 #0 #64))))
      (call $tried (i32.sub (local.get $i) #1))`;
    const put = `(i32.store #${AT_APP} #0x707061)`; // "app"
    const { s, told, over } = await calling({ act: put + greedy }, () => undefined, {
      limits: { maxRequests: 10_000, maxPendingRequests: 10_000 },
    });
    s.client(get());
    expect(told()).toEqual(["tried 1024"]);
    await over();
  });
});

const AT_APP = 50_000;

describe.skipIf(!HAS_ASSEMBLER)("no call", () => {
  const field = (number: number, content: string): string =>
    String.fromCharCode((number << 3) | 2, content.length) + content;

  const refused: readonly (readonly [what: string, status: number, act: string])[] = [
    ["no such cluster", 4, call({ service: "nowhere", method: "m" })],
    ["no cluster", 4, call({ service: "", method: "m" })],
    ["no such cluster in a description", 10, call({ service: field(1, field(1, "nowhere")), method: "m" })],
    ["google_grpc", 4, call({ service: field(2, field(1, "dns:x")), method: "m" })],
    ["a method that is none", 10, call({ ...inApp, method: "a b" })],
    ["a name that is none", 10, call({ ...inApp, name: "a\r\nb", method: "m" })],
    ["metadata with a bad value", 10, call({ ...inApp, method: "m", metadata: [["x-a", "a\r\nb: c"]] })],
    ["metadata with a bad name", 10, call({ ...inApp, method: "m", metadata: [["a b", "c"]] })],
    ["a bad authority", 10, call({ service: field(1, field(1, "app") + field(2, "a b")), method: "m" })],
    [
      "an authority and more",
      10,
      call({ service: field(1, field(1, "app") + field(2, "u@a/b")), method: "m" }),
    ],
  ];
  test.each(refused)("%s: %d", async (_what, status, act) => {
    const { s, told, origins, over } = await calling({ act }, yes);
    s.client(get());
    s.advance(5);
    expect(told().filter((line) => !line.startsWith("error"))).toEqual([`tried ${status}`]);
    expect(origins.peers).toEqual([]);
    await over();
  });

  test("for want of an endpoint", async () => {
    const { s, told, over } = await calling({ act: ask }, yes, {
      cluster: { loadAssignment: { localities: [], endpointStaleAfter: 0 } as never },
    });
    s.client(get());
    expect(told()).toEqual(["tried 10"]);
    await over();
  });

  test("with fields that are the call's own: they are left out", async () => {
    const metadata = [
      ...([
        [":path", "/evil"],
        ["host", "h"],
        ["te", "x"],
        ["grpc-timeout", "9S"],
      ] as const),
      ...([
        ["connection", "x-a"],
        ["content-type", "text/plain"],
        ["content-length", "3"],
        ["x-a", "1"],
      ] as const),
    ] as const;
    const { s, origins, told, over } = await calling({ act: call({ ...inApp, method: "m", metadata }) }, yes);
    s.client(get());
    s.advance(5);
    expect(told()).toEqual(["tried 0", "message 3 [yes]"]);
    expect(origins.heard[0]).not.toMatch(/evil|text\/plain|9S|connection|content-length/);
    expect(origins.heard[0]).toContain("x-a=1");
    await over();
  });

  test("with the breaker open: UNAVAILABLE", async () => {
    const { s, told, over } = await calling({ act: ask }, yes, { limits: { maxRequests: 0 } });
    s.client(get());
    s.advance(5);
    expect(told()[1]).toStartWith(
      "close 14 14 [upstream connect error or disconnect/reset before headers. reset reason: overflow",
    );
    await over();
  });
});
