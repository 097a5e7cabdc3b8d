/**
 * gRPC calls of guests (proxy-wasm.md 1.2 and "Observed"). The low two bits of a token say what it is about, as in Envoy:
 * 0 an HTTP call, 1 a unary call, 2 a stream.
 */
import { lowerCase, toBytes } from "../../../core/bytes/ascii.ts";
import { toBase64 } from "../../../core/bytes/base64.ts";
import { hostEnd, isVisible } from "../../../core/http/authority.ts";
import { isFieldName, isFieldValue } from "../../../core/http/fields.ts";
import { formatGrpcTimeout } from "../../../core/http/grpc.ts";
import { RequestHead } from "../../../core/http/head.ts";
import { idOf, known } from "../../../core/http/names.ts";
import { OWN_FIELDS } from "../../../core/http/own-fields.ts";
import {
  BadArgument,
  InternalFailure,
  InvalidMemoryAccess,
  NotFound,
  Ok,
  ParseFailure,
  StreamToken,
  UnaryToken,
} from "../abi.ts";
import { bytesOfHead, CALL_WORK, MAX_CALL_HEAD, MESSAGE_WORK } from "../call-room.ts";
import { type GrpcCall, MAX_MESSAGE } from "../grpc/grpc-call.ts";
import { type GrpcService, OtherClient, readGrpcService } from "../grpc/grpc-service.ts";
import { readPairs } from "../pairs.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

/** Of a service's description, a service's and a method's name, bytes. */
const MAX_SERVICE = 64 * 1024;
const MAX_NAME = 4096;

/** What a call says of itself, beside what belongs to its connection: metadata of these names is left out. */
const OWN: ReadonlySet<string> = new Set(["content-type", "grpc-timeout", "trailer", "expect"]);

const INTERNAL = known("x-envoy-internal");
const EXPECTED_TIMEOUT = known("x-envoy-expected-rq-timeout-ms");

/** Bytes that a guest names. */
interface Range {
  readonly at: number;
  readonly size: number;
}

function range(at: number, size: number): Range {
  return { at: at >>> 0, size: size >>> 0 };
}

