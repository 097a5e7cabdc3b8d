/** HTTP options that the connection manager and clusters share. */
import type { CommonHttpProtocolOptions, Http1ProtocolOptions } from "../config/model.ts";
import type {
  Http1ProtocolOptions_HeaderKeyFormat,
  Http1ProtocolOptions as Http1ProtocolOptionsMessage,
  HttpProtocolOptions,
} from "./generated/envoy/config/core/v3/protocol_pb.ts";
import type { PreserveCaseFormatterConfig } from "./generated/envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case_pb.ts";
import { openUnpacked, type Reader } from "./reader.ts";
import { headerValue } from "./text-rules.ts";

const PRESERVE_CASE = "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig";

/** Reads what holds for every version of HTTP. */
export function readCommonHttpOptions(reader: Reader<HttpProtocolOptions> | null): CommonHttpProtocolOptions {
  return {
    idleTimeout: reader?.duration("idleTimeout", 3_600_000) ?? 3_600_000,
    maxConnectionDuration: reader?.duration("maxConnectionDuration", 0) ?? 0,
    maxHeadersCount: reader?.number("maxHeadersCount", 100) ?? 100,
    maxStreamDuration: reader?.duration("maxStreamDuration", 0) ?? 0,
    headersWithUnderscoresAction:
      reader?.choice("headersWithUnderscoresAction", ["ALLOW", "REJECT_REQUEST", "DROP_HEADER"]) ?? "ALLOW",
    maxRequestsPerConnection: reader?.number("maxRequestsPerConnection", 0) ?? 0,
  };
}

/** The same for a cluster, where the life of a stream is not limited yet: that is refused, not ignored. */
export function readUpstreamHttpOptions(
  reader: Reader<HttpProtocolOptions> | null,
): CommonHttpProtocolOptions {
  const options = readCommonHttpOptions(reader);
  if (options.maxStreamDuration > 0) reader?.refuse("maxStreamDuration", "max_stream_duration of a cluster");
  return options;
}

/** Reads what holds for HTTP/1. */
export function readHttp1Options(reader: Reader<Http1ProtocolOptionsMessage> | null): Http1ProtocolOptions {
  if (reader === null) {
    return {
      allowAbsoluteUrl: true,
      acceptHttp10: false,
      defaultHostForHttp10: "",
      headerKeyFormat: "DEFAULT",
      enableTrailers: false,
    };
  }
  reader.inert("useBalsaParser"); // chooses between two parsers of Envoy's; this proxy has its own
  const defaultHost = reader.take("defaultHostForHttp10");
  return {
    allowAbsoluteUrl: reader.flag("allowAbsoluteUrl", true),
    acceptHttp10: reader.take("acceptHttp10"),
    defaultHostForHttp10: headerValue(reader.context, defaultHost, reader.at("defaultHostForHttp10")),
    headerKeyFormat: readHeaderKeyFormat(reader.child("headerKeyFormat")),
    enableTrailers: reader.take("enableTrailers"),
  };
}

function readHeaderKeyFormat(
  reader: Reader<Http1ProtocolOptions_HeaderKeyFormat> | null,
): Http1ProtocolOptions["headerKeyFormat"] {
  const chosen = reader?.oneof("headerFormat");
  if (chosen?.case === "properCaseWords") return "PROPER_CASE";
  if (chosen?.case !== "statefulFormatter") return "DEFAULT";
  chosen.value.inert("name");
  const packed = chosen.value.packed();
  const { context } = chosen.value;
  if (openUnpacked<PreserveCaseFormatterConfig>(context, packed, PRESERVE_CASE) !== null) {
    return "PRESERVE_CASE";
  }
  context.faults.refuse(packed.path, packed.typeName);
  return "DEFAULT";
}
