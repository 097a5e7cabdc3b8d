/** Bootstrap document → `Bootstrap`. (Signature first; the body follows.) */
import type { Json } from "../config/model.ts";
import type { Checks } from "./checks.ts";
import type { BootstrapResult } from "./resource.ts";

/** Reads an `envoy.config.bootstrap.v3.Bootstrap` in JSON shape. Never throws; collects every fault. */
export function readBootstrap(_json: Json, _checks: Checks = {}): BootstrapResult {
  return { bootstrap: null, faults: [{ path: "", message: "not implemented yet" }] };
}
