/**
 * From an admitted request to whoever answers it: finds the route and does what it says. Redirects and direct
 * responses are given here; what is to be forwarded gets a forwarder for its cluster.
 */
import type { RouteAction } from "../config/model.ts";
import type { RequestHead } from "../http/head.ts";
import type { ClusterChoice } from "../route/cluster-choice.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import type { RouteTable } from "../route/route-table.ts";
import type { Runtime } from "../route/runtime-fraction.ts";
import { admitUpgrade } from "./admission.ts";
import { ConnectTermination } from "./connect-termination.ts";
import type { Forwarder } from "./forwarder.ts";
import { Router } from "./router.ts";
import type { ReplyHeaders, Stream } from "./stream.ts";

const NO_HEADERS: ReplyHeaders = [];

/** Who brings the answer, to be started by the caller; null if it was given here. */
export function routeRequest(stream: Stream, endOfStream: boolean): Forwarder | null {
  const { manager, request } = stream;
  manager.stats.rqTotal++;
  const table = manager.routeTable;
  const route = table === null ? null : lookUp(table, request, stream.random, manager.runtime);
  stream.route = route;
  if (route === null) {
    manager.stats.noRoute++;
    stream.reply(404, "", "route_not_found", "NR");
    return null;
  }
  if (stream.upgrade !== "" && !admitUpgrade(stream, route.action, endOfStream)) return null;
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
  const name = target.clusterName(stream.request);
  stream.clusterName = name;
  const cluster = manager.clusters.find(name);
  if (cluster === null) {
    manager.stats.noCluster++;
    stream.reply(action.clusterNotFoundStatus, "", "cluster_not_found", "NC");
    return null;
  }
  stream.clusterStatName = cluster.config.altStatName === "" ? cluster.name : cluster.config.altStatName;
  if (stream.upgrade === "connect" && action.upgrades.some((one) => one.terminateConnect)) {
    return new ConnectTermination(stream, cluster);
  }
  return new Router(stream, route, target, cluster, endOfStream);
}

/** "OPTIONS *" asks about the server: it is routed like "/". */
function lookUp(
  table: RouteTable,
  request: RequestHead,
  random: number,
  runtime: Runtime,
): RouteEntry | null {
  if (request.path !== "*") return table.lookup(request, random, runtime);
  request.path = "/";
  const route = table.lookup(request, random, runtime);
  request.path = "*";
  return route;
}
