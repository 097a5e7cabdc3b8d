/**
 * The functions that a guest exports, looked up once: a callback that is not there is never called. The ABI's own
 * names are at the call sites' ends, so that the rest of the host reads in its own words.
 */

type Call = (...args: number[]) => number;

export interface GuestExports {
  readonly memory: WebAssembly.Memory;
  readonly allocate: Call;
  readonly contextCreate: Call | null;
  readonly vmStart: Call | null;
  readonly configure: Call | null;
  readonly tick: Call | null;
  readonly queueReady: Call | null;
  readonly foreignFunction: Call | null;
  readonly requestHeaders: Call | null;
  readonly requestBody: Call | null;
  readonly requestTrailers: Call | null;
  readonly responseHeaders: Call | null;
  readonly responseBody: Call | null;
  readonly responseTrailers: Call | null;
  readonly newConnection: Call | null;
  readonly downstreamData: Call | null;
  readonly upstreamData: Call | null;
  readonly downstreamClose: Call | null;
  readonly upstreamClose: Call | null;
  readonly httpCallResponse: Call | null;
  readonly grpcInitialMetadata: Call | null;
  readonly grpcReceive: Call | null;
  readonly grpcTrailingMetadata: Call | null;
  readonly grpcClose: Call | null;
  readonly done: Call | null;
  readonly log: Call | null;
  readonly delete: Call | null;
}

/** The callbacks among the exports of an instance; `allowed` may leave some out by their ABI names. */
export function guestExports(exports: WebAssembly.Exports, allowed: (name: string) => boolean): GuestExports {
  const find = (name: string): Call | null => {
    const found = exports[name];
    return typeof found === "function" && allowed(name) ? (found as Call) : null;
  };
  const allocator = exports.proxy_on_memory_allocate ?? exports.malloc;
  return {
    memory: exports.memory as WebAssembly.Memory,
    allocate: allocator as Call,
    contextCreate: find("proxy_on_context_create"),
    vmStart: find("proxy_on_vm_start"),
    configure: find("proxy_on_configure"),
    tick: find("proxy_on_tick"),
    queueReady: find("proxy_on_queue_ready"),
    foreignFunction: find("proxy_on_foreign_function"),
    requestHeaders: find("proxy_on_request_headers"),
    requestBody: find("proxy_on_request_body"),
    requestTrailers: find("proxy_on_request_trailers"),
    responseHeaders: find("proxy_on_response_headers"),
    responseBody: find("proxy_on_response_body"),
    responseTrailers: find("proxy_on_response_trailers"),
    newConnection: find("proxy_on_new_connection"),
    downstreamData: find("proxy_on_downstream_data"),
    upstreamData: find("proxy_on_upstream_data"),
    downstreamClose: find("proxy_on_downstream_connection_close"),
    upstreamClose: find("proxy_on_upstream_connection_close"),
    httpCallResponse: find("proxy_on_http_call_response"),
    grpcInitialMetadata: find("proxy_on_grpc_receive_initial_metadata"),
    grpcReceive: find("proxy_on_grpc_receive"),
    grpcTrailingMetadata: find("proxy_on_grpc_receive_trailing_metadata"),
    grpcClose: find("proxy_on_grpc_close"),
    done: find("proxy_on_done"),
    log: find("proxy_on_log"),
    delete: find("proxy_on_delete"),
  };
}
