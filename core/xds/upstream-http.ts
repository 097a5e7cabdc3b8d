/**
 * How a cluster speaks HTTP: the options extension, or the older fields that stand in the cluster itself.
 * HTTP/1.1 and HTTP/2 are what there is; HTTP/3 is refused by name.
 */
import type { Cluster } from "../config/model.ts";
import { entryPath } from "./faults.ts";
import type { Cluster as ClusterMessage } from "./generated/envoy/config/cluster/v3/cluster_pb.ts";
import type { HttpProtocolOptions } from "./generated/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { readHttp1Options, readUpstreamHttpOptions } from "./http-options.ts";
import { readHttp2Options } from "./http2-options.ts";
import { type PackedAny, typeNameOf } from "./message.ts";
import { openUnpacked, type Reader } from "./reader.ts";

type UpstreamHttp = Pick<Cluster, "common" | "http1" | "http2" | "maxResponseHeadersBytes">;

const OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/** Envoy's default for responses. */
const MAX_RESPONSE_HEADERS_BYTES = 60 * 1024;

/** Reads the HTTP options of a cluster. */
export function readUpstreamHttp(reader: Reader<ClusterMessage>): UpstreamHttp {
  const extension = findExtension(reader);
  const oldCommon = reader.child("commonHttpProtocolOptions");
  const oldHttp1 = reader.child("httpProtocolOptions");
  const oldHttp2 = reader.child("http2ProtocolOptions");
  const oldMaxRequests = reader.take("maxRequestsPerConnection");
  if (extension !== null) {
    for (const key of ["commonHttpProtocolOptions", "httpProtocolOptions", "http2ProtocolOptions"] as const) {
      if (reader.has(key)) reader.fault(key, `must not be set beside ${OPTIONS}`);
    }
    return orOld(readOptions(extension), extension.message.commonHttpProtocolOptions, oldMaxRequests);
  }
  const options = {
    common: readUpstreamHttpOptions(oldCommon),
    http1: readHttp1Options(oldHttp1),
    http2: oldHttp2 === null ? null : readHttp2Options(oldHttp2),
    maxResponseHeadersBytes: MAX_RESPONSE_HEADERS_BYTES,
  };
  return orOld(options, reader.message.commonHttpProtocolOptions, oldMaxRequests);
}

/** The cluster's own `max_requests_per_connection` holds where the common options say nothing about it. */
function orOld(
  options: UpstreamHttp,
  common: { readonly maxRequestsPerConnection?: number | undefined } | undefined,
  old: number | undefined,
): UpstreamHttp {
  if (old === undefined || common?.maxRequestsPerConnection !== undefined) return options;
  return { ...options, common: { ...options.common, maxRequestsPerConnection: old } };
}

function findExtension(reader: Reader<ClusterMessage>): Reader<HttpProtocolOptions> | null {
  let found: Reader<HttpProtocolOptions> | null = null;
  const entries = reader.take("typedExtensionProtocolOptions");
  for (const [key, value] of Object.entries(entries)) {
    const any = value as unknown as PackedAny;
    const path = entryPath(reader.at("typedExtensionProtocolOptions"), key);
    const typeName = typeNameOf(any.typeUrl);
    const options = openUnpacked<HttpProtocolOptions>(reader.context, { typeName, path, any }, OPTIONS);
    if (key !== OPTIONS) reader.context.faults.refuse(path, key);
    else if (options === null) reader.context.faults.add(path, `must be of type ${OPTIONS}, not ${typeName}`);
    else found = options;
  }
  return found;
}

function readOptions(reader: Reader<HttpProtocolOptions>): UpstreamHttp {
  return {
    common: readUpstreamHttpOptions(reader.child("commonHttpProtocolOptions")),
    ...readProtocol(reader),
    maxResponseHeadersBytes: MAX_RESPONSE_HEADERS_BYTES,
  };
}

function readProtocol(reader: Reader<HttpProtocolOptions>): Pick<Cluster, "http1" | "http2"> {
  const chosen = reader.oneof("upstreamProtocolOptions");
  switch (chosen.case) {
    case "explicitHttpConfig": {
      const protocol = chosen.value.oneof("protocolConfig");
      if (protocol.case === "httpProtocolOptions")
        return { http1: readHttp1Options(protocol.value), http2: null };
      if (protocol.case === "http2ProtocolOptions")
        return { http1: readHttp1Options(null), http2: readHttp2Options(protocol.value) };
      if (protocol.case !== undefined) chosen.value.refuseOneof(protocol);
      break;
    }
    case "useDownstreamProtocolConfig":
      // Downstream is HTTP/1.1 as well.
      return { http1: readHttp1Options(chosen.value.child("httpProtocolOptions")), http2: null };
    case "autoConfig":
      reader.refuseOneof(chosen);
      break;
  }
  return { http1: readHttp1Options(null), http2: null };
}
