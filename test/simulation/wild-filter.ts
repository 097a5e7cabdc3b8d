/**
 * Filters of a storm: what each does in a hook is drawn by lot, and each is watched. The watch knows the laws of the
 * filter interface and nothing of the chain: which hook may follow which, who may be called inside of whom, what is
 * never exceeded, and that every filter that was made is told of the end, once and last.
 */

import type { Body } from "../../core/filter/body.ts";
import type { Callout } from "../../core/filter/callout.ts";
import type { Filter, FilterCallbacks } from "../../core/filter/filter.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";
import {
  Consume,
  Continue,
  Pause,
  PauseAndPress,
  PauseHeaders,
  Respond,
  type Verdict,
} from "../../core/filter/verdict.ts";
import type { Fields } from "../../core/http/fields.ts";
import { RequestHead, type ResponseHead } from "../../core/http/head.ts";
import { Timer } from "../../core/time/timers.ts";
import type { Random } from "../../runtime-adapters/memory/random.ts";
import { bytesOf, reply, type ScriptedFilter } from "../support/scripted-filter.ts";

/** What is known of all filters of a storm together. */
export interface WildLife {
  readonly random: Random;
  /** They only look and hold: bytes and heads arrive as they were sent. */
  readonly calm: boolean;
  /** Bytes that a filter may be shown at once. */
  readonly most: number;
  readonly violations: string[];
  /** Streams of which a hook is running, and whether it is answering. */
  readonly running: Map<object, { answering: boolean }>;
  /** The filters of each stream. */
  readonly filters: Map<object, WildFilter[]>;
  made: number;
  ended: number;
  thrown: number;
  /** Callouts that have neither answered nor been cancelled. */
  callouts: number;
  readonly tally: { [what: string]: number };
}

const NOTHING = 0;
const HEAD = 1;
const END = 2;

/** One half of a message as one filter sees it. */
class Half {
  stage = NOTHING;
  /** The head is held, and the rest unseen. */
  blind = false;
  readonly name: "request" | "response";

  constructor(name: "request" | "response") {
    this.name = name;
  }
}

class WildFilter implements Filter {
  private readonly request = new Half("request");
  private readonly response = new Half("response");
  private readonly life: WildLife;
  private readonly name: string;
  private readonly callbacks: FilterCallbacks;
  private readonly context: FilterContext;
  private readonly timers: Timer[] = [];
  private readonly waiting: Callout[] = [];
  private over = false;
  /** What it may ever do to bodies: a filter that edits takes the length away first. */
  private readonly edits: boolean;

  constructor(life: WildLife, name: string, callbacks: FilterCallbacks, context: FilterContext) {
    this.life = life;
    this.name = name;
    this.callbacks = callbacks;
    this.context = context;
    this.edits = !life.calm && this.chance(25);
    life.made++;
    const { filters } = life;
    filters.set(callbacks.info, [...(filters.get(callbacks.info) ?? []), this]);
  }

  onRequestHeaders(head: RequestHead, ends: boolean): Verdict {
    return this.hook(this.request, "head", ends, () => {
      if (!this.life.calm) this.editRequest(head);
      return this.onHead(this.request);
    });
  }

  onRequestBody(body: Body, ends: boolean): Verdict {
    return this.hook(this.request, "body", ends, () => this.onBody(this.request, body, ends));
  }

  onRequestTrailers(trailers: Fields): Verdict {
    return this.hook(this.request, "trailers", true, () => this.onTrailers(this.request, trailers));
  }

  onResponseHeaders(head: ResponseHead, ends: boolean): Verdict {
    if (this.request.stage === NOTHING) this.blame("an answer to a request that it has not seen");
    return this.hook(this.response, "head", ends, () => {
      if (!this.life.calm) this.editResponse(head);
      return this.onHead(this.response);
    });
  }

  onResponseBody(body: Body, ends: boolean): Verdict {
    return this.hook(this.response, "body", ends, () => this.onBody(this.response, body, ends));
  }

