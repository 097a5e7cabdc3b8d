/** DiscoveryResponse document (file xDS) → resources. (Signature first; the body follows.) */
import type { Json } from "../config/model.ts";
import type { Checks } from "./checks.ts";
import type { ModelOf, ResourceKind, Update } from "./resource.ts";

/** Reads an `envoy.service.discovery.v3.DiscoveryResponse` in JSON shape. Never throws; all or nothing per resource. */
export function readResources<K extends ResourceKind>(
  _kind: K,
  _json: Json,
  _checks: Checks = {},
): Update<ModelOf[K]> {
  return {
    versionInfo: "",
    resources: [],
    rejected: [],
    faults: [{ path: "", message: "not implemented yet" }],
  };
}
