/**
 * The controls: codecs and proxies that are broken on purpose. Vectors and properties must catch each of them, or
 * their green says nothing.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { toBytes } from "../../../core/bytes/ascii.ts";
import type { Exchange, OriginScript, Outcome, Target } from "../../support/exchange.ts";
import { MemoryTarget } from "../../support/memory-target.ts";
import { catalogue } from "../catalogue.ts";
import { conformanceBootstrap, PROFILES } from "../profiles.ts";
import { failures } from "../report.ts";
import { runVectors } from "../runner.ts";
import { hostileRequests } from "./messages.ts";
import { checkAgainstLlhttp, checkSplits } from "./properties.ts";
import { type Feed, parseRequests } from "./transcript.ts";

const ORIGIN = 7000;
const portOf = (profile: string) => (PROFILES.includes(profile) ? 8000 + PROFILES.indexOf(profile) : 0);

function text(chunk: Uint8Array): string {
  return String.fromCharCode(...chunk);
}

/** Reads a bare LF as a line end. */
const toleratesLf: Feed = (parser, chunk) => parser.feed(toBytes(text(chunk).replace(/(?<!\r)\n/g, "\r\n")));
/** Takes a space before the colon. */
const toleratesSpaceBeforeColon: Feed = (parser, chunk) =>
  parser.feed(toBytes(text(chunk).replace(/[ \t]+:/g, ":")));
/** Forgets a CR at the end of a chunk. */
const losesCrAtSeam: Feed = (parser, chunk) =>
  parser.feed(chunk[chunk.length - 1] === 13 && chunk.length > 1 ? chunk.subarray(0, -1) : chunk);

function caughtBy(check: () => void): boolean {
  try {
    check();
    return false;
  } catch {
    return true;
  }
}

test("P8 catches a codec that takes a bare LF", () => {
  const property = fc.property(hostileRequests, (bytes) => checkAgainstLlhttp(bytes, toleratesLf));
  expect(caughtBy(() => fc.assert(property, { numRuns: 5000, seed: 1, endOnFailure: true }))).toBe(true);
});

test("P8 catches a codec that takes a space before the colon", () => {
  const property = fc.property(hostileRequests, (bytes) =>
    checkAgainstLlhttp(bytes, toleratesSpaceBeforeColon),
  );
  expect(caughtBy(() => fc.assert(property, { numRuns: 5000, seed: 1, endOnFailure: true }))).toBe(true);
});

test("P1 catches a codec that loses a byte at a seam", () => {
  const property = fc.property(hostileRequests, fc.nat(), (bytes, seed) =>
    checkSplits(parseRequests, bytes, seed, losesCrAtSeam),
  );
  expect(caughtBy(() => fc.assert(property, { numRuns: 200, seed: 1, endOnFailure: true }))).toBe(true);
});

/** A proxy before which somebody rewrites what clients send, or behind which somebody rewrites what origins send. */
class Tampered implements Target {
  readonly name = "tampered";
  readonly lanes = 1;
  private readonly inner: Target;
  private readonly request: (bytes: string) => string;
  private readonly response: (bytes: string) => string;

  constructor(inner: Target, request: (bytes: string) => string, response: (bytes: string) => string) {
    this.inner = inner;
    this.request = request;
    this.response = response;
  }

  has(profile: string): boolean {
    return this.inner.has(profile);
  }

  exchange(what: Exchange): Promise<Outcome> {
    const change = (script: OriginScript): OriginScript =>
      typeof script === "string"
        ? this.response(script)
        : script.map((step) => ("send" in step ? { send: this.response(step.send) } : step));
    return this.inner.exchange(
      {
        ...what,
        client: what.client.map((step) => (typeof step === "string" ? this.request(step) : step)),
        origin: what.origin.map(change),
      },
      0,
    );
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

const same = (bytes: string) => bytes;
const lineFeeds = (bytes: string) => bytes.replace(/(?<!\r)\n/g, "\r\n");

/** What the vectors say about a tampered proxy: ids of those that fail. */
async function failing(
  request: (bytes: string) => string,
  response: (bytes: string) => string,
): Promise<string[]> {
  const inner = await MemoryTarget.start(conformanceBootstrap(portOf, [ORIGIN], 9901, 7001), ORIGIN, portOf);
  const verdicts = await runVectors(new Tampered(inner, request, response), catalogue, {
    splits: 0,
    seed: 1,
  });
  return failures(verdicts).map((line) => line.slice(0, line.indexOf(" ")));
}

test("the vectors catch a proxy that takes a bare LF", async () => {
  const ids = await failing(lineFeeds, lineFeeds);
  for (const id of ["L7-field", "L7-request-line", "L7-response-field", "C3-lf", "CVE-2022-32214"])
    expect(ids).toContain(id);
}, 30_000);

test("the vectors catch a proxy that prefers Transfer-Encoding to Content-Length", async () => {
  const drop = (bytes: string) =>
    /^transfer-encoding:/im.test(bytes) ? bytes.replace(/^content-length:.*\r\n/gim, "") : bytes;
  const ids = await failing(drop, same);
  for (const id of ["F5-cl-first", "F5-te-first", "F5-cl-te-smuggle"]) expect(ids).toContain(id);
}, 30_000);

test("the vectors catch a proxy that completes what was cut off", async () => {
  const ids = await failing(same, (bytes) =>
    bytes.replace("Content-Length: 10\r\n\r\nhello", "Content-Length: 5\r\n\r\nhello"),
  );
  expect(ids).toContain("F13-response-short-length");
}, 30_000);
