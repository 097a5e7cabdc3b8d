/** Listeners: addresses, filter chains and what they end in. */
import { lowerCase, utf8ByteString } from "../bytes/ascii.ts";
import type {
  FilterChain,
  FilterChainMatch,
  Json,
  Listener,
  NetworkFilterConfig,
  TcpProxy,
} from "../config/model.ts";
import { formatAddress } from "../io/socket.ts";
import { readAccessLogs } from "./access-log.ts";
import { readAddress, readCidrRange } from "./address.ts";
import { fieldPath } from "./faults.ts";
import type {
  Filter,
  FilterChainMatch as FilterChainMatchMessage,
  FilterChain as FilterChainMessage,
} from "./generated/envoy/config/listener/v3/listener_components_pb.ts";
import type { Listener as ListenerMessage } from "./generated/envoy/config/listener/v3/listener_pb.ts";
import type { HttpConnectionManager as HttpConnectionManagerMessage } from "./generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import type { TcpProxy as TcpProxyMessage } from "./generated/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { readHttpConnectionManager } from "./http-connection-manager.ts";
import { readListenerFilters } from "./listener-filters.ts";
import { readMetadata } from "./metadata.ts";
import { openUnpacked, type Reader } from "./reader.ts";
import type { Subscription } from "./resource.ts";
import { readTcpProxy } from "./tcp-proxy.ts";
import { messageToJson } from "./to-json.ts";
import { readDownstreamSocket } from "./transport-socket.ts";
import { canonical } from "./version.ts";

const HTTP_CONNECTION_MANAGER =
  "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";

/** Reads a listener; the routes that it subscribes to are added to `wants`. */
export function readListener(
  reader: Reader<ListenerMessage>,
  version: string,
  wants: Subscription[],
): Listener {
  const address = reader.child("address");
  const refused =
    reader.has("apiListener") || reader.has("listenerSpecifier") || reader.has("udpListenerConfig");
  if (address === null && !refused) reader.fault("address", "must be set");
  const addresses = [readAddress(address, false)];
  for (const additional of reader.children("additionalAddresses")) {
    addresses.push(readAddress(additional.child("address"), false));
  }
  const chains = reader.children("filterChains");
  const defaultChain = reader.child("defaultFilterChain");
  if (chains.length === 0 && defaultChain === null && !refused)
    reader.fault("filterChains", "must not be empty");
  const filterChains = chains.map((chain) => readFilterChain(chain, wants));
  refuseRepeatedMatches(chains, filterChains);
  const matches = filterChains.map(({ match }) => match);
  const filters = readListenerFilters(reader, matches);
  const reusePort = reader.flag("enableReusePort", true);
  reader.inert("reusePort"); // deprecated, and on whatever it says
  return {
    name: reader.text("name") || formatAddress(addresses[0]),
    version,
    addresses,
    statPrefix: reader.text("statPrefix") || formatAddress(addresses[0]).replaceAll(":", "_"),
    filterChains,
    defaultFilterChain: defaultChain === null ? null : readFilterChain(defaultChain, wants),
    perConnectionBufferLimitBytes: reader.number("perConnectionBufferLimitBytes", 1024 * 1024),
    reusePort,
    bindToPort: reader.flag("bindToPort", true),
    backlog: reader.number("tcpBacklogSize", 4096), // Linux' own limit, net.core.somaxconn
    trafficDirection: reader.choice("trafficDirection", ["UNSPECIFIED", "INBOUND", "OUTBOUND"]),
    metadata: readMetadata(reader.child("metadata")),
    accessLog: readAccessLogs(reader.children("accessLog")),
    ...(filters.tlsInspector || filters.httpInspector ? { filters } : {}),
  };
}

function readFilterChain(reader: Reader<FilterChainMessage>, wants: Subscription[]): FilterChain {
  reader.inert("metadata"); // nothing in Envoy can ask for it either
  const tls = readDownstreamSocket(reader.child("transportSocket"), wants);
  const handshakeTimeout = reader.duration("transportSocketConnectTimeout", 0);
  return {
    name: reader.text("name"),
    match: readMatch(reader.child("filterChainMatch")),
    ...(tls === null ? {} : { tls, handshakeTimeout }),
    ...readFilters(reader, wants),
  };
}

/** Stands in where the filter is missing or refused, which is reported. */
const NO_FILTER: TcpProxy = {
  kind: "tcp_proxy",
  statPrefix: "",
  clusters: [],
  idleTimeout: 0,
  maxDownstreamConnectionDuration: 0,
  maxConnectAttempts: 1,
  accessLog: [],
};

