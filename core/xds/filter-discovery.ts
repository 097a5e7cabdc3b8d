/** Where a filter's configuration comes from if it does not stand in the chain (ECDS). Files are implemented. */
import type { FilterDiscovery } from "../config/model.ts";
import { readConfigSource } from "./config-source.ts";
import { readFilterConfig } from "./filter-config.ts";
import type { ExtensionConfigSource } from "./generated/envoy/config/core/v3/config_source_pb.ts";
import { typeNameOf } from "./message.ts";
import type { Reader } from "./reader.ts";
import type { Subscription } from "./resource.ts";

/** Reads where the filter `name` has its configuration from; the subscription is added to `wants`. */
export function readFilterDiscovery(
  reader: Reader<ExtensionConfigSource>,
  name: string,
  wants: Subscription[],
): FilterDiscovery {
  const source = reader.child("configSource");
  const file = source === null ? null : readConfigSource(source); // reported: it must be set
  const typeNames = readTypeNames(reader);
  const packed = reader.unpacked("defaultConfig");
  const fallback = packed.any === null ? null : readFilterConfig(reader.context, packed, false);
  if (fallback !== null && !typeNames.includes(fallback.typeName)) {
    reader.context.faults.add(`${packed.path}.@type`, `must be one of type_urls, not ${fallback.typeName}`);
  }
  const withoutWarming = reader.take("applyDefaultConfigWithoutWarming");
  if (withoutWarming && fallback === null) {
    reader.fault("applyDefaultConfigWithoutWarming", "must only be set beside default_config");
  }
  const discovery = { resource: `${file?.path ?? ""}#${name}`, typeNames, fallback, withoutWarming };
  if (file !== null) wants.push({ kind: "ECDS", name, ...file, discovery });
  return discovery;
}

function readTypeNames(reader: Reader<ExtensionConfigSource>): string[] {
  const { checks, faults } = reader.context;
  return reader.take("typeUrls").map((url, i) => {
    const typeName = typeNameOf(url);
    if (checks.httpFilters?.has(typeName) !== true) {
      faults.refuse(`${reader.at("typeUrls")}[${i}]`, typeName || JSON.stringify(url));
    }
    return typeName;
  });
}
