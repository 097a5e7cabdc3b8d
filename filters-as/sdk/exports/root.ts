/** Callbacks of root contexts, and the ends of all contexts. Export by name those that the filter overrides. */
import { beginCallback } from "../arena";
import { RootContext } from "../context";
import { answerCall } from "../http-call";
import { endCallback, enter, findContext } from "../registry";

export function proxy_on_vm_start(root: u32, size: u32): bool {
  beginCallback();
  enter(root);
  const context = findContext(root);
  const isFine = context !== null && changetype<RootContext>(context).onStart(size);
  endCallback();
  return isFine;
}

export function proxy_on_tick(root: u32): void {
  beginCallback();
  enter(root);
  const context = findContext(root);
  if (context !== null) changetype<RootContext>(context).onTick();
  endCallback();
}

export function proxy_on_queue_ready(root: u32, queue: u32): void {
  beginCallback();
  enter(root);
  const context = findContext(root);
  if (context !== null) changetype<RootContext>(context).onQueueReady(queue);
  endCallback();
}

export function proxy_on_foreign_function(root: u32, number: u32, size: u32): void {
  beginCallback();
  enter(root);
  const context = findContext(root);
  if (context !== null) changetype<RootContext>(context).onForeignFunction(number, size);
  endCallback();
}

/** For filters that use `httpCall`. */
export function proxy_on_http_call_response(
  root: u32,
  token: u32,
  headers: u32,
  bodySize: u32,
  trailers: u32,
): void {
  beginCallback();
  enter(root);
  answerCall(token, headers, bodySize, trailers);
  endCallback();
}

export function proxy_on_done(id: u32): bool {
  beginCallback();
  enter(id);
  const context = findContext(id);
  const isDone = context === null || context.onDone();
  endCallback();
  return isDone;
}

export function proxy_on_log(id: u32): void {
  beginCallback();
  enter(id);
  const context = findContext(id);
  if (context !== null) context.onLog();
  endCallback();
}