export function grpcFunctions(vm: WasmVm): HostFunctions {
  const { memory } = vm;

  /** Begins a call; all numbers are unsigned. A status, or the call. */
  function begin(
    service: Range,
    name: Range,
    method: Range,
    metadata: Range,
    tokenAt: number,
    timeout: number,
    kind: number,
  ): number | GrpcCall {
    if (memory.closed) return InternalFailure;
    const isThere = ({ at, size }: Range): boolean => memory.has(at, size);
    if (![service, name, method, metadata].every(isThere) || !memory.has(tokenAt, 4))
      return InvalidMemoryAccess;
    memory.spend(CALL_WORK);
    const { context } = vm;
    if (context === null) return InternalFailure;
    if (service.size > MAX_SERVICE || name.size + method.size > MAX_NAME) return InternalFailure;
    const { callouts } = vm.host.context;
    const target = readGrpcService(memory.text(service.at, service.size));
    if (target === OtherClient) {
      vm.log("error", "a gRPC service has to be reached by envoy_grpc: there is no google_grpc");
      return ParseFailure;
    }
    if (!callouts.has(target.cluster)) return target.described ? InternalFailure : ParseFailure;
    const path = `/${memory.text(name.at, name.size)}/${memory.text(method.at, method.size)}`;
    // What cannot be read is no metadata (Envoy).
    const head = headOf(target, path, readPairs(memory, metadata.at, metadata.size) ?? []);
    if (head === null) return InternalFailure;
    // What Envoy says of calls of its own, whatever the guest has said of them.
    head.fields.setId(INTERNAL, "true");
    if (timeout > 0) {
      head.fields.setId(EXPECTED_TIMEOUT, String(timeout));
      head.fields.add("grpc-timeout", formatGrpcTimeout(timeout));
    }
    const bytes = bytesOfHead(head);
    if (bytes > MAX_CALL_HEAD) return InternalFailure;
    const { root } = context;
    const token = root.newToken(kind);
    if (token === 0) return InternalFailure;
    // Texts of the head may be parts of the description.
    const held = bytes + service.size;
    const call = root.grpc.begin(token, kind === UnaryToken, target.maxMessage, held, (sink) => {
      const opened = callouts.open(target.cluster, head, timeout, sink);
      return typeof opened === "number" ? null : opened;
    });
    if (call === null) return InternalFailure;
    memory.putU32(tokenAt, token);
    return call;
  }

  /** The call that a token names, or the status that says why there is none; `asked`: a kind of which it may be. */
  function find(token: number, asked: number): number | GrpcCall {
    if (memory.closed || vm.context === null) return InternalFailure;
    const kind = token & 3;
    if (kind !== StreamToken && kind !== asked) return BadArgument;
    return vm.context.root.grpc.find(token) ?? NotFound;
  }

  function cancel(call: GrpcCall): number {
    vm.context?.root.grpc.cancel(call);
    return Ok;
  }

  return {
    proxy_grpc_call(
      service: number,
      serviceSize: number,
      name: number,
      nameSize: number,
      method: number,
      methodSize: number,
      metadata: number,
      metadataSize: number,
      message: number,
      messageSize: number,
      timeout: number,
      tokenAt: number,
    ) {
      const [from, size] = [message >>> 0, messageSize >>> 0];
      if (!memory.has(from, size)) return InvalidMemoryAccess;
      if (size > MAX_MESSAGE) return InternalFailure;
      const call = begin(
        range(service, serviceSize),
        range(name, nameSize),
        range(method, methodSize),
        range(metadata, metadataSize),
        tokenAt >>> 0,
        timeout >>> 0,
        UnaryToken,
      );
      if (typeof call === "number") return call;
      call.send(memory.view().subarray(from, from + size), true);
      return Ok;
    },

    proxy_grpc_stream(
      service: number,
      serviceSize: number,
      name: number,
      nameSize: number,
      method: number,
      methodSize: number,
      metadata: number,
      metadataSize: number,
      tokenAt: number,
    ) {
      const call = begin(
        range(service, serviceSize),
        range(name, nameSize),
        range(method, methodSize),
        range(metadata, metadataSize),
        tokenAt >>> 0,
        0,
        StreamToken,
      );
      return typeof call === "number" ? call : Ok;
    },

    proxy_grpc_send(token: number, message: number, messageSize: number, end: number) {
      const [from, size] = [message >>> 0, messageSize >>> 0];
      if (!memory.has(from, size)) return memory.closed ? InternalFailure : InvalidMemoryAccess;
      memory.spend(MESSAGE_WORK);
      const call = find(token >>> 0, StreamToken);
      if (typeof call === "number") return call;
      if (size > MAX_MESSAGE) return BadArgument;
      call.send(memory.view().subarray(from, from + size), end !== 0);
      return Ok;
    },

    /** The guest sends nothing more; of a unary call, which has sent all it had, it means to give it up (Envoy). */
    proxy_grpc_close(token: number) {
      const call = find(token >>> 0, UnaryToken);
      if (typeof call === "number") return call;
      if (call.unary || call.isOver) return cancel(call);
      call.end();
      return Ok;
    },

    proxy_grpc_cancel(token: number) {
      const call = find(token >>> 0, UnaryToken);
      return typeof call === "number" ? call : cancel(call);
    },

    /** How the call went whose end is being told; what went wrong with an HTTP call is in its answer. */
    proxy_get_status(codeAt: number, messageAt: number, sizeAt: number) {
      if (memory.closed) return InternalFailure;
      if (!memory.has(codeAt >>> 0, 4)) return InvalidMemoryAccess;
      const calls = vm.context === null ? null : vm.context.root.grpc;
      memory.putU32(codeAt >>> 0, calls === null ? 0 : calls.shownStatus);
      const message = calls === null ? "" : calls.shownStatusMessage;
      return memory.giveText(message, messageAt >>> 0, sizeAt >>> 0) ? Ok : InvalidMemoryAccess;
    },
  };
}

/** The head of a call, or null if it cannot be sent. Values of names that end in "-bin" are bytes, and go as base64. */
function headOf(target: GrpcService, path: string, pairs: readonly string[]): RequestHead | null {
  const head = new RequestHead();
  head.method = "POST";
  head.path = path;
  const { authority, cluster } = target;
  head.authority = authority === "" ? cluster : authority;
  // The name of a cluster is the operator's, and may be no host ("outbound|80||shop").
  if (!isVisible(path) || (authority === "" ? !isVisible(cluster) : hostEnd(authority) < 0)) return null;
  head.fields.add("content-type", "application/grpc");
  const add = (given: string, value: string): boolean => {
    const name = lowerCase(given);
    if (name.charCodeAt(0) === 0x3a || OWN.has(name) || OWN_FIELDS[idOf(name)] === 1) return true;
    const text = name.endsWith("-bin") ? toBase64(toBytes(value)) : value;
    if (!isFieldName(name) || !isFieldValue(text)) return false;
    head.fields.add(name, text);
    return true;
  };
  for (const [name, value] of target.metadata) if (!add(name, value)) return null;
  for (let i = 0; i < pairs.length; i += 2) if (!add(pairs[i], pairs[i + 1])) return null;
  return head;
}