/** The filters of a chain: those that look at the bytes, and the last one, which speaks on the connection. */
function readFilters(
  reader: Reader<FilterChainMessage>,
  wants: Subscription[],
): Pick<FilterChain, "networkFilters" | "filter"> {
  const filters = reader.children("filters");
  if (filters.length === 0) reader.fault("filters", "must not be empty");
  const networkFilters: NetworkFilterConfig[] = [];
  let terminal: FilterChain["filter"] = NO_FILTER;
  filters.forEach((filter, i) => {
    const last = i === filters.length - 1;
    const read = readNetworkFilter(filter, wants);
    if (read === null) return;
    if ("typeName" in read) {
      if (last) filter.faultHere("the last filter must be one that ends a chain");
      networkFilters.push(read);
      return;
    }
    if (!last) filter.faultHere("a terminal filter must be the last of its chain");
    terminal = read;
  });
  return { networkFilters, filter: terminal };
}

function readNetworkFilter(
  reader: Reader<Filter>,
  wants: Subscription[],
): FilterChain["filter"] | NetworkFilterConfig | null {
  const { context } = reader;
  const name = utf8ByteString(reader.take("name")); // a label; the type says which filter it is
  const chosen = reader.oneof("configType");
  if (chosen.case === "configDiscovery") {
    reader.refuseOneof(chosen);
    return null;
  }
  const packed = reader.packed();
  const http = openUnpacked<HttpConnectionManagerMessage>(context, packed, HTTP_CONNECTION_MANAGER);
  if (http !== null) return readHttpConnectionManager(http, wants);
  const tcp = openUnpacked<TcpProxyMessage>(context, packed, TCP_PROXY);
  if (tcp !== null) return readTcpProxy(tcp);
  if (packed.any === null) {
    reader.context.faults.add(packed.path, "must be set");
    return null;
  }
  const check = context.checks.networkFilters?.get(packed.typeName);
  if (check === undefined) {
    context.faults.refuse(`${packed.path}.@type`, packed.typeName);
    return null;
  }
  const { message, json } = packed.any;
  const config: Json = message === null ? (json ?? {}) : messageToJson(message);
  for (const fault of check(config)) context.faults.add(fieldPath(packed.path, fault.path), fault.message);
  return { name, typeName: packed.typeName, config };
}

function readMatch(reader: Reader<FilterChainMatchMessage> | null): FilterChainMatch {
  if (reader === null) return MATCH_ALL;
  const transportProtocol = reader.text("transportProtocol");
  return {
    destinationPort: reader.number("destinationPort", 0),
    prefixRanges: reader.children("prefixRanges").map(readCidrRange),
    serverNames: reader.take("serverNames").map((name, i) => readServerName(reader, name, i)),
    transportProtocol,
    applicationProtocols: reader.take("applicationProtocols").map(utf8ByteString),
    directSourcePrefixRanges: reader.children("directSourcePrefixRanges").map(readCidrRange),
    sourceType: reader.choice("sourceType", ["ANY", "SAME_IP_OR_LOOPBACK", "EXTERNAL"]),
    sourcePrefixRanges: reader.children("sourcePrefixRanges").map(readCidrRange),
    sourcePorts: reader.take("sourcePorts"),
  };
}

const MATCH_ALL: FilterChainMatch = {
  destinationPort: 0,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: "",
  applicationProtocols: [],
  directSourcePrefixRanges: [],
  sourceType: "ANY",
  sourcePrefixRanges: [],
  sourcePorts: [],
};

function readServerName(reader: Reader<FilterChainMatchMessage>, written: string, index: number): string {
  const name = lowerCase(utf8ByteString(written));
  if (name.includes("*") && !/^\*\.[^*]+$/.test(name)) {
    reader.context.faults.add(
      `${reader.at("serverNames")}[${index}]`,
      'may have "*" only as its first label',
    );
  }
  return name;
}

function refuseRepeatedMatches(
  readers: readonly Reader<FilterChainMessage>[],
  chains: readonly FilterChain[],
): void {
  const seen = new Map<string, number>();
  chains.forEach((chain, i) => {
    const key = canonical(chain.match as never);
    const other = seen.get(key);
    if (other === undefined) seen.set(key, i);
    else readers[i].fault("filterChainMatch", `is the same as that of filter_chains[${other}]`);
  });
}
