/** The numbers of HTTP/2's wire format (RFC 9113 sections 4, 6 and 7, RFC 8441 3): frame types, flags, codes. */

/** Length 3, type 1, flags 1, stream 4: bytes in front of each payload. */
export const FRAME_HEADER = 9;

export const Data = 0;
export const Headers = 1;
export const Priority = 2;
export const ResetStream = 3;
export const Settings = 4;
export const PushPromise = 5;
export const Ping = 6;
export const GoAway = 7;
export const WindowUpdate = 8;
export const Continuation = 9;

/** END_STREAM; ACK for SETTINGS and PING. */
export const EndStream = 0x1;
export const Ack = 0x1;
export const EndHeaders = 0x4;
export const Padded = 0x8;
export const HasPriority = 0x20;

export const HeaderTableSize = 1;
export const EnablePush = 2;
export const MaxConcurrentStreams = 3;
export const InitialWindowSize = 4;
export const MaxFrameSize = 5;
export const MaxHeaderListSize = 6;
export const EnableConnectProtocol = 8;

/** The error codes of section 7. */
export const NoError = 0;
export const ProtocolError = 1;
export const InternalError = 2;
export const FlowControlError = 3;
export const SettingsTimeout = 4;
export const StreamClosed = 5;
export const FrameSizeError = 6;
export const RefusedStream = 7;
export const Cancel = 8;
export const CompressionError = 9;
export const ConnectError = 10;
export const EnhanceYourCalm = 11;
export const InadequateSecurity = 12;
export const Http11Required = 13;

const NAMES = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
] as const;

/** An error code by its name, for logs. */
export function errorName(code: number): string {
  return NAMES[code] ?? `0x${code.toString(16)}`;
}

/** MAX_FRAME_SIZE of a peer that says nothing (6.5.2), and its largest, bytes. */
export const DEFAULT_FRAME = 16_384;
export const LARGEST_FRAME = 16_777_215;

/** Windows of a peer that says nothing, and the largest (6.9), bytes. */
export const DEFAULT_WINDOW = 65_535;
export const LARGEST_WINDOW = 0x7fffffff;

/** HEADER_TABLE_SIZE of a peer that says nothing (6.5.2), bytes. */
export const DEFAULT_TABLE = 4096;

/** Stream identifiers have 31 bits. */
export const LARGEST_STREAM = 0x7fffffff;
