/** What is kept of a request's body: in order, bounded, and the client paused only for what waits. */
import { expect, test } from "bun:test";
import type { BodySink } from "../../../core/filter/body.ts";
import { KeptBody } from "../../../core/proxy/kept-body.ts";
import { Pressure } from "../../../core/proxy/pressure.ts";

const LIMIT = 4;

function kept() {
  const told: string[] = [];
  const socket = { pause: () => told.push("pause"), resume: () => told.push("resume") };
  const stats = {
    downstreamFlowControlPausedReadingTotal: 0,
    downstreamFlowControlResumedReadingTotal: 0,
  };
  const body = new KeptBody(LIMIT, LIMIT, new Pressure(socket as never, stats));
  const upstream = {
    sendBody: (bytes: Uint8Array, start: number, end: number) =>
      told.push(String.fromCharCode(...bytes.subarray(start, end))),
  } as BodySink;
  const bytes = Uint8Array.from("abcdefgh", (char) => char.charCodeAt(0));
  return { body, upstream, bytes, told };
}

test("what waits goes up in order; the client is paused above the limit, and reads on when it has gone", () => {
  const { body, upstream, bytes, told } = kept();
  body.wait(bytes, 0, 4);
  expect(told).toEqual([]);
  body.wait(bytes, 4, 6);
  expect(told).toEqual(["pause"]);
  body.sendTo(upstream, false);
  expect(told).toEqual(["pause", "abcd", "ef", "resume"]);
  expect(body.size).toBe(0);
});

test("what was sent is kept for another try, which may be followed by one more", () => {
  const { body, upstream, bytes, told } = kept();
  expect(body.keep(bytes, 1, 3)).toBe(true);
  expect(body.keep(bytes, 3, 5)).toBe(true);
  body.sendTo(upstream, true);
  body.sendTo(upstream, true);
  expect(told).toEqual(["bc", "de", "bc", "de"]);
});

test("too much to keep is forgotten, all of it, and pauses nobody", () => {
  const { body, upstream, bytes, told } = kept();
  expect(body.keep(bytes, 0, 4)).toBe(true);
  expect(body.keep(bytes, 4, 5)).toBe(false);
  expect(body.size).toBe(0);
  body.sendTo(upstream, true);
  expect(told).toEqual([]);
});
