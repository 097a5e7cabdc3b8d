/**
 * Guests that make gRPC calls and tell everything that they hear of them, a line for each thing:
 *
 *   initial 2 [.. :status.200 ..]   message 3 [yes]   trailing 1 [..]   close 5 [not here]
 *
 * Bytes that are not printable are dots. The lines are warnings, so that Envoy shows them.
 */
import type { CompiledModule } from "../../filters/wasm/compiled-module.ts";
import { guestWith, pairs, type Wat } from "./guest.ts";

const wat = (text: string): Wat => ({ wat: text });

/** Where tokens are put: the first call's, the second's. */
export const TOKEN = 64;

/** Words of these guests beside those of guest.ts. */
const WORDS = `
  (func $line_safe (param $from i32) (param $size i32) (local $c i32)
    (block $done (loop $more
      (br_if $done (i32.eqz (local.get $size)))
      (local.set $c (i32.load8_u (local.get $from)))
      (if (i32.or (i32.lt_u (local.get $c) #32) (i32.gt_u (local.get $c) #126)) (then (local.set $c #46)))
      (call $line_char (local.get $c))
      (local.set $from (i32.add (local.get $from) #1))
      (local.set $size (i32.sub (local.get $size) #1))
      (br $more))))
  (func $line_given (call $line_char #91)
    (call $line_safe (i32.load #16) (i32.load #20)) (call $line_char #93))
  (func $line_space (call $line_char #32))
  (func $note_end (drop (call $log #3 #256 (global.get $line))) (global.set $line #0))
  (func $note (param $label i32) (param $size i32) (param $n i32)
    (call $line_text (local.get $label) (local.get $size))
    (call $line_space) (call $line_number (local.get $n))
    (call $note_end))
  (func $bump (global.set $heard (i32.add (global.get $heard) #1)))
  (global $heard (mut i32) #0)
  (global $closed (mut i32) #0)`;

export interface Acts {
  /** When a request comes. */
  readonly act: string;
  /** After a message; $heard counts what was heard. */
  readonly onMessage?: string;
  readonly onInitial?: string;
  readonly onClose?: string;
  /** More at the place of functions. */
  readonly more?: string;
  readonly forEnvoy?: boolean;
}

/** A guest that acts so. */
export function grpcGuest({
  act,
  onMessage = "",
  onInitial = "",
  onClose = "",
  more = "",
  forEnvoy = true,
}: Acts): CompiledModule {
  return guestWith({ forEnvoy })`
    ${wat(WORDS)}
    (func $label (param $label i32) (param $size i32) (param $n i32)
      (call $line_text ${"said "})
      (call $line_text (local.get $label) (local.get $size))
      (call $line_number (local.get $n)) (call $line_space))
    (func $tried (param $n i32) (call $note ${"said tried"} (local.get $n)))
    (on request_headers ${wat(act)} #0)
    (on grpc_receive_initial_metadata
      (call $bump)
      (call $label ${"initial "} (local.get $b))
      (drop (call $get_header_map_pairs #4 #out))
      (call $line_given) (call $note_end)
      ${wat(onInitial)})
    (on grpc_receive
      (call $bump)
      (call $label ${"message "} (local.get $b))
      (drop (call $get_buffer_bytes #5 #0 #-1 #out))
      (call $line_given) (call $note_end)
      ${wat(onMessage)})
    (on grpc_receive_trailing_metadata
      (call $bump)
      (call $label ${"trailing "} (local.get $b))
      (drop (call $get_header_map_pairs #5 #out))
      (call $line_given) (call $note_end))
    (on grpc_close
      (call $bump)
      (call $label ${"close "} (local.get $b))
      (drop (call $get_status #32 #out))
      (call $line_number (i32.load #32)) (call $line_space)
      (call $line_given) (call $note_end)
      ${wat(onClose)})
    ${wat(more)}`;
}

/** WebAssembly text that puts a byte string into the guest's memory at `at`. */
export function stored(text: string, at: number): string {
  return Array.from(text, (char, i) => `(i32.store8 #${at + i} #${char.charCodeAt(0)})`).join(" ");
}

export interface Called {
  readonly service?: string;
  readonly name?: string;
  readonly method: string;
  readonly metadata?: readonly (readonly [string, string])[] | string;
  readonly message?: string;
  readonly timeout?: number;
  readonly token?: number;
}

/** What the guests say, without who says it. */
export function withoutSpeaker(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/^(warning )?p: (said )?/, ""));
}

/** Answers the client of the proxy at once: what matters is the call. */
export const REPLY = "(drop (call $send_local_response #200 #0 #0 #0 #0 #0 #0 #-1))";

/** Far from what guest.ts uses. */
const AT = 40_000;

function put(texts: readonly string[]): { readonly stores: string; readonly places: string } {
  let at = AT;
  const stores: string[] = [];
  const places: string[] = [];
  for (const text of texts) {
    stores.push(stored(text, at));
    places.push(`#${at} #${text.length}`);
    at += text.length + 8;
  }
  return { stores: stores.join(" "), places: places.join(" ") };
}

function metadataOf({ metadata = [] }: Called): string {
  if (typeof metadata === "string") return metadata;
  return metadata.length === 0 ? "" : pairs(...metadata);
}

/** Calls proxy_grpc_call and tells what it answered. */
export function call(called: Called): string {
  const { service = "grpc", name = "t.S", method, message = "ask", timeout = 1000, token = TOKEN } = called;
  const { stores, places } = put([service, name, method, metadataOf(called), message]);
  return `${stores} (call $tried (call $grpc_call ${places} #${timeout} #${token}))`;
}

/** Calls proxy_grpc_stream and tells what it answered. */
export function open(called: Called): string {
  const { service = "grpc", name = "t.S", method, token = TOKEN } = called;
  const { stores, places } = put([service, name, method, metadataOf(called)]);
  return `${stores} (call $tried (call $grpc_stream ${places} #${token}))`;
}

/** Sends on the stream and tells what that answered. */
export function sent(text: string, end = false, token = TOKEN): string {
  const { stores, places } = put([text]);
  return `${stores} (call $tried (call $grpc_send (i32.load #${token}) ${places} #${end ? 1 : 0}))`;
}

export function closed(token = TOKEN): string {
  return `(call $tried (call $grpc_close (i32.load #${token})))`;
}

export function cancelled(token = TOKEN): string {
  return `(call $tried (call $grpc_cancel (i32.load #${token})))`;
}
