/** Active health checks: `health_checks` of a cluster and `health_check_config` of an endpoint, every default filled in. */
import { HEX, latin1, utf8ByteString } from "../bytes/ascii.ts";
import type {
  EndpointHealthCheck,
  GrpcQuestion,
  HealthCheck,
  HealthEvents,
  HttpQuestion,
  StatusRange,
  TcpQuestion,
} from "../config/health-check.ts";
import type { Cluster } from "../config/model.ts";
import { readAddress } from "./address.ts";
import type { Cluster as ClusterMessage } from "./generated/envoy/config/cluster/v3/cluster_pb.ts";
import type {
  HealthCheck_GrpcHealthCheck,
  HealthCheck_HttpHealthCheck,
  HealthCheck_Payload,
  HealthCheck_TcpHealthCheck,
  HealthCheck as HealthCheckMessage,
} from "./generated/envoy/config/core/v3/health_check_pb.ts";
import type { Endpoint_HealthCheckConfig } from "./generated/envoy/config/endpoint/v3/endpoint_components_pb.ts";
import type { HealthCheckEventFileSink } from "./generated/envoy/extensions/health_check/event_sinks/file/v3/file_pb.ts";
import type { Int64Range } from "./generated/envoy/type/v3/range_pb.ts";
import { readHeadersToAdd, readRemovals } from "./header-operations.ts";
import { readHttp2Options } from "./http2-options.ts";
import { readStringMatcher } from "./matchers.ts";
import { openUnpacked, type Reader } from "./reader.ts";
import { checkTarget, headerValue } from "./text-rules.ts";

type HealthFields = Pick<
  Cluster,
  "healthCheck" | "ignoreNewUntilChecked" | "ignoreHealthOnRemoval" | "closeOnFailure"
>;
const FILE_SINK = "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink";
const NO_TRAFFIC_INTERVAL = 60_000;
const RESPONSE_BUFFER_SIZE = 1024;
/** Methods whose requests have a body. */
const WITH_BODY = ["POST", "PUT", "PATCH", "OPTIONS"];

/**
 * Reads what a cluster says about the health of its endpoints, which is nothing without checks; `http2`: what it speaks
 * HTTP/2 with, if it does.
 */
export function readHealth(
  reader: Reader<ClusterMessage>,
  http2: Cluster["http2"],
  ignoreNewUntilChecked: boolean,
): HealthFields {
  const checks = reader.children("healthChecks");
  const fields = {
    ignoreNewUntilChecked,
    ignoreHealthOnRemoval: reader.take("ignoreHealthOnHostRemoval"),
    closeOnFailure: reader.take("closeConnectionsOnHostHealthFailure"),
  };
  if (checks.length > 1) reader.refuse("healthChecks", "more than one health check");
  return checks.length === 0 ? {} : { healthCheck: readHealthCheck(checks[0], http2), ...fields };
}

function readHealthCheck(reader: Reader<HealthCheckMessage>, http2: Cluster["http2"]): HealthCheck {
  reader.inert("altPort"); // nor does Envoy act on it
  const interval = reader.duration("interval", 0);
  const noTrafficInterval = reader.duration("noTrafficInterval", NO_TRAFFIC_INTERVAL);
  const unhealthyInterval = reader.duration("unhealthyInterval", interval);
  const tls = reader.child("tlsOptions");
  return {
    timeout: reader.duration("timeout", 0),
    interval,
    initialJitter: reader.duration("initialJitter", 0),
    intervalJitter: reader.duration("intervalJitter", 0),
    intervalJitterPercent: reader.take("intervalJitterPercent"),
    unhealthyThreshold: reader.number("unhealthyThreshold", 1),
    healthyThreshold: reader.number("healthyThreshold", 1),
    reuseConnection: reader.flag("reuseConnection", true),
    noTrafficInterval,
    noTrafficHealthyInterval: reader.duration("noTrafficHealthyInterval", noTrafficInterval),
    unhealthyInterval,
    unhealthyEdgeInterval: reader.duration("unhealthyEdgeInterval", unhealthyInterval),
    healthyEdgeInterval: reader.duration("healthyEdgeInterval", interval),
    alpn: tls === null ? null : tls.take("alpnProtocols").map(utf8ByteString),
    question: readQuestion(reader, http2),
    events: readEvents(reader),
  };
}

function readQuestion(reader: Reader<HealthCheckMessage>, http2: Cluster["http2"]): HealthCheck["question"] {
  const chosen = reader.oneof("healthChecker");
  switch (chosen.case) {
    case "httpHealthCheck":
      return readHttp(chosen.value, http2);
    case "tcpHealthCheck":
      return readTcp(chosen.value);
    case "grpcHealthCheck":
      if (http2 === null) chosen.value.faultHere("needs a cluster that speaks HTTP/2");
      return readGrpc(chosen.value, http2);
    case "customHealthCheck":
      reader.refuseOneof(chosen);
  }
  return { kind: "TCP", send: "", receive: [] };
}

