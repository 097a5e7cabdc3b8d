/**
 * The chain of HTTP filters. The router is always known and must be last; every other filter is looked up in
 * what the caller says that it ships, by the name of its configuration message.
 */
import { utf8ByteString } from "../bytes/ascii.ts";
import type { HttpFilter, Json, RouterOptions } from "../config/model.ts";
import { fieldPath } from "./faults.ts";
import type { HttpFilter as HttpFilterMessage } from "./generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { openUnpacked, type Reader } from "./reader.ts";
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

/** Reads the chain; `path` is where the list is. */
export function readHttpFilters(
  readers: readonly Reader<HttpFilterMessage>[],
  owner: Reader<never>["context"],
  path: string,
): FilterChainConfig {
  const httpFilters: HttpFilter[] = [];
  let router = ROUTER_DEFAULTS;
  readers.forEach((reader, i) => {
    const read = readHttpFilter(reader);
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
function readHttpFilter(reader: Reader<HttpFilterMessage>): ReadFilter | null {
  const name = utf8ByteString(reader.take("name"));
  const optional = reader.take("isOptional");
  const disabled = reader.take("disabled");
  const chosen = reader.oneof("configType");
  if (chosen.case === "configDiscovery") {
    reader.refuseOneof(chosen);
    return null;
  }
  const packed = reader.packed();
  if (packed.any === null) {
    reader.context.faults.add(packed.path, "must be set");
    return null;
  }
  const { message, json } = packed.any;
  const config: Json = message === null ? (json ?? {}) : messageToJson(message);
  const filter = { name, typeName: packed.typeName, disabled, config, discovery: null };
  const options = openUnpacked<RouterMessage>(reader.context, packed, ROUTER);
  if (options !== null) return { filter, router: readRouterOptions(options) };
  const check = reader.context.checks.httpFilters?.get(packed.typeName);
  if (check !== undefined) {
    for (const fault of check(config)) {
      reader.context.faults.add(fieldPath(packed.path, fault.path), fault.message);
    }
  } else if (optional && json === null) {
    // Only from the wire: Envoy cannot read a file with a type that it does not know.
    return null;
  } else {
    reader.context.faults.refuse(fieldPath(packed.path, "@type"), packed.typeName);
  }
  return { filter, router: null };
}
