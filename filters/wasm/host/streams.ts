/** What a guest asks to be done to streams, and on whose behalf it acts (proxy-wasm.md 1.2, 1.4). */

import { lowerCase } from "../../../core/bytes/ascii.ts";
import type { FilterReply } from "../../../core/filter/filter.ts";
import { isFieldName, isFieldValue } from "../../../core/http/fields.ts";
import {
  BadArgument,
  InternalFailure,
  InvalidMemoryAccess,
  NotFound,
  Ok,
  RequestStream,
  ResponseStream,
  Unimplemented,
  UpstreamStream,
} from "../abi.ts";
import { readPairs } from "../pairs.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

const LAST_STREAM = 3;
/** Of a local reply, bytes; longer details are cut. */
const MAX_BODY = 1024 * 1024;
const MAX_DETAILS = 256;

export function streamFunctions(vm: WasmVm): HostFunctions {
  const { memory } = vm;

  function goOn(stream: number): number {
    if (memory.closed) return InternalFailure;
    if (stream >>> 0 > LAST_STREAM) return BadArgument;
    if (stream === UpstreamStream) return Unimplemented; // Envoy: only reading is stopped and goes on
    vm.context?.continueStream(stream);
    return Ok;
  }

  return {
    proxy_continue_stream: goOn,
    proxy_continue_request: () => goOn(RequestStream),
    proxy_continue_response: () => goOn(ResponseStream),

    proxy_close_stream(stream: number) {
      if (memory.closed) return InternalFailure;
      if (stream >>> 0 > LAST_STREAM) return BadArgument;
      vm.context?.closeStream(stream);
      return Ok;
    },

    proxy_send_local_response(
      status: number,
      details: number,
      detailsSize: number,
      body: number,
      bodySize: number,
      headers: number,
      headersSize: number,
      grpcStatus: number,
    ) {
      const { context } = vm;
      if (memory.closed || context === null) return InternalFailure;
      if (
        !memory.has(details >>> 0, detailsSize >>> 0) ||
        !memory.has(body >>> 0, bodySize >>> 0) ||
        !memory.has(headers >>> 0, headersSize >>> 0)
      ) {
        return InvalidMemoryAccess;
      }
      if (status < 200 || status > 599 || bodySize >>> 0 > MAX_BODY) return BadArgument;
      const pairs = readPairs(memory, headers >>> 0, headersSize >>> 0);
      if (pairs === null) return BadArgument;
      const fields: [string, string][] = [];
      for (let i = 0; i < pairs.length; i += 2) {
        const name = lowerCase(pairs[i]);
        if (name.charCodeAt(0) === 0x3a) continue;
        if (!isFieldName(name) || !isFieldValue(pairs[i + 1])) return BadArgument;
        fields.push([name, pairs[i + 1]]);
      }
      const reply: FilterReply = {
        status,
        details: printable(memory.text(details >>> 0, Math.min(detailsSize >>> 0, MAX_DETAILS))),
        body: memory.text(body >>> 0, bodySize >>> 0),
        headers: fields,
        grpcStatus: grpcStatus >= 0 && grpcStatus <= 16 ? grpcStatus : -1,
      };
      context.respond(reply);
      return Ok;
    },

    proxy_set_effective_context(id: number) {
      if (memory.closed) return InternalFailure;
      const context = vm.find(id >>> 0);
      if (context === null) return BadArgument;
      vm.actFor(context);
      return Ok;
    },

    proxy_done() {
      if (memory.closed) return InternalFailure;
      return vm.context?.root.done() === true ? Ok : NotFound;
    },

    /** 0.1.0 only. */
    proxy_clear_route_cache() {
      if (memory.closed) return InternalFailure;
      vm.context?.clearRouteCache();
      return Ok;
    },
  };
}

/** Details are one word in a log line. */
function printable(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    out += code > 0x20 && code < 0x7f ? text[i] : "_";
  }
  return out;
}
