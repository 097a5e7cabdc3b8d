/**
 * Access logs: decides by its filter whether a finished stream is logged, has its line formatted, and hands the
 * line to a sink. It does not know the `%…%` language (the formatter is handed in) and never blocks.
 */
import type { AccessLog, SubstitutionFormat } from "../config/model.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import type { LogSink } from "../io/platform.ts";
import {
  type AccessLogContext,
  type AccessLogPredicate,
  compileAccessLogFilter,
} from "./access-log-filter.ts";

/** A compiled format: a line with its newline, from one stream. */
export interface LineFormatter {
  format(info: StreamInfo): string;
}

/** Envoy's default text format. */
export const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% ' +
  "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% " +
  '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** The default format as the model writes it. */
export const DEFAULT_SUBSTITUTION_FORMAT: SubstitutionFormat = {
  kind: "text",
  format: DEFAULT_FORMAT,
  omitEmptyValues: false,
  contentType: "",
};

/** One configured access log. */
export class AccessLogger {
  private readonly accepts: AccessLogPredicate | null;
  private readonly formatter: LineFormatter;
  private readonly sink: LogSink;

  constructor(accepts: AccessLogPredicate | null, formatter: LineFormatter, sink: LogSink) {
    this.accepts = accepts;
    this.formatter = formatter;
    this.sink = sink;
  }

  /** Writes the line of a finished stream (HTTP request or TCP connection), if the filter lets it. */
  log(info: StreamInfo): void {
    if (this.accepts !== null && !this.accepts(info)) return;
    this.sink.write(this.formatter.format(info));
  }
}

/** What compiling an access log needs from elsewhere. */
export interface AccessLogParts extends AccessLogContext {
  compileFormat(format: SubstitutionFormat): LineFormatter;
  openLog(path: string): LogSink;
}

/** Makes the loggers of a listener or filter; an empty list costs nothing per request. */
export function compileAccessLogs(
  logs: readonly AccessLog[],
  parts: AccessLogParts,
): readonly AccessLogger[] {
  return logs.map(
    ({ path, format, filter }) =>
      new AccessLogger(
        filter === null ? null : compileAccessLogFilter(filter, parts),
        parts.compileFormat(format ?? DEFAULT_SUBSTITUTION_FORMAT),
        parts.openLog(path),
      ),
  );
}
