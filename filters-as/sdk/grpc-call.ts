/**
 * gRPC calls to other clusters: unary ones (`grpcCall`) and streams (`grpcStream`). What comes of a call goes to the
 * handler object given with it. The streams of a context are cancelled when it is deleted; its unary calls are sent all the
 * same, and nobody hears of them. Messages are bytes: encoding them is the filter's matter.
 *
 * Export the callbacks of `exports/grpc`. `service` is the name of a cluster (which should speak HTTP/2), or a
 * serialised `envoy.config.core.v3.GrpcService`.
 */
import { Status } from "./abi";
import { allocate } from "./arena";
import {
  proxy_get_status,
  proxy_grpc_call,
  proxy_grpc_cancel,
  proxy_grpc_close,
  proxy_grpc_send,
  proxy_grpc_stream,
} from "./env";
import { currentContext, enterForAnswer, whenDeleted } from "./registry";
import { Slice } from "./slice";

/** How a call ended. */
export enum GrpcStatus {
  /** What the server said is no status. */
  Invalid = -1,
  Ok = 0,
  Cancelled = 1,
  Unknown = 2,
  InvalidArgument = 3,
  DeadlineExceeded = 4,
  NotFound = 5,
  AlreadyExists = 6,
  PermissionDenied = 7,
  ResourceExhausted = 8,
  FailedPrecondition = 9,
  Aborted = 10,
  OutOfRange = 11,
  Unimplemented = 12,
  Internal = 13,
  Unavailable = 14,
  DataLoss = 15,
  Unauthenticated = 16,
}

/** A call under way. */
export abstract class GrpcHandler {
  /** The context that made the call, and for which stream functions work in the methods below. */
  contextId: u32 = 0;
  /** The host's number for the call; 0 before it was made. */
  token: u32 = 0;

  /** Gives the call up: nothing more is heard of it. False if it is over. */
  cancel(): bool {
    forget(this.token);
    return proxy_grpc_cancel(this.token) === Status.Ok;
  }
}

/** What happens with the answer to a unary call: one of the two is called, once. */
export abstract class GrpcCallHandler extends GrpcHandler {
  /** The call went well; `grpcMessage` has the answer's `size` bytes. */
  abstract onMessage(size: u32): void;

  /** It did not; `grpcStatusMessage()` says more. What could not be reached, or was late, is `Unavailable` (Envoy). */
  abstract onFailure(status: GrpcStatus): void;
}

/** What happens with a stream. Override what is needed. */
export abstract class GrpcStreamHandler extends GrpcHandler {
  /** `grpcInitialMetadata` can be read; it is empty if there will be no message. */
  onInitialMetadata(_count: u32): void {}

  /** `grpcMessage` has `size` bytes. */
  onMessage(_size: u32): void {}

  /** `grpcTrailingMetadata` can be read. */
  onTrailingMetadata(_count: u32): void {}

  /** The last call; `grpcStatusMessage()` says more. Not after `cancel`. */
  onClose(_status: GrpcStatus): void {}

  /** Sends a message; `end`: the last one. False if the stream is over. */
  send(message: Slice, end: bool = false): bool {
    return proxy_grpc_send(this.token, message.ptr, message.length, end ? 1 : 0) === Status.Ok;
  }

  /** There is nothing more to send; the server may. False if the stream is over. */
  close(): bool {
    return proxy_grpc_close(this.token) === Status.Ok;
  }
}

/** The calls under way. */
class CallsUnderWay {
  readonly byToken: Map<u32, GrpcHandler> = new Map<u32, GrpcHandler>();
  /** The tokens of a context's streams, by its number. */
  readonly streams: Map<u32, Set<u32>> = new Map<u32, Set<u32>>();
}

/** Made with the first call: a filter that makes none has none of it. */
let under: CallsUnderWay | null = null;

function calls(): CallsUnderWay {
  const known = under;
  if (known !== null) return known;
  const made = new CallsUnderWay();
  under = made;
  whenDeleted(cancelStreams);
  return made;
}

/** The call is over. */
function forget(token: u32): void {
  const byToken = calls().byToken;
  if (!byToken.has(token)) return;
  const handler = byToken.get(token);
  byToken.delete(token);
  if (!(handler instanceof GrpcStreamHandler)) return;
  const streams = calls().streams;
  const id = handler.contextId;
  if (!streams.has(id)) return;
  streams.get(id).delete(token);
  if (streams.get(id).size === 0) streams.delete(id);
}