  onResponseTrailers(trailers: Fields): Verdict {
    return this.hook(this.response, "trailers", true, () => this.onTrailers(this.response, trailers));
  }

  onLog(): void {
    const { life, callbacks } = this;
    if (this.over) this.blame("told of the end twice");
    this.over = true;
    life.ended++;
    life.filters.delete(callbacks.info);
    if (this.chance(10)) {
      callbacks.respond(reply(599, "from the end"));
      callbacks.reset("from the end");
      callbacks.continueRequest();
      callbacks.continueResponse();
    }
    if (this.chance(50)) return; // forgets what it has under way
    for (const timer of this.timers) this.context.timers.release(timer);
    for (const callout of this.waiting) callout.cancel();
    life.callouts -= this.waiting.length;
    this.waiting.length = 0;
    if (!life.calm && this.chance(3)) this.throw();
  }

  // ── The watch ─────────────────────────────────────────────────────────────────────────────────────────────

  private blame(what: string): void {
    this.life.violations.push(`${this.name}: ${what}`);
  }

  private hook(half: Half, what: "head" | "body" | "trailers", ends: boolean, act: () => Verdict): Verdict {
    const { life, callbacks } = this;
    const where = `${half.name} ${what}`;
    this.life.tally[where] = (this.life.tally[where] ?? 0) + 1;
    if (this.over) this.blame(`${where} after the end`);
    const outer = life.running.get(callbacks.info);
    if (outer !== undefined && !(outer.answering && half === this.response)) {
      this.blame(`${where} inside of another hook`);
    }
    if (half.stage !== (what === "head" ? NOTHING : HEAD)) this.blame(`${where} out of order`);
    if (half.blind) this.blame(`${where} while its head is held`);
    half.stage = ends ? END : HEAD;
    life.running.set(callbacks.info, { answering: false });
    try {
      return act();
    } finally {
      if (outer === undefined) life.running.delete(callbacks.info);
      else life.running.set(callbacks.info, outer);
    }
  }

  // ── What it does ──────────────────────────────────────────────────────────────────────────────────────────

  private chance(percent: number): boolean {
    return this.life.random.next() * 100 < percent;
  }

  private editRequest(head: RequestHead): void {
    head.fields.set("x-wild", this.name);
    if (this.edits) head.fields.remove("content-length");
    if (this.chance(2)) head.method = head.method === "HEAD" ? "GET" : "HEAD";
    if (this.chance(1)) head.path = "";
    if (this.chance(5)) this.callbacks.clearRouteCache();
  }

  private editResponse(head: ResponseHead): void {
    head.fields.add("x-wild", this.name);
    if (this.edits) head.fields.remove("content-length");
    else if (this.chance(5)) head.fields.set("content-length", "7");
    if (head.fields.has("x-id") && this.chance(3))
      head.status = [200, 204, 304, 100, 203, 999][this.life.random.between(0, 5)];
  }

  private onHead(half: Half): Verdict {
    const rude = this.rudely();
    if (rude >= 0) return rude as Verdict;
    if (this.chance(70)) return Continue;
    if (this.chance(10)) {
      this.letGo(half);
      return Pause;
    }
    const verdict = [Pause, PauseAndPress, PauseHeaders, Consume][this.life.random.between(0, 3)] as Verdict;
    half.blind = verdict !== PauseHeaders;
    this.letGoLater(half);
    return verdict;
  }

  private onBody(half: Half, body: Body, ends: boolean): Verdict {
    if (body.size > this.life.most) this.blame(`${body.size} bytes at once`);
    const rude = this.rudely();
    if (rude >= 0) return rude as Verdict;
    if (this.edits && this.chance(30)) {
      const from = this.life.random.between(0, body.size);
      const length = this.life.random.between(0, 20);
      body.replace(from, length, bytesOf("~".repeat(this.life.random.between(0, 30))));
    }
    if (ends && this.chance(10)) this.addTrailers(half);
    if (this.chance(5)) this.letOtherGo(half);
    if (this.chance(70)) return Continue;
    const hold = [Pause, PauseAndPress, PauseHeaders, Consume] as const;
    const verdict = hold[this.life.random.between(0, this.edits ? 3 : 2)];
    if (ends || this.chance(80)) this.letGoLater(half);
    return verdict;
  }

