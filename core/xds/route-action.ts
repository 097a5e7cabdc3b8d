/** What a route does with a request: forward it, redirect it, answer it. */
import { lowerCase, utf8ByteString } from "../bytes/ascii.ts";
import type {
  DirectResponseAction,
  RedirectAction,
  RouteAction,
  UpgradeConfig,
  WeightedCluster,
} from "../config/model.ts";
import type {
  DirectResponseAction as DirectResponseActionMessage,
  RedirectAction as RedirectActionMessage,
  RouteAction_MaxStreamDuration,
  RouteAction_UpgradeConfig,
  RouteAction as RouteActionMessage,
  WeightedCluster_ClusterWeight,
  WeightedCluster as WeightedClusterMessage,
} from "./generated/envoy/config/route/v3/route_components_pb.ts";
import { readHeaderOperations } from "./header-operations.ts";
import { readRegexRewrite } from "./matchers.ts";
import { readPerFilter } from "./per-filter.ts";
import type { Context, Reader } from "./reader.ts";
import { readRetryPolicy } from "./retry-policy.ts";
import { checkTarget, headerName, headerValue, readDataSource } from "./text-rules.ts";

/** What the actions of one route configuration have in common. */
export interface RouteScope {
  /** Clusters that may be named, or null if any may. */
  readonly clusters: ReadonlySet<string> | null;
  /** Bytes. */
  readonly maxDirectResponseBodySize: number;
}

/** Reads an action that forwards. */
export function readRouteAction(reader: Reader<RouteActionMessage>, scope: RouteScope): RouteAction {
  const target = readTarget(reader, scope);
  const hosts = readHostRewrite(reader);
  const prefixRewrite = headerValue(reader.context, reader.take("prefixRewrite"), reader.at("prefixRewrite"));
  checkTarget(reader.context, prefixRewrite, reader.at("prefixRewrite"));
  const regexRewrite = readRegexRewrite(reader.child("regexRewrite"));
  if (regexRewrite !== null) {
    checkTarget(reader.context, regexRewrite.substitution, `${reader.at("regexRewrite")}.substitution`);
  }
  if (prefixRewrite !== "" && regexRewrite !== null) {
    reader.fault("regexRewrite", "must not be set beside prefix_rewrite");
  }
  const notFound = reader.choice("clusterNotFoundResponseCode", [
    "SERVICE_UNAVAILABLE",
    "NOT_FOUND",
    "INTERNAL_SERVER_ERROR",
  ]);
  return {
    kind: "route",
    ...target,
    clusterNotFoundStatus: notFound === "NOT_FOUND" ? 404 : notFound === "INTERNAL_SERVER_ERROR" ? 500 : 503,
    prefixRewrite,
    regexRewrite,
    ...hosts,
    appendXForwardedHost: reader.take("appendXForwardedHost"),
    ...readTimeouts(reader),
    idleTimeout: reader.duration("idleTimeout", null),
    retryPolicy: readRetryPolicy(reader.child("retryPolicy")),
    priority: reader.choice("priority", ["DEFAULT", "HIGH"]),
    upgrades: readUpgrades(reader.children("upgradeConfigs")),
  };
}

type Target = Pick<RouteAction, "cluster" | "clusterHeader" | "weightedClusters" | "totalWeight">;

function readTarget(reader: Reader<RouteActionMessage>, scope: RouteScope): Target {
  const target = { cluster: "", clusterHeader: "", weightedClusters: [], totalWeight: 0 };
  const chosen = reader.oneof("clusterSpecifier");
  switch (chosen.case) {
    case "cluster": {
      const cluster = utf8ByteString(chosen.value);
      requireCluster(reader, cluster, chosen.path, scope);
      return { ...target, cluster };
    }
    case "clusterHeader":
      return { ...target, clusterHeader: headerName(reader.context, chosen.value, chosen.path, true) };
    case "weightedClusters":
      return { ...target, ...readWeightedClusters(chosen.value, scope) };
    case undefined:
      return target;
    default:
      reader.refuseOneof(chosen);
      return target;
  }
}

function readWeightedClusters(
  reader: Reader<WeightedClusterMessage>,
  scope: RouteScope,
): { weightedClusters: WeightedCluster[]; totalWeight: number } {
  const weightedClusters = reader.children("clusters").map((cluster) => readClusterWeight(cluster, scope));
  const sum = weightedClusters.reduce((total, cluster) => total + cluster.weight, 0);
  if (weightedClusters.length > 0 && sum === 0)
    reader.fault("clusters", "must have a sum of weights above 0");
  if (sum > 0xffffffff) reader.fault("clusters", "must have a sum of weights below 2^32");
  const totalWeight = reader.number("totalWeight", 0);
  if (totalWeight !== 0 && totalWeight !== sum) {
    reader.fault("totalWeight", `must be the sum of the weights, ${sum}`);
  }
  return { weightedClusters, totalWeight };
}

function readClusterWeight(
  reader: Reader<WeightedCluster_ClusterWeight>,
  scope: RouteScope,
): WeightedCluster {
  const name = reader.text("name");
  if (name === "" && !reader.has("clusterHeader")) reader.fault("name", "must not be empty");
  requireCluster(reader, name, reader.at("name"), scope);
  if (reader.message.weight === undefined) reader.fault("weight", "must be set");
  const rewrite = reader.oneof("hostRewriteSpecifier");
  const perFilter = readPerFilter(reader);
  return {
    name,
    weight: reader.number("weight", 0),
    headers: readHeaderOperations(reader),
    hostRewriteLiteral:
      rewrite.case === undefined ? "" : headerValue(reader.context, rewrite.value, rewrite.path),
    perFilter: perFilter.length === 0 ? undefined : perFilter,
  };
}

