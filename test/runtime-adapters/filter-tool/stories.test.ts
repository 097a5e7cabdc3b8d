/** Stories of filters: told to a real one, with what is as expected and what is not; and stories that are none. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { vmLimits } from "../../../filters/wasm/vm-limits.ts";
import { listDiff } from "../../../runtime-adapters/filter-tool/list-diff.ts";
import type { Story, StoryStep } from "../../../runtime-adapters/filter-tool/story.ts";
import { checkStories } from "../../../runtime-adapters/filter-tool/story-check.ts";
import { readStories, tellStory } from "../../../runtime-adapters/filter-tool/test-filter.ts";
import { compileModule } from "../../../runtime-adapters/sidecar/modules/compile-module.ts";
import { testModule } from "../../support/filter-build.ts";
import { binaryOf, guest, HAS_ASSEMBLER } from "../../support/guest.ts";
import { Workspace } from "../../support/sidecar-process.ts";

async function compiled(bytes: Uint8Array): Promise<WebAssembly.Module> {
  const made = await compileModule(bytes, vmLimits({}, "story"));
  if ("fault" in made) throw new Error(made.fault);
  return made.module.module;
}

let module: WebAssembly.Module;
beforeAll(async () => {
  module = await compiled(readFileSync(testModule("story-filter")));
}, 120_000);

const GET = { ":method": "GET", ":path": "/a", ":authority": "example" };
const asking = (what: string): StoryStep => ({ on: "requestHeaders", headers: { ...GET, do: what } });
const tell = (story: Partial<Story>): string[] =>
  tellStory(module, { name: "a story", configuration: {}, ...story }, []);

describe("a story that is as expected", () => {
  test("headers, calls, metrics, the log", () => {
    const trace: string[] = [];
    const story: Story = {
      name: "mark",
      configuration: { greeting: "grüezi" },
      steps: [
        {
          ...asking("mark"),
          expect: {
            action: "continue",
            calls: [
              "story_requests += 1",
              'get request "do"',
              'get request ":path"',
              'add request "x-seen" "/a"',
              'set request "x-count" "4 true"',
            ],
            headers: { "x-seen": "/a", "x-other": null },
            metrics: { story_requests: 1 },
            logs: [],
          },
        },
        {
          on: "responseHeaders",
          headers: { ":status": "200" },
          expect: {
            headers: [
              [":status", "200"],
              ["x-greeting", "grüezi"],
            ],
          },
        },
        { on: "end", expect: { logs: ["error: log /a after 2"] } },
      ],
    };
    expect(tellStory(module, story, trace)).toEqual([]);
    expect(trace[0]).toBe("step 1, request headers:");
    expect(trace).toContain('    add request "x-seen" "/a"');
    expect(trace).toContain("    log error: log /a after 2");
  });

  test("a reply, a body, a call and its answer, a tick", () => {
    const refused = {
      action: "pause",
      reply: { status: 403, body: "no", headers: { "x-why": "asked to" } },
    } as const;
    expect(tell({ steps: [{ ...asking("refuse"), expect: refused }] })).toEqual([]);
    expect(
      tell({
        steps: [
          { ...asking(""), endOfStream: false },
          { on: "requestBody", body: "some ", endOfStream: false, expect: { action: "pause" } },
          { on: "requestBody", body: "some words", expect: { action: "continue", body: "10:SOME WORDS" } },
        ],
      }),
    ).toEqual([]);
    expect(
      tell({
        steps: [
          { ...asking("ask"), expect: { action: "pause", sent: [{ cluster: "oracle", timeout: 500 }] } },
          {
            on: "answer",
            headers: { ":status": "200" },
            body: "42",
            expect: { requestHeaders: { "x-answer": "200 42" }, resumed: ["continue request"] },
          },
        ],
      }),
    ).toEqual([]);
    expect(
      tell({ configuration: { tick: 250 }, steps: [{ on: "tick", expect: { logs: ["error: live 1"] } }] }),
    ).toEqual([]);
  });

  test("a configuration that is refused", () => {
    expect(tell({ configuration: { greeting: 5 }, refused: ["error: greeting: must be a string"] })).toEqual(
      [],
    );
  });
});

describe("a story that is not", () => {
  test("calls are shown side by side", () => {
    const calls = ["story_requests += 1", 'get request "does"', 'get request ":path"'];
    expect(tell({ steps: [{ ...asking("mark"), expect: { calls } }] })).toEqual([
      "step 1, request headers:",
      "  calls (- expected, + actual):",
      "      story_requests += 1",
      '    - get request "does"',
      '    + get request "do"',
      '      get request ":path"',
      '    + add request "x-seen" "/a"',
      '    + set request "x-count" "4 true"',
    ]);
  });

  test.each<[string, StoryStep, string]>([
    [
      "an action",
      { ...asking("mark"), expect: { action: "pause" } },
      "action: expected pause, and it is continue",
    ],
    [
      "a header",
      { ...asking("mark"), expect: { headers: { "x-seen": "/b" } } },
      'headers, x-seen: expected "/b", and it is "/a"',
    ],
    [
      "a header that should not be there",
      { ...asking("mark"), expect: { headers: { "x-seen": null } } },
      'headers, x-seen: expected absent, and it is "/a"',
    ],
    ["a reply that nobody mentions", asking("refuse"), "reply: none is expected, and the filter answers 403"],
    [
      "a reply that does not come",
      { ...asking("mark"), expect: { reply: { status: 403 } } },
      "reply: 403 is expected, and the filter does not answer",
    ],
    [
      "another reply",
      { ...asking("refuse"), expect: { reply: { status: 403, body: "yes" } } },
      'reply, body: expected "yes", and it is "no"',
    ],
    [
      "a metric",
      { ...asking("mark"), expect: { metrics: { story_requests: 2, nope: 1 } } },
      "metric story_requests: expected 2, and it is 1",
    ],
    [
      "an answer that nobody waits for",
      { on: "answer" },
      "the filter waits for no answer: it has sent no call",
    ],
  ])("%s", (_what, step, line) => {
    const lines = tell({ steps: [step] });
    expect(lines[0]).toBe(`step 1, ${step.on === "answer" ? "answer" : "request headers"}:`);
    expect(lines[1]).toBe(`  ${line}`);
  });

  test("a trap, and what goes before it", () => {
    const [place, reason] = tell({ steps: [asking("mark"), { ...asking("fail"), stream: "other" }] });
    expect(place).toBe("step 2, request headers of other:");
    expect(reason).toStartWith("  the filter trapped: ");
  });

  test("a configuration that should have been refused, and one that should not", () => {
    expect(tell({ configuration: {}, refused: [] })).toEqual(["the filter took the configuration"]);
    expect(tell({ configuration: { greeting: 5 }, steps: [] })).toEqual([
      "the filter refused its configuration:",
      "error: greeting: must be a string",
    ]);
  });

  test.skipIf(!HAS_ASSEMBLER)("a filter that loops is stopped", async () => {
    const loop = await compiled(binaryOf(guest`(on request_headers (loop $l (br $l)) #0)`));
    const lines = tellStory(loop, { name: "loop", steps: [asking("")] }, []);
    expect(lines[1]).toContain("proxy_on_request_headers used up its fuel");
  });
});

describe("what is no story", () => {
  test.each<[unknown, string]>([
    [{}, "is no list of stories: export an array as its default"],
    [[], "has no stories"],
    [[{ steps: [] }], "[0].name: is missing"],
    [[{ name: "a" }], "[0]: has neither steps nor refused"],
    [[{ name: "a", steps: [], refused: [] }], "[0]: what is refused has no steps"],
    [[{ name: "a", stpes: [] }], "[0].stpes: unknown field"],
    [[{ name: "a", steps: [{ on: "requestHeader" }] }], "[0].steps[0].on: must be one of requestHeaders,"],
    [[{ name: "a", steps: [{ on: "end", header: {} }] }], "[0].steps[0].header: unknown field"],
    [
      [{ name: "a", steps: [{ on: "end", expect: { call: [] } }] }],
      "[0].steps[0].expect.call: unknown field",
    ],
    [
      [{ name: "a", steps: [{ on: "end", expect: { action: "stop" } }] }],
      '[0].steps[0].expect.action: must be "continue" or "pause"',
    ],
    [[{ name: "a", steps: [{ on: "end", body: 5 }] }], "[0].steps[0].body: must be of type string"],
  ])("%j", (stories, fault) => {
    expect(checkStories(stories)[0]).toStartWith(fault);
  });

  test("files: JSON, TypeScript, and what cannot be read", async () => {
    const workspace = new Workspace();
    const json = workspace.write("a.story.json", [{ name: "a", steps: [] }]);
    expect(await readStories(json)).toEqual({ stories: [{ name: "a", steps: [] }] });
    const script = workspace.write(
      "a.story.ts",
      "const s: object[] = [{ name: 'b', steps: [] }];\nexport default s;\n",
    );
    expect(await readStories(script)).toEqual({ stories: [{ name: "b", steps: [] }] });
    const broken = await readStories(workspace.write("b.story.json", "[{"));
    expect(broken).toHaveProperty("faults");
    workspace.remove();
  });
});

test.each([
  ["abc", "abc", "  a|  b|  c"],
  ["abc", "ac", "  a|- b|  c"],
  ["ac", "abc", "  a|+ b|  c"],
  ["ab", "xy", "- a|- b|+ x|+ y"],
  ["", "a", "+ a"],
  ["", "", ""],
])("the difference of %j and %j", (expected, actual, lines) => {
  expect(listDiff([...expected], [...actual]).join("|")).toBe(lines);
});
