/**
 * The one filter interface: native and WebAssembly filters implement the same hooks, named as proxy-wasm names
 * them. A chain calls them in order for the request and in reverse order for the response; the router is last.
 */
import type { Fields } from "../http/fields.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import type { StreamInfo } from "../http/stream-info.ts";

/** Go on with the next filter. */
export const Continue = 0;
/** Hold here (headers and everything after them) until the filter calls `continueRequest`/`continueResponse`. */
export const Pause = 1;
/** The filter has answered with `respond`; nothing of this stream goes further. */
export const Respond = 2;
export type Verdict = typeof Continue | typeof Pause | typeof Respond;

/** What a filter may do to its stream. Valid until `onLog` returned. */
export interface FilterCallbacks {
  readonly info: StreamInfo;
  /** Resumes a request paused by this filter. */
  continueRequest(): void;
  /** Resumes a response paused by this filter. */
  continueResponse(): void;
  /** Answers instead of the upstream: byte-string body, Envoy-style details; the filter then returns `Respond`. */
  respond(
    status: number,
    body: string,
    details: string,
    headers: readonly (readonly [string, string])[],
  ): void;
}

/** One filter on one stream. Unset hooks are skipped without cost. */
export interface Filter {
  onRequestHeaders?(head: RequestHead, endOfStream: boolean): Verdict;
  /** The chunk belongs to the chain; a filter that keeps it must not change it. */
  onRequestBody?(chunk: Uint8Array, endOfStream: boolean): Verdict;
  onRequestTrailers?(trailers: Fields): Verdict;
  onResponseHeaders?(head: ResponseHead, endOfStream: boolean): Verdict;
  onResponseBody?(chunk: Uint8Array, endOfStream: boolean): Verdict;
  onResponseTrailers?(trailers: Fields): Verdict;
  /** The stream is over, however it ended. The last call. */
  onLog?(info: StreamInfo): void;
}

/** Makes the filter of one stream. One factory per configured filter and worker. */
export interface FilterFactory {
  create(callbacks: FilterCallbacks): Filter;
}
