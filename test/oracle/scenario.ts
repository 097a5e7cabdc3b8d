/**
 * What the oracle compares: a group is one bootstrap file with several listeners and the asks that are made of it.
 * Envoy answers once and is recorded; we must answer the same, but for the differences listed on purpose.
 */
import {
  anyHost,
  fileLog,
  httpListener,
  staticCluster,
  upstreamHttp1,
  type YamlMap,
} from "../support/bootstrap.ts";
import type { ClientStep, OriginScript } from "../support/exchange.ts";

export interface Ask {
  /** Unique in its group. */
  readonly id: string;
  /** Listener to ask; default: the group's first. */
  readonly listener: string;
  readonly client: readonly ClientStep[];
  readonly methods: readonly string[];
  readonly origin: readonly OriginScript[];
}

/** Where things are in one run: ports are free ones, files lie in a temporary folder. */
export interface Places {
  /** Port of a listener, chosen when first asked for. */
  port(listener: string): number;
  /** Port of the scripted origin. */
  readonly origin: number;
  /** A port that refuses connections. */
  readonly down: number;
  /** Path of a log file. */
  log(name: string): string;
}

export interface Group {
  readonly name: string;
  /** Names of all listeners, so that ports can be chosen before the file is made. */
  readonly listeners: readonly string[];
  build(places: Places): {
    readonly listeners: readonly YamlMap[];
    readonly clusters: readonly YamlMap[];
    readonly more?: YamlMap;
  };
  readonly asks: readonly Ask[];
}

/** The access-log format of all listeners: everything that does not change from run to run. */
export const LOG_FIELDS: YamlMap = {
  flags: "%RESPONSE_FLAGS%",
  flags_long: "%RESPONSE_FLAGS_LONG%",
  code: "%RESPONSE_CODE%",
  details: "%RESPONSE_CODE_DETAILS%",
  termination: "%CONNECTION_TERMINATION_DETAILS%",
  failure: "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
  method: "%REQ(:METHOD)%",
  path: "%REQ(:PATH)%",
  original_path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
  authority: "%REQ(:AUTHORITY)%",
  scheme: "%REQ(:SCHEME)%",
  protocol: "%PROTOCOL%",
  bytes_received: "%BYTES_RECEIVED%",
  bytes_sent: "%BYTES_SENT%",
  upstream_host: "%UPSTREAM_HOST%",
  upstream_cluster: "%UPSTREAM_CLUSTER%",
  attempts: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
  route: "%ROUTE_NAME%",
  remote: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
  direct_remote: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
  local: "%DOWNSTREAM_LOCAL_ADDRESS%",
  xff: "%REQ(X-FORWARDED-FOR)%",
  response_type: "%RESP(CONTENT-TYPE)%",
  agent: "%REQ(USER-AGENT)%",
};

export function jsonLog(places: Places, listener: string): YamlMap {
  return fileLog(places.log(listener), { log_format: { json_format: LOG_FIELDS } });
}

/** A listener of the oracle: logged, with small delays. `routes` may be a whole route configuration. */
export function oracleListener(
  places: Places,
  name: string,
  routes: readonly YamlMap[] | YamlMap,
  manager: YamlMap = {},
  listener: YamlMap = {},
): YamlMap {
  return httpListener(
    name,
    places.port(name),
    {
      access_log: [jsonLog(places, name)],
      route_config: Array.isArray(routes) ? anyHost(name, routes) : (routes as YamlMap),
      delayed_close_timeout: "0.05s",
      drain_timeout: "0.1s",
      ...manager,
    },
    listener,
  );
}

/** The cluster "origin" in front of the scripted origin. */
export function originCluster(places: Places, name = "origin", change: YamlMap = {}): YamlMap {
  return staticCluster(name, [places.origin], { ...upstreamHttp1({}), ...change });
}

export function downCluster(places: Places, name = "down", change: YamlMap = {}): YamlMap {
  return staticCluster(name, [places.down], change);
}

/** `METHOD target` with a Host and `fields` (each with CRLF). */
export function request(line: string, fields = "", body = ""): string {
  const host = /^host:/im.test(fields) ? "" : "Host: o.test\r\n";
  return `${line} HTTP/1.1\r\n${host}${fields}\r\n${body}`;
}

/** One request, one answer. */
export function ask(
  id: string,
  listener: string,
  bytes: string,
  origin: readonly OriginScript[] = [],
  more: { readonly client?: readonly ClientStep[] } = {},
): Ask {
  const method = bytes.slice(0, bytes.indexOf(" "));
  return { id, listener, client: more.client ?? [bytes, { answers: 1 }], methods: [method], origin };
}

/** A response of the origin. */
export function response(status: number, fields = "", body = "ok"): string {
  return `HTTP/1.1 ${status} X\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`;
}
