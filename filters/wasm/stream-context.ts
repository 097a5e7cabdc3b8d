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
import { sharedState } from "./stream-state.ts";

/** What the guest may reach now. */
const MayReadRequestHeaders = 1;
const MayReadRequestTrailers = 2;
const MayReadResponseHeaders = 4;
const MayReadResponseTrailers = 8;
const Logging = 16;

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
  private callbacks: FilterCallbacks | null;
  private exports: GuestExports;
  private phase = 0;
  private requests = 0;
  private reply: FilterReply | null = null;
  /** The body that is being shown. */
  private shown: Body | null = null;
  private failed = false;
  /** Something of the stream has waited for the guest. */
  private holds = false;

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

  override get state(): Map<string, string> | null {
    return this.callbacks === null ? null : sharedState(this.callbacks.info);
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

  /** What a hook answers when the guest has returned or failed. */
  private verdict(of: Verdict): Verdict {
    if (this.vm.failure !== "") return this.giveUp();
    if (of !== Continue) this.holds = true;
    return this.reply === null ? of : Respond;
  }

  /** The VM is gone: the stream is refused, unless this plugin lets streams pass. */
  private giveUp(): Verdict {
    if (this.failed) return Continue;
    this.failed = true;
    this.callbacks?.respond(FAILED);
    return Respond;
  }

  showHead(map: HeaderMap, open: number, callback: GuestExports["requestHeaders"], ends: boolean): Verdict {
    if (this.vm.failure !== "") return this.giveUp();
    this.phase |= open;
    const action = this.run(callback, countPairs(map), ends ? 1 : 0);
    const verdict = this.verdict(headersVerdict(action, this.generation.allowStopIteration));
    if (verdict === Continue) this.phase &= ~open;
    return verdict;
  }

  showPiece(body: Body, callback: GuestExports["requestBody"], ends: boolean): Verdict {
    if (this.vm.failure !== "") return this.giveUp();
    this.shown = body;
    const action = this.run(callback, body.size, ends ? 1 : 0);
    this.shown = null;
    return this.verdict(bodyVerdict(action));
  }

  showTrailers(trailers: Fields, open: number, callback: GuestExports["requestTrailers"]): Verdict {
    if (this.vm.failure !== "") return this.giveUp();
    this.phase |= open;
    const action = this.run(callback, countPairs(fieldsMap.over(trailers)), 0);
    const verdict = this.verdict(action === 0 ? Continue : Pause);
    if (verdict === Continue) this.phase &= ~open;
    return verdict;
  }

  /** The stream is over: log, done, delete (proxy-wasm.md, "Observed"). */
  onLog(): void {
    const { vm, exports } = this;
    this.phase |= Logging;
    if (vm.failure === "" && (this.id !== 0 || exports.log !== null)) {
      this.run(exports.log, 0, 0);
      const ready = exports.done === null || this.run(exports.done, 0, 0) !== 0;
      // A stream that is not done has nothing left that could finish it: only roots wait.
      if (ready || vm.failure === "") this.run(exports.delete, 0, 0);
    }
    if (this.id !== 0) vm.unregister(this);
    this.callbacks = null;
    this.generation.streamEnded();
  }

  // ── What host functions ask for ───────────────────────────────────────────────────────────────────────────

  map(kind: number): HeaderMap | null {
    const { callbacks, phase } = this;
    if (callbacks === null) return null;
    const logging = (phase & Logging) !== 0;
    switch (kind) {
      case RequestHeaders:
        return logging || (phase & MayReadRequestHeaders) !== 0 ? requestMap.over(callbacks.request) : null;
      case ResponseHeaders: {
        const { response } = callbacks;
        const open = logging || (phase & MayReadResponseHeaders) !== 0;
        return open && response !== null ? responseMap.over(response) : null;
      }
      case RequestTrailers: {
        const { requestTrailers } = callbacks;
        const open = logging || (phase & MayReadRequestTrailers) !== 0;
        return open && requestTrailers !== null ? fieldsMap.over(requestTrailers) : null;
      }
      case ResponseTrailers: {
        const responseTrailers = logging ? callbacks.info.responseTrailers : callbacks.responseTrailers;
        const open = logging || (phase & MayReadResponseTrailers) !== 0;
        return open && responseTrailers !== null ? fieldsMap.over(responseTrailers) : null;
      }
      default:
        return this.root.map(kind);
    }
  }

  mayWrite(kind: number): boolean {
    const { phase } = this;
    if ((phase & Logging) !== 0) return false;
    switch (kind) {
      case RequestHeaders:
        return (phase & MayReadRequestHeaders) !== 0;
      case ResponseHeaders:
        return (phase & MayReadResponseHeaders) !== 0;
      case RequestTrailers:
        return (phase & MayReadRequestTrailers) !== 0;
      case ResponseTrailers:
        return (phase & MayReadResponseTrailers) !== 0;
      default:
        return false;
    }
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
    if (this.shown !== null) return this.shown;
    if (kind === RequestBody) return callbacks.heldRequest;
    return kind === ResponseBody ? callbacks.heldResponse : null;
  }

  override continueStream(stream: number): void {
    if (stream === RequestStream) this.requests |= ContinueRequest;
    else if (stream === ResponseStream) this.requests |= ContinueResponse;
    this.vm.ask(this);
  }

  override closeStream(): void {
    this.requests |= Close;
    this.vm.ask(this);
  }

  override respond(reply: FilterReply): void {
    // The first one counts (Envoy).
    this.reply ??= reply;
    this.vm.ask(this);
  }

  settle(): void {
    const { callbacks, requests, reply } = this;
    this.requests = 0;
    if (callbacks === null) return;
    if (reply !== null) callbacks.respond(reply);
    else if ((requests & Close) !== 0) callbacks.reset("wasm_close_stream");
    else {
      if ((requests & ContinueRequest) !== 0) callbacks.continueRequest();
      if ((requests & ContinueResponse) !== 0) callbacks.continueResponse();
    }
  }

  override abandon(): void {
    if (this.holds) this.giveUp();
  }
}

function showRequestHeaders(this: StreamContext, head: RequestHead, endOfStream: boolean): Verdict {
  const { requestHeaders } = this.vm.exports as GuestExports;
  return this.showHead(requestMap.over(head), MayReadRequestHeaders, requestHeaders, endOfStream);
}

function showResponseHeaders(this: StreamContext, head: ResponseHead, endOfStream: boolean): Verdict {
  const { responseHeaders } = this.vm.exports as GuestExports;
  return this.showHead(responseMap.over(head), MayReadResponseHeaders, responseHeaders, endOfStream);
}

function showRequestBody(this: StreamContext, body: Body, endOfStream: boolean): Verdict {
  return this.showPiece(body, (this.vm.exports as GuestExports).requestBody, endOfStream);
}

function showResponseBody(this: StreamContext, body: Body, endOfStream: boolean): Verdict {
  return this.showPiece(body, (this.vm.exports as GuestExports).responseBody, endOfStream);
}

function showRequestTrailers(this: StreamContext, trailers: Fields): Verdict {
  return this.showTrailers(
    trailers,
    MayReadRequestTrailers,
    (this.vm.exports as GuestExports).requestTrailers,
  );
}

function showResponseTrailers(this: StreamContext, trailers: Fields): Verdict {
  return this.showTrailers(
    trailers,
    MayReadResponseTrailers,
    (this.vm.exports as GuestExports).responseTrailers,
  );
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
