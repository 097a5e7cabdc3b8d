/** The numbers of proxy-wasm ABI 0.2.1, by their names. */

/** What a host function answers. */
export enum Status {
  Ok = 0,
  NotFound = 1,
  BadArgument = 2,
  SerializationFailure = 3,
  ParseFailure = 4,
  InvalidMemoryAccess = 6,
  Empty = 7,
  CasMismatch = 8,
  InternalFailure = 10,
  Unimplemented = 12,
}

/** What a callback for headers, a body, trailers or data answers. */
export enum Action {
  Continue = 0,
  /** Hold this part, and what follows, until `continueRequest` or `continueResponse`; a body is kept whole. */
  Pause = 1,
}

/** Of log lines. Beyond `Critical` the host refuses them. */
export enum LogLevel {
  Trace = 0,
  Debug = 1,
  Info = 2,
  Warn = 3,
  Error = 4,
  Critical = 5,
}

/** What `proxy_continue_stream` and `proxy_close_stream` act on. */
export enum StreamType {
  Request = 0,
  Response = 1,
  Downstream = 2,
  Upstream = 3,
}

/** Header maps; see `HeaderMap`. */
export enum MapType {
  RequestHeaders = 0,
  RequestTrailers = 1,
  ResponseHeaders = 2,
  ResponseTrailers = 3,
  GrpcInitialMetadata = 4,
  GrpcTrailingMetadata = 5,
  HttpCallResponseHeaders = 6,
  HttpCallResponseTrailers = 7,
}

/** Buffers; see `HostBuffer`. */
export enum BufferType {
  RequestBody = 0,
  ResponseBody = 1,
  DownstreamData = 2,
  UpstreamData = 3,
  HttpCallResponseBody = 4,
  GrpcMessage = 5,
  VmConfiguration = 6,
  PluginConfiguration = 7,
  CallData = 8,
}

/** Who closed a connection. */
export enum Peer {
  Unknown = 0,
  Local = 1,
  Remote = 2,
}
