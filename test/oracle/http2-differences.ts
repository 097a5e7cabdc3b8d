/** What is different over HTTP/2 on purpose, for docs/differences-from-envoy.md. The oracle does not speak HTTP/2 yet. */
export const http2Differences: readonly (readonly [title: string, reason: string])[] = [
  [
    "Windows are smaller",
    "A stream may have 256 KiB on their way, a connection 4 MiB; in Envoy 16 MiB and 24 MiB. What a peer may send ahead is what it can make a proxy hold, on every connection. For one long upload over a slow and distant line a larger `initial_stream_window_size` is faster.",
  ],
  [
    "A malformed message ends its stream, not its connection",
    "RFC 9113 8.1.1 makes it a stream error. Envoy closes the connection, with all other streams, unless `override_stream_error_on_invalid_http_message` is set. Here the connection ends when there are too many (docs/limits.md).",
  ],
  [
    "A head that is too large gets 431, and a path that is too long 414",
    "Envoy resets the stream, and the client never learns why.",
  ],
  [
    "Floods are bounded by time and by the work done",
    "`max_outbound_frames`, `max_outbound_control_frames`, `max_consecutive_inbound_frames_with_empty_payload`, `max_inbound_priority_frames_per_stream` and `max_inbound_window_update_frames_per_data_frame_sent` are taken and mean nothing; docs/limits.md says what stands for them. A connection is drained at three quarters of a bound, and learns ENHANCE_YOUR_CALM; the statistics are Envoy's.",
  ],
  [
    "A client that does not read its answers is not read from",
    "Envoy ends such a connection when 10 000 frames wait. Here reading pauses while 256 KiB of heads wait, and goes on when they have left; after the stream idle timeout the connection is cut.",
  ],
  [
    "A long good life buys no attack",
    "Half of the streams of a connection may be reset prematurely, as in Envoy, but the oldest are forgotten: of the last thousand, not of all that ever were.",
  ],
  [
    "A header block that does not end in time ends the connection",
    "Behind the first frame of a block nothing but the rest may come (RFC 9113 6.10): a 408, as Envoy sends it, would leave a connection that nobody can use.",
  ],
  ["A Host that is another than `:authority` is malformed", "RFC 9113 8.3.1. Envoy forwards such a request."],
  ["CONNECT names a port", "RFC 9113 8.5. Without one it is malformed, as over HTTP/1."],
  [
    "What follows a request for another protocol waits for the upstream's word",
    "It is kept, up to 64 KiB, and goes on when the upstream has agreed (CVE-2026-73548).",
  ],
];
