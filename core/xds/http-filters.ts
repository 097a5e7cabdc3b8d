/**
 * The chain of HTTP filters. The router is always known and must be last; every other filter is looked up in
 * what the caller says that it ships, by the name of its configuration message.
 */
import { utf8ByteString } from "../bytes/ascii.ts";
import type { HttpFilter, RouterOptions } from "../config/model.ts";
import { readFilterConfig } from "./filter-config.ts";
import { readFilterDiscovery } from "./filter-discovery.ts";
import type { HttpFilter as HttpFilterMessage } from "./generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import type { AnyMessage } from "./message.ts";
import { openUnpacked, type Reader } from "./reader.ts";
import type { Subscription } from "./resource.ts";
import { ROUTER_DEFAULTS, type RouterMessage, readRouterOptions } from "./router-options.ts";
import { messageToJson } from "./to-json.ts";

/** The configuration message of the router. */
export const ROUTER = "envoy.extensions.filters.http.router.v3.Router";

/** The chain of one connection manager, and what its router was told. */
export interface FilterChainConfig {
  readonly httpFilters: readonly HttpFilter[];
  readonly router: RouterOptions;
}

/** A filter, with its options if it is a router. */
interface ReadFilter {
  readonly filter: HttpFilter;
  readonly router: RouterOptions | null;
}

/** Reads the chain; `path` is where the list is. What is to be discovered is added to `wants`. */
export function readHttpFilters(
  readers: readonly Reader<HttpFilterMessage>[],
  owner: Reader<never>["context"],
  path: string,
  wants: Subscription[],
): FilterChainConfig {
  const httpFilters: HttpFilter[] = [];
  let router = ROUTER_DEFAULTS;
  readers.forEach((reader, i) => {
    const read = readHttpFilter(reader, wants);
    if (read === null) return;
    const { filter } = read;
    const last = i === readers.length - 1;
    if (filter.typeName === ROUTER && !last) reader.faultHere("the router must be the last HTTP filter");
    if (filter.typeName !== ROUTER && last) {
      reader.faultHere(`the last HTTP filter must be the router (${ROUTER})`);
    }
    if (filter.typeName === ROUTER && filter.disabled)
      reader.fault("disabled", "the router cannot be disabled");
    httpFilters.push(filter);
    router = read.router ?? router;
  });
  if (readers.length === 0) owner.faults.add(path, `must end with the router (${ROUTER})`);
  return { httpFilters, router };
}

/** One filter, or null if it is optional and not known here (which is what `is_optional` asks for). */
function readHttpFilter(reader: Reader<HttpFilterMessage>, wants: Subscription[]): ReadFilter | null {
  const name = utf8ByteString(reader.take("name"));
  const optional = reader.take("isOptional"); // says nothing of a type that is discovered
  const disabled = reader.take("disabled");
  const chosen = reader.oneof("configType");
  if (chosen.case === "configDiscovery") {
    const discovery = readFilterDiscovery(chosen.value, name, wants);
    return { filter: { name, typeName: "", disabled, config: {}, discovery }, router: null };
  }
  const packed = reader.packed();
  const options = openUnpacked<RouterMessage>(reader.context, packed, ROUTER);
  if (options !== null) {
    const filter = {
      name,
      typeName: ROUTER,
      disabled,
      config: messageToJson(options.message as unknown as AnyMessage),
      discovery: null,
    };
    return { filter, router: readRouterOptions(options) };
  }
  const read = readFilterConfig(reader.context, packed, optional);
  return read === null ? null : { filter: { name, disabled, ...read, discovery: null }, router: null };
}
