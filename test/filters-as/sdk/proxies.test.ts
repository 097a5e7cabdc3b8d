/**
 * The SDK in real Envoy and in our proxy on each runtime: contexts, bodies, local replies, calls and aborts are what
 * real hosts make of them, not only what the scripted one does.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { testModule } from "../../support/filter-build.ts";
import { FILTER_PROXIES } from "../../support/filter-proxies.ts";
import { type Answer, type Ask, FilteredProxy } from "../../support/filtered-proxy.ts";

describe.each(FILTER_PROXIES)("in %s", (_, start) => {
  let proxy: FilteredProxy;
  beforeAll(async () => {
    const module = testModule("story-filter");
    const configuration = { greeting: "grüezi", oracle: "origin", tick: 50 };
    const bare = testModule("bare-filter");
    proxy = (await FilteredProxy.start(
      [[{ module, configuration }], [{ module: bare, configuration: "" }]],
      start,
    ))!;
  }, 120_000);
  afterAll(() => proxy?.stop());

  const ask = (what: Ask = {}, chain = 0) => proxy.ask(chain, what);
  const atOrigin = (answer: Answer, name: string) =>
    answer.seen?.headers.filter(([other]) => other === name).map(([, value]) => value);

  test("headers of requests and responses, configuration in UTF-8", async () => {
    const answer = await ask({ path: "/a?b", headers: [["do", "mark"]] });
    expect(atOrigin(answer, "x-seen")).toEqual(["/a?b"]);
    expect(atOrigin(answer, "x-count")?.[0]).toMatch(/^\d+ true$/);
    expect(answer.headers).toContainEqual(["x-greeting", "gr\u00c3\u00bcezi"]);
  });

  test("all headers, repeated ones too", async () => {
    const answer = await ask({
      headers: [
        ["do", "list"],
        ["a", "1"],
        ["a", "2"],
      ],
    });
    expect(atOrigin(answer, "x-list")?.[0]).toMatch(/^:authority=example;:path=\/;:method=GET;.*;a=1;a=2;/);
  });

  test("a body is held until it is whole, then replaced", async () => {
    const answer = await ask({ method: "POST", body: "some words" });
    expect(answer.seen?.body).toBe("10:SOME WORDS");
  });

  test("a local reply", async () => {
    const answer = await ask({ headers: [["do", "refuse"]] });
    expect([answer.status, answer.body, answer.seen]).toEqual([403, "no", null]);
    expect(answer.headers).toContainEqual(["x-why", "asked to"]);
  });

  test("an HTTP call: the request waits for its answer", async () => {
    const answer = await ask({ path: "/b", headers: [["do", "ask"]] });
    expect(atOrigin(answer, "x-answer")).toEqual(["200 ok"]);
    expect(answer.seen?.path).toBe("/b");
  });

  test("a filter with bare exports", async () => {
    const answer = await ask({ headers: [["user-agent", "curl"]] }, 1);
    expect(atOrigin(answer, "x-seen")).toEqual(["/"]);
    expect(answer.headers).toContainEqual(["x-seen", "bare"]);
  });

  // The last one: it costs the VM.
  test("a failed assertion is a line with file and line", async () => {
    expect((await ask({ headers: [["do", "fail"]] })).status).toBe(503);
    expect(proxy.output()).toMatch(/the seventh step at .*story-filter\.ts:\d+:\d+/);
  });
});
