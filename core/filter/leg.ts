/**
 * One direction of a stream on its way through the filters: the request from the client to the router, or the answer
 * back. It calls the hooks in the order that it is given, keeps what a filter holds, and hands on what has passed
 * them all. What the hooks are called and where things go is in the two subclasses (chain.ts).
 *
 * A leg is a row of stations, one per filter. Head, body and end move along it and may be at different stations:
 *
 *   station state    the head                 a piece of body                 the end
 *   FLOWING          has passed               shown, passes                   shown, passes
 *   HOLDS_ALL        is here                  waits, unseen                   waits, unseen
 *   HOLDS_HEAD       is here                  shown, with what is gathered    shown, with what is gathered
 *   HOLDS_BODY       has passed               shown, with what is gathered    shown, with what is gathered
 *
 * What waits is gathered if the filter has answered `Pause`; otherwise it has let go of it and sees what comes alone.
 *
 * Laws: order is kept; nothing overtakes what is held. `Continue` from a filter that holds lets all go that it has
 * seen. One hook at a time: who is told to go on while another's hook runs goes on afterwards. After `stop` no hook is
 * called and nothing goes on. What waits is bounded: beyond the limit the sender is stopped or the message refused,
 * as the filter chose.
 */
import { Fields } from "../http/fields.ts";
import { Body } from "./body.ts";
import {
  ELSEWHERE,
  FLOWING,
  HOLDS_ALL,
  HOLDS_BODY,
  HOLDS_HEAD,
  PRESSES,
  PRESSING,
  REFUSES,
  SEEN,
  Station,
  UNSEEN,
} from "./station.ts";
import { Consume, Continue, Pause, PauseAndPress, PauseHeaders, type Verdict } from "./verdict.ts";

export abstract class Leg {
  /** Stations, in the order of this direction. */
  protected count = 0;
  /** The trailers of this direction, null if there are none (yet). */
  trailers: Fields | null = null;
  /** Bytes that may wait at one station. */
  protected limit = 0;
  private readonly stations: Station[] = [];
  /** A station has held something: the next message finds them all as new again. */
  private used = false;
  /** Stations that stop the sender. */
  private pressing = 0;
  /** Where the head is: a station, or `count` when it has passed them all. */
  private headAt = 0;
  private headEnds = false;
  /** The sender has said that all of it is here. */
  private complete = false;
  /** A filter changed the body before the head had passed: what the head says of its length is of no worth. */
  changedBody = false;
  /** The end has passed all stations. */
  ended = false;
  /** What moves. */
  private readonly body = new Body();
  /** The station whose hook is being called, or -1; and whether it has asked to go on meanwhile. */
  private calling = -1;
  private goesOn = false;
  /** Stations that were told to go on while the hook of another was being called. */
  private readonly asked: number[] = [];
  private stopped = false;
  /** A station that stops its sender gathers, too: on connections (Envoy). */
  protected readonly pressGathers: boolean = false;

  /** Starts a message with `count` stations, each of which may let `limit` bytes wait. */
  begin(count: number, limit: number): void {
    this.count = count;
    this.limit = limit;
    this.trailers = null;
    this.pressing = 0;
    this.headAt = 0;
    this.headEnds = false;
    this.complete = false;
    this.changedBody = false;
    this.ended = false;
    this.calling = -1;
    if (this.asked.length > 0) this.asked.length = 0;
    this.stopped = false;
    this.body.clear(); // whatever a filter did to it after its stream was stopped
    if (this.used) this.renew();
    while (this.stations.length < count) this.stations.push(new Station());
  }

  private renew(): void {
    this.used = false;
    for (let i = 0; i < this.stations.length; i++) this.stations[i].renew();
  }

  /** True while a filter stops the sender. */
  get pressed(): boolean {
    return this.pressing > 0;
  }

  /** The head has passed all stations. */
  get headPassed(): boolean {
    return this.headAt === this.count;
  }

  /** How many filters have been shown the head. */
  get reached(): number {
    return Math.min(this.headAt + 1, this.count);
  }

  /** Nothing goes on any more; what waits is forgotten. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.body.clear();
    if (this.used) for (let i = 0; i < this.count; i++) this.stations[i].waiting.clear();
    if (this.pressing === 0) return;
    this.pressing = 0;
    this.press(false);
  }

  // ── What comes ────────────────────────────────────────────────────────────────────────────────────────────

  /** The head is here; `ends`: nothing follows it. */
  head(ends: boolean): void {
    this.headEnds = ends;
    this.passHead(0);
    this.settle();
  }

