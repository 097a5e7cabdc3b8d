/**
 * One stream of HTTP in a guest: the filter that the chain calls, and the context that host functions ask. The guest
 * hears of it when the first callback is due (proxy-wasm.md 1.4); hooks for callbacks that the guest lacks are not
 * there.
 *
 * Laws: heads and trailers are readable and writable from the call that shows them until they go on, and all of them
 * are readable in the log. A body can be read and changed while it is shown or held. What a stream asked for is done
 * when the guest has returned; a failed VM answers 503 for its streams, once.
 */
import type { Body } from "../../core/filter/body.ts";
import type { Filter, FilterCallbacks, FilterReply } from "../../core/filter/filter.ts";
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
import type { RequestHead, ResponseHead } from "../../core/http/head.ts";
import type { StreamInfo } from "../../core/http/stream-info.ts";
import {
  BodyContinue,
  BodyStopAndBuffer,
  BodyStopAndWatermark,
  HeadersContinue,
  HeadersContinueAndEndStream,
  HeadersStopAllAndBuffer,
  HeadersStopIteration,
  RequestBody,
  RequestHeaders,
  RequestStream,
  RequestTrailers,
  ResponseBody,
  ResponseHeaders,
  ResponseStream,
  ResponseTrailers,
} from "./abi.ts";
import type { Generation } from "./generation.ts";
import { type GuestBuffer, GuestContext } from "./guest-context.ts";
import type { GuestExports } from "./guest-exports.ts";
import { FieldsMap, type HeaderMap, RequestMap, ResponseMap } from "./header-map.ts";
import { countPairs } from "./pairs.ts";
import type { RootContext } from "./root-context.ts";

/** What the guest may reach now: maps, and trailers that it may add as the end of a body is shown. */
const ReachRequestHeaders = 1;
const ReachRequestTrailers = 2;
const ReachResponseHeaders = 4;
const ReachResponseTrailers = 8;
const AtRequestEnd = 16;
const AtResponseEnd = 32;
const Logging = 64;

/** All of a direction: closed when it goes on. */
const RequestSide = ReachRequestHeaders | ReachRequestTrailers | AtRequestEnd;
const ResponseSide = ReachResponseHeaders | ReachResponseTrailers | AtResponseEnd;

/** What it has asked for. */
const ContinueRequest = 1;
const ContinueResponse = 2;
const Close = 4;

const FAILED: FilterReply = {
  status: 503,
  body: "",
  details: "wasm_fail_stream",
  headers: [],
  grpcStatus: -1,
};

/** What a guest may write to the header maps of one stream, bytes; each entry counts for some more. */
const MAX_WRITTEN = 1024 * 1024;
const ENTRY_COST = 64;

/** Reused: a map is looked at within one host call. */
const requestMap = new RequestMap();
const responseMap = new ResponseMap();
const fieldsMap = new FieldsMap();

type HeadersHook<T> = (this: StreamContext, head: T, endOfStream: boolean) => Verdict;
type BodyHook = (this: StreamContext, body: Body, endOfStream: boolean) => Verdict;
type TrailersHook = (this: StreamContext, trailers: Fields) => Verdict;

export class StreamContext extends GuestContext implements Filter {
  readonly onRequestHeaders: HeadersHook<RequestHead> | undefined;
  readonly onRequestBody: BodyHook | undefined;
  readonly onRequestTrailers: TrailersHook | undefined;
  readonly onResponseHeaders: HeadersHook<ResponseHead> | undefined;
  readonly onResponseBody: BodyHook | undefined;
  readonly onResponseTrailers: TrailersHook | undefined;
  private readonly generation: Generation;
  private readonly exports: GuestExports;
  private callbacks: FilterCallbacks | null;
  private phase = 0;
  private requests = 0;
  private reply: FilterReply | null = null;
  /** A reply was asked for; there is no second one. */
  private answered = false;
  /** The body that is being shown, and whose it is. */
  private shown: Body | null = null;
  private shownKind = RequestBody;
  private failed = false;
  private written = 0;

  constructor(generation: Generation, callbacks: FilterCallbacks) {
    super(generation.vm);
    const exports = generation.vm.exports as GuestExports;
    this.generation = generation;
    this.callbacks = callbacks;
    this.exports = exports;
    this.onRequestHeaders = exports.requestHeaders === null ? undefined : showRequestHeaders;
    this.onRequestBody = exports.requestBody === null ? undefined : showRequestBody;
    this.onRequestTrailers = exports.requestTrailers === null ? undefined : showRequestTrailers;
    this.onResponseHeaders = exports.responseHeaders === null ? undefined : showResponseHeaders;
    this.onResponseBody = exports.responseBody === null ? undefined : showResponseBody;
    this.onResponseTrailers = exports.responseTrailers === null ? undefined : showResponseTrailers;
  }

