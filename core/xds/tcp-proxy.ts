/** The TCP proxy of a listener. */

import { utf8ByteString } from "../bytes/ascii.ts";
import type { TcpProxy, WeightedCluster } from "../config/model.ts";
import { readAccessLogs } from "./access-log.ts";
import type { TcpProxy as TcpProxyMessage } from "./generated/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { NO_HEADER_OPERATIONS } from "./header-operations.ts";
import type { Reader } from "./reader.ts";

/** Reads a TCP proxy. Like Envoy, it does not ask whether its clusters exist. */
export function readTcpProxy(reader: Reader<TcpProxyMessage>): TcpProxy {
  return {
    kind: "tcp_proxy",
    statPrefix: reader.text("statPrefix"),
    clusters: readClusters(reader),
    idleTimeout: reader.duration("idleTimeout", 3_600_000),
    maxDownstreamConnectionDuration: reader.duration("maxDownstreamConnectionDuration", 0),
    maxConnectAttempts: reader.number("maxConnectAttempts", 1),
    accessLog: readAccessLogs(reader.children("accessLog")),
  };
}

function readClusters(reader: Reader<TcpProxyMessage>): WeightedCluster[] {
  const chosen = reader.oneof("clusterSpecifier");
  switch (chosen.case) {
    case "cluster":
      if (chosen.value === "") reader.context.faults.add(chosen.path, "must not be empty");
      return [weighted(utf8ByteString(chosen.value), 1)];
    case "weightedClusters":
      return chosen.value
        .children("clusters")
        .map((entry) => weighted(entry.text("name"), entry.take("weight")));
    case undefined:
      return [];
  }
}

function weighted(name: string, weight: number): WeightedCluster {
  return { name, weight, headers: NO_HEADER_OPERATIONS, hostRewriteLiteral: "" };
}
