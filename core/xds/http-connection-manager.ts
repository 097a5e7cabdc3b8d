/** The HTTP connection manager of a listener, with every default filled in. */
import { lowerCase } from "../bytes/ascii.ts";
import type {
  ClientCertDetails,
  HttpConnectionManager,
  LocalReplyConfig,
  LocalReplyMapper,
  UpgradeConfig,
} from "../config/model.ts";
import { readAccessLogs, readFilter, readSubstitutionFormat } from "./access-log.ts";
import { readCidrRange } from "./address.ts";
import { readConfigSource } from "./config-source.ts";
import type {
  HttpConnectionManager_InternalAddressConfig,
  HttpConnectionManager_SetCurrentClientCertDetails,
  HttpConnectionManager_UpgradeConfig,
  HttpConnectionManager as HttpConnectionManagerMessage,
  LocalReplyConfig as LocalReplyConfigMessage,
  RequestIDExtension,
  ResponseMapper,
} from "./generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { readHeadersToAdd } from "./header-operations.ts";
import { readHttpFilters } from "./http-filters.ts";
import { readCommonHttpOptions, readHttp1Options } from "./http-options.ts";
import { readHttp2Options } from "./http2-options.ts";
import type { AnyMessage } from "./message.ts";
import type { Reader } from "./reader.ts";
import type { Subscription } from "./resource.ts";
import { readRouteConfiguration } from "./route-configuration.ts";
import { headerValue, readDataSource } from "./text-rules.ts";
import { messageToJson } from "./to-json.ts";
import { versionOf } from "./version.ts";

/** Reads a connection manager; a subscription to its routes, if it has one, is added to `wants`. */
export function readHttpConnectionManager(
  reader: Reader<HttpConnectionManagerMessage>,
  wants: Subscription[],
): HttpConnectionManager {
  const { context } = reader;
  const serverName = headerValue(context, reader.take("serverName"), reader.at("serverName"));
  const stripPort = reader.oneof("stripPortMode");
  const stripMatchingHostPort = reader.take("stripMatchingHostPort");
  const stripAnyHostPort = stripPort.case === "stripAnyHostPort" && stripPort.value;
  if (stripMatchingHostPort && stripAnyHostPort) {
    reader.fault("stripMatchingHostPort", "must not be set beside strip_any_host_port");
  }
  readRequestIdExtension(reader.child("requestIdExtension"));
  const escaped = reader.choice("pathWithEscapedSlashesAction", [
    "IMPLEMENTATION_SPECIFIC_DEFAULT",
    "KEEP_UNCHANGED",
    "REJECT_REQUEST",
    "UNESCAPE_AND_REDIRECT",
    "UNESCAPE_AND_FORWARD",
  ]);
  return {
    kind: "http_connection_manager",
    statPrefix: reader.text("statPrefix"),
    codecType: reader.choice("codecType", ["AUTO", "HTTP1", "HTTP2"]),
    ...readRoutes(reader, wants),
    ...readHttpFilters(reader.children("httpFilters"), context, reader.at("httpFilters"), wants),
    accessLog: readAccessLogs(reader.children("accessLog")),

    useRemoteAddress: reader.flag("useRemoteAddress", false),
    xffNumTrustedHops: reader.take("xffNumTrustedHops"),
    skipXffAppend: reader.take("skipXffAppend"),
    via: headerValue(context, reader.take("via"), reader.at("via")),
    generateRequestId: reader.flag("generateRequestId", true),
    preserveExternalRequestId: reader.take("preserveExternalRequestId"),
    alwaysSetRequestIdInResponse: reader.take("alwaysSetRequestIdInResponse"),
    internalCidrRanges: readInternalAddresses(reader.child("internalAddressConfig")),
    serverName: serverName || "envoy",
    serverHeaderTransformation: reader.choice("serverHeaderTransformation", [
      "OVERWRITE",
      "APPEND_IF_ABSENT",
      "PASS_THROUGH",
    ]),
    schemeToOverwrite: readScheme(reader),
    forwardClientCertDetails: reader.choice("forwardClientCertDetails", [
      "SANITIZE",
      "FORWARD_ONLY",
      "APPEND_FORWARD",
      "SANITIZE_SET",
      "ALWAYS_FORWARD_ONLY",
    ]),
    clientCertDetails: readClientCertDetails(reader.child("setCurrentClientCertDetails")),

    normalizePath: reader.flag("normalizePath", false),
    mergeSlashes: reader.take("mergeSlashes"),
    pathWithEscapedSlashesAction: escaped === "IMPLEMENTATION_SPECIFIC_DEFAULT" ? "KEEP_UNCHANGED" : escaped,
    stripMatchingHostPort,
    stripAnyHostPort,
    stripTrailingHostDot: reader.take("stripTrailingHostDot"),

    requestTimeout: reader.duration("requestTimeout", 0),
    requestHeadersTimeout: reader.duration("requestHeadersTimeout", 0),
    streamIdleTimeout: reader.duration("streamIdleTimeout", 300_000),
    drainTimeout: reader.duration("drainTimeout", 5000),
    delayedCloseTimeout: reader.duration("delayedCloseTimeout", 1000),
    common: readCommonHttpOptions(reader.child("commonHttpProtocolOptions")),
    http1: readHttp1Options(reader.child("httpProtocolOptions")),
    http2: readHttp2Options(reader.child("http2ProtocolOptions")),
    maxRequestHeadersBytes: reader.number("maxRequestHeadersKb", 60) * 1024,
    upgrades: readUpgrades(reader.children("upgradeConfigs")),
    localReply: readLocalReply(reader.child("localReplyConfig")),
    proxy100Continue: reader.take("proxy100Continue"),
  };
}

