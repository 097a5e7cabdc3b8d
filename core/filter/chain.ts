/**
 * The filters of one stream in their order: the request goes through them first to last, its answer last to first.
 * It says which hook is called in which direction; how things wait and go on is a leg's business, and where they go
 * in the end its owner's.
 *
 * Laws: an answer passes only the filters that were shown the request. `log` is the end: every filter that was made
 * is told once, and none is called afterwards. A chain is used for one stream after another, though not from inside
 * of itself; what filters hold on to is of one stream alone, and dead with it.
 */
import type { PerFilterConfig } from "../config/model.ts";
import { Fields } from "../http/fields.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import type { Body } from "./body.ts";
import type { Filter, FilterCallbacks, FilterReply } from "./filter.ts";
import type { FilterSlot } from "./filter-slot.ts";
import { Leg } from "./leg.ts";
import { Continue, type Verdict } from "./verdict.ts";

/** The stream: where what has passed all filters goes, and what they may ask for. */
export interface ChainOwner {
  readonly info: StreamInfo;
  readonly request: RequestHead;
  readonly response: ResponseHead | null;
  /** The request's head may go upstream; `ends`: it has no body. */
  forwardHead(ends: boolean): void;
  /** The pieces are the caller's only until this returns; what they refer to is not. */
  forwardBody(body: Body): void;
  forwardEnd(trailers: Fields | null): void;
  /** The head of the answer may go to the client. */
  answerHead(ends: boolean): void;
  answerBody(body: Body): void;
  answerEnd(trailers: Fields | null): void;
  /** Reading from the client is to stop, or may go on. */
  pressRequest(on: boolean): void;
  /** Reading from the upstream is to stop, or may go on. */
  pressResponse(on: boolean): void;
  /** A filter wanted more of the message at once than may wait. */
  requestTooLarge(): void;
  responseTooLarge(): void;
  respond(reply: FilterReply): void;
  /** A filter tells its leg to go on. */
  resumeRequest(at: number): void;
  resumeResponse(at: number): void;
  /** A filter threw; it may be in the middle of anything. */
  failed(error: unknown): void;
  resetStream(details: string): void;
  clearRouteCache(): void;
  /** What the stream's route says about that filter, or null. */
  filterOverride(name: string): PerFilterConfig | null;
}

/** A filter's place in the chain, and what it holds on to its stream by. */
class Link implements FilterCallbacks {
  private readonly chain: FilterChain;
  private readonly index: number;
  readonly info: StreamInfo;
  readonly request: RequestHead;
  /** Null until it is made, and when its stream is over. */
  filter: Filter | null = null;

  constructor(chain: FilterChain, index: number) {
    this.chain = chain;
    this.index = index;
    this.info = chain.owner.info;
    this.request = chain.owner.request;
  }

  get response(): ResponseHead | null {
    return this.filter === null ? null : this.chain.owner.response;
  }

  get heldRequest(): Body | null {
    return this.chain.requestLeg.heldAt(this.index);
  }

  get heldResponse(): Body | null {
    return this.chain.responseLeg.heldByLink(this.index);
  }

  get requestTrailers(): Fields | null {
    return this.filter === null ? null : this.chain.requestLeg.trailers;
  }

  get responseTrailers(): Fields | null {
    return this.filter === null ? null : this.chain.responseLeg.trailers;
  }

  continueRequest(): void {
    if (this.filter !== null) this.chain.owner.resumeRequest(this.index);
  }

  continueResponse(): void {
    if (this.filter !== null) this.chain.owner.resumeResponse(this.index);
  }

  respond(reply: FilterReply): void {
    if (this.filter !== null) this.chain.owner.respond(reply);
  }

  reset(details: string): void {
    if (this.filter !== null) this.chain.owner.resetStream(details);
  }

  clearRouteCache(): void {
    if (this.filter !== null) this.chain.owner.clearRouteCache();
  }

  addRequestTrailers(): Fields {
    return this.filter === null ? new Fields() : this.chain.requestLeg.addTrailers();
  }

  addResponseTrailers(): Fields {
    return this.filter === null ? new Fields() : this.chain.responseLeg.addTrailers();
  }

  addResponseBody(bytes: Uint8Array): void {
    if (this.filter !== null) this.chain.responseLeg.addByLink(this.index, bytes);
  }
}

class RequestLeg extends Leg {
  private readonly chain: FilterChain;

  constructor(chain: FilterChain) {
    super();
    this.chain = chain;
  }

  protected showHead(at: number, ends: boolean): Verdict {
    return this.chain.filterAt(at)?.onRequestHeaders?.(this.chain.owner.request, ends) ?? Continue;
  }

  protected wantsBody(at: number): boolean {
    return this.chain.filterAt(at)?.onRequestBody !== undefined;
  }

