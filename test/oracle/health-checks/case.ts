/**
 * One case of the oracle of health checks: a cluster, the servers that it checks, and what is asked of it afterwards; and
 * the words that cases are written in.
 */
import type { YamlMap } from "../../support/bootstrap.ts";
import type { REFUSES, Script, Step } from "./target.ts";

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
  /** The targets' priorities, in ascending order; default: all 0. */
  readonly priorities?: readonly number[];
  /** More fields of `endpoint.health_check_config`; a target's port is put in where it says `PORT`. */
  readonly checkedAt?: YamlMap;
  /** The endpoints are by EDS: which targets (by index), and by which in turn, once the scripts have ended. */
  readonly sets?: readonly (readonly number[])[];
  /** So many GETs once the scripts have ended. */
  readonly requests?: number;
  /** Checks go on after the script: of what they count, it is compared only whether it is zero. */
  readonly endless?: boolean;
}

/** Stands for the port of a target in `checkedAt`. */
export const PORT = -1;

/** Checks follow each other quickly; none times out. */
export const BASE: YamlMap = {
  timeout: "60s",
  interval: "0.05s",
  no_traffic_interval: "0.05s",
  unhealthy_threshold: 3,
  healthy_threshold: 2,
};

export const answer = (status: number, fields = "", body = "", version = "1.1"): string =>
  `HTTP/${version} ${status} X\r\ncontent-length: ${body.length}\r\n${fields}\r\n${body}`;

export const say = (status: number, fields = "", body = ""): Step => ({ say: answer(status, fields, body) });
export const OK = say(200);
export const BAD = say(500);
export const HANG: Step = {};

export const http = (fields: YamlMap = {}, more: YamlMap = {}): YamlMap => ({
  http_health_check: { path: "/health", ...fields },
  ...more,
});
export const tcp = (fields: YamlMap = {}, more: YamlMap = {}): YamlMap => ({
  tcp_health_check: fields,
  ...more,
});
export const grpc = (fields: YamlMap = {}, more: YamlMap = {}): YamlMap => ({
  grpc_health_check: fields,
  ...more,
});

export const one = (
  id: string,
  check: YamlMap,
  steps: readonly Step[],
  more: Partial<HealthCase> = {},
): HealthCase => ({
  id,
  check,
  targets: [{ asks: "http", steps }],
  ...more,
});
export const raw = (
  id: string,
  asks: "connect" | number,
  check: YamlMap,
  steps: readonly Step[],
  more: Partial<HealthCase> = {},
): HealthCase => ({ id, check, targets: [{ asks, steps } as Script], ...more });
export const text = (value: string): string => Buffer.from(value, "latin1").toString("hex");
export const header = (key: string, value: string, more: YamlMap = {}): YamlMap => ({
  header: { key, value },
  ...more,
});

/** Short enough to be waited for, long enough to be read in between. */
export const SOON: YamlMap = { timeout: "0.8s" };

/** Time for something to happen between two checks. */
export const SLOWLY: YamlMap = { no_traffic_interval: "0.4s" };
