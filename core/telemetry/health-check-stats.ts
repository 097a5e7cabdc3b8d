/** What became of the active health checks of a cluster, `cluster.<name>.health_check.*`. */
import { layoutOf } from "./stat-layout.ts";
import type { Scope } from "./stats.ts";

/** Field names are Envoy's in camel case. A worker counts what it has asked itself. */
export class HealthCheckStats {
  attempt = 0;
  success = 0;
  /** All failures, those that follow included. */
  failure = 0;
  /** No connection, no answer, or not in time. */
  networkFailure = 0;
  /** An answer to an ordinary request said that the endpoint fails. */
  passiveFailure = 0;
  /** The name of the service was looked at. */
  verifyCluster = 0;
  /** Level: endpoints that pass. */
  healthy = 0;
  /** Level: endpoints that pass, and ask for less load. */
  degraded = 0;
}

const HEALTH_CHECK = layoutOf("health_check", () => new HealthCheckStats(), {
  levels: ["healthy", "degraded"],
});

/** The set of a cluster, which goes with its scope. */
export function healthCheckStats(scope: Scope): HealthCheckStats {
  return scope.set(HEALTH_CHECK, "health_check.");
}
