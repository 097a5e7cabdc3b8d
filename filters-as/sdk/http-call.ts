/**
 * HTTP calls to other clusters. The answer comes to the handler object given with the call; if the stream that made
 * the call is gone by then, to nobody. Connection failures come as an ordinary 503 or 504 from Envoy.
 */
import { Status } from "./abi";
import { allocate } from "./arena";
import { proxy_http_call } from "./env";
import { currentContext, enterForAnswer } from "./registry";
import { Slice } from "./slice";

/** What happens with the answer to a call. Extend it, with a field for whatever the answer is about. */
export abstract class HttpCallHandler {
  /** The context that made the call, and for which stream functions work in `onResponse`. */
  contextId: u32 = 0;

  /** `headerCount` 0: there was no answer. `callHeaders`, `callBody`, `callTrailers` can be read. */
  abstract onResponse(headerCount: u32, bodySize: u32, trailerCount: u32): void;
}

const waiting = new Map<u32, HttpCallHandler>();

/**
 * Sends a request; `headers` is a serialised map with `:method`, `:path` and `:authority`. `timeout` in ms, 0 for
 * none. False if it was not sent; then the handler is not called.
 */
export function httpCall(
  cluster: Slice,
  headers: Slice,
  body: Slice,
  timeout: u32,
  handler: HttpCallHandler,
): bool {
  const place = allocate(4);
  const status = proxy_http_call(
    cluster.ptr,
    cluster.length,
    headers.ptr,
    headers.length,
    body.ptr,
    body.length,
    0,
    0,
    timeout,
    place,
  );
  if (status !== Status.Ok) return false;
  handler.contextId = currentContext();
  waiting.set(load<u32>(place), handler);
  return true;
}

/** Gives an answer to its handler. Called by the exported callback. */
export function answerCall(token: u32, headerCount: u32, bodySize: u32, trailerCount: u32): void {
  if (!waiting.has(token)) return;
  const handler = waiting.get(token);
  waiting.delete(token);
  if (enterForAnswer(handler.contextId)) handler.onResponse(headerCount, bodySize, trailerCount);
}