  protected showBody(at: number, body: Body, ends: boolean): Verdict {
    return this.chain.filterAt(at)?.onRequestBody?.(body, ends) ?? Continue;
  }

  protected showTrailers(at: number, trailers: Fields): Verdict {
    return this.chain.filterAt(at)?.onRequestTrailers?.(trailers) ?? Continue;
  }

  protected passedHead(ends: boolean): void {
    this.chain.owner.forwardHead(ends);
  }

  protected passedBody(body: Body): void {
    this.chain.owner.forwardBody(body);
  }

  protected passedEnd(trailers: Fields | null): void {
    this.chain.owner.forwardEnd(trailers);
  }

  protected press(on: boolean): void {
    this.chain.owner.pressRequest(on);
  }

  protected tooLarge(): void {
    this.chain.owner.requestTooLarge();
  }
}

/** Its stations are the links in reverse, from the last one that was shown the request. */
class ResponseLeg extends Leg {
  private readonly chain: FilterChain;

  constructor(chain: FilterChain) {
    super();
    this.chain = chain;
  }

  private filter(at: number): Filter | null {
    return this.chain.filterAt(this.count - 1 - at);
  }

  /** `resume` by the place of the filter in the chain. */
  resumeLink(index: number): void {
    if (index < this.count) this.resume(this.count - 1 - index);
  }

  /** `addBody` by the place of the filter in the chain. */
  addByLink(index: number, bytes: Uint8Array): void {
    if (index < this.count) this.addBody(this.count - 1 - index, bytes);
  }

  /** `heldAt` by the place of the filter in the chain. */
  heldByLink(index: number): Body | null {
    return index < this.count ? this.heldAt(this.count - 1 - index) : null;
  }

  protected showHead(at: number, ends: boolean): Verdict {
    return this.filter(at)?.onResponseHeaders?.(this.chain.owner.response as ResponseHead, ends) ?? Continue;
  }

  protected wantsBody(at: number): boolean {
    return this.filter(at)?.onResponseBody !== undefined;
  }

  protected showBody(at: number, body: Body, ends: boolean): Verdict {
    return this.filter(at)?.onResponseBody?.(body, ends) ?? Continue;
  }

  protected showTrailers(at: number, trailers: Fields): Verdict {
    return this.filter(at)?.onResponseTrailers?.(trailers) ?? Continue;
  }

  protected passedHead(ends: boolean): void {
    this.chain.owner.answerHead(ends);
  }

  protected passedBody(body: Body): void {
    this.chain.owner.answerBody(body);
  }

  protected passedEnd(trailers: Fields | null): void {
    this.chain.owner.answerEnd(trailers);
  }

  protected press(on: boolean): void {
    this.chain.owner.pressResponse(on);
  }

  protected tooLarge(): void {
    this.chain.owner.responseTooLarge();
  }
}

export class FilterChain {
  readonly owner: ChainOwner;
  readonly requestLeg: RequestLeg = new RequestLeg(this);
  readonly responseLeg: ResponseLeg = new ResponseLeg(this);
  /** The first `used` are of the current stream, the others null: they would keep streams of the past alive. */
  readonly links: (Link | null)[] = [];
  private used = 0;

  constructor(owner: ChainOwner) {
    this.owner = owner;
  }

  /**
   * Makes the filters of a stream, whose request leg may begin then; each may let `limit` bytes of a body wait.
   * False if none of them takes part, and there is nothing to be told to `log` either.
   */
  open(slots: readonly FilterSlot[], limit: number): boolean {
    const { links, owner } = this;
    this.used = 0;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i];
      const factory = slot.factoryFor(owner.filterOverride(slot.name));
      if (factory === null) continue;
      // Of this stream alone: a filter that calls back too late must not reach the next one.
      const link = new Link(this, this.used);
      link.filter = factory.create(link);
      if (link.filter !== null) links[this.used++] = link;
    }
    this.requestLeg.begin(this.used, limit);
    this.responseLeg.begin(0, limit);
    return this.used > 0;
  }

  /** The filter at a place of the chain. */
  filterAt(index: number): Filter | null {
    const link = this.links[index];
    return link === null ? null : link.filter;
  }

  /** The answer begins: prepares its leg for the filters that were shown the request. */
  openResponse(limit: number): void {
    this.responseLeg.begin(this.requestLeg.reached, limit);
  }

  /** Nothing goes on in either direction. */
  stop(): void {
    this.requestLeg.stop();
    this.responseLeg.stop();
  }

  /** The stream is over. */
  log(): void {
    for (let i = 0; i < this.used; i++) {
      const link = this.links[i] as Link;
      try {
        link.filter?.onLog?.();
      } catch (error) {
        this.owner.failed(error); // the others are told all the same
      }
      link.filter = null;
      this.links[i] = null;
    }
    this.used = 0;
    this.requestLeg.trailers = null;
    this.responseLeg.trailers = null;
  }
}
