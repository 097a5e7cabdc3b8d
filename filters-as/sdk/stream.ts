/** Resuming, closing and answering the stream that the callback is about. Effects begin when the callback returns. */
import { Status, StreamType } from "./abi";
import { proxy_close_stream, proxy_continue_stream, proxy_send_local_response } from "./env";
import { Slice } from "./slice";

/** For `sendResponse`: let the host choose the gRPC status, if the request is gRPC. */
export const NO_GRPC_STATUS: i32 = -1;

/**
 * Answers the request instead of the upstream; return `Action.Pause` after it. `details` (without spaces) is for
 * access logs, `headers` a serialised map (`PairsWriter`) or empty.
 */
export function sendResponse(
  status: u32,
  body: Slice,
  details: Slice = Slice.empty,
  headers: Slice = Slice.empty,
  grpcStatus: i32 = NO_GRPC_STATUS,
): bool {
  return (
    proxy_send_local_response(
      status,
      details.ptr,
      details.length,
      body.ptr,
      body.length,
      headers.ptr,
      headers.length,
      grpcStatus,
    ) === Status.Ok
  );
}

/** Resumes a request that a callback of this filter paused. */
export function continueRequest(): bool {
  return proxy_continue_stream(StreamType.Request) === Status.Ok;
}

/** Resumes a response that a callback of this filter paused. */
export function continueResponse(): bool {
  return proxy_continue_stream(StreamType.Response) === Status.Ok;
}

/** Resumes a TCP connection that a callback of this filter paused. */
export function continueDownstream(): bool {
  return proxy_continue_stream(StreamType.Downstream) === Status.Ok;
}

/** Cuts the stream off. */
export function closeStream(type: StreamType): bool {
  return proxy_close_stream(type) === Status.Ok;
}
