/** Where dynamic resources come from. Files are implemented; gRPC, REST and ADS are refused by name. */
import type { ConfigSource } from "./generated/envoy/config/core/v3/config_source_pb.ts";
import type { Reader } from "./reader.ts";

/** A file to read and watch. */
export interface FileSource {
  /** "" if there was a fault. */
  readonly path: string;
  /** Milliseconds to wait for the first content (default 15 s; 0 = for ever). */
  readonly initialFetchTimeout: number;
}

/** Reads a source of configuration. */
export function readConfigSource(reader: Reader<ConfigSource>): FileSource {
  const initialFetchTimeout = reader.duration("initialFetchTimeout", 15_000);
  reader.choice("resourceApiVersion", ["AUTO", "V3"]);
  const chosen = reader.oneof("configSourceSpecifier");
  switch (chosen.case) {
    case "path":
      if (chosen.value === "") reader.context.faults.add(chosen.path, "must not be empty");
      return { path: chosen.value, initialFetchTimeout };
    case "pathConfigSource":
      return { path: chosen.value.take("path"), initialFetchTimeout };
    case undefined:
      break;
    default:
      reader.refuseOneof(chosen);
  }
  return { path: "", initialFetchTimeout };
}
