/**
 * From an admitted request to whoever answers it: finds the route, and does what it says when the filters have let
 * the request pass. Redirects and direct responses are given here; what is to be forwarded gets a forwarder for its
 * cluster.
 */
import type { ClusterState } from "../cluster/cluster.ts";
import type { RouteAction } from "../config/model.ts";
import type { ClusterChoice, ClusterTarget } from "../route/cluster-choice.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import type { RouteTable } from "../route/route-table.ts";
import { admitUpgrade } from "./admission.ts";
import { ConnectTermination } from "./connect-termination.ts";
import type { Forwarder } from "./forwarder.ts";
import { Router } from "./router.ts";
import type { ReplyHeaders, Stream } from "./stream.ts";
import { failedStrictCheck } from "./strict-headers.ts";

const NO_HEADERS: ReplyHeaders = [];

/** Finds the route, which may be none; false if it refuses the upgrade that was asked for. */
export function chooseRoute(stream: Stream, endOfStream: boolean): boolean {
  const { manager } = stream;
  const table = manager.routeTable;
  const route = table === null ? null : lookUp(table, stream);
  stream.route = route;
  if (route === null) return true;
  if (stream.upgrade !== "") return upgradeMayGoOn(stream, route, endOfStream);
  // Filters may ask where the request is to go (Envoy).
  if (manager.filters.any && route.clusters !== null)
    findCluster(stream, route.clusters.choose(stream.random));
  return true;
}

/** Who brings the answer, to be started by the caller; null if it was given here. */
export function followRoute(stream: Stream, endOfStream: boolean): Forwarder | null {
  const { manager, request, route } = stream;
  manager.stats.rqTotal++;
  if (route === null) {
    manager.stats.noRoute++;
    stream.reply(404, "", "route_not_found", "NR");
    return null;
  }
  if (route.action !== null) return forward(stream, route, route.action, endOfStream);
  if (route.redirect === null && route.directResponse === null) {
    manager.stats.noCluster++;
    stream.reply(503, "", "cluster_not_found", "NC");
    return null;
  }
  manager.stats.rqDirectResponse++;
  if (route.redirect !== null) {
    const location: ReplyHeaders = [["location", route.location(request)]];
    stream.reply(route.redirect.status, "", "direct_response", "", location, route);
  } else replyDirectly(stream, route);
  return null;
}

function replyDirectly(stream: Stream, route: RouteEntry): void {
  if (route.directResponse === null) return;
  const { request } = stream;
  const { status, body } = route.directResponse;
  const text = route.bodyFormatter === null ? body : route.bodyFormatter.format(stream);
  const headers: ReplyHeaders =
    status === 201 ? [["location", `${request.scheme}://${request.authority}${request.path}`]] : NO_HEADERS;
  stream.reply(status, text, "direct_response", "", headers, route);
}

/** A refused upgrade is logged with the cluster that it was meant for (Envoy). */
function upgradeMayGoOn(stream: Stream, route: RouteEntry, endOfStream: boolean): boolean {
  const { clusters } = route;
  if (clusters !== null) findCluster(stream, clusters.choose(stream.random));
  return admitUpgrade(stream, route.action, endOfStream);
}

/** The cluster that `target` names, noted for the log; null if there is none. */
function findCluster(stream: Stream, target: ClusterTarget): ClusterState | null {
  const name = target.clusterName(stream.request);
  const cluster = stream.manager.clusters.find(name);
  stream.clusterName = name;
  if (cluster !== null) stream.clusterStatName = cluster.statName;
  return cluster;
}

/** Finds the cluster. */
function forward(
  stream: Stream,
  route: RouteEntry,
  action: RouteAction,
  endOfStream: boolean,
): Forwarder | null {
  const { manager } = stream;
  if (action.idleTimeout !== null) stream.touch();
  const target = (route.clusters as ClusterChoice).choose(stream.random);
  const cluster = findCluster(stream, target);
  if (cluster === null) {
    manager.stats.noCluster++;
    stream.reply(action.clusterNotFoundStatus, "", "cluster_not_found", "NC");
    return null;
  }
  const { strictCheckHeaders } = manager.config.router;
  if (strictCheckHeaders.length > 0 && !passesStrictCheck(stream, strictCheckHeaders)) return null;
  if (stream.upgrade === "connect" && action.upgrades.some((one) => one.terminateConnect)) {
    return new ConnectTermination(stream, cluster);
  }
  return new Router(stream, route, target, cluster, endOfStream);
}

/** True if the request goes on; false if it was answered here. */
function passesStrictCheck(stream: Stream, names: readonly string[]): boolean {
  const { fields } = stream.request;
  const name = failedStrictCheck(names, fields);
  if (name === "") return true;
  const body = `invalid header '${name}' with value '${fields.get(name)}'`;
  return stream.reply(400, body, `request_headers_failed_strict_check{${name}}`, "IH");
}

/** "OPTIONS *" asks about the server: it is routed like "/". */
function lookUp(table: RouteTable, stream: Stream): RouteEntry | null {
  const { request } = stream;
  if (request.path !== "*") return table.lookup(request, stream);
  request.path = "/";
  const route = table.lookup(request, stream);
  request.path = "*";
  return route;
}
