/**
 * The router's `strict_check_headers`: a client that may command the proxy and writes nonsense is told so, instead
 * of being served with what the route says.
 */
import { parseDecimalText } from "../bytes/ascii.ts";
import { areGrpcConditions, areHttpConditions } from "../cluster/retry-policy.ts";
import type { Fields } from "../http/fields.ts";

/** The first of `names` (lower case) that is there with a value that says nothing, or "". */
export function failedStrictCheck(names: readonly string[], fields: Fields): string {
  for (const name of names) {
    const value = fields.get(name);
    if (value !== null && !makesSense(name, value)) return name;
  }
  return "";
}

function makesSense(name: string, value: string): boolean {
  if (name === "x-envoy-retry-on") return areHttpConditions(value);
  if (name === "x-envoy-retry-grpc-on") return areGrpcConditions(value);
  return parseDecimalText(value, Number.MAX_SAFE_INTEGER) >= 0;
}
