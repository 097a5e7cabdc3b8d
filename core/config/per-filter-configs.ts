/** All that a route configuration says about filters, wherever in it that stands. */
import type { PerFilterConfig, Route, RouteConfiguration } from "./model.ts";

function ofRoute({ perFilter, action }: Route): readonly PerFilterConfig[] {
  if (action.kind !== "route") return perFilter;
  return [...perFilter, ...action.weightedClusters.flatMap((cluster) => cluster.perFilter ?? [])];
}

/** From the general to the special. */
export function perFilterConfigs(routes: RouteConfiguration): readonly PerFilterConfig[] {
  const hosts = routes.virtualHosts.flatMap((host) => [...host.perFilter, ...host.routes.flatMap(ofRoute)]);
  return [...routes.perFilter, ...hosts];
}