function readRoutes(
  reader: Reader<HttpConnectionManagerMessage>,
  wants: Subscription[],
): Pick<HttpConnectionManager, "rds" | "routeConfig"> {
  const chosen = reader.oneof("routeSpecifier");
  switch (chosen.case) {
    case "routeConfig": {
      const version = versionOf(messageToJson(chosen.value.message as unknown as AnyMessage));
      return { rds: "", routeConfig: readRouteConfiguration(chosen.value, version, true) };
    }
    case "rds": {
      const rds = chosen.value;
      const name = rds.text("routeConfigName");
      if (name === "") rds.fault("routeConfigName", "must not be empty");
      const source = rds.child("configSource");
      if (source !== null) wants.push({ kind: "RDS", name, ...readConfigSource(source) });
      return { rds: name, routeConfig: null };
    }
    case "scopedRoutes":
      reader.refuseOneof(chosen);
      break;
  }
  return { rds: "", routeConfig: null };
}

const NO_DETAILS: ClientCertDetails = { subject: false, cert: false, chain: false, dns: false, uri: false };

function readClientCertDetails(
  reader: Reader<HttpConnectionManager_SetCurrentClientCertDetails> | null,
): ClientCertDetails {
  if (reader === null) return NO_DETAILS;
  const subject = reader.flag("subject", false);
  const [cert, chain, dns, uri] = (["cert", "chain", "dns", "uri"] as const).map((key) => reader.take(key));
  return { subject, cert, chain, dns, uri };
}

/** UUIDs with Envoy's defaults are what there is. */
function readRequestIdExtension(reader: Reader<RequestIDExtension> | null): void {
  if (reader === null) return;
  const { typeName, any, path } = reader.packed();
  if (any === null) return;
  if (typeName !== "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig") {
    reader.context.faults.refuse(path, typeName);
  } else if (any.message !== null) {
    reader.context.open(any.message, path); // options are read by nobody, so they are refused
  }
}

function readInternalAddresses(
  reader: Reader<HttpConnectionManager_InternalAddressConfig> | null,
): HttpConnectionManager["internalCidrRanges"] {
  return reader === null ? [] : reader.children("cidrRanges").map(readCidrRange);
}

function readScheme(
  reader: Reader<HttpConnectionManagerMessage>,
): HttpConnectionManager["schemeToOverwrite"] {
  const chosen = reader.child("schemeHeaderTransformation")?.oneof("transformation");
  return chosen?.case === "schemeToOverwrite" ? (chosen.value as "http" | "https") : "";
}

function readUpgrades(readers: readonly Reader<HttpConnectionManager_UpgradeConfig>[]): UpgradeConfig[] {
  const seen = new Set<string>();
  return readers.map((reader) => {
    const written = headerValue(reader.context, reader.take("upgradeType"), reader.at("upgradeType"));
    const upgradeType = lowerCase(written);
    if (upgradeType === "") reader.fault("upgradeType", "must not be empty");
    if (seen.has(upgradeType)) reader.fault("upgradeType", `is given twice: ${upgradeType}`);
    seen.add(upgradeType);
    return { upgradeType, enabled: reader.flag("enabled", true), terminateConnect: false };
  });
}

function readLocalReply(reader: Reader<LocalReplyConfigMessage> | null): LocalReplyConfig {
  if (reader === null) return { bodyFormat: null, mappers: [] };
  const bodyFormat = reader.child("bodyFormat");
  return {
    bodyFormat: bodyFormat === null ? null : readSubstitutionFormat(bodyFormat),
    mappers: reader.children("mappers").map(readMapper),
  };
}

function readMapper(reader: Reader<ResponseMapper>): LocalReplyMapper {
  const filter = reader.child("filter");
  const body = reader.child("body");
  const bodyFormat = reader.child("bodyFormatOverride");
  return {
    filter: filter === null ? { kind: "not_health_check" } : readFilter(filter), // reported: it must be set
    status: reader.number("statusCode", null),
    body: body === null ? null : readDataSource(body),
    bodyFormat: bodyFormat === null ? null : readSubstitutionFormat(bodyFormat),
    headersToAdd: readHeadersToAdd(reader.children("headersToAdd")),
  };
}
