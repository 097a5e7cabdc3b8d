/**
 * Access logs: decides by its filter whether a finished stream is logged, has its line formatted, and hands the
 * line to a sink. It does not know the `%…%` language (the formatter is handed in) and never blocks.
 */
import type { AccessLog, SubstitutionFormat } from "../config/model.ts";
import { DEFAULT_LOG_FORMAT } from "../http/formatter.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import type { LogSink } from "../io/platform.ts";
import {
  type AccessLogContext,
  type AccessLogPredicate,
  compileAccessLogFilter,
} from "./access-log-filter.ts";

/** A compiled format: one stream as a line, with its line end. */
export interface LineFormatter {
  format(info: StreamInfo): string;
}

/** Envoy's default line, as the model writes formats. */
const DEFAULT_FORMAT: SubstitutionFormat = {
  kind: "text",
  format: DEFAULT_LOG_FORMAT,
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
  /** Compiles a format that was checked before. A JSON document gets its line end there, a text has its own. */
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
        parts.compileFormat(format ?? DEFAULT_FORMAT),
        parts.openLog(path),
      ),
  );
}