  /** A piece of the body. */
  data(bytes: Uint8Array, start: number, end: number): void {
    if (this.stopped) return;
    this.body.push(bytes, start, end);
    this.passBody(0);
    this.settle();
  }

  /** The message is complete. */
  end(trailers: Fields | null): void {
    if (this.stopped) return;
    this.complete = true;
    if (this.headEnds) {
      // Filters knew when they saw the head.
      if (this.headPassed) this.finish();
      return;
    }
    this.trailers = trailers;
    this.passEnd(0);
    this.settle();
  }

  /**
   * Trailers to be filled while the end is shown, or held, without any: it comes with them then. At any other time
   * what is filled goes nowhere.
   */
  addTrailers(): Fields {
    if (this.stopped || !this.complete || this.headEnds || this.ended) return new Fields();
    this.trailers ??= new Fields();
    return this.trailers;
  }

  /** The filter at station `at`, which is being shown the trailers, puts bytes before them. */
  protected addBody(at: number, bytes: Uint8Array): void {
    if (!this.stopped && this.calling === at && this.trailers !== null)
      this.body.push(bytes, 0, bytes.length);
  }

  /** What waits at a station that holds something, else null. */
  heldAt(at: number): Body | null {
    return this.stopped || at >= this.count || this.stations[at].state === FLOWING
      ? null
      : this.stations[at].waiting;
  }

  /** The filter at station `at` lets go what it holds. */
  resume(at: number): void {
    if (this.stopped) return;
    if (this.calling < 0) {
      this.asked.push(at);
      this.settle();
    } else if (this.calling === at) this.goesOn = true;
    else if (this.stations[at].state !== FLOWING && !this.asked.includes(at)) this.asked.push(at);
  }

  private settle(): void {
    while (this.asked.length > 0 && !this.stopped) {
      const at = this.asked.shift() as number;
      if (this.stations[at].state !== FLOWING) this.leave(at);
    }
  }

  private leave(at: number): void {
    const unseen = this.stations[at].state === HOLDS_ALL;
    const end = this.stations[at].end;
    this.stations[at].end = ELSEWHERE;
    this.open(at);
    if (this.stopped) return;
    const next = unseen ? at : at + 1;
    // The end comes in one call with what waited before it, unless trailers stand between them.
    if (end === ELSEWHERE || this.trailers !== null) this.passBody(next);
    if (end !== ELSEWHERE && !this.stopped) this.passEnd(end === UNSEEN ? at : at + 1);
  }

  /** Makes a station hold, for the first time in this message or again. */
  private close(at: number, state: number): void {
    this.used = true;
    this.stations[at].state = state;
    this.stations[at].waiting.clear(); // whatever a filter of an earlier stream did to it
  }

  /** Makes a station flow: its head goes on, and what waited moves, with what has come behind it. */
  private open(at: number): void {
    this.stations[at].waiting.take(this.body);
    this.stations[at].state = FLOWING;
    this.stations[at].gathers = false;
    this.unpress(at);
    if (this.headAt === at) {
      if (this.stations[at].waiting.changed) this.changedBody = true;
      this.passHead(at + 1);
    }
    if (!this.stopped) this.body.take(this.stations[at].waiting);
  }

  // ── How it passes ─────────────────────────────────────────────────────────────────────────────────────────

  private passHead(from: number): void {
    for (let at = from; at < this.count; at++) {
      this.headAt = at;
      this.enter(at);
      const verdict = this.showHead(at, this.headEnds);
      if (this.stopped) return;
      if (this.mayGoOn(verdict)) continue;
      this.close(at, verdict === PauseHeaders ? HOLDS_HEAD : HOLDS_ALL);
      this.choose(at, verdict);
      return;
    }
    this.headAt = this.count;
    this.passedHead(this.headEnds);
    if (this.headEnds && this.complete && !this.stopped) this.finish();
  }

  private passBody(from: number): void {
    const { body } = this;
    if (body.size === 0) return;
    for (let at = from; at < this.count; at++) {
      const state = this.stations[at].state;
      if (state === FLOWING) {
        if (!this.wantsBody(at)) continue;
        const verdict = this.callBody(at, body, false);
        if (this.stopped) return;
        if (this.mayGoOn(verdict)) continue;
        this.hold(at, body, verdict);
        return;
      }
      if (state === HOLDS_ALL) {
        this.stations[at].waiting.take(body);
        this.bound(at);
        return;
      }
      const piece = this.pieceAt(at);
      const verdict = this.wantsBody(at) ? this.callBody(at, piece, false) : Continue;
      if (this.stopped) return;
      if (!this.mayGoOn(verdict)) {
        this.hold(at, piece, verdict);
        return;
      }
      this.open(at);
      if (this.stopped) return;
    }
    this.deliver();
  }

