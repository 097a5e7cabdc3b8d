/** The options of the router filter. What is left out here (upstream logs and filters) is refused by name. */
import type { RouterOptions } from "../config/model.ts";
import type { Router } from "./generated/envoy/extensions/filters/http/router/v3/router_pb.ts";
import type { Reader } from "./reader.ts";

export type RouterMessage = Router;

/** Of a router that says nothing. */
export const ROUTER_DEFAULTS: RouterOptions = {
  dynamicStats: true,
  suppressEnvoyHeaders: false,
  strictCheckHeaders: [],
  respectExpectedRqTimeout: false,
};

/** Reads them. */
export function readRouterOptions(reader: Reader<RouterMessage>): RouterOptions {
  reader.inert("startChildSpan"); // about tracing, which is refused by name
  return {
    dynamicStats: reader.flag("dynamicStats", true),
    suppressEnvoyHeaders: reader.take("suppressEnvoyHeaders"),
    strictCheckHeaders: reader.take("strictCheckHeaders"),
    respectExpectedRqTimeout: reader.take("respectExpectedRqTimeout"),
  };
}
