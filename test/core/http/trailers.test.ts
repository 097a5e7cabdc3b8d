/** Which trailers may go on (row C6). */
import { expect, test } from "bun:test";
import { Fields } from "../../../core/http/fields.ts";
import { allowedTrailers } from "../../../core/http/trailers.ts";

function left(...names: readonly string[]): string[] | null {
  const fields = new Fields();
  for (const name of names) fields.add(name, "1");
  const allowed = allowedTrailers(fields, new Fields());
  if (allowed === null) return null;
  const out: string[] = [];
  allowed.forEach((name) => void out.push(name));
  return out;
}

test("what describes the end of a message goes on", () => {
  expect(left("grpc-status", "grpc-message", "server-timing", "etag", "x-sum")).toEqual([
    "grpc-status",
    "grpc-message",
    "server-timing",
    "etag",
    "x-sum",
  ]);
});

test.each([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "te",
  "trailer",
  "upgrade",
  "authorization",
  "cookie",
  "set-cookie",
  "content-type",
  "content-encoding",
  "x-forwarded-for",
  "x-envoy-internal",
  "if-match",
  "location",
  "x-request-id",
  "expect",
  "proxy-authorization",
  "cache-control",
])("%s never does", (name) => {
  expect(left(name)).toBeNull();
  expect(left("x-a", name, "x-b")).toEqual(["x-a", "x-b"]);
});

test("none stay none", () => {
  expect(left()).toBeNull();
});
