/** Filters made of contexts: their life, and each way to act on a stream, seen from the host. */
import { beforeAll, describe, expect, test } from "bun:test";
import {
  CONTINUE,
  type HeaderList,
  PAUSE,
} from "../../../runtime-adapters/filter-tool/scripted-host/fake-stream.ts";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { testModule } from "../../support/filter-build.ts";

let story: string;
beforeAll(() => {
  story = testModule("story-filter");
}, 120_000);

function start(): ScriptedHost {
  return ScriptedHost.start(story, { configuration: {} });
}

function request(...more: HeaderList): HeaderList {
  return [[":method", "GET"], [":path", "/a"], [":authority", "example"], ...more];
}

describe("a stream", () => {
  test("headers are read and changed by bytes", () => {
    const host = start();
    const stream = host.open();
    expect(stream.onRequestHeaders(request(["do", "mark"]))).toBe(CONTINUE);
    expect(host.calls).toEqual([
      "story_requests += 1",
      'get request "do"',
      'get request ":path"',
      'add request "x-seen" "/a"',
      'set request "x-count" "4 true"',
    ]);
    expect(stream.requestHeaders).toEqual(request(["do", "mark"], ["x-seen", "/a"], ["x-count", "4 true"]));
  });

  test("all headers can be walked over, repeated ones too", () => {
    const stream = start().open();
    stream.onRequestHeaders(request(["do", "list"], ["a", "1"], ["a", "2"]));
    expect(stream.requestHeaders.at(-1)).toEqual([
      "x-list",
      ":method=GET;:path=/a;:authority=example;do=list;a=1;a=2;",
    ]);
  });

  test("a body is held until it is whole, then replaced", () => {
    const stream = start().open();
    stream.onRequestHeaders(request(), false);
    expect(stream.onRequestBody("some ", false)).toBe(PAUSE);
    expect(stream.onRequestBody("some words", true)).toBe(CONTINUE);
    expect(stream.buffers[0]).toBe("10:SOME WORDS");
  });

  test("a local reply", () => {
    const stream = start().open();
    expect(stream.onRequestHeaders(request(["do", "refuse"]))).toBe(PAUSE);
    expect(stream.reply).toEqual({
      status: 403,
      details: "story_refuses",
      body: "no",
      headers: [["x-why", "asked to"]],
      grpcStatus: -1,
    });
  });

  test("an HTTP call: the request waits for its answer", () => {
    const host = start();
    const stream = host.open();
    expect(stream.onRequestHeaders(request(["do", "ask"]))).toBe(PAUSE);
    const [call] = host.pendingCalls;
    expect(call).toMatchObject({ cluster: "oracle", timeout: 500 });
    host.answerCall(call, [[":status", "200"]], "42");
    expect(host.calls[0]).toBe(`act for ${stream.id}`);
    expect(stream.requestHeaders.at(-1)).toEqual(["x-answer", "200 42"]);
    expect(stream.resumed).toEqual(["continue request"]);
  });

  test("an answer that comes after its stream is gone reaches nobody", () => {
    const host = start();
    const stream = host.open();
    stream.onRequestHeaders(request(["do", "ask"]));
    stream.end();
    host.answerCall(host.pendingCalls[0], [[":status", "200"]]);
    expect(host.calls).toEqual([]);
  });

  test("a failed assertion is a critical line with file and line, then a trap", () => {
    const host = start();
    const stream = host.open();
    expect(() => stream.onRequestHeaders(request(["do", "fail"]))).toThrow(WebAssembly.RuntimeError);
    expect(host.logs).toEqual([
      expect.stringMatching(/^critical: the seventh step at .*filters-as\/test\/story-filter\.ts:\d+:\d+$/),
    ]);
  });
});

describe("a plugin", () => {
  test("the configuration reaches the streams, ticks come", () => {
    const host = ScriptedHost.start(story, { configuration: { greeting: "grüezi", tick: 250 } });
    const stream = host.open();
    stream.onRequestHeaders(request());
    stream.onResponseHeaders([[":status", "200"]]);
    expect(stream.responseHeaders).toEqual([
      [":status", "200"],
      ["x-greeting", "gr\u00c3\u00bcezi"],
    ]);
    expect(host.tickPeriod).toBe(250);
    host.tick();
    expect(host.logs).toEqual(["error: live 2"]);
  });

  test("a configuration with faults is refused, all of them named", () => {
    const configuration = { greeting: 5, tick: 90_000, greetings: {} };
    expect(ScriptedHost.refusal(story, { configuration })).toEqual([
      "error: greeting: must be a string",
      "error: tick: must be between 0 and 60000",
      "error: greetings: unknown field",
    ]);
  });

  test("streams come and go, some long-lived: contexts are used again, memory stays flat", () => {
    const host = ScriptedHost.start(story, { configuration: {} });
    const old = host.open();
    old.onRequestHeaders(request(["do", "mark"]));
    let memory = 0;
    for (let i = 0; i < 20_000; i++) {
      const stream = host.open();
      stream.onRequestHeaders(request(["do", i % 3 === 0 ? "list" : "mark"]));
      stream.end();
      if (i === 5_000) memory = host.memorySize;
      host.logs.length = 0;
    }
    expect(host.memorySize).toBe(memory);
    expect(host.metrics.find(({ name }) => name === "story_contexts_made")?.value).toBe(2n);
    old.onResponseHeaders([[":status", "200"]]);
    old.end();
    // Two steps of its own: the others' were not mixed up with it.
    expect(host.logs).toEqual(["error: log /a after 2"]);
  });
});
