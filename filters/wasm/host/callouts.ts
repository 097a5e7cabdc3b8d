/** HTTP requests of guests through the clusters of the proxy (proxy-wasm.md 1.2 and "Observed"). */
import { lowerCase } from "../../../core/bytes/ascii.ts";
import { hostEnd, isVisible } from "../../../core/http/authority.ts";
import { isFieldName, isFieldValue } from "../../../core/http/fields.ts";
import { RequestHead } from "../../../core/http/head.ts";
import { BadArgument, HttpToken, InternalFailure, InvalidMemoryAccess, Ok } from "../abi.ts";
import { bytesOfHead, CALL_WORK, MAX_CALL_HEAD } from "../call-room.ts";
import { HttpCall } from "../http-call.ts";
import { readPairs } from "../pairs.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

/** Of a cluster's name and of a request's body, bytes. */
const MAX_NAME = 4096;
const MAX_BODY = 4 * 1024 * 1024;

export function calloutFunctions(vm: WasmVm): HostFunctions {
  const { memory } = vm;

  return {
    proxy_http_call(
      cluster: number,
      clusterSize: number,
      headers: number,
      headersSize: number,
      body: number,
      bodySize: number,
      trailers: number,
      trailersSize: number,
      timeout: number,
      tokenAt: number,
    ) {
      if (memory.closed) return InternalFailure;
      if (
        !memory.has(cluster >>> 0, clusterSize >>> 0) ||
        !memory.has(headers >>> 0, headersSize >>> 0) ||
        !memory.has(body >>> 0, bodySize >>> 0) ||
        !memory.has(trailers >>> 0, trailersSize >>> 0) ||
        !memory.has(tokenAt >>> 0, 4)
      ) {
        return InvalidMemoryAccess;
      }
      memory.spend(CALL_WORK);
      const { context } = vm;
      if (context === null) return InternalFailure;
      if (clusterSize >>> 0 > MAX_NAME || bodySize >>> 0 > MAX_BODY) return BadArgument;
      const pairs = readPairs(memory, headers >>> 0, headersSize >>> 0);
      const head = pairs === null ? null : requestHead(pairs);
      const { callouts } = vm.host.context;
      const name = memory.text(cluster >>> 0, clusterSize >>> 0);
      if (head === null || timeout < 0 || !callouts.has(name)) return BadArgument;
      const size = bytesOfHead(head);
      if (size > MAX_CALL_HEAD) return BadArgument;
      const { root } = context;
      const token = root.newToken(HttpToken);
      const bytes = size + (bodySize >>> 0);
      if (token === 0 || !root.room.take(bytes)) return InternalFailure;
      const call = new HttpCall(root, token, bytes);
      const sent = callouts.send(name, head, memory.copy(body >>> 0, bodySize >>> 0), timeout, call);
      if (typeof sent === "number") {
        call.leave();
        return InternalFailure;
      }
      call.begin(sent);
      root.sent(token, call);
      memory.putU32(tokenAt >>> 0, token);
      return Ok;
    },
  };
}

/** The head that `pairs` make, or null if they make none that can be sent. */
function requestHead(pairs: readonly string[]): RequestHead | null {
  const head = new RequestHead();
  for (let i = 0; i < pairs.length; i += 2) {
    const name = lowerCase(pairs[i]);
    const value = pairs[i + 1];
    if (name === ":method") head.method = head.method === "" ? value : `${head.method},${value}`;
    else if (name === ":path") head.path = head.path === "" ? value : `${head.path},${value}`;
    else if (name === ":authority" || name === "host") head.authority = value;
    else if (name === ":scheme") head.scheme = value === "https" ? "https" : "http";
    else if (name.charCodeAt(0) === 0x3a || !isFieldName(name) || !isFieldValue(value)) return null;
    else head.fields.add(name, value);
  }
  const { method, path, authority } = head;
  if (method === "" || path === "" || authority === "" || hostEnd(authority) < 0) return null;
  return isFieldName(method.replaceAll(",", "")) && isVisible(path) ? head : null;
}
