/**
 * What becomes of health checks, told: to the operator's log, and as `envoy.data.core.v3.HealthCheckEvent` in JSON, a line
 * each, to the files that are configured.
 */
import type { HealthCheck } from "../config/health-check.ts";
import type { LogSink, Platform } from "../io/platform.ts";
import type { Address } from "../io/socket.ts";
import type { Clock } from "../time/clock.ts";
import type { EndpointState } from "./endpoint.ts";
import type { HealthFailure } from "./health-monitor.ts";

export class HealthEventLog {
  private readonly cluster: string;
  private readonly check: HealthCheck;
  private readonly platform: Platform;
  private readonly clock: Clock;
  private readonly sinks: readonly LogSink[];

  constructor(cluster: string, check: HealthCheck, platform: Platform, clock: Clock) {
    this.cluster = cluster;
    this.check = check;
    this.platform = platform;
    this.clock = clock;
    this.sinks = check.events.paths.map((path) => platform.openLog(path));
  }

  /** It fails from now on. `status`: of its answer, 0 if there is none. */
  ejected(endpoint: EndpointState, failure: HealthFailure, status: number, why: string): void {
    this.say("warning", `${endpoint.text} is unhealthy: ${why}`);
    const event = { failure_type: failure, http_status_code: status };
    this.write(endpoint, { eject_unhealthy_event: event }, {});
  }

  /** It is healthy from now on. `first`: by its first check. */
  added(endpoint: EndpointState, first: boolean): void {
    this.say("info", `${endpoint.text} is healthy`);
    this.write(endpoint, { add_healthy_event: { first_check: first } }, {});
  }

  /** A check failed. */
  failed(endpoint: EndpointState, failure: HealthFailure, status: number, first: boolean): void {
    const event = { failure_type: failure, first_check: first, http_status_code: status };
    this.write(endpoint, {}, { health_check_failure_event: event });
  }

  /** A check was passed that did not make it healthy. */
  passed(endpoint: EndpointState): void {
    this.write(endpoint, {}, {}, { successful_health_check_event: {} });
  }

  /** It asks for less load, or does not any more. */
  degraded(endpoint: EndpointState, degraded: boolean): void {
    this.say("info", `${endpoint.text} is ${degraded ? "" : "no longer "}degraded`);
    this.write(endpoint, {}, { [degraded ? "degraded_healthy_host" : "no_longer_degraded_host"]: {} });
  }

  private say(level: "info" | "warning", what: string): void {
    this.platform.log(level, "hc", `cluster ${this.cluster}: ${what}`);
  }

  /** The fields in the order of their numbers: events stand before the time, behind it, and at the end. */
  private write(endpoint: EndpointState, early: object, late: object, last: object = {}): void {
    if (this.sinks.length === 0) return;
    const { address, metadata, locality } = endpoint;
    const line = JSON.stringify({
      health_checker_type: this.check.question.kind,
      host: hostOf(address),
      cluster_name: this.cluster,
      ...early,
      timestamp: new Date(this.clock.wall).toISOString().replace(".000Z", "Z"),
      ...late,
      ...(Object.keys(metadata).length === 0
        ? {}
        : { metadata: { filter_metadata: metadata, typed_filter_metadata: {} } }),
      locality: { region: locality.region, zone: locality.zone, sub_zone: locality.subZone },
      ...last,
    });
    for (const sink of this.sinks) sink.write(`${line}\n`);
  }
}

function hostOf({ ip, port, path }: Address): object {
  if (path !== "") return { pipe: { path, mode: 0 } };
  return {
    socket_address: {
      protocol: "TCP",
      address: ip,
      port_value: port,
      resolver_name: "",
      ipv4_compat: false,
      network_namespace_filepath: "",
    },
  };
}
