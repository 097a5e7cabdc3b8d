/**
 * The host functions of proxy-wasm ABI 0.2.1, as the host exports them: AssemblyScript takes a file's name for the
 * name of the imported module, hence `env`. Only what a filter really calls ends up in its import list.
 *
 * Conventions: every function answers a `Status`; `(p, n)` is a range of our memory that the host reads during the
 * call; `returnP, returnN` are two addresses where the host writes the place and size of bytes that it gave us
 * through `proxy_on_memory_allocate`. There is no import here that Envoy lacks.
 */
export declare function proxy_log(level: i32, p: usize, n: usize): i32;
export declare function proxy_get_log_level(returnLevel: usize): i32;
export declare function proxy_get_current_time_nanoseconds(returnTime: usize): i32;
export declare function proxy_set_tick_period_milliseconds(period: u32): i32;

export declare function proxy_get_property(pathP: usize, pathN: usize, returnP: usize, returnN: usize): i32;
export declare function proxy_set_property(pathP: usize, pathN: usize, valueP: usize, valueN: usize): i32;

export declare function proxy_get_header_map_value(
  map: i32,
  keyP: usize,
  keyN: usize,
  returnP: usize,
  returnN: usize,
): i32;
export declare function proxy_add_header_map_value(
  map: i32,
  keyP: usize,
  keyN: usize,
  valueP: usize,
  valueN: usize,
): i32;
export declare function proxy_replace_header_map_value(
  map: i32,
  keyP: usize,
  keyN: usize,
  valueP: usize,
  valueN: usize,
): i32;
export declare function proxy_remove_header_map_value(map: i32, keyP: usize, keyN: usize): i32;
export declare function proxy_get_header_map_pairs(map: i32, returnP: usize, returnN: usize): i32;
export declare function proxy_set_header_map_pairs(map: i32, p: usize, n: usize): i32;

export declare function proxy_get_buffer_bytes(
  buffer: i32,
  start: u32,
  max: u32,
  returnP: usize,
  returnN: usize,
): i32;
export declare function proxy_get_buffer_status(buffer: i32, returnSize: usize, returnFlags: usize): i32;
export declare function proxy_set_buffer_bytes(buffer: i32, start: u32, length: u32, p: usize, n: usize): i32;

export declare function proxy_continue_stream(type: i32): i32;
export declare function proxy_close_stream(type: i32): i32;
export declare function proxy_send_local_response(
  status: u32,
  detailsP: usize,
  detailsN: usize,
  bodyP: usize,
  bodyN: usize,
  headersP: usize,
  headersN: usize,
  grpcStatus: i32,
): i32;

export declare function proxy_http_call(
  clusterP: usize,
  clusterN: usize,
  headersP: usize,
  headersN: usize,
  bodyP: usize,
  bodyN: usize,
  trailersP: usize,
  trailersN: usize,
  timeout: u32,
  returnToken: usize,
): i32;

export declare function proxy_grpc_call(
  serviceP: usize,
  serviceN: usize,
  nameP: usize,
  nameN: usize,
  methodP: usize,
  methodN: usize,
  metadataP: usize,
  metadataN: usize,
  messageP: usize,
  messageN: usize,
  timeout: u32,
  returnToken: usize,
): i32;

export declare function proxy_grpc_stream(
  serviceP: usize,
  serviceN: usize,
  nameP: usize,
  nameN: usize,
  methodP: usize,
  methodN: usize,
  metadataP: usize,
  metadataN: usize,
  returnToken: usize,
): i32;

export declare function proxy_grpc_send(token: u32, messageP: usize, messageN: usize, end: i32): i32;

export declare function proxy_grpc_close(token: u32): i32;

export declare function proxy_grpc_cancel(token: u32): i32;

export declare function proxy_get_status(returnCode: usize, returnP: usize, returnN: usize): i32;

export declare function proxy_get_shared_data(
  keyP: usize,
  keyN: usize,
  returnP: usize,
  returnN: usize,
  returnCas: usize,
): i32;
export declare function proxy_set_shared_data(
  keyP: usize,
  keyN: usize,
  valueP: usize,
  valueN: usize,
  cas: u32,
): i32;
export declare function proxy_register_shared_queue(nameP: usize, nameN: usize, returnId: usize): i32;
export declare function proxy_resolve_shared_queue(
  vmP: usize,
  vmN: usize,
  nameP: usize,
  nameN: usize,
  returnId: usize,
): i32;
export declare function proxy_enqueue_shared_queue(id: u32, p: usize, n: usize): i32;
export declare function proxy_dequeue_shared_queue(id: u32, returnP: usize, returnN: usize): i32;

export declare function proxy_define_metric(type: i32, nameP: usize, nameN: usize, returnId: usize): i32;
export declare function proxy_increment_metric(id: u32, delta: i64): i32;
export declare function proxy_record_metric(id: u32, value: u64): i32;
export declare function proxy_get_metric(id: u32, returnValue: usize): i32;

export declare function proxy_set_effective_context(context: u32): i32;
export declare function proxy_done(): i32;
export declare function proxy_call_foreign_function(
  nameP: usize,
  nameN: usize,
  argumentsP: usize,
  argumentsN: usize,
  returnP: usize,
  returnN: usize,
): i32;
