/** HTTP/2 options that the connection manager and clusters share. */
import type { Http2Keepalive, Http2ProtocolOptions } from "../config/model.ts";
import type {
  Http2ProtocolOptions as Http2ProtocolOptionsMessage,
  KeepaliveSettings,
} from "./generated/envoy/config/core/v3/protocol_pb.ts";
import type { Reader } from "./reader.ts";

/** What a peer may send ahead unless the configuration says otherwise, bytes: see docs/limits.md. */
const STREAM_WINDOW = 256 * 1024;
const CONNECTION_WINDOW = 4 * 1024 * 1024;

/** Reads what holds for HTTP/2. */
export function readHttp2Options(reader: Reader<Http2ProtocolOptionsMessage> | null): Http2ProtocolOptions {
  // Bounds of our own, which are per time and not per connection, stand in for these (docs/limits.md).
  reader?.inert(
    "useOghttp2Codec",
    "maxOutboundFrames",
    "maxOutboundControlFrames",
    "maxConsecutiveInboundFramesWithEmptyPayload",
    "maxInboundPriorityFramesPerStream",
    "maxInboundWindowUpdateFramesPerDataFrameSent",
    "streamErrorOnInvalidHttpMessaging",
    "overrideStreamErrorOnInvalidHttpMessage",
  );
  return {
    hpackTableSize: reader?.number("hpackTableSize", 4096) ?? 4096,
    maxConcurrentStreams: reader?.number("maxConcurrentStreams", 1024) ?? 1024,
    initialStreamWindowSize: reader?.number("initialStreamWindowSize", STREAM_WINDOW) ?? STREAM_WINDOW,
    initialConnectionWindowSize:
      reader?.number("initialConnectionWindowSize", CONNECTION_WINDOW) ?? CONNECTION_WINDOW,
    allowConnect: reader?.take("allowConnect") ?? false,
    keepalive: readKeepalive(reader?.child("connectionKeepalive") ?? null),
  };
}

function readKeepalive(reader: Reader<KeepaliveSettings> | null): Http2Keepalive | null {
  if (reader === null) return null;
  const jitter = reader.child("intervalJitter");
  return {
    interval: reader.duration("interval", 0),
    timeout: reader.duration("timeout", 0),
    jitter: jitter === null ? 0.15 : jitter.take("value") / 100,
    connectionIdleInterval: reader.duration("connectionIdleInterval", 0),
  };
}