  get root(): RootContext {
    return this.generation.root;
  }

  override get info(): StreamInfo | null {
    return this.callbacks === null ? null : this.callbacks.info;
  }

  // ── The chain's side ──────────────────────────────────────────────────────────────────────────────────────

  /** Calls a callback with this context as its first argument. */
  run(callback: ((...args: number[]) => number) | null, b: number, c: number): number {
    if (callback === null) return 0;
    if (this.id === 0) this.enter();
    return this.vm.call(this, callback, this.id, b, c);
  }

  private enter(): void {
    const { vm, exports } = this;
    vm.register(this);
    if (exports.contextCreate !== null) vm.call(this, exports.contextCreate, this.id, this.root.id, 0);
  }

  /** What a hook answers when the guest has returned or failed; `side` is the direction that it is about. */
  private verdict(of: Verdict, side: number, hadAnswered: boolean): Verdict {
    if (this.vm.failure !== "") return this.giveUp();
    if (this.answered && !hadAnswered) return Respond;
    if (of === Continue) this.phase &= ~side;
    return of;
  }

  /** The VM is gone: the stream is refused, or cut off if its answer has begun; once. */
  private giveUp(): Verdict {
    if (this.failed) return Continue;
    this.failed = true;
    this.callbacks?.respond(FAILED);
    return Respond;
  }

  showHead(
    map: HeaderMap,
    response: boolean,
    callback: GuestExports["requestHeaders"],
    ends: boolean,
  ): Verdict {
    if (this.vm.failure !== "") return this.giveUp();
    this.phase |= response ? ReachResponseHeaders : ReachRequestHeaders;
    const { answered } = this;
    const action = this.run(callback, countPairs(map), ends ? 1 : 0);
    const verdict = headersVerdict(action, this.generation.allowStopIteration);
    return this.verdict(verdict, response ? ResponseSide : RequestSide, answered);
  }

  showPiece(body: Body, kind: number, callback: GuestExports["requestBody"], ends: boolean): Verdict {
    if (this.vm.failure !== "") return this.giveUp();
    const request = kind === RequestBody;
    if (ends) this.phase |= request ? AtRequestEnd : AtResponseEnd;
    this.shown = body;
    this.shownKind = kind;
    const { answered } = this;
    const action = this.run(callback, body.size, ends ? 1 : 0);
    this.shown = null;
    this.phase &= ~(AtRequestEnd | AtResponseEnd);
    return this.verdict(bodyVerdict(action), request ? RequestSide : ResponseSide, answered);
  }

  showTrailers(trailers: Fields, response: boolean, callback: GuestExports["requestTrailers"]): Verdict {
    if (this.vm.failure !== "") return this.giveUp();
    this.phase |= response ? ReachResponseTrailers : ReachRequestTrailers;
    const { answered } = this;
    const action = this.run(callback, countPairs(fieldsMap.over(trailers)), 0);
    const verdict = action === 0 ? Continue : Pause;
    return this.verdict(verdict, response ? ResponseSide : RequestSide, answered);
  }

  /** The stream is over: log, done, delete (proxy-wasm.md, "Observed"). */
  onLog(): void {
    const { vm, exports } = this;
    this.phase |= Logging;
    if (vm.failure === "") {
      this.run(exports.log, 0, 0);
      // Only roots can be not done yet: nothing could finish a stream that is over.
      this.run(exports.done, 0, 0);
      this.run(exports.delete, 0, 0);
    }
    if (this.id !== 0) vm.unregister(this);
    this.callbacks = null;
    this.generation.streamEnded();
  }

  // ── What host functions ask for ───────────────────────────────────────────────────────────────────────────

  map(kind: number): HeaderMap | null {
    const { callbacks, phase } = this;
    if (callbacks === null) return null;
    switch (kind) {
      case RequestHeaders:
        return (phase & (ReachRequestHeaders | Logging)) === 0 ? null : requestMap.over(callbacks.request);
      case ResponseHeaders: {
        if ((phase & (ReachResponseHeaders | Logging)) === 0) return null;
        const { response } = callbacks;
        return response === null ? null : responseMap.over(response);
      }
      case RequestTrailers:
        return (phase & (ReachRequestTrailers | Logging)) === 0 ? null : trailers(callbacks.requestTrailers);
      case ResponseTrailers:
        if ((phase & Logging) !== 0) return trailers(callbacks.info.responseTrailers);
        return (phase & ReachResponseTrailers) === 0 ? null : trailers(callbacks.responseTrailers);
      default:
        return this.root.map(kind);
    }
  }

