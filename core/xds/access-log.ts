/** Access logs, their filters and `%…%` formats. */
import { utf8ByteString } from "../bytes/ascii.ts";
import type { AccessLog, AccessLogFilter, Comparison, Json, SubstitutionFormat } from "../config/model.ts";
import type {
  AccessLogFilter as AccessLogFilterMessage,
  AccessLog as AccessLogMessage,
  ComparisonFilter,
} from "./generated/envoy/config/accesslog/v3/accesslog_pb.ts";
import type { SubstitutionFormatString } from "./generated/envoy/config/core/v3/substitution_format_string_pb.ts";
import type { FileAccessLog } from "./generated/envoy/extensions/access_loggers/file/v3/file_pb.ts";
import type {
  StderrAccessLog,
  StdoutAccessLog,
} from "./generated/envoy/extensions/access_loggers/stream/v3/stream_pb.ts";
import { readFraction, readHeaderMatcher } from "./matchers.ts";
import { openUnpacked, type Reader } from "./reader.ts";
import { formatJson, formatText, headerValue, readDataSource } from "./text-rules.ts";

const FILE = "envoy.extensions.access_loggers.file.v3.FileAccessLog";
const STDOUT = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
const STDERR = "envoy.extensions.access_loggers.stream.v3.StderrAccessLog";

/** Reads a list of access logs. */
export function readAccessLogs(readers: readonly Reader<AccessLogMessage>[]): AccessLog[] {
  return readers.map(readAccessLog);
}

function readAccessLog(reader: Reader<AccessLogMessage>): AccessLog {
  reader.inert("name"); // a label; the type says which logger it is
  const filter = reader.child("filter");
  const sink = readSink(reader);
  return { ...sink, filter: filter === null ? null : readFilter(filter) };
}

function readSink(reader: Reader<AccessLogMessage>): { path: string; format: SubstitutionFormat | null } {
  const { context } = reader;
  const at = reader.packed();
  const file = openUnpacked<FileAccessLog>(context, at, FILE);
  if (file !== null) return { path: file.take("path"), format: readFileFormat(file) };
  const stream =
    openUnpacked<StdoutAccessLog>(context, at, STDOUT) ?? openUnpacked<StderrAccessLog>(context, at, STDERR);
  if (stream !== null) {
    const chosen = (stream as Reader<StdoutAccessLog>).oneof("accessLogFormat");
    const format = chosen.case === undefined ? null : readSubstitutionFormat(chosen.value);
    return { path: at.typeName === STDOUT ? "/dev/stdout" : "/dev/stderr", format };
  }
  if (at.any !== null) context.faults.refuse(at.path, at.typeName);
  else context.faults.add(at.path, "must be set");
  return { path: "", format: null };
}

function readFileFormat(reader: Reader<FileAccessLog>): SubstitutionFormat | null {
  const { context } = reader;
  const chosen = reader.oneof("accessLogFormat");
  switch (chosen.case) {
    case undefined:
      return null;
    case "logFormat":
      return readSubstitutionFormat(chosen.value);
    case "format": {
      const format = formatText(context, chosen.value, chosen.path);
      return { kind: "text", format, omitEmptyValues: false, contentType: "text/plain" };
    }
    default: {
      const format = formatJson(context, chosen.value as Json, chosen.path);
      return { kind: "json", format, omitEmptyValues: false, contentType: "application/json" };
    }
  }
}

/** Reads a `%…%` format. */
export function readSubstitutionFormat(reader: Reader<SubstitutionFormatString>): SubstitutionFormat {
  const { context } = reader;
  const omitEmptyValues = reader.take("omitEmptyValues");
  const contentType = headerValue(context, reader.take("contentType"), reader.at("contentType"));
  const chosen = reader.oneof("format");
  switch (chosen.case) {
    case "jsonFormat": {
      const format = formatJson(context, chosen.value as Json, chosen.path);
      return { kind: "json", format, omitEmptyValues, contentType: contentType || "application/json" };
    }
    case "textFormat":
    case "textFormatSource": {
      const text = chosen.case === "textFormat" ? utf8ByteString(chosen.value) : readDataSource(chosen.value);
      const why = context.checks.checkFormat?.(text) ?? "";
      if (why !== "") context.faults.add(chosen.path, why);
      return { kind: "text", format: text, omitEmptyValues, contentType: contentType || "text/plain" };
    }
    case undefined:
      return { kind: "text", format: "", omitEmptyValues, contentType: "text/plain" };
  }
}

/** Reads what decides whether a line is written. */
export function readFilter(reader: Reader<AccessLogFilterMessage>): AccessLogFilter {
  const chosen = reader.oneof("filterSpecifier");
  switch (chosen.case) {
    case "statusCodeFilter":
      return { kind: "status_code", comparison: readComparison(chosen.value.child("comparison")) };
    case "durationFilter":
      return { kind: "duration", comparison: readComparison(chosen.value.child("comparison")) };
    case "notHealthCheckFilter":
      return { kind: "not_health_check" };
    case "traceableFilter":
      return { kind: "traceable" };
    case "runtimeFilter": {
      const { value } = chosen;
      return {
        kind: "runtime",
        fraction: readFraction(value.child("percentSampled"), value.text("runtimeKey")),
      };
    }
    case "andFilter":
      return { kind: "and", filters: chosen.value.children("filters").map(readFilter) };
    case "orFilter":
      return { kind: "or", filters: chosen.value.children("filters").map(readFilter) };
    case "headerFilter": {
      const header = chosen.value.child("header");
      if (header === null) return { kind: "not_health_check" }; // reported: `header` must be set
      return { kind: "header", header: readHeaderMatcher(header) };
    }
    case "responseFlagFilter":
      return { kind: "response_flag", flags: chosen.value.take("flags") };
    case undefined:
      return { kind: "not_health_check" }; // reported: one of … must be set
    default:
      reader.refuseOneof(chosen);
      return { kind: "not_health_check" };
  }
}

function readComparison(reader: Reader<ComparisonFilter> | null): Comparison {
  if (reader === null) return { op: "EQ", value: 0, runtimeKey: "" };
  const op = reader.choice("op", ["EQ", "GE", "LE"]);
  const value = reader.child("value");
  if (value === null) return { op, value: 0, runtimeKey: "" };
  return { op, value: value.take("defaultValue"), runtimeKey: value.text("runtimeKey") };
}
