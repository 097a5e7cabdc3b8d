/**
 * The chain of HTTP filters. The router is always known and must be last; every other filter is looked up in
 * what the caller says that it ships, by the name of its configuration message.
 */
import { utf8ByteString } from "../bytes/ascii.ts";
import type { HttpFilter, Json } from "../config/model.ts";
import { fieldPath } from "./faults.ts";
import type { HttpFilter as HttpFilterMessage } from "./generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import type { Reader, Unpacked } from "./reader.ts";
import { messageToJson } from "./to-json.ts";

/** The configuration message of the router. */
export const ROUTER = "envoy.extensions.filters.http.router.v3.Router";

/** Reads the chain; `path` is where the list is. */
export function readHttpFilters(
  readers: readonly Reader<HttpFilterMessage>[],
  owner: Reader<never>["context"],
  path: string,
): HttpFilter[] {
  const filters: HttpFilter[] = [];
  readers.forEach((reader, i) => {
    const filter = readHttpFilter(reader);
    if (filter === null) return;
    const last = i === readers.length - 1;
    if (filter.typeName === ROUTER && !last) reader.faultHere("the router must be the last HTTP filter");
    if (filter.typeName !== ROUTER && last) {
      reader.faultHere(`the last HTTP filter must be the router (${ROUTER})`);
    }
    if (filter.typeName === ROUTER && filter.disabled)
      reader.fault("disabled", "the router cannot be disabled");
    filters.push(filter);
  });
  if (readers.length === 0) owner.faults.add(path, `must end with the router (${ROUTER})`);
  return filters;
}

/** One filter, or null if it is optional and not known here (which is what `is_optional` asks for). */
function readHttpFilter(reader: Reader<HttpFilterMessage>): HttpFilter | null {
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
  const check = reader.context.checks.httpFilters?.get(packed.typeName);
  const { message, json } = packed.any;
  const config: Json = message === null ? (json ?? {}) : messageToJson(message);
  if (check !== undefined) {
    for (const fault of check(config)) {
      reader.context.faults.add(fieldPath(packed.path, fault.path), fault.message);
    }
  } else if (packed.typeName === ROUTER) {
    refuseOptions(reader, packed, config);
  } else if (optional && json === null) {
    // Only from the wire: Envoy cannot read a file with a type that it does not know.
    return null;
  } else {
    reader.context.faults.refuse(fieldPath(packed.path, "@type"), packed.typeName);
  }
  return { name, typeName: packed.typeName, disabled, config };
}

/** The router takes no options unless the caller knows better; those that say the default are welcome. */
function refuseOptions(reader: Reader<HttpFilterMessage>, packed: Unpacked, config: Json): void {
  for (const [name, value] of Object.entries(config as { readonly [key: string]: Json })) {
    if (value === false || (name === "dynamic_stats" && value === true)) continue;
    reader.context.faults.refuse(fieldPath(packed.path, name), name);
  }
}