  override writableMap(kind: number): HeaderMap | null {
    const { callbacks } = this;
    if (callbacks === null || (this.phase & Logging) !== 0 || kind > ResponseTrailers) return null;
    if (kind === RequestTrailers && (this.phase & AtRequestEnd) !== 0) {
      this.phase |= ReachRequestTrailers;
      return fieldsMap.over(callbacks.addRequestTrailers());
    }
    if (kind === ResponseTrailers && (this.phase & AtResponseEnd) !== 0) {
      this.phase |= ReachResponseTrailers;
      return fieldsMap.over(callbacks.addResponseTrailers());
    }
    return this.map(kind);
  }

  override maySpend(bytes: number): boolean {
    this.written += bytes + ENTRY_COST;
    return this.written <= MAX_WRITTEN;
  }

  override wrote(kind: number): void {
    if (kind === RequestHeaders) this.callbacks?.clearRouteCache();
  }

  override clearRouteCache(): void {
    this.callbacks?.clearRouteCache();
  }

  buffer(kind: number): GuestBuffer | null {
    return kind === RequestBody || kind === ResponseBody ? this.writableBody(kind) : this.root.buffer(kind);
  }

  override writableBody(kind: number): Body | null {
    const { callbacks } = this;
    if (callbacks === null || (this.phase & Logging) !== 0) return null;
    if (this.shown !== null && this.shownKind === kind) return this.shown;
    if (kind === RequestBody) return callbacks.heldRequest;
    return kind === ResponseBody ? callbacks.heldResponse : null;
  }

  override continueStream(stream: number): void {
    if (stream === RequestStream) this.requests |= ContinueRequest;
    else if (stream === ResponseStream) this.requests |= ContinueResponse;
    this.vm.ask(this);
  }

  override closeStream(stream: number): void {
    if (stream !== RequestStream && stream !== ResponseStream) return;
    this.requests |= Close;
    this.vm.ask(this);
  }

  override respond(reply: FilterReply): void {
    // The first one counts (Envoy).
    if (this.answered) return;
    this.answered = true;
    this.reply = reply;
    this.vm.ask(this);
  }

  settle(): void {
    const { callbacks, requests, reply } = this;
    this.requests = 0;
    this.reply = null;
    this.shown = null;
    if (callbacks === null) return;
    if (reply !== null) callbacks.respond(reply);
    else if ((requests & Close) !== 0) callbacks.reset("wasm_close_stream");
    else {
      if ((requests & ContinueRequest) !== 0) {
        this.phase &= ~RequestSide;
        callbacks.continueRequest();
      }
      if ((requests & ContinueResponse) !== 0) {
        this.phase &= ~ResponseSide;
        callbacks.continueResponse();
      }
    }
  }

  override abandon(): void {
    const { callbacks } = this;
    if (callbacks !== null && (callbacks.heldRequest !== null || callbacks.heldResponse !== null))
      this.giveUp();
  }
}

function trailers(fields: Fields | null): HeaderMap | null {
  return fields === null ? null : fieldsMap.over(fields);
}

function showRequestHeaders(this: StreamContext, head: RequestHead, endOfStream: boolean): Verdict {
  return this.showHead(requestMap.over(head), false, exportsOf(this).requestHeaders, endOfStream);
}

function showResponseHeaders(this: StreamContext, head: ResponseHead, endOfStream: boolean): Verdict {
  return this.showHead(responseMap.over(head), true, exportsOf(this).responseHeaders, endOfStream);
}

function showRequestBody(this: StreamContext, body: Body, endOfStream: boolean): Verdict {
  return this.showPiece(body, RequestBody, exportsOf(this).requestBody, endOfStream);
}

function showResponseBody(this: StreamContext, body: Body, endOfStream: boolean): Verdict {
  return this.showPiece(body, ResponseBody, exportsOf(this).responseBody, endOfStream);
}

function showRequestTrailers(this: StreamContext, fields: Fields): Verdict {
  return this.showTrailers(fields, false, exportsOf(this).requestTrailers);
}

function showResponseTrailers(this: StreamContext, fields: Fields): Verdict {
  return this.showTrailers(fields, true, exportsOf(this).responseTrailers);
}

function exportsOf(context: StreamContext): GuestExports {
  return context.vm.exports as GuestExports;
}

function headersVerdict(action: number, allowStopIteration: boolean): Verdict {
  switch (action) {
    case HeadersContinue:
    case HeadersContinueAndEndStream: // as Continue, in Envoy
      return Continue;
    case HeadersStopIteration:
      return allowStopIteration ? PauseHeaders : PauseAndPress;
    case HeadersStopAllAndBuffer:
      return Pause;
    default:
      return PauseAndPress;
  }
}

function bodyVerdict(action: number): Verdict {
  switch (action) {
    case BodyContinue:
      return Continue;
    case BodyStopAndBuffer:
      return Pause;
    case BodyStopAndWatermark:
      return PauseAndPress;
    default:
      return Consume;
  }
}
