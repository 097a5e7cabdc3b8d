/**
 * What a filter may import so that it loads in Envoy: the host functions of proxy-wasm ABI 0.2.1, and of WASI, which
 * Envoy has too, the source of random numbers, which the ABI lacks.
 */
const ALLOWED: ReadonlySet<string> = new Set([
  "proxy_log",
  "proxy_get_log_level",
  "proxy_get_current_time_nanoseconds",
  "proxy_set_tick_period_milliseconds",
  "proxy_get_property",
  "proxy_set_property",
  "proxy_get_header_map_value",
  "proxy_add_header_map_value",
  "proxy_replace_header_map_value",
  "proxy_remove_header_map_value",
  "proxy_get_header_map_pairs",
  "proxy_set_header_map_pairs",
  "proxy_get_header_map_size",
  "proxy_get_buffer_bytes",
  "proxy_get_buffer_status",
  "proxy_set_buffer_bytes",
  "proxy_continue_stream",
  "proxy_close_stream",
  "proxy_send_local_response",
  "proxy_http_call",
  "proxy_grpc_call",
  "proxy_grpc_stream",
  "proxy_grpc_send",
  "proxy_grpc_cancel",
  "proxy_grpc_close",
  "proxy_get_status",
  "proxy_get_shared_data",
  "proxy_set_shared_data",
  "proxy_register_shared_queue",
  "proxy_resolve_shared_queue",
  "proxy_enqueue_shared_queue",
  "proxy_dequeue_shared_queue",
  "proxy_define_metric",
  "proxy_increment_metric",
  "proxy_record_metric",
  "proxy_get_metric",
  "proxy_set_effective_context",
  "proxy_done",
  "proxy_call_foreign_function",
]);

const RANDOM = "wasi_snapshot_preview1.random_get";

/** A sentence for each import that Envoy lacks. */
export function importFaults(module: WebAssembly.Module): string[] {
  return WebAssembly.Module.imports(module)
    .filter(({ module: from, name, kind }) => {
      const isKnown = from === "env" ? ALLOWED.has(name) : `${from}.${name}` === RANDOM;
      return kind !== "function" || !isKnown;
    })
    .map(({ module: from, name }) => `imports ${from}.${name}, which Envoy lacks`);
}
