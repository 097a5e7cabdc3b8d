/** gRPC calls of filters made with the SDK, in the engine: what becomes of them when their stream has gone. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import { get } from "../../support/engine-story.ts";
import { testModule } from "../../support/filter-build.ts";
import { Origins } from "../../support/http2-story.ts";
import { HTTP2 } from "../../support/snapshot-fixture.ts";
import { wasmStory } from "../../support/wasm-story.ts";

const HEAD = [
  [":status", "200"],
  ["content-type", "application/grpc"],
] as const;

let guest: CompiledModule;
beforeAll(() => {
  const bytes = readFileSync(testModule("grpc-filter"));
  guest = { module: new WebAssembly.Module(bytes), abi: "0.2.1", sha256: "" };
}, 120_000);

describe("when the client has gone", () => {
  test.each([
    // More than a VM may have under way.
    ["/stream", 1100, 0],
    // Sent all the same; they end with their time-out.
    ["/empty", 3, 3],
  ])("of a filter's calls for %s nothing stays but what may", async (path, requests, left) => {
    const origins = new Origins(() => undefined, []);
    const { s, said, over } = await wasmStory([{ guest }], {
      cluster: { name: "interop", http2: HTTP2 },
      origins: [origins.script],
    });
    for (let i = 0; i < requests; i++) {
      const client = s.client(get(path));
      s.advance(1);
      expect(client.received).toBe("");
      client.reset();
      s.advance(1);
    }
    expect(s.stat("cluster.interop.upstream_rq_total")).toBe(requests);
    expect(s.stat("cluster.interop.upstream_rq_active")).toBe(left);
    s.advance(5000);
    expect(s.stat("cluster.interop.upstream_rq_active")).toBe(0);
    expect(said()).toEqual([]);
    await over();
  });
});

test("the streams of a context are cancelled with it, but for the one that was over before", async () => {
  const origins = new Origins((line, peer) => {
    if (line.startsWith("3 data")) peer.head(3, [...HEAD, ["grpc-status", "0"]], { end: true });
  }, []);
  const { s, said, over } = await wasmStory([{ guest }], {
    cluster: { name: "interop", http2: HTTP2 },
    origins: [origins.script],
  });
  const client = s.client(get("/three"));
  s.advance(5);
  expect(client.received).toStartWith("HTTP/1.1 200 ");
  expect(client.received).toEndWith("closed 0");
  expect(origins.heard.filter((line) => line.endsWith("reset CANCEL")).sort()).toEqual([
    "1 reset CANCEL",
    "5 reset CANCEL",
  ]);
  expect(s.stat("cluster.interop.upstream_rq_active")).toBe(0);
  expect(said()).toEqual([]);
  await over();
});
