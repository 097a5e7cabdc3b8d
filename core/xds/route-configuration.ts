/** Route configurations: virtual hosts, their domains and routes. */
import { lowerCase, utf8ByteString } from "../bytes/ascii.ts";
import type {
  PathMatch,
  Route,
  RouteConfiguration,
  RouteMatch,
  TlsMatch,
  VirtualHost,
} from "../config/model.ts";
import type {
  RouteMatch_TlsContextMatchOptions,
  RouteMatch as RouteMatchMessage,
  Route as RouteMessage,
  VirtualHost as VirtualHostMessage,
} from "./generated/envoy/config/route/v3/route_components_pb.ts";
import type { RouteConfiguration as RouteConfigurationMessage } from "./generated/envoy/config/route/v3/route_pb.ts";
import { readHeaderOperations } from "./header-operations.ts";
import { readHeaderMatcher, readQueryParameterMatcher, readRuntimeFraction } from "./matchers.ts";
import { readMetadata } from "./metadata.ts";
import { readPerFilter } from "./per-filter.ts";
import type { Reader } from "./reader.ts";
import { readRetryPolicy } from "./retry-policy.ts";
import { type RouteScope, readDirectResponse, readRedirectAction, readRouteAction } from "./route-action.ts";
import { headerName, headerValue, regexPattern } from "./text-rules.ts";

/**
 * Reads a route configuration. `inline` says that it stands in a listener: then its clusters are checked
 * unless it says otherwise, while one that came by RDS is checked only if it asks for it.
 */
export function readRouteConfiguration(
  reader: Reader<RouteConfigurationMessage>,
  version: string,
  inline: boolean,
): RouteConfiguration {
  const maxDirectResponseBodySize = reader.number("maxDirectResponseBodySizeBytes", 4096);
  const checked = reader.flag("validateClusters", inline);
  const scope: RouteScope = {
    clusters: checked ? (reader.context.checks.clusters ?? null) : null,
    maxDirectResponseBodySize,
  };
  reader.inert("metadata"); // nothing in Envoy can ask for it either
  const hosts = reader.children("virtualHosts");
  const virtualHosts = hosts.map((host) => readVirtualHost(host, scope));
  refuseRepeatedDomains(hosts, virtualHosts);
  return {
    name: reader.text("name"),
    version,
    virtualHosts,
    headers: readHeaderOperations(reader),
    internalOnlyHeaders: reader
      .take("internalOnlyHeaders")
      .map((name, i) => headerName(reader.context, name, `${reader.at("internalOnlyHeaders")}[${i}]`, false)),
    mostSpecificHeaderMutationsWins: reader.take("mostSpecificHeaderMutationsWins"),
    perFilter: readPerFilter(reader),
    ignorePortInHostMatching: reader.take("ignorePortInHostMatching"),
    ignorePathParametersInPathMatching: reader.take("ignorePathParametersInPathMatching"),
    maxDirectResponseBodySizeBytes: maxDirectResponseBodySize,
  };
}

function readVirtualHost(reader: Reader<VirtualHostMessage>, scope: RouteScope): VirtualHost {
  return {
    name: reader.text("name"),
    domains: reader.take("domains").map((domain, i) => readDomain(reader, domain, i)),
    routes: reader.children("routes").map((route) => readRoute(route, scope)),
    requireTls: reader.choice("requireTls", ["NONE", "EXTERNAL_ONLY", "ALL"]),
    headers: readHeaderOperations(reader),
    includeRequestAttemptCount: reader.take("includeRequestAttemptCount"),
    includeAttemptCountInResponse: reader.take("includeAttemptCountInResponse"),
    retryPolicy: readRetryPolicy(reader.child("retryPolicy")),
    perRequestBufferLimitBytes: reader.number("perRequestBufferLimitBytes", null),
    perFilter: readPerFilter(reader),
    metadata: readMetadata(reader.child("metadata")),
  };
}

