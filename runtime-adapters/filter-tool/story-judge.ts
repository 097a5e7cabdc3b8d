/** Compares what came of a step with what a story expects. Each difference is some lines for people. */
import { listDiff } from "./list-diff.ts";
import { CONTINUE, type HeaderList } from "./scripted-host/fake-stream.ts";
import { byteString } from "./scripted-host/scripted-host.ts";
import type { StoryExpectation } from "./story.ts";
import { type Outcome, pairs } from "./story-host.ts";

type Lines = string[];

/** All that is not as expected; nothing if all is well. */
export function judgeStep(expected: StoryExpectation, outcome: Outcome): Lines {
  const { calls, action, headers, requestHeaders, body, logs, metrics } = expected;
  const lines: Lines = [];
  if (calls !== undefined) lines.push(...compareLists("calls", calls, outcome.calls));
  if (action !== undefined) {
    lines.push(...compare("action", action, outcome.action === CONTINUE ? "continue" : "pause"));
  }
  if (headers !== undefined) lines.push(...compareHeaders("headers", headers, outcome.headers ?? []));
  if (requestHeaders !== undefined) {
    lines.push(...compareHeaders("request headers", requestHeaders, outcome.requestHeaders));
  }
  if (body !== undefined)
    lines.push(...compare("body", quoted(byteString(body)), quoted(outcome.body ?? "")));
  lines.push(...judgeReply(expected.reply, outcome.reply));
  lines.push(...judgeResumed(expected.resumed, outcome.resumed));
  if (expected.sent !== undefined) lines.push(...judgeSent(expected.sent, outcome.sent));
  if (logs !== undefined) lines.push(...compareLists("logs", logs.map(byteString), outcome.logs));
  for (const [name, value] of Object.entries(metrics ?? {})) {
    lines.push(
      ...compare(`metric ${name}`, String(value), String(outcome.metrics.get(name) ?? "not defined")),
    );
  }
  return lines;
}

/** Lines of a log that differ. */
export function compareLists(what: string, expected: readonly string[], actual: readonly string[]): Lines {
  const diff = listDiff(expected, actual);
  if (diff.every((line) => line.startsWith("  "))) return [];
  return [`${what} (- expected, + actual):`, ...diff.map((line) => `  ${line}`)];
}

function compare(what: string, expected: string, actual: string): Lines {
  return expected === actual ? [] : [`${what}: expected ${expected}, and it is ${actual}`];
}

function compareHeaders(
  what: string,
  expected: NonNullable<StoryExpectation["headers"]>,
  actual: HeaderList,
): Lines {
  if (Array.isArray(expected)) {
    const line = ([name, value]: readonly [string, string]) => `${name}: ${value}`;
    return compareLists(what, pairs(expected).map(line), actual.map(line));
  }
  return Object.entries(expected as { [name: string]: string | null }).flatMap(([name, value]) => {
    const found = actual.filter(([other]) => other === name.toLowerCase()).map((pair) => pair[1]);
    const wanted = value === null ? "absent" : quoted(byteString(value));
    return compare(
      `${what}, ${name}`,
      wanted,
      found.length === 0 ? "absent" : found.map(quoted).join(" and "),
    );
  });
}

function judgeReply(expected: StoryExpectation["reply"], actual: Outcome["reply"]): Lines {
  if (expected === undefined) {
    return actual === null ? [] : [`reply: none is expected, and the filter answers ${actual.status}`];
  }
  if (actual === null) return [`reply: ${expected.status} is expected, and the filter does not answer`];
  const { status, body, details, headers, grpcStatus } = expected;
  const lines = compare("reply, status", String(status), String(actual.status));
  if (body !== undefined)
    lines.push(...compare("reply, body", quoted(byteString(body)), quoted(actual.body)));
  if (details !== undefined) lines.push(...compare("reply, details", details, actual.details));
  if (grpcStatus !== undefined) {
    lines.push(...compare("reply, grpc status", String(grpcStatus), String(actual.grpcStatus)));
  }
  if (headers !== undefined) lines.push(...compareHeaders("reply, header", headers, actual.headers));
  return lines;
}

function judgeResumed(expected: StoryExpectation["resumed"], actual: readonly string[]): Lines {
  if (expected !== undefined) return compareLists("resumed", expected, actual);
  return actual
    .filter((each) => each.startsWith("close"))
    .map((each) => `${each}: is not expected, and the filter does it`);
}

function judgeSent(expected: NonNullable<StoryExpectation["sent"]>, actual: Outcome["sent"]): Lines {
  const lines = compareLists(
    "calls to clusters",
    expected.map(({ cluster }) => cluster),
    actual.map(({ cluster }) => cluster),
  );
  if (lines.length > 0) return lines;
  return expected.flatMap(({ cluster, headers, body, timeout }, i) => {
    const call = actual[i];
    const what = `call to ${cluster}`;
    return [
      ...(headers === undefined ? [] : compareHeaders(`${what}, header`, headers, call.headers)),
      ...(body === undefined ? [] : compare(`${what}, body`, quoted(byteString(body)), quoted(call.body))),
      ...(timeout === undefined ? [] : compare(`${what}, timeout`, String(timeout), String(call.timeout))),
    ];
  });
}

/** In quotes; bytes that are UTF-8 as the text that they are. */
function quoted(bytes: string): string {
  const text = new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
  return JSON.stringify(byteString(text) === bytes ? text : bytes);
}
