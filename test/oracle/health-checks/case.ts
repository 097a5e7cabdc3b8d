/** One case of the oracle of health checks: a cluster, the servers that it checks, and what is asked of it afterwards. */
import type { YamlMap } from "../../support/bootstrap.ts";
import type { REFUSES, Script } from "./target.ts";

export interface HealthCase {
  /** Also the cluster's name. */
  readonly id: string;
  /** Each is merged over `BASE`. */
  readonly check: YamlMap;
  readonly targets: readonly (Script | typeof REFUSES)[];
  /** More fields of the cluster. */
  readonly cluster?: YamlMap;
  /** More fields of the LbEndpoint of each target. */
  readonly endpoint?: YamlMap;
  /** More fields of `endpoint.health_check_config`; a target's port is put in where it says `PORT`. */
  readonly checkedAt?: YamlMap;
  /** The endpoints are by EDS: which targets (by index), and by which in turn, once the scripts have ended. */
  readonly sets?: readonly (readonly number[])[];
  /** So many GETs once the scripts have ended. */
  readonly requests?: number;
  /** Counters of attempts go on: they are not compared. */
  readonly endless?: boolean;
}

/** Stands for the port of a target in `checkedAt`. */
export const PORT = -1;

/** Checks follow each other quickly; none times out. */
export const BASE: YamlMap = {
  timeout: "10s",
  interval: "0.05s",
  no_traffic_interval: "0.05s",
  unhealthy_threshold: 3,
  healthy_threshold: 2,
};