function readHttp(reader: Reader<HealthCheck_HttpHealthCheck>, http2: Cluster["http2"]): HttpQuestion {
  const { context } = reader;
  const codec = reader.choice("codecClientType", ["HTTP1", "HTTP2"]);
  const method = readMethod(reader);
  const path = reader.text("path");
  checkTarget(context, path, reader.at("path"));
  const payload = readPayload(reader.child("send"));
  if (payload !== "" && !WITH_BODY.includes(method)) {
    reader.fault("send", `a request of method ${method} has no body`);
  }
  const receive = reader.children("receive").map(readPayload);
  const bodyLimit = Number(reader.take("responseBufferSize") ?? RESPONSE_BUFFER_SIZE);
  const expected = receive.reduce((sum, block) => sum + block.length, 0);
  if (bodyLimit > 0 && expected > bodyLimit) {
    reader.fault("receive", `is longer (${expected}) than response_buffer_size (${bodyLimit})`);
  }
  const statuses = readRanges(reader.children("expectedStatuses"));
  const matcher = reader.child("serviceNameMatcher");
  return {
    kind: "HTTP",
    http2: codec === "HTTP1" ? null : (http2 ?? readHttp2Options(null)),
    method,
    host: headerValue(context, reader.take("host"), reader.at("host")),
    path,
    payload,
    receive,
    bodyLimit,
    headersToAdd: readHeadersToAdd(reader.children("requestHeadersToAdd")),
    headersToRemove: readRemovals(
      context,
      reader.take("requestHeadersToRemove"),
      reader.at("requestHeadersToRemove"),
    ),
    expected: statuses.length === 0 ? [{ start: 200, end: 201 }] : statuses,
    retriable: readRanges(reader.children("retriableStatuses")),
    serviceName: matcher === null ? null : readStringMatcher(matcher),
  };
}

function readMethod(reader: Reader<HealthCheck_HttpHealthCheck>): string {
  const method = reader.choice("method", [
    "METHOD_UNSPECIFIED",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "CONNECT", // which the API's own rules forbid
  ]);
  return method === "METHOD_UNSPECIFIED" ? "GET" : method;
}

function readTcp(reader: Reader<HealthCheck_TcpHealthCheck>): TcpQuestion {
  return {
    kind: "TCP",
    send: readPayload(reader.child("send")),
    receive: reader.children("receive").map(readPayload),
  };
}

function readGrpc(reader: Reader<HealthCheck_GrpcHealthCheck>, http2: Cluster["http2"]): GrpcQuestion {
  const service = reader.text("serviceName");
  if (service.length > 8192) reader.fault("serviceName", "must be at most 8192 bytes");
  return {
    kind: "GRPC",
    http2: http2 ?? readHttp2Options(null),
    service,
    authority: headerValue(reader.context, reader.take("authority"), reader.at("authority")),
    metadata: readHeadersToAdd(reader.children("initialMetadata")),
  };
}

/** Bytes, given as they are or in hexadecimal digits. */
function readPayload(reader: Reader<HealthCheck_Payload> | null): string {
  if (reader === null) return "";
  const chosen = reader.oneof("payload");
  if (chosen.case === "binary") return latin1(chosen.value, 0, chosen.value.length);
  const value = chosen.value ?? "";
  if (value.length % 2 !== 0 || !/^[0-9A-Fa-f]*$/.test(value)) {
    reader.context.faults.add(chosen.path, "must be bytes in pairs of hexadecimal digits");
    return "";
  }
  let text = "";
  for (let i = 0; i < value.length; i += 2) {
    text += String.fromCharCode((HEX[value.charCodeAt(i)] << 4) | HEX[value.charCodeAt(i + 1)]);
  }
  return text;
}

function readRanges(readers: readonly Reader<Int64Range>[]): StatusRange[] {
  return readers.map((reader) => {
    const start = Number(reader.take("start"));
    const end = Number(reader.take("end"));
    if (start >= end) reader.faultHere(`must not be empty: ${start} to ${end}`);
    else if (start < 100 || end > 600) reader.faultHere("must be within 100 and 600");
    return { start, end };
  });
}

function readEvents(reader: Reader<HealthCheckMessage>): HealthEvents {
  const paths: string[] = [];
  const old = reader.take("eventLogPath");
  if (old !== "") paths.push(old);
  for (const logger of reader.children("eventLogger")) {
    logger.inert("name");
    const packed = logger.packed();
    const sink = openUnpacked<HealthCheckEventFileSink>(reader.context, packed, FILE_SINK);
    if (sink === null) reader.context.faults.refuse(`${packed.path}.@type`, packed.typeName);
    else paths.push(sink.take("eventLogPath"));
  }
  return {
    paths,
    everyFailure: reader.take("alwaysLogHealthCheckFailures"),
    everySuccess: reader.take("alwaysLogHealthCheckSuccess"),
  };
}

/** Reads what an endpoint says about its checks. */
export function readEndpointHealthCheck(
  reader: Reader<Endpoint_HealthCheckConfig> | null,
): EndpointHealthCheck | null {
  if (reader === null) return null;
  const address = reader.child("address");
  const port = reader.take("portValue");
  return {
    address: address === null ? null : readAddress(address, false),
    port,
    hostname: headerValue(reader.context, reader.take("hostname"), reader.at("hostname")),
    disabled: reader.take("disableActiveHealthCheck"),
  };
}
