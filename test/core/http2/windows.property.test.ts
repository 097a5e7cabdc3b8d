/**
 * P10: over any exchange every byte of credit comes back exactly once. What the peer believes that it may still send,
 * what waits to be given back and what is held here are the whole window, at every moment, of the connection and of each
 * stream: with padding, with streams that hold, break rules, are reset by either side, and with frames on their way to
 * streams that are gone.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { latin1, toBytes } from "../../../core/bytes/ascii.ts";
import { Slab } from "../../../core/bytes/slab.ts";
import { BodyEnd } from "../../../core/http2/body-end.ts";
import { http2Limits } from "../../../core/http2/limits.ts";
import { type ServerOwner, ServerSession } from "../../../core/http2/server-session.ts";
import { ServerStream } from "../../../core/http2/server-stream.ts";
import { Http2Stats } from "../../../core/telemetry/http2-stats.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { Http2Peer, POST } from "../../support/http2-peer.ts";
import { HTTP2 } from "../../support/snapshot-fixture.ts";

const STREAM = 65_535;
const CONNECTION = 100_000;

class LabStream extends ServerStream {
  readonly passing = 0;
  onHead(): void {}
  onTooMuch(): void {}
  protected onBody(): void {}
  protected onEnd(): void {}
  protected onReset(): void {}
  protected onBlocked(): void {}
  protected onDrain(): void {}
}

/** A session with a peer that knows what it may send. */
class Lab implements ServerOwner {
  now = 0;
  readonly counts = new Http2Stats();
  readonly copied = { copiedBytes: 0 };
  readonly bodyEnd = new BodyEnd();
  readonly direct = false;
  readonly streams: LabStream[] = [];
  readonly session: ServerSession;
  readonly peer: Http2Peer;
  /** As the peer has them: the connection's window at 0. */
  readonly windows = new Map<number, number>([[0, 65_535]]);
  ended = false;
  private pending = "";

  constructor() {
    const options = { ...HTTP2, initialStreamWindowSize: STREAM, initialConnectionWindowSize: CONNECTION };
    this.session = new ServerSession(this, new Slab(), http2Limits(61_440, 100), options, "ALLOW");
    const send = (bytes: string | Uint8Array) =>
      this.session.feed(typeof bytes === "string" ? toBytes(bytes) : bytes.slice());
    this.peer = new Http2Peer({ send, take: () => this.taken() } as unknown as Peer, true);
    this.peer.quiet = false;
    this.peer.settings();
    this.hear();
  }

  private taken(): string {
    const text = this.pending;
    this.pending = "";
    return text;
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    this.pending += latin1(bytes, start, end);
  }

  newStream(): LabStream {
    const stream = new LabStream(this.session);
    this.streams.push(stream);
    return stream;
  }

  onFault(): void {
    this.ended = true;
  }

  onFull(): void {}
  onSuspicion(): void {}
  onGoAway(): void {}
  onSettings(): void {}
  onStreamClosed(): void {}
  onBroken(): void {}
  onPong(): void {}

  /** The peer reads; it trusts what it is told. */
  hear(): void {
    for (const line of this.peer.heard()) {
      const [, stream, increment] = /^(\d+) window \+(\d+)$/.exec(line) ?? [];
      if (stream !== undefined)
        this.windows.set(Number(stream), this.window(Number(stream)) + Number(increment));
    }
  }

  window(stream: number): number {
    return this.windows.get(stream) ?? STREAM;
  }

  /** DATA of that many bytes, padding aside, as far as the windows allow it. */
  data(stream: LabStream, bytes: number, padding: number, end: boolean): void {
    const length = bytes + (padding < 0 ? 0 : padding + 1);
    if (length > this.window(0) || length > this.window(stream.id)) return;
    this.windows.set(0, this.window(0) - length);
    this.windows.set(stream.id, this.window(stream.id) - length);
    const payload = new Uint8Array(length);
    if (padding >= 0) payload[0] = padding;
    this.peer.frame(0, (end ? 1 : 0) | (padding >= 0 ? 8 : 0), stream.id, payload);
  }

