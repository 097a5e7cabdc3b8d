/**
 * P11: random frames, from clients and from upstreams, sound ones and others. Whatever comes, nothing throws, nothing is
 * left behind, and it makes no difference in which pieces it came. And random bytes for HPACK.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { HpackDecoder } from "../../../core/http2/hpack/decoder.ts";
import { answers, get, OK, silent } from "../../support/engine-story.ts";
import { GET, type Http2Peer, POST } from "../../support/http2-peer.ts";
import { clientStory, speaking } from "../../support/http2-story.ts";

const RUNS = Number(process.env.TULLE_FUZZ_RUNS ?? 150);

type Say = (peer: Http2Peer) => unknown;

const stream = fc.oneof(fc.constantFrom(1, 1, 1, 3, 3, 5, 0, 2), fc.nat(20), fc.constant(0x7fffffff));
const field = fc.constantFrom<readonly [string, string]>(
  ["x", "y"],
  ["content-length", "2"],
  ["content-length", "0"],
  ["te", "trailers"],
  ["cookie", "a=b"],
  ["host", "a.example"],
  ["expect", "100-continue"],
  ["connection", "close"],
  ["X", "y"],
  [":status", "200"],
  [":status", "100"],
  [":status", "204"],
  [":path", "*"],
  [":method", "CONNECT"],
  [":protocol", "websocket"],
  [":authority", "b:80"],
);
const start = fc.constantFrom<readonly (readonly [string, string])[]>(
  GET,
  POST,
  [[":status", "200"]],
  [[":status", "103"]],
  [],
);

const frame: fc.Arbitrary<Say> = fc.oneof(
  fc
    .tuple(stream, start, fc.array(field, { maxLength: 3 }), fc.boolean(), fc.integer({ min: 1, max: 4 }))
    .map(
      ([id, first, more, end, parts]): Say =>
        (p) =>
          p.head(id, [...first, ...more], { end, parts }),
    ),
  fc.tuple(stream, fc.constantFrom("", "ok", "x".repeat(3000)), fc.boolean()).map(
    ([id, text, end]): Say =>
      (p) =>
        p.data(id, text, end),
  ),
  fc.tuple(stream, fc.nat(14)).map(
    ([id, code]): Say =>
      (p) =>
        p.reset(id, code),
  ),
  fc.tuple(stream, fc.constantFrom(0, 1, 1000, 65_536, 0x7fffffff)).map(
    ([id, by]): Say =>
      (p) =>
        p.windowUpdate(id, by),
  ),
  fc.tuple(fc.nat(10), fc.constantFrom(0, 1, 2, 100, 16_384, 65_535, 1 << 20, 0x80000000)).map(
    ([id, value]): Say =>
      (p) =>
        p.settings(id, value),
  ),
  fc.nat(9).map(
    (n): Say =>
      (p) =>
        p.ping(n),
  ),
  fc.tuple(fc.nat(5), fc.nat(2)).map(
    ([last, code]): Say =>
      (p) =>
        p.goAway(last, code),
  ),
  fc.tuple(fc.nat(12), fc.nat(255), stream, fc.uint8Array({ maxLength: 12 })).map(
    ([type, flags, id, payload]): Say =>
      (p) =>
        p.frame(type, flags, id, payload),
  ),
);

const frames = fc.array(frame, { maxLength: 30 });

test("of a client that says anything", async () => {
  await fc.assert(
    fc.asyncProperty(frames, fc.nat(1000), fc.boolean(), async (says, seed, mute) => {
      const heard: string[][] = [];
      for (const network of [{}, { maxRead: 1 }, { seed, maxRead: 50, splitReads: true }]) {
        const { s, client } = await clientStory({ network, origins: [mute ? silent : answers(OK)] });
        client.quiet = true;
        for (const say of says) say(client);
        s.advance(500);
        heard.push(client.heard());
        s.expectNothingLeft();
      }
      // An upstream that answers may be faster than a client that is cut.
      if (mute) for (const other of heard) expect(other).toEqual(heard[0]);
    }),
    { numRuns: RUNS },
  );
}, 60_000);

test("of an upstream that says anything", async () => {
  await fc.assert(
    fc.asyncProperty(frames, fc.nat(1000), async (says, seed) => {
      for (const network of [{}, { seed, maxRead: 50, splitReads: true }]) {
        let said = 0;
        const { s } = await speaking(
          (line, peer) => {
            if (line.includes(" head ") && said++ < 3) for (const say of says) say(peer);
          },
          { network },
        );
        const clients = [
          s.client(get()),
          s.client(get()),
          s.client("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhe"),
        ];
        s.advance(500);
        for (const client of clients) if (!client.closed) client.send("llo");
        s.advance(400_000);
        s.expectNothingLeft();
      }
    }),
    { numRuns: RUNS },
  );
}, 60_000);

test("HPACK: any block is read or refused, in bounded room", () => {
  let sound = 0;
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          // Blocks that are more likely to be well coded: references, literals of a letter, sizes.
          fc
            .array(
              fc.constantFrom(
                [0x82],
                [0xbe],
                [0xbf],
                [0x40, 1, 0x61, 1, 0x62],
                [0x00, 1, 0x61, 1, 0x62],
                [0x3f, 0xe1, 0x1f],
                [0x20],
                [0x10, 1, 0x63, 0x81, 0x1f],
              ),
              { maxLength: 10 },
            )
            .map((parts) => Uint8Array.from(parts.flat())),
        ),
        { maxLength: 20 },
      ),
      (blocks) => {
        const decoder = new HpackDecoder(4096);
        const { table } = decoder as unknown as { table: { size: number; limit: number; count: number } };
        for (const block of blocks) {
          let bytes = 0;
          const good = decoder.decode(block, 0, block.length, {
            onField(_id, name, value) {
              bytes += name.length + value.length;
              return bytes < 1000;
            },
          });
          expect(table.size).toBeLessThanOrEqual(table.limit);
          expect(table.limit).toBeLessThanOrEqual(4096);
          expect(table.count * 32).toBeLessThanOrEqual(4096);
          if (!good) return; // the end of a connection
          sound++;
        }
      },
    ),
    { numRuns: 20 * RUNS },
  );
  expect(sound).toBeGreaterThan(RUNS);
});