  private onTrailers(half: Half, trailers: Fields): Verdict {
    if (!this.life.calm) trailers.set("x-wild", this.name);
    const rude = this.rudely();
    if (rude >= 0) return rude as Verdict;
    if (this.chance(70)) return Continue;
    this.letGoLater(half);
    return Pause;
  }

  private addTrailers(half: Half): void {
    const { callbacks } = this;
    const trailers = half === this.request ? callbacks.addRequestTrailers() : callbacks.addResponseTrailers();
    trailers.set("x-added", this.name);
  }

  /** Answers, resets, throws: seldom. Negative if it does not. */
  private rudely(): number {
    const { life } = this;
    if (life.calm || this.chance(95)) return -1;
    switch (life.random.between(0, 3)) {
      case 0:
        this.callbacks.reset("wild");
        break;
      case 1:
        this.throw();
        break;
      default:
        this.respond();
    }
    if (this.chance(30)) this.respond();
    return this.chance(80) ? Respond : Continue;
  }

  private throw(): never {
    this.life.thrown++;
    throw new Error("wild");
  }

  private respond(): void {
    const { life, callbacks } = this;
    const running = life.running.get(callbacks.info);
    if (running !== undefined) running.answering = true;
    const body = "by a filter ".repeat(life.random.between(0, 5));
    callbacks.respond(reply(life.random.between(400, 499), body, { headers: [["x-by", this.name]] }));
    if (running !== undefined) running.answering = false;
  }

  private letGo(half: Half): void {
    half.blind = false;
    if (half === this.request) this.callbacks.continueRequest();
    else this.callbacks.continueResponse();
  }

  /** As filters that share a virtual machine may. */
  private letOtherGo(half: Half): void {
    const others = this.life.filters.get(this.callbacks.info) ?? [];
    const other = others[this.life.random.between(0, others.length - 1)];
    if (other !== undefined && other !== this)
      other.letGo(half === this.request ? other.request : other.response);
  }

  private letGoLater(half: Half): void {
    const { life, context } = this;
    if (this.chance(1)) return; // never: a time-out will have to
    if (this.chance(20)) {
      this.askFirst(half);
      return;
    }
    const timer = new Timer(() => {
      if (!life.calm && this.chance(5)) this.respond();
      else this.letGo(half);
      if (this.chance(10)) this.letGo(half);
    });
    this.timers.push(timer);
    context.timers.arm(timer, context.clock.now + life.random.between(0, 200));
  }

  /** Lets go when somebody else has answered. */
  private askFirst(half: Half): void {
    const { life, context } = this;
    const head = new RequestHead();
    head.method = "GET";
    head.path = `/c-0-${life.random.between(0, 500)}`;
    head.authority = "callout";
    let sending = true;
    let heard = false;
    const sent = context.callouts.send("app", head, new Uint8Array(0), life.random.between(0, 400), {
      onAnswer: (answer) => {
        if (sending) this.blame("a callout answered before it was sent");
        if (heard) this.blame("a callout answered twice");
        if (answer.status < 200) this.blame(`a callout answered ${answer.status}`);
        heard = true;
        if (typeof sent !== "object") return;
        const at = this.waiting.indexOf(sent);
        if (at >= 0) {
          this.waiting.splice(at, 1);
          life.callouts--;
        } else if (!this.over) this.blame("a callout answered after it was cancelled");
        this.letGo(half);
      },
    });
    sending = false;
    if (typeof sent === "object") {
      this.waiting.push(sent);
      life.callouts++;
    } else this.letGo(half); // nobody could be asked
  }
}

/** So many wild filters; some streams go without some of them. */
export function wildFilters(life: WildLife, count: number): ScriptedFilter[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `wild-${i}`,
    create: (callbacks, context) =>
      life.random.next() < 0.1 ? null : new WildFilter(life, `wild-${i}`, callbacks, context),
  }));
}
