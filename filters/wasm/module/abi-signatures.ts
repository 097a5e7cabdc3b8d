/**
 * The types of the functions on both sides of the Proxy-Wasm ABI (0.1.0, 0.2.0, 0.2.1) and of WASI preview 1.
 * JavaScript does not check them when it links: a guest that declares a 64-bit pointer would make host functions
 * throw on a BigInt. So they are compared before a module is compiled. Which of them the host provides is its own
 * matter.
 */

function repeat(type: string, count: number): string {
  return Array.from({ length: count }, () => type).join(" ");
}

/** Functions that take so many i32 and answer `result`. */
function words(result: string, byCount: { readonly [count: number]: string }): [string, string][] {
  return Object.entries(byCount).flatMap(([count, names]) =>
    names
      .split(/\s+/)
      .map((name): [string, string] => [name, `${repeat("i32", Number(count))} -> ${result}`.trim()]),
  );
}

function named(module: string, signatures: readonly (readonly [string, string])[]): [string, string][] {
  return signatures.map(([name, signature]) => [`${module}.${name}`, signature]);
}

const ENV: readonly [string, string][] = [
  ...words("i32", {
    0: "proxy_continue_request proxy_continue_response proxy_clear_route_cache proxy_done",
    1: `proxy_get_log_level proxy_get_current_time_nanoseconds proxy_set_tick_period_milliseconds
        proxy_continue_stream proxy_close_stream proxy_grpc_cancel proxy_grpc_close proxy_set_effective_context`,
    2: "proxy_get_header_map_size proxy_get_configuration proxy_get_metric pthread_equal",
    3: `proxy_log proxy_remove_header_map_value proxy_get_header_map_pairs proxy_set_header_map_pairs
        proxy_get_buffer_status proxy_get_status proxy_register_shared_queue proxy_enqueue_shared_queue
        proxy_dequeue_shared_queue`,
    4: "proxy_get_property proxy_set_property proxy_grpc_send proxy_define_metric",
    5: `proxy_get_header_map_value proxy_add_header_map_value proxy_replace_header_map_value
        proxy_get_buffer_bytes proxy_set_buffer_bytes proxy_get_shared_data proxy_set_shared_data
        proxy_resolve_shared_queue`,
    6: "proxy_call_foreign_function",
    8: "proxy_send_local_response",
    9: "proxy_grpc_stream",
    10: "proxy_http_call",
    12: "proxy_grpc_call",
  }),
  ["proxy_increment_metric", "i32 i64 -> i32"],
  ["proxy_record_metric", "i32 i64 -> i32"],
  ["emscripten_notify_memory_growth", "i32 ->"],
  ["abort", "i32 i32 i32 i32 ->"],
  ["trace", "i32 i32 f64 f64 f64 f64 f64 ->"],
  ["seed", "-> f64"],
];

const WASI: readonly [string, string][] = [
  ...words("i32", {
    0: "sched_yield",
    1: "fd_close fd_datasync fd_sync proc_raise",
    2: `args_get args_sizes_get environ_get environ_sizes_get clock_res_get fd_fdstat_get fd_fdstat_set_flags
        fd_filestat_get fd_prestat_get fd_renumber fd_tell random_get sock_shutdown`,
    3: `fd_prestat_dir_name path_create_directory path_remove_directory path_unlink_file sock_accept`,
    4: "fd_read fd_write poll_oneoff",
    5: "path_filestat_get path_symlink sock_send",
    6: "path_readlink path_rename sock_recv",
    7: "path_link",
  }),
  ["clock_time_get", "i32 i64 i32 -> i32"],
  ["fd_advise", "i32 i64 i64 i32 -> i32"],
  ["fd_allocate", "i32 i64 i64 -> i32"],
  ["fd_fdstat_set_rights", "i32 i64 i64 -> i32"],
  ["fd_filestat_set_size", "i32 i64 -> i32"],
  ["fd_filestat_set_times", "i32 i64 i64 i32 -> i32"],
  ["fd_pread", "i32 i32 i32 i64 i32 -> i32"],
  ["fd_pwrite", "i32 i32 i32 i64 i32 -> i32"],
  ["fd_readdir", "i32 i32 i32 i64 i32 -> i32"],
  ["fd_seek", "i32 i64 i32 i32 -> i32"],
  ["path_filestat_set_times", "i32 i32 i32 i32 i64 i64 i32 -> i32"],
  ["path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32 -> i32"],
  ["proc_exit", "i32 ->"],
];

/** What a guest may import, as `module.name` → type. */
export const IMPORT_SIGNATURES: ReadonlyMap<string, string> = new Map([
  ...named("env", ENV),
  ...named("wasi_snapshot_preview1", WASI),
  ...named("wasi_unstable", WASI),
]);

const HEADER_CALLBACKS = ["proxy_on_request_headers", "proxy_on_response_headers"];

/**
 * What the host calls in a guest, as name → the types that it may have. The callbacks for headers have no
 * end_of_stream in 0.1.0, but some modules of 0.1.0 declare it; a call with three arguments serves both.
 */
export const CALLBACK_SIGNATURES: ReadonlyMap<string, readonly string[]> = new Map(
  [
    ...words("", {
      0: "_initialize _start",
      1: "proxy_on_tick proxy_on_log proxy_on_delete",
      2: `proxy_on_context_create proxy_on_queue_ready proxy_on_downstream_connection_close
          proxy_on_upstream_connection_close`,
      3: `proxy_on_foreign_function proxy_on_grpc_receive_initial_metadata proxy_on_grpc_receive
          proxy_on_grpc_receive_trailing_metadata proxy_on_grpc_close`,
      5: "proxy_on_http_call_response",
    }),
    ...words("i32", {
      0: "__main_void",
      1: "malloc proxy_on_memory_allocate proxy_on_new_connection proxy_on_done",
      2: `main proxy_on_vm_start proxy_validate_configuration proxy_on_configure proxy_on_request_trailers
          proxy_on_response_trailers proxy_on_request_metadata proxy_on_response_metadata`,
      3: `proxy_on_request_headers proxy_on_response_headers proxy_on_request_body proxy_on_response_body
          proxy_on_downstream_data proxy_on_upstream_data`,
    }),
  ].map(([name, signature]) => [
    name,
    HEADER_CALLBACKS.includes(name) ? [signature, "i32 i32 -> i32"] : [signature],
  ]),
);