  expectWhole(): void {
    const inside = this.session as unknown as { credit: number };
    let held = 0;
    for (const stream of this.streams) {
      const { held: mine, credit } = stream as unknown as { held: number; credit: number };
      held += mine;
      if (!stream.closed && !stream.remoteEnded) expect(this.window(stream.id) + credit + mine).toBe(STREAM);
    }
    expect(this.window(0) + inside.credit + held).toBe(CONNECTION);
    // Never so much is kept back that the peer could not go on.
    expect(inside.credit).toBeLessThan(CONNECTION);
  }
}

type Step = readonly [what: number, stream: number, bytes: number, padding: number];

test("P10 windows are conserved", () => {
  const step: fc.Arbitrary<Step> = fc.tuple(
    fc.constantFrom(0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 8, 8, 9),
    fc.nat(5),
    fc.oneof(fc.constantFrom(0, 1, 16_383, 16_000, 16_000), fc.nat(16_000)),
    fc.oneof(fc.constant(-1), fc.nat(255)),
  );
  let full = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
      const lab = new Lab();
      let opened = 0;
      for (const [what, number, bytes, pad] of steps) {
        const padding = bytes + pad + 1 > 16_384 ? -1 : pad;
        const stream = lab.streams[number];
        if (lab.ended) break;
        lab.now += 2000; // oddities are not what this is about
        if (stream === undefined || what === 0) lab.peer.head(2 * opened++ + 1, POST);
        else if (what === 1) stream.hold();
        else if (what === 2) stream.letGo();
        else if (what === 3) stream.reset(8);
        else if (what === 4 && !stream.closed) {
          lab.peer.reset(stream.id, 8);
        } else if (what === 5) lab.peer.windowUpdate(stream.id, 0);
        else if (what === 6 && !stream.closed) stream.end(null);
        else if (what > 6 && (what === 8 || !stream.remoteEnded)) {
          // On a stream that we have reset, too; on one that the peer has reset it would be the end.
          const ours = (lab.session as unknown as { ignores(id: number): boolean }).ignores(stream.id);
          if (!stream.closed || ours) lab.data(stream, bytes, padding, what === 9 && bytes > 16_000);
        }
        lab.hear();
        if (lab.window(0) < CONNECTION / 2) full++;
        if (!lab.ended) lab.expectWhole();
      }
      for (const stream of lab.streams) stream.letGo();
      lab.hear();
      if (!lab.ended) lab.expectWhole();
    }),
    { numRuns: 400 },
  );
  expect(full).toBeGreaterThan(0);
});

test("W1 a byte beyond the stream's window, or the connection's, is one too many", () => {
  const lab = new Lab();
  lab.peer.head(1, POST).head(3, POST);
  for (const stream of lab.streams) stream.hold();
  const [one, other] = lab.streams;
  for (let i = 0; i < 4; i++) lab.peer.frame(0, 0, 1, new Uint8Array(i < 3 ? 16_384 : STREAM - 3 * 16_384));
  lab.hear();
  expect(one.closed).toBe(false);
  lab.peer.frame(0, 0, 1, new Uint8Array(1));
  expect(lab.peer.heard()).toContain("1 reset FLOW_CONTROL_ERROR");
  // What it held came back; of the whole another stream may not have more either.
  for (let sent = 0; sent < STREAM; sent += 5) lab.peer.frame(0, 0, 3, new Uint8Array(5));
  expect(other.closed).toBe(false);
  lab.peer.frame(0, 0, 3, new Uint8Array(1));
  expect(lab.peer.heard()).toContain("3 reset FLOW_CONTROL_ERROR");
  expect(lab.ended).toBe(false);

  const more = new Lab();
  more.peer.head(1, POST).head(3, POST);
  for (const stream of more.streams) stream.hold();
  for (let sent = 0; sent < CONNECTION; sent += 10_000)
    more.peer.frame(0, 0, sent < 50_000 ? 1 : 3, new Uint8Array(10_000));
  expect(more.ended).toBe(false);
  more.peer.frame(0, 0, 1, new Uint8Array(1));
  expect(more.peer.heard()).toContain("goaway 3 FLOW_CONTROL_ERROR");
});
