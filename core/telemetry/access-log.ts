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

/** A compiled format: one stream as text. */
export interface LineFormatter {
  format(info: StreamInfo): string;
}

/** One configured access log. */
export class AccessLogger {
  private readonly accepts: AccessLogPredicate | null;
  private readonly formatter: LineFormatter;
  /** What ends a line: a text format says so itself, a JSON document does not. */
  private readonly end: "" | "\n";
  private readonly sink: LogSink;

  constructor(accepts: AccessLogPredicate | null, formatter: LineFormatter, end: "" | "\n", sink: LogSink) {
    this.accepts = accepts;
    this.formatter = formatter;
    this.end = end;
    this.sink = sink;
  }

  /** Writes the line of a finished stream (HTTP request or TCP connection), if the filter lets it. */
  log(info: StreamInfo): void {
    if (this.accepts !== null && !this.accepts(info)) return;
    this.sink.write(this.formatter.format(info) + this.end);
  }
}

/** What compiling an access log needs from elsewhere. */
export interface AccessLogParts extends AccessLogContext {
  /** Compiles a format that was checked before; null is the default text format. */
  compileFormat(format: SubstitutionFormat | null): LineFormatter;
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
        parts.compileFormat(format),
        format?.kind === "json" ? "\n" : "",
        parts.openLog(path),
      ),
  );
}
