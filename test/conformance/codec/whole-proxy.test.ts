/**
 * Properties of the proxy as a whole, P7 and P12, in the memory runtime: hostile bytes from either side, then a
 * victim. Whatever was forwarded is one clean message per request for every reader (llhttp, node:http, our strict
 * reader), and the next user of the pool gets its own answer.
 */
import { afterEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import type { ClientStep, OriginScript, Outcome } from "../../support/exchange.ts";
import { MemoryTarget } from "../../support/memory-target.ts";
import { quote, valuesOf } from "../../support/wire-reader.ts";
import { conformanceBootstrap, PROFILES } from "../profiles.ts";
import { llhttpRequests, type OracleMessage } from "./llhttp-oracle.ts";
import { hostileRequests, hostileResponse, requestTree, writeRequest } from "./messages.ts";
import { parseRequests } from "./transcript.ts";

const RUNS = Number(process.env.TULLE_FUZZ ?? 1);
const ORIGIN = 7000;
const portOf = (profile: string) => (PROFILES.includes(profile) ? 8000 + PROFILES.indexOf(profile) : 0);
const NODE = fileURLToPath(new URL("../../../node_modules/.bin/node", import.meta.url));
const NODE_ORACLE = fileURLToPath(new URL("./node-http-oracle.mjs", import.meta.url));

const KNOWN_METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"];

const target = await MemoryTarget.start(conformanceBootstrap(portOf, [ORIGIN], 9901, 7001), ORIGIN, portOf);

afterEach(() => expect(target.leftovers()).toEqual([]));

/** Methods of the requests in `bytes`, as far as our codec reads them: a client knows what it asked. */
function methodsIn(bytes: string): string[] {
  return parseRequests(bytes).messages.map(({ start }) => start.slice(0, start.indexOf(" ")));
}

function run(
  client: readonly ClientStep[],
  origin: readonly OriginScript[],
  chunking: number | "whole" = "whole",
) {
  return target.exchange({
    profile: "main",
    chunking,
    client,
    methods: client.flatMap((step) => (typeof step === "string" ? methodsIn(step) : [])),
    origin,
    followUp: false,
    victim: true,
  });
}

function checkVictim(outcome: Outcome): void {
  if (outcome.victim?.status !== 200 || outcome.victim.body !== "victim") {
    throw new Error(`the victim got ${outcome.victim?.status} ${quote(outcome.victim?.body ?? "nothing")}`);
  }
}

/** P7 for one upstream connection: what the oracle reads is what our strict reader read. */
function checkForwarded(
  outcome: Outcome,
  read: (bytes: string) => { messages: readonly OracleMessage[] },
): void {
  for (const connection of outcome.connections) {
    const whole = connection.requests.filter((request) => request.complete);
    for (const request of connection.requests) expect(request.defects).toEqual([]);
    // Methods that only we know are no business of the oracles.
    if (!connection.requests.every(({ method }) => KNOWN_METHODS.includes(method))) continue;
    const theirs = read(connection.received).messages.filter(
      (message) => message.complete && !message.target.startsWith("/tulle-"),
    );
    expect(theirs.map((m) => [m.method, m.target, m.body])).toEqual(
      whole.map((request) => [request.method, request.target, request.body]),
    );
  }
}

test("P7, P12: hostile requests", async () => {
  const forwarded: Outcome[] = [];
  await fc.assert(
    fc.asyncProperty(hostileRequests, fc.option(fc.nat(), { nil: null }), async (bytes, seed) => {
      const outcome = await run([bytes, { elapse: 5 }, { fin: true }, { elapse: 5 }], [], seed ?? "whole");
      checkVictim(outcome);
      for (const response of outcome.responses) expect(response.defects).toEqual([]);
      const accepted = parseRequests(bytes).messages.filter((message) => message.complete);
      const arrived = outcome.requests.filter((request) => request.complete);
      // Nothing is invented: each request upstream is one that the codec read, in order, with the same body.
      expect(arrived.length).toBeLessThanOrEqual(accepted.length);
      let at = 0;
      for (const request of arrived) {
        while (at < accepted.length && accepted[at].body !== request.body) at++;
        expect(at).toBeLessThan(accepted.length);
        at++;
      }
      checkForwarded(outcome, llhttpRequests);
      if (forwarded.length < 150 && arrived.length > 0) forwarded.push(outcome);
    }),
    { numRuns: 1200 * RUNS },
  );
  const streams = forwarded.flatMap((outcome) =>
    outcome.connections.map((connection) => connection.received),
  );
  const child = spawnSync(NODE, [NODE_ORACLE], { input: JSON.stringify(streams), maxBuffer: 1 << 26 });
  const results = JSON.parse(child.stdout.toString()) as { messages: OracleMessage[]; error: string }[];
  const byStream = new Map(streams.map((stream, i) => [stream, results[i]]));
  for (const outcome of forwarded)
    checkForwarded(outcome, (bytes) => byStream.get(bytes) ?? { messages: [] });
}, 60_000);

test("P7: valid requests arrive as they were meant", async () => {
  await fc.assert(
    fc.asyncProperty(requestTree, fc.nat(), async (tree, seed) => {
      const plain = { ...tree, target: tree.target.replaceAll(/\.|\/{2,}/g, "x") };
      const outcome = await run([writeRequest(plain), { elapse: 2 }], [], seed);
      checkVictim(outcome);
      expect(outcome.requests.length).toBe(1);
      const [request] = outcome.requests;
      expect([request.line, request.body]).toEqual([`${plain.method} ${plain.target} HTTP/1.1`, plain.body]);
      expect(valuesOf(request, "host")).toEqual([plain.host]);
      for (const [name, value] of plain.fields)
        expect(valuesOf(request, name.toLowerCase())).toContain(value);
      checkForwarded(outcome, llhttpRequests);
    }),
    { numRuns: 400 * RUNS },
  );
}, 60_000);

test("P4: forwarding what was forwarded changes nothing", async () => {
  await fc.assert(
    fc.asyncProperty(requestTree, async (tree) => {
      const received = (outcome: Outcome) =>
        outcome.connections
          .map((connection) => connection.received.replace(/GET \/tulle-[\s\S]*$/, ""))
          .join("");
      const once = received(await run([writeRequest(tree), { elapse: 2 }], []));
      expect(received(await run([once, { elapse: 2 }], []))).toBe(once);
    }),
    { numRuns: 300 * RUNS },
  );
}, 60_000);

test("P12: hostile responses", async () => {
  const ask = "GET /v HTTP/1.1\r\nHost: v.test\r\n\r\n";
  await fc.assert(
    fc.asyncProperty(hostileResponse, fc.boolean(), fc.nat(), async (bytes, closes, seed) => {
      const script: OriginScript = closes
        ? [{ until: "request" }, { send: bytes }, { elapse: 1 }, { close: true }]
        : [{ until: "request" }, { send: bytes }];
      const outcome = await run([ask, { elapse: 5 }, ask, { elapse: 5 }], [script], seed);
      checkVictim(outcome);
      for (const response of outcome.responses) expect(response.defects).toEqual([]);
      // The second request never gets what the first connection still had to say.
      if (outcome.responses.length === 2 && outcome.responses[1].status === 200) {
        expect(outcome.responses[1].body).toBe("ok");
      }
      expect(outcome.requests.length).toBeLessThanOrEqual(2);
    }),
    { numRuns: 1200 * RUNS },
  );
}, 60_000);

test("P12: hostile bytes on both sides at once", async () => {
  await fc.assert(
    fc.asyncProperty(
      hostileRequests,
      fc.array(hostileResponse, { maxLength: 3 }),
      fc.nat(),
      async (bytes, answers, seed) => {
        const scripts = answers.map(
          (send): OriginScript => [{ until: seed % 2 === 0 ? "head" : "request" }, { send }],
        );
        const outcome = await run([bytes, { elapse: 5 }, { reset: true }, { elapse: 2 }], scripts, seed);
        checkVictim(outcome);
        for (const request of outcome.requests) expect(request.defects).toEqual([]);
        for (const response of outcome.responses) expect(response.defects).toEqual([]);
      },
    ),
    { numRuns: 800 * RUNS },
  );
}, 60_000);
