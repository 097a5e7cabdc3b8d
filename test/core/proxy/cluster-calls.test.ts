/** Calls of filters over HTTP/2: what is tried again, what an endpoint is praised and blamed for, what a sink is told. */
import { describe, expect, test } from "bun:test";
import { toBytes } from "../../../core/bytes/ascii.ts";
import type { CallSink, CallStream } from "../../../core/filter/callout.ts";
import { RequestHead } from "../../../core/http/head.ts";
import type { Story } from "../../support/engine-story.ts";
import { answer, type OnLine, speaking, streamOf } from "../../support/http2-story.ts";

function headOf(grpc: boolean): RequestHead {
  const head = new RequestHead();
  head.method = "POST";
  head.path = "/s.T/call";
  head.authority = "callout.example";
  if (grpc) head.fields.add("content-type", "application/grpc");
  return head;
}

describe("a request that the upstream refuses to look at", () => {
  /** Refuses the first so many streams. */
  const refusing = (times: number): OnLine => {
    let refused = 0;
    return (line, peer) => {
      const first = streamOf(line) <= 2 * refused - 1;
      if (line.includes(" head ") && refused < times) {
        refused++;
        peer.reset(streamOf(line), 7);
      } else if (!first) answer(line, peer);
    };
  };

  test.each([
    [1, "200 ok", 2],
    [2, "503 ", 2],
  ])(
    "%i times: whatever it asks for, it is sent once more, and no oftener",
    async (times, expected, sent) => {
      const { s, origins } = await speaking(refusing(times));
      const heard: string[] = [];
      s.proxy.run(() => {
        s.context.callouts.send("app", headOf(false), toBytes("body"), 1000, {
          onAnswer: (head, bytes) => heard.push(`${head.status} ${String.fromCharCode(...bytes)}`),
        });
      });
      s.advance(10);
      expect(heard.length).toBe(1);
      expect(heard[0]).toStartWith(expected);
      expect(origins.heard.filter((line) => line.includes(" head ")).length).toBe(sent);
      s.expectNothingLeft();
    },
  );
});

describe("an endpoint", () => {
  const HEAD = [
    [":status", "200"],
    ["content-type", "application/grpc"],
  ] as const;
  const ends =
    (status: string | null): OnLine =>
    (line, peer) => {
      if (!line.includes(" head ")) return;
      peer.head(streamOf(line), HEAD).data(streamOf(line), "x");
      if (status !== null) peer.head(streamOf(line), [["grpc-status", status]], { end: true });
    };

  function call(s: Story): { call: CallStream; heard: string[] } {
    const heard: string[] = [];
    const sink: CallSink = {
      onHead: (head) => heard.push(`head ${head.status}`),
      onBody: (_bytes, start, end) => heard.push(`body ${end - start}`),
      onEnd: (trailers) => heard.push(`end ${trailers?.count ?? 0}`),
      onFailure: (failure) => heard.push(`failure ${failure?.details ?? ""}`),
      onSent: (bytes) => heard.push(`sent ${bytes}`),
    };
    const opened = s.proxy.run(() => s.context.callouts.open("app", headOf(true), 1000, sink));
    s.settle();
    return { call: opened as CallStream, heard };
  }

  const judged = (s: Story) => {
    const [{ endpoints }] = s.proxy.worker.clusterStatus();
    return [endpoints[0].rqSuccess, endpoints[0].rqError];
  };

  test.each([
    ["0", [1, 0]],
    ["5", [1, 0]],
    ["14", [0, 1]],
    ["nonsense", [0, 1]],
  ])("is judged by the status of gRPC: %s", async (status, verdict) => {
    const { s } = await speaking(ends(status));
    const { heard } = call(s);
    expect(heard).toEqual(["head 200", "body 1", "end 1"]);
    expect(judged(s)).toEqual(verdict);
    s.expectNothingLeft();
  });

  test("is to blame for an answer that was given up half-way", async () => {
    const { s } = await speaking(ends(null));
    const { call: opened, heard } = call(s);
    s.proxy.run(() => opened.cancel());
    expect(heard).toEqual(["head 200", "body 1"]);
    expect(judged(s)).toEqual([0, 1]);
    s.expectNothingLeft();
  });

  test("that reads nothing has been sent nothing: the sink hears when it has", async () => {
    const { s, origins } = await speaking(() => undefined, {}, [4, 0]);
    const { call: opened, heard } = call(s);
    s.proxy.run(() => opened.send(new Uint8Array(70_000)));
    s.advance(5);
    expect(heard).toEqual([]);
    origins.peers[0].windowUpdate(1, 1 << 20).windowUpdate(0, 1 << 20);
    s.advance(5);
    expect(heard).toEqual(["sent 70000"]);
    s.expectNothingLeft();
  });
});
