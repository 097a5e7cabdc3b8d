/** The numbers of the proxy-wasm ABI (0.1.0, 0.2.0, 0.2.1). They are the same in all three versions. */

/** What a host function answers. */
export const Ok = 0;
export const NotFound = 1;
export const BadArgument = 2;
export const SerializationFailure = 3;
export const ParseFailure = 4;
export const InvalidMemoryAccess = 6;
export const Empty = 7;
export const CasMismatch = 8;
export const InternalFailure = 10;
export const Unimplemented = 12;

/** Header maps. */
export const RequestHeaders = 0;
export const RequestTrailers = 1;
export const ResponseHeaders = 2;
export const ResponseTrailers = 3;
export const GrpcInitialMetadata = 4;
export const GrpcTrailingMetadata = 5;
export const CallResponseHeaders = 6;
export const CallResponseTrailers = 7;

/** Buffers. */
export const RequestBody = 0;
export const ResponseBody = 1;
export const DownstreamData = 2;
export const UpstreamData = 3;
export const CallResponseBody = 4;
export const GrpcMessage = 5;
export const VmConfiguration = 6;
export const PluginConfiguration = 7;
export const CallData = 8;

/** Streams, as `proxy_continue_stream` names them. */
export const RequestStream = 0;
export const ResponseStream = 1;
export const DownstreamStream = 2;
export const UpstreamStream = 3;

/** Actions after headers; anything else counts as the last one. */
export const HeadersContinue = 0;
export const HeadersStopIteration = 1;
export const HeadersContinueAndEndStream = 2;
export const HeadersStopAllAndBuffer = 3;
export const HeadersStopAllAndWatermark = 4;

/** Actions after body; anything else counts as the last one. */
export const BodyContinue = 0;
export const BodyStopAndBuffer = 1;
export const BodyStopAndWatermark = 2;
export const BodyStopNoBuffer = 3;

/** What a call's token is about, its low two bits (as in Envoy): an HTTP request, a unary call of gRPC, a stream. */
export const HttpToken = 0;
export const UnaryToken = 1;
export const StreamToken = 2;

/** Levels of `proxy_log`. */
export const LOG_LEVELS = ["trace", "debug", "info", "warning", "error", "critical"] as const;

/** Kinds of metrics; the low two bits of a metric's id. */
export const CounterMetric = 0;
export const GaugeMetric = 1;
export const HistogramMetric = 2;

/** Versions by the marker that a module exports. */
export const ABI_VERSIONS = ["0.1.0", "0.2.0", "0.2.1"] as const;
export type AbiVersion = (typeof ABI_VERSIONS)[number];