function requireCluster(
  reader: { readonly context: Context },
  name: string,
  path: string,
  scope: RouteScope,
): void {
  if (name === "" || scope.clusters === null || scope.clusters.has(name)) return;
  reader.context.faults.add(path, `unknown cluster ${JSON.stringify(name)}`);
}

type HostRewrite = Pick<
  RouteAction,
  "hostRewriteLiteral" | "hostRewriteHeader" | "hostRewritePathRegex" | "autoHostRewrite"
>;

function readHostRewrite(reader: Reader<RouteActionMessage>): HostRewrite {
  const none = {
    hostRewriteLiteral: "",
    hostRewriteHeader: "",
    hostRewritePathRegex: null,
    autoHostRewrite: false,
  };
  const chosen = reader.oneof("hostRewriteSpecifier");
  switch (chosen.case) {
    case "hostRewriteLiteral":
      return { ...none, hostRewriteLiteral: headerValue(reader.context, chosen.value, chosen.path) };
    case "hostRewriteHeader":
      return { ...none, hostRewriteHeader: headerName(reader.context, chosen.value, chosen.path, false) };
    case "hostRewritePathRegex":
      return { ...none, hostRewritePathRegex: readRegexRewrite(chosen.value) };
    case "autoHostRewrite":
      return { ...none, autoHostRewrite: chosen.value.value };
    case undefined:
      return none;
  }
}

/** `max_stream_duration`, even an empty one, takes the place of the older timeouts (as in Envoy). */
function readTimeouts(
  reader: Reader<RouteActionMessage>,
): Pick<RouteAction, "timeout" | "grpcTimeout" | "maxStreamDuration"> {
  const timeout = reader.duration("timeout", 15_000);
  const maxGrpcTimeout = reader.duration("maxGrpcTimeout", null);
  const offset = reader.duration("grpcTimeoutOffset", 0);
  const stream = reader.child("maxStreamDuration");
  if (stream !== null) return { timeout: 0, ...readStreamDuration(stream) };
  const grpcTimeout =
    maxGrpcTimeout === null ? null : ({ of: "answer", max: maxGrpcTimeout, offset } as const);
  return { timeout, grpcTimeout, maxStreamDuration: null };
}

function readStreamDuration(
  reader: Reader<RouteAction_MaxStreamDuration>,
): Pick<RouteAction, "grpcTimeout" | "maxStreamDuration"> {
  const max = reader.duration("grpcTimeoutHeaderMax", null);
  const offset = reader.duration("grpcTimeoutHeaderOffset", 0);
  return {
    grpcTimeout: max === null ? null : { of: "stream", max, offset },
    maxStreamDuration: reader.duration("maxStreamDuration", null),
  };
}

function readUpgrades(readers: readonly Reader<RouteAction_UpgradeConfig>[]): UpgradeConfig[] {
  const seen = new Set<string>();
  return readers.map((reader) => {
    const upgradeType = lowerCase(
      headerValue(reader.context, reader.take("upgradeType"), reader.at("upgradeType")),
    );
    if (seen.has(upgradeType)) reader.fault("upgradeType", `is given twice: ${upgradeType}`);
    seen.add(upgradeType);
    const connect = reader.child("connectConfig");
    if (connect !== null && upgradeType !== "connect") {
      reader.fault("connectConfig", 'must only be set where upgrade_type is "CONNECT"');
    }
    return { upgradeType, enabled: reader.flag("enabled", true), terminateConnect: connect !== null };
  });
}

/** Reads an action that redirects. */
export function readRedirectAction(reader: Reader<RedirectActionMessage>): RedirectAction {
  const { context } = reader;
  const scheme = reader.oneof("schemeRewriteSpecifier");
  const path = reader.oneof("pathRewriteSpecifier");
  const port = reader.take("portRedirect");
  if (port > 65535) reader.fault("portRedirect", "must be at most 65535");
  const code = reader.choice("responseCode", [
    "MOVED_PERMANENTLY",
    "FOUND",
    "SEE_OTHER",
    "TEMPORARY_REDIRECT",
    "PERMANENT_REDIRECT",
  ]);
  const statuses = {
    MOVED_PERMANENTLY: 301,
    FOUND: 302,
    SEE_OTHER: 303,
    TEMPORARY_REDIRECT: 307,
    PERMANENT_REDIRECT: 308,
  } as const;
  return {
    kind: "redirect",
    httpsRedirect: scheme.case === "httpsRedirect" && scheme.value,
    schemeRedirect: scheme.case === "schemeRedirect" ? headerValue(context, scheme.value, scheme.path) : "",
    hostRedirect: headerValue(context, reader.take("hostRedirect"), reader.at("hostRedirect")),
    portRedirect: port,
    pathRedirect: path.case === "pathRedirect" ? headerValue(context, path.value, path.path) : "",
    prefixRewrite: path.case === "prefixRewrite" ? headerValue(context, path.value, path.path) : "",
    regexRewrite: path.case === "regexRewrite" ? readRegexRewrite(path.value) : null,
    status: statuses[code],
    stripQuery: reader.take("stripQuery"),
  };
}

/** Reads an action that answers. */
export function readDirectResponse(
  reader: Reader<DirectResponseActionMessage>,
  scope: RouteScope,
): DirectResponseAction {
  const body = readDataSource(reader.child("body"));
  if (body.length > scope.maxDirectResponseBodySize) {
    reader.fault("body", `has ${body.length} bytes; at most ${scope.maxDirectResponseBodySize} are allowed`);
  }
  return { kind: "direct_response", status: reader.take("status"), body, bodyFormat: null };
}
