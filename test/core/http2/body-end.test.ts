/** The mark of a body's last piece lasts no longer than the piece is handed on, whatever comes of that. */
import { expect, test } from "bun:test";
import { toBytes } from "../../../core/bytes/ascii.ts";
import { Slab } from "../../../core/bytes/slab.ts";
import { BodyEnd } from "../../../core/http2/body-end.ts";
import { http2Limits } from "../../../core/http2/limits.ts";
import { type ServerOwner, ServerSession } from "../../../core/http2/server-session.ts";
import { ServerStream } from "../../../core/http2/server-stream.ts";
import { Http2Stats } from "../../../core/telemetry/http2-stats.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { Http2Peer, POST } from "../../support/http2-peer.ts";
import { HTTP2 } from "../../support/snapshot-fixture.ts";

/** What each piece that came was said to be: the last one, or not. */
class Told {
  readonly last: boolean[] = [];
  fails = false;
}

class ToldStream extends ServerStream {
  readonly passing = 0;
  private readonly told: Told;

  constructor(session: ServerSession, told: Told) {
    super(session);
    this.told = told;
  }

  onHead(): void {}
  onTooMuch(): void {}
  protected onBody(bytes: Uint8Array, _start: number, end: number): void {
    this.told.last.push(this.session.owner.bodyEnd.is(bytes, end));
    if (this.told.fails) throw new Error("boom");
  }
  protected onEnd(): void {}
  protected onReset(): void {}
  protected onBlocked(): void {}
  protected onDrain(): void {}
}

function session(bodyEnd: BodyEnd, told: Told): { peer: Http2Peer; session: ServerSession } {
  const nothing = (): void => undefined;
  const owner: ServerOwner = {
    now: 0,
    counts: new Http2Stats(),
    copied: { copiedBytes: 0 },
    bodyEnd,
    direct: false,
    newStream: (): ServerStream => new ToldStream(made, told),
    write: nothing,
    onFault: nothing,
    onFull: nothing,
    onSuspicion: nothing,
    onGoAway: nothing,
    onSettings: nothing,
    onStreamClosed: nothing,
    onBroken: nothing,
    onPong: nothing,
  };
  const made = new ServerSession(owner, new Slab(), http2Limits(61_440, 100), HTTP2, "ALLOW");
  const send = (bytes: string | Uint8Array): void =>
    made.feed(typeof bytes === "string" ? toBytes(bytes) : bytes);
  return { session: made, peer: new Http2Peer({ send, take: () => "" } as unknown as Peer, true).settings() };
}

test("a piece that ends its stream is the last one, and no other is", () => {
  const told = new Told();
  const { peer } = session(new BodyEnd(), told);
  peer.head(1, POST).data(1, "a").data(1, "b", true);
  expect(told.last).toEqual([false, true]);
});

test("nor is one that does not end there, trailers behind it", () => {
  const told = new Told();
  const { peer } = session(new BodyEnd(), told);
  peer
    .head(1, POST)
    .data(1, "a")
    .head(1, [["x", "y"]], { end: true });
  expect(told.last).toEqual([false]);
});

test("nor one that is shorter than was declared, which breaks the stream", () => {
  const told = new Told();
  const { peer } = session(new BodyEnd(), told);
  peer.head(1, [...POST, ["content-length", "3"]]).data(1, "ab", true);
  expect(told.last).toEqual([false]);
});

test("the mark is gone when who hears of the piece fails: other bytes may come in the same memory", () => {
  const told = new Told();
  const bodyEnd = new BodyEnd();
  const { session: first, peer } = session(bodyEnd, told);
  peer.head(1, POST);
  told.fails = true;
  const memory = Uint8Array.from([0, 0, 1, 0, 1, 0, 0, 0, 1, 0x61]);
  expect(() => first.feed(memory)).toThrow("boom");
  expect(told.last).toEqual([true]);
  expect(bodyEnd.is(memory, memory.length)).toBe(false);
});