function readDomain(reader: Reader<VirtualHostMessage>, written: string, index: number): string {
  const path = `${reader.at("domains")}[${index}]`;
  const domain = lowerCase(headerValue(reader.context, written, path));
  if (domain === "") reader.context.faults.add(path, "must not be empty");
  const star = domain.indexOf("*", 1);
  const atEnd = star === domain.length - 1 && !domain.startsWith("*");
  if (star > 0 && !atEnd) reader.context.faults.add(path, 'may have one "*", at its beginning or its end');
  return domain;
}

function refuseRepeatedDomains(
  readers: readonly Reader<VirtualHostMessage>[],
  hosts: readonly VirtualHost[],
): void {
  const owner = new Map<string, string>();
  hosts.forEach((host, i) => {
    host.domains.forEach((domain, j) => {
      const other = owner.get(domain);
      const path = `${readers[i].at("domains")}[${j}]`;
      if (other === undefined) owner.set(domain, host.name);
      else
        readers[i].context.faults.add(
          path,
          `domain ${domain} is taken by virtual host ${JSON.stringify(other)}`,
        );
    });
  });
}

function readRoute(reader: Reader<RouteMessage>, scope: RouteScope): Route {
  const match = reader.child("match");
  return {
    name: reader.text("name"),
    match: match === null ? ANY : readRouteMatch(match),
    action: readAction(reader, scope),
    headers: readHeaderOperations(reader),
    perRequestBufferLimitBytes: reader.number("perRequestBufferLimitBytes", null),
    perFilter: readPerFilter(reader),
    statPrefix: reader.text("statPrefix"),
    decorator: readDecorator(reader),
    metadata: readMetadata(reader.child("metadata")),
  };
}

function readDecorator(reader: Reader<RouteMessage>): string {
  const decorator = reader.child("decorator");
  if (decorator === null) return "";
  if (!decorator.flag("propagate", true)) decorator.refuse("propagate", "propagate");
  return headerValue(reader.context, decorator.take("operation"), decorator.at("operation"));
}

function readAction(reader: Reader<RouteMessage>, scope: RouteScope): Route["action"] {
  const chosen = reader.oneof("action");
  switch (chosen.case) {
    case "route":
      return readRouteAction(chosen.value, scope);
    case "redirect":
      return readRedirectAction(chosen.value);
    case "directResponse":
      return readDirectResponse(chosen.value, scope);
    case "filterAction":
      reader.refuseOneof(chosen);
      break;
  }
  return { kind: "non_forwarding" };
}

/** Stands in where the match is missing, which is reported. */
const ANY: RouteMatch = {
  path: { kind: "prefix", text: "/" },
  caseSensitive: true,
  runtimeFraction: null,
  headers: [],
  queryParameters: [],
  grpc: false,
  tls: null,
};

function readRouteMatch(reader: Reader<RouteMatchMessage>): RouteMatch {
  return {
    path: readPathMatch(reader),
    caseSensitive: reader.flag("caseSensitive", true),
    runtimeFraction: readRuntimeFraction(reader.child("runtimeFraction")),
    headers: reader.children("headers").map(readHeaderMatcher),
    queryParameters: reader.children("queryParameters").map(readQueryParameterMatcher),
    grpc: reader.child("grpc") !== null,
    tls: readTlsMatch(reader.child("tlsContext")),
  };
}

function readTlsMatch(reader: Reader<RouteMatch_TlsContextMatchOptions> | null): TlsMatch | null {
  if (reader === null) return null;
  return {
    presented: reader.take("presented") ?? null,
    validated: reader.take("validated") ?? null,
  };
}

function readPathMatch(reader: Reader<RouteMatchMessage>): PathMatch {
  const chosen = reader.oneof("pathSpecifier");
  switch (chosen.case) {
    case "prefix":
    case "path":
      return { kind: chosen.case, text: utf8ByteString(chosen.value) };
    case "pathSeparatedPrefix":
      return { kind: "path_separated_prefix", text: utf8ByteString(chosen.value) };
    case "safeRegex":
      return { kind: "regex", regex: regexPattern(chosen.value) };
    case "connectMatcher":
      return { kind: "connect" };
    case undefined:
      return ANY.path;
    default:
      reader.refuseOneof(chosen);
      return ANY.path;
  }
}
