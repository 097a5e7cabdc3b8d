/**
 * The one filter interface: native and WebAssembly filters implement the same hooks, named as proxy-wasm names
 * them. A chain calls them in order for the request and in reverse order for the response; the router is last.
 *
 * Laws: hooks are called one at a time and never from inside one another, except that `FilterCallbacks.respond`
 * may run the response hooks before it returns. A hook that holds something is called again for the same half only
 * after `continueRequest`/`continueResponse`, or (body) when more arrives. `onLog` is the last call, and comes once
 * for every filter that was made, however its stream ended. A hook that throws costs its stream, visibly, and nobody
 * else; the exception is counted.
 */
import type { Json } from "../config/model.ts";
import type { Fields } from "../http/fields.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import type { Body } from "./body.ts";
import type { FilterContext } from "./filter-context.ts";
import type { Verdict } from "./verdict.ts";

/** A local reply as a filter wants it. */
export interface FilterReply {
  /** 200 to 599. */
  readonly status: number;
  /** A byte string. */
  readonly body: string;
  /** Envoy's `RESPONSE_CODE_DETAILS`: no spaces. */
  readonly details: string;
  /** Lower-case names and values, valid as fields. */
  readonly headers: readonly (readonly [string, string])[];
  /** For gRPC requests: the `grpc-status` to answer, or -1 for what follows from `status`. */
  readonly grpcStatus: number;
}

/**
 * What a filter may do to its stream. Valid until `onLog` has returned; afterwards calls are without effect, and what
 * is read may be of another request. To continue while the hook of another filter is being called takes effect when
 * that has returned.
 */
export interface FilterCallbacks {
  readonly info: StreamInfo;
  readonly request: RequestHead;
  /** Null before there is an answer. */
  readonly response: ResponseHead | null;
  /** Null if there are none, or not yet. */
  /** What this filter holds of the request's body, null if it holds nothing; read and changed like a shown one. */
  readonly heldRequest: Body | null;
  readonly heldResponse: Body | null;
  readonly requestTrailers: Fields | null;
  readonly responseTrailers: Fields | null;
  /** Resumes a request held by this filter; before the hook that holds it has returned, too. */
  continueRequest(): void;
  /** Resumes a response held by this filter. */
  continueResponse(): void;
  /** Answers instead of the upstream; the hook under way then returns `Respond`. Cuts an answer that has begun. */
  respond(reply: FilterReply): void;
  /** Cuts the stream off: the client sees a reset, or an answer that is visibly not whole. */
  reset(details: string): void;
  /** The request's head was changed in a way that may choose another route. */
  clearRouteCache(): void;
  /** Trailers to fill, for a half whose end this filter is being shown and that has none. */
  addRequestTrailers(): Fields;
  addResponseTrailers(): Fields;
  /** Puts bytes, which are the answer's from now on, behind its body; while the filter is shown its trailers only. */
  addResponseBody(bytes: Uint8Array): void;
}

/** One filter on one stream. Hooks that are not there are skipped without cost. */
export interface Filter {
  readonly onRequestHeaders?: ((head: RequestHead, endOfStream: boolean) => Verdict) | undefined;
  /**
   * `body` is all of the request's body that is here: the piece that arrived, behind what this filter held. The
   * filter may read and change it and may not keep it. A body ends with a call of its own (no further bytes,
   * `endOfStream`) unless trailers follow; what was held unseen comes in one with its end.
   */
  readonly onRequestBody?: ((body: Body, endOfStream: boolean) => Verdict) | undefined;
  readonly onRequestTrailers?: ((trailers: Fields) => Verdict) | undefined;
  readonly onResponseHeaders?: ((head: ResponseHead, endOfStream: boolean) => Verdict) | undefined;
  readonly onResponseBody?: ((body: Body, endOfStream: boolean) => Verdict) | undefined;
  readonly onResponseTrailers?: ((trailers: Fields) => Verdict) | undefined;
  /** The stream is over, however it ended. The last call. */
  readonly onLog?: (() => void) | undefined;
}

/** Makes the filters of streams. One per place in a chain, and per route that has a configuration of its own. */
export interface FilterFactory {
  /** For one stream; null if it goes without this filter. */
  create(callbacks: FilterCallbacks): Filter | null;
  /** No further stream comes; those that live keep their filters. */
  release(): void;
}

/** One sort of filter. `filters/standard.ts` lists those that ship. */
export interface FilterKind {
  /** `config` is what the configuration says, without `@type`; it has passed its check. Never throws. */
  factory(config: Json, name: string, context: FilterContext): FilterFactory;
}

/** Kinds by the name of their configuration message, without "type.googleapis.com/". */
export type FilterKinds = ReadonlyMap<string, FilterKind>;
