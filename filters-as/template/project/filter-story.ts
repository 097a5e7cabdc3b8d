/**
 * Stories about @NAME@, run by `tulle filter test`: what happens, what the filter asks of the host, what comes of
 * it. They are plain data. What a story does not mention is not looked at; `tulle filter test --calls` prints what to
 * write into `calls`.
 */
import type { Story } from "@TULLE@/runtime-adapters/filter-tool/story.ts";

const stories: readonly Story[] = [
  {
    name: "who says who they are is greeted",
    configuration: { greeting: "hello" },
    steps: [
      {
        on: "requestHeaders",
        headers: { ":method": "GET", ":path": "/", ":authority": "example", "x-user": "ada" },
        expect: { action: "continue", calls: ['get request ":path"', 'get request "x-user"'] },
      },
      {
        on: "responseHeaders",
        headers: { ":status": "200" },
        expect: {
          action: "continue",
          calls: ['set response "x-greeting" "hello, ada"'],
          headers: { "x-greeting": "hello, ada" },
        },
      },
    ],
  },
  {
    name: "nobody else is",
    steps: [
      { on: "requestHeaders", headers: { ":method": "GET", ":path": "/", ":authority": "example" } },
      {
        on: "responseHeaders",
        headers: { ":status": "200" },
        expect: { action: "continue", headers: { "x-greeting": null } },
      },
    ],
  },
  {
    name: "closed paths answer 403",
    configuration: { closed: ["/admin"] },
    steps: [
      {
        on: "requestHeaders",
        headers: { ":method": "GET", ":path": "/admin/users", ":authority": "example" },
        expect: { action: "pause", reply: { status: 403, body: "closed\n", details: "closed_path" } },
      },
    ],
  },
  {
    name: "a configuration with faults is refused, each with its path",
    configuration: { greeting: 5, colsed: [] },
    refused: ["error: greeting: must be a string", "error: colsed: unknown field"],
  },
];

export default stories;
