/**
 * The configuration of an HTTP filter, wherever it stands: in a chain, in a resource of its own, on a route. What a
 * kind's message may say is judged by the check that the caller ships for it; nothing here knows a kind.
 */
import type { FilterConfig } from "../config/model.ts";
import { fieldPath } from "./faults.ts";
import type { Context, Unpacked } from "./reader.ts";
import { messageToJson } from "./to-json.ts";

/**
 * Reads what is packed. Null if nothing is, which is reported, or if it is of an unknown type and `optional`. Only
 * what came by wire can be left out so: Envoy cannot read a file with a type that it does not know.
 */
export function readFilterConfig(
  { checks, faults }: Context,
  { any, typeName, path }: Unpacked,
  optional: boolean,
): FilterConfig | null {
  if (any === null) {
    faults.add(path, "must be set");
    return null;
  }
  const { message, json } = any;
  const config = message === null ? (json ?? {}) : messageToJson(message);
  const check = checks.httpFilters?.get(typeName);
  if (check !== undefined) {
    for (const fault of check(config)) faults.add(fieldPath(path, fault.path), fault.message);
  } else if (optional && json === null) {
    return null;
  } else {
    faults.refuse(fieldPath(path, "@type"), typeName);
  }
  return { typeName, config };
}
