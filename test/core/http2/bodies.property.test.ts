/**
 * Bodies over many streams at once, both ways, through small windows, small socket buffers and any cut: every byte
 * arrives on its own stream, once and in order. The network overwrites what the proxy has given back, so that a byte that
 * is looked at too late shows.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { latin1 } from "../../../core/bytes/ascii.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { story } from "../../support/engine-story.ts";
import { Http2Peer, POST } from "../../support/http2-peer.ts";

/** A client that keeps what it hears of each stream, and opens its windows by that. */
class Reader extends Http2Peer {
  override readonly bodies = new Map<number, string>();
  readonly ended = new Set<number>();

  override onData(stream: number, bytes: Uint8Array, start: number, end: number): void {
    this.bodies.set(stream, (this.bodies.get(stream) ?? "") + latin1(bytes, start, end));
    this.windowUpdate(stream, end - start).windowUpdate(0, end - start);
  }

  override onDataEnd(stream: number, _length: number, endStream: boolean): void {
    if (endStream) this.ended.add(stream);
  }
}

/** Letters that say where they are from. */
function letters(seed: number, length: number): string {
  let text = "";
  for (let i = 0; text.length < length; i++) text += `${seed}.${i} `;
  return text.slice(0, length);
}

/** The body of a whole HTTP/1.1 request, null while it is not complete. */
function bodyOf(text: string): string | null {
  const end = text.indexOf("\r\n\r\n") + 4;
  if (end < 4) return null;
  const declared = /\r\ncontent-length: (\d+)\r\n/.exec(text.slice(0, end));
  if (declared !== null) return text.length - end >= Number(declared[1]) ? text.slice(end) : null;
  if (!text.endsWith("0\r\n\r\n")) return null;
  let body = "";
  for (let at = end; ; ) {
    const line = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, line), 16);
    if (Number.isNaN(size) || line < 0) return null;
    if (size === 0) return body;
    body += text.slice(line + 2, line + 2 + size);
    at = line + 4 + size;
  }
}

/** Answers with the body that it was sent, in as many pieces as it likes. */
const echo = (chunked: boolean) => (peer: Peer) => {
  const body = bodyOf(peer.received);
  if (body === null) {
    if (peer.ended) peer.close();
    return;
  }
  peer.take();
  if (!chunked) peer.send(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  else {
    peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    for (let at = 0; at < body.length; at += 777) {
      const piece = body.slice(at, at + 777);
      peer.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    }
    peer.send("0\r\n\r\n");
  }
};

test("every byte arrives on its stream, once and in order", async () => {
  const stream = fc.record({
    length: fc.oneof(fc.nat(100), fc.nat(30_000)),
    piece: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 16_000 })),
    padding: fc.oneof(fc.constant(-1), fc.nat(255)),
    declared: fc.boolean(),
  });
  const network = fc.record({
    seed: fc.nat(10_000),
    maxRead: fc.constantFrom(100, 3000, 65_536),
    splitReads: fc.boolean(),
    buffer: fc.constantFrom(3000, 20_000, 1 << 20),
    latency: fc.constantFrom(0, 1),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(stream, { minLength: 1, maxLength: 6 }),
      network,
      fc.boolean(),
      fc.constantFrom(1, 500, 65_535),
      async (streams, line, chunked, window) => {
        const s = await story({ network: line, origins: [echo(chunked)] });
        const client = new Reader(s.client(), true);
        client.settings(4, window);
        const sent = streams.map(({ length }, i) => letters(i, length));
        const at = streams.map(() => 0);
        streams.forEach(({ declared, length }, i) => {
          const fields = declared ? [...POST, ["content-length", String(length)] as const] : POST;
          client.head(2 * i + 1, fields, { end: length === 0 });
        });
        // In turn, a frame of each.
        for (let open = streams.filter(({ length }) => length > 0).length; open > 0; ) {
          for (const [i, { length, piece, padding }] of streams.entries()) {
            if (at[i] >= length) continue;
            const text = sent[i].slice(at[i], at[i] + piece);
            at[i] += text.length;
            const end = at[i] >= length ? 1 : 0;
            open -= end;
            const payload = new Uint8Array(text.length + (padding < 0 ? 0 : padding + 1));
            if (padding >= 0) payload[0] = padding;
            for (let k = 0; k < text.length; k++) payload[k + (padding < 0 ? 0 : 1)] = text.charCodeAt(k);
            client.frame(0, end | (padding < 0 ? 0 : 8), 2 * i + 1, payload);
          }
          s.advance(0.2);
          client.heard();
        }
        const complete = () => streams.every(({ length }, i) => length === 0 || client.ended.has(2 * i + 1));
        for (let i = 0; i < 3000 && !complete(); i++) {
          s.advance(1);
          client.heard();
        }
        for (const [i, text] of sent.entries()) {
          const got = client.bodies.get(2 * i + 1) ?? "";
          // Through a window of a byte it takes its time.
          if (window > 1) expect(got).toBe(text);
          else expect(text.startsWith(got)).toBe(true);
        }
        s.expectNothingLeft();
      },
    ),
    { numRuns: Number(process.env.TULLE_FUZZ_RUNS ?? 60) },
  );
}, 60_000);
