/**
 * What a route configuration, a virtual host, a route or a weighted cluster says about filters of the chain. As in
 * Envoy, it may name filters that the chain does not have, and the most specific of the four says.
 */
import { utf8ByteString } from "../bytes/ascii.ts";
import type { PerFilterConfig } from "../config/model.ts";
import { entryPath } from "./faults.ts";
import { readFilterConfig } from "./filter-config.ts";
import type { FilterConfig } from "./generated/envoy/config/route/v3/route_components_pb.ts";
import type { PackedAny } from "./message.ts";
import { openUnpacked, type Reader, unpacked } from "./reader.ts";

const FILTER_CONFIG = "envoy.config.route.v3.FilterConfig";

/** The field, as every message that has it declares it. */
export type WithPerFilterConfig = {
  $typeName: string;
  typedPerFilterConfig: { [name: string]: unknown };
};

/** Reads the field. */
export function readPerFilter<M extends WithPerFilterConfig>(of: Reader<M>): PerFilterConfig[] {
  const reader = of as unknown as Reader<WithPerFilterConfig>;
  const { context } = reader;
  const path = reader.at("typedPerFilterConfig");
  return Object.entries(reader.take("typedPerFilterConfig")).map(([name, any]) => {
    const content = unpacked(context, any as PackedAny, entryPath(path, name));
    const wrapper = openUnpacked<FilterConfig>(context, content, FILTER_CONFIG);
    const said =
      wrapper === null
        ? { disabled: false, own: readFilterConfig(context, content, false) }
        : readWrapped(wrapper);
    return { name: utf8ByteString(name), ...said };
  });
}

function readWrapped(reader: Reader<FilterConfig>): Omit<PerFilterConfig, "name"> {
  const optional = reader.take("isOptional");
  const config = reader.take("config") as PackedAny | undefined;
  if (reader.take("disabled")) return { disabled: true, own: null }; // whatever its configuration, as in Envoy
  // An empty one is how a route enables a filter that the chain has disabled.
  if (config?.typeUrl === "") return { disabled: false, own: null };
  return { disabled: false, own: readFilterConfig(reader.context, reader.unpacked("config"), optional) };
}
