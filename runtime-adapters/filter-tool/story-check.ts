/** Stories are data that somebody wrote: what no story may say is refused by name, before one is told. */
import type { Story, StoryExpectation, StoryStep } from "./story.ts";

type Keys<T> = { readonly [key in keyof Required<T>]: string };

/** Field → what it must be: a type, `list`, `headers` (an object or a list of pairs), or anything. */
const STORY: Keys<Story> = {
  name: "string",
  configuration: "",
  rootId: "string",
  properties: "object",
  refused: "list",
  steps: "list",
};
const STEP: Keys<StoryStep> = {
  on: "string",
  headers: "headers",
  body: "string",
  trailers: "headers",
  endOfStream: "boolean",
  ms: "number",
  stream: "string",
  expect: "object",
};
const EXPECTATION: Keys<StoryExpectation> = {
  calls: "list",
  action: "string",
  headers: "headers",
  requestHeaders: "headers",
  body: "string",
  reply: "object",
  sent: "list",
  resumed: "list",
  logs: "list",
  metrics: "object",
};
const HAPPENINGS: readonly StoryStep["on"][] = [
  "requestHeaders",
  "requestBody",
  "requestTrailers",
  "responseHeaders",
  "responseBody",
  "responseTrailers",
  "newConnection",
  "downstreamData",
  "upstreamData",
  "tick",
  "answer",
  "end",
];

/** What is wrong with a file's stories, each with its place: `[2].steps[0].on: …`. */
export function checkStories(stories: unknown): string[] {
  if (!Array.isArray(stories)) return ["is no list of stories: export an array as its default"];
  if (stories.length === 0) return ["has no stories"];
  return stories.flatMap((story, i) => {
    const path = `[${i}]`;
    const faults = checkFields(story, STORY, path);
    if (faults.length > 0) return faults;
    const { name, steps, refused } = story as Story;
    if (name === undefined) return [`${path}.name: is missing`];
    if (steps === undefined && refused === undefined) return [`${path}: has neither steps nor refused`];
    if (steps !== undefined && refused !== undefined) {
      return [`${path}: what is refused has no steps`];
    }
    return (steps ?? []).flatMap((step, at) => checkStep(step, `${path}.steps[${at}]`));
  });
}

function checkStep(step: unknown, path: string): string[] {
  const faults = checkFields(step, STEP, path);
  if (faults.length > 0) return faults;
  const { on, expect } = step as StoryStep;
  if (!HAPPENINGS.includes(on)) return [`${path}.on: must be one of ${HAPPENINGS.join(", ")}`];
  if (expect === undefined) return [];
  const { action } = expect;
  const wrong = checkFields(expect, EXPECTATION, `${path}.expect`);
  if (action !== undefined && action !== "continue" && action !== "pause") {
    wrong.push(`${path}.expect.action: must be "continue" or "pause"`);
  }
  return wrong;
}

function checkFields(value: unknown, fields: { readonly [name: string]: string }, path: string): string[] {
  if (!isObject(value)) return [`${path}: must be an object`];
  return Object.entries(value).flatMap(([name, field]) => {
    if (!Object.hasOwn(fields, name)) return [`${path}.${name}: unknown field`];
    return field === undefined || fits(field, fields[name])
      ? []
      : [`${path}.${name}: must be ${fields[name] === "list" ? "a list" : `of type ${fields[name]}`}`];
  });
}

function fits(value: unknown, kind: string): boolean {
  switch (kind) {
    case "":
      return true;
    case "list":
      return Array.isArray(value);
    case "headers":
      return Array.isArray(value) || isObject(value);
    case "object":
      return isObject(value);
    default:
      return typeof value === kind;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
