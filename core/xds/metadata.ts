/** Metadata of whatever is configured, for filters and logs. */
import { byteStrings } from "../config/byte-strings.ts";
import type { Metadata } from "../config/model.ts";
import type { Metadata as MetadataMessage } from "./generated/envoy/config/core/v3/base_pb.ts";
import type { Reader } from "./reader.ts";

/** Reads it; undefined if there is none. */
export function readMetadata(reader: Reader<MetadataMessage> | null): Metadata | undefined {
  if (reader === null) return undefined;
  // Nobody here could read messages: for whoever asks, there are none.
  reader.inert("typedFilterMetadata");
  return byteStrings(reader.take("filterMetadata") as Metadata) as Metadata;
}
