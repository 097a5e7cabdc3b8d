/** Callbacks of HTTP streams. Export by name those that the filter overrides. */
import { Action } from "../abi";
import { beginCallback } from "../arena";
import { HttpContext } from "../context";
import { endCallback, enter, findContext } from "../registry";

/** Begins a callback; null if the host speaks of a stream that we do not know. */
function begin(id: u32): HttpContext | null {
  beginCallback();
  enter(id);
  return changetype<HttpContext | null>(findContext(id));
}

export function proxy_on_request_headers(id: u32, count: u32, endOfStream: u32): Action {
  const context = begin(id);
  const action = context === null ? Action.Continue : context.onRequestHeaders(count, endOfStream !== 0);
  endCallback();
  return action;
}

export function proxy_on_request_body(id: u32, size: u32, endOfStream: u32): Action {
  const context = begin(id);
  const action = context === null ? Action.Continue : context.onRequestBody(size, endOfStream !== 0);
  endCallback();
  return action;
}

export function proxy_on_request_trailers(id: u32, count: u32): Action {
  const context = begin(id);
  const action = context === null ? Action.Continue : context.onRequestTrailers(count);
  endCallback();
  return action;
}

export function proxy_on_response_headers(id: u32, count: u32, endOfStream: u32): Action {
  const context = begin(id);
  const action = context === null ? Action.Continue : context.onResponseHeaders(count, endOfStream !== 0);
  endCallback();
  return action;
}

export function proxy_on_response_body(id: u32, size: u32, endOfStream: u32): Action {
  const context = begin(id);
  const action = context === null ? Action.Continue : context.onResponseBody(size, endOfStream !== 0);
  endCallback();
  return action;
}

export function proxy_on_response_trailers(id: u32, count: u32): Action {
  const context = begin(id);
  const action = context === null ? Action.Continue : context.onResponseTrailers(count);
  endCallback();
  return action;
}