  /** The end, together with what is left of the body. */
  private passEnd(from: number): void {
    const { body } = this;
    for (let at = from; at < this.count; at++) {
      if (this.trailers !== null && body.size > 0) {
        // They were added to a body that is under way: the rest sees it first, without an end.
        this.passBody(at);
        if (this.stopped) return;
      }
      const state = this.stations[at].state;
      if (state === HOLDS_ALL) {
        this.stations[at].waiting.take(body);
        this.stations[at].end = UNSEEN;
        this.bound(at);
        return;
      }
      const holds = state !== FLOWING;
      const piece = holds ? this.pieceAt(at) : body;
      const verdict = this.showEnd(at, piece);
      if (this.stopped) return;
      if (this.mayGoOn(verdict)) {
        if (holds) this.open(at);
        if (this.stopped) return;
        continue;
      }
      this.stations[at].end = SEEN;
      this.hold(at, piece, this.trailers !== null && verdict === Consume ? Pause : verdict);
      return;
    }
    this.deliver();
    if (!this.stopped) this.finish();
  }

  /** What the filter at a station that holds something is shown: what came, behind what it gathers. */
  private pieceAt(at: number): Body {
    if (!this.stations[at].gathers) return this.body;
    this.stations[at].waiting.take(this.body);
    return this.stations[at].waiting;
  }

  private finish(): void {
    this.ended = true;
    this.passedEnd(this.trailers);
  }

  private showEnd(at: number, piece: Body): Verdict {
    if (this.trailers !== null) {
      this.enter(at);
      return this.showTrailers(at, this.trailers);
    }
    return this.wantsBody(at) ? this.callBody(at, piece, true) : Continue;
  }

  private callBody(at: number, body: Body, ends: boolean): Verdict {
    this.enter(at);
    return this.showBody(at, body, ends);
  }

  private enter(at: number): void {
    this.calling = at;
    this.goesOn = false;
  }

  /** True if the filter that was just asked lets go. */
  private mayGoOn(verdict: Verdict): boolean {
    this.calling = -1;
    return verdict === Continue || this.goesOn;
  }

  private deliver(): void {
    const { body } = this;
    if (body.size > 0 && !this.stopped) this.passedBody(body);
    body.clear();
  }

  // ── What waits ────────────────────────────────────────────────────────────────────────────────────────────

  /** Keeps `body` at a station, whose filter has seen it. */
  private hold(at: number, body: Body, verdict: Verdict): void {
    if (this.stations[at].state === FLOWING) this.close(at, HOLDS_BODY);
    this.choose(at, verdict);
    const waiting = this.stations[at].waiting;
    if (body !== waiting) {
      if (verdict === Consume) {
        body.clear();
        waiting.changed = true;
      } else waiting.take(body);
    }
    this.stations[at].gathers = verdict === Pause || (verdict === PauseAndPress && this.pressGathers);
    this.bound(at);
  }

  private choose(at: number, verdict: Verdict): void {
    if (verdict !== PauseAndPress) this.unpress(at);
    else if (this.stations[at].excess === REFUSES) this.stations[at].excess = PRESSES;
  }

  private bound(at: number): void {
    if (this.stations[at].waiting.size <= this.limit || this.stations[at].excess === PRESSING) return;
    if (this.stations[at].excess === REFUSES) {
      this.tooLarge();
      this.stop(); // even where nothing could be said any more
      return;
    }
    this.stations[at].excess = PRESSING;
    if (this.pressing++ === 0) this.press(true);
  }

  private unpress(at: number): void {
    const pressed = this.stations[at].excess === PRESSING;
    this.stations[at].excess = REFUSES;
    if (pressed && --this.pressing === 0) this.press(false);
  }

  // ── What the directions differ in ─────────────────────────────────────────────────────────────────────────

  protected abstract showHead(at: number, ends: boolean): Verdict;
  /** The filter at that station has a hook for bodies. */
  protected abstract wantsBody(at: number): boolean;
  protected abstract showBody(at: number, body: Body, ends: boolean): Verdict;
  protected abstract showTrailers(at: number, trailers: Fields): Verdict;
  protected abstract passedHead(ends: boolean): void;
  protected abstract passedBody(body: Body): void;
  protected abstract passedEnd(trailers: Fields | null): void;
  /** Stops the sender, or lets it go on. */
  protected abstract press(on: boolean): void;
  /** More waits than may; the message is given up. */
  protected abstract tooLarge(): void;
}