/** The context is gone. */
function cancelStreams(contextId: u32): void {
  const streams = calls().streams;
  if (!streams.has(contextId)) return;
  const tokens = streams.get(contextId).values();
  streams.delete(contextId);
  for (let i = 0; i < tokens.length; i++) {
    calls().byToken.delete(tokens[i]);
    proxy_grpc_cancel(tokens[i]);
  }
}

/**
 * Sends `message` to `/<name>/<method>`, for instance "shop.v1.Prices" and "Get". `metadata` is a serialised map
 * (`PairsWriter`), or empty; `timeout` in ms, 0 for none. False if it was not sent; then the handler is not called.
 */
export function grpcCall(
  service: Slice,
  name: Slice,
  method: Slice,
  metadata: Slice,
  message: Slice,
  timeout: u32,
  handler: GrpcCallHandler,
): bool {
  const place = allocate(4);
  const status = proxy_grpc_call(
    service.ptr,
    service.length,
    name.ptr,
    name.length,
    method.ptr,
    method.length,
    metadata.ptr,
    metadata.length,
    message.ptr,
    message.length,
    timeout,
    place,
  );
  return status === Status.Ok && begun(load<u32>(place), handler);
}

/** Opens a stream; see `grpcCall`. False if it was not opened; then the handler is not called. */
export function grpcStream(
  service: Slice,
  name: Slice,
  method: Slice,
  metadata: Slice,
  handler: GrpcStreamHandler,
): bool {
  const place = allocate(4);
  const status = proxy_grpc_stream(
    service.ptr,
    service.length,
    name.ptr,
    name.length,
    method.ptr,
    method.length,
    metadata.ptr,
    metadata.length,
    place,
  );
  return status === Status.Ok && begun(load<u32>(place), handler);
}

function begun(token: u32, handler: GrpcHandler): bool {
  handler.contextId = currentContext();
  handler.token = token;
  calls().byToken.set(token, handler);
  if (handler instanceof GrpcStreamHandler) {
    const streams = calls().streams;
    const id = handler.contextId;
    if (!streams.has(id)) streams.set(id, new Set<u32>());
    streams.get(id).add(token);
  }
  return true;
}

/** What was said about the end that a handler is being told of, as it was sent (percent-encoded); null if nothing. */
export function grpcStatusMessage(): Slice | null {
  const place = allocate(4);
  const slice = allocate(offsetof<Slice>());
  const status = proxy_get_status(place, slice + offsetof<Slice>("ptr"), slice + offsetof<Slice>("length"));
  return status === Status.Ok ? changetype<Slice>(slice) : null;
}

/** The handler of a call, whose context is entered; null if nobody is there who could hear. */
function handlerOf(token: u32): GrpcHandler | null {
  const byToken = calls().byToken;
  if (!byToken.has(token)) return null;
  const handler = byToken.get(token);
  if (enterForAnswer(handler.contextId)) return handler;
  handler.cancel();
  return null;
}

/** Called by the exported callbacks. */
export function tellInitialMetadata(token: u32, count: u32): void {
  const handler = handlerOf(token);
  if (handler instanceof GrpcStreamHandler) (handler as GrpcStreamHandler).onInitialMetadata(count);
}

/** Called by the exported callbacks. */
export function tellMessage(token: u32, size: u32): void {
  const handler = handlerOf(token);
  if (handler instanceof GrpcCallHandler) {
    forget(token);
    (handler as GrpcCallHandler).onMessage(size);
  } else if (handler instanceof GrpcStreamHandler) (handler as GrpcStreamHandler).onMessage(size);
}

/** Called by the exported callbacks. */
export function tellTrailingMetadata(token: u32, count: u32): void {
  const handler = handlerOf(token);
  if (handler instanceof GrpcStreamHandler) (handler as GrpcStreamHandler).onTrailingMetadata(count);
}

/** Called by the exported callbacks. */
export function tellClose(token: u32, status: GrpcStatus): void {
  const handler = handlerOf(token);
  forget(token);
  if (handler instanceof GrpcCallHandler) (handler as GrpcCallHandler).onFailure(status);
  else if (handler instanceof GrpcStreamHandler) {
    // The host keeps a stream of which our side has not ended.
    proxy_grpc_close(token);
    (handler as GrpcStreamHandler).onClose(status);
  }
}
