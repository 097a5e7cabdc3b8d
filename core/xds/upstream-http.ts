/**
 * How a cluster speaks HTTP: the options extension, or the older fields that stand in the cluster itself.
 * HTTP/1.1 and HTTP/2 are what there is, either of them, by ALPN, or as the client does; HTTP/3 is refused by name.
 */
import type { Cluster } from "../config/model.ts";
import { entryPath } from "./faults.ts";
import type { Cluster as ClusterMessage } from "./generated/envoy/config/cluster/v3/cluster_pb.ts";
import type {
  HttpProtocolOptions,
  HttpProtocolOptions_AutoHttpConfig,
  HttpProtocolOptions_UseDownstreamHttpConfig,
} from "./generated/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { readHttp1Options, readUpstreamHttpOptions } from "./http-options.ts";
import { readHttp2Options } from "./http2-options.ts";
import { type PackedAny, typeNameOf } from "./message.ts";
import { openUnpacked, type Reader } from "./reader.ts";

type Protocol = Pick<Cluster, "http1" | "http2" | "protocolBy">;
type UpstreamHttp = Pick<Cluster, "common" | "maxResponseHeadersBytes"> & Protocol;

const OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/** Envoy's default for responses. */
const MAX_RESPONSE_HEADERS_BYTES = 60 * 1024;

/** Reads the HTTP options of a cluster; `secure`: its connections are TLS. */
export function readUpstreamHttp(reader: Reader<ClusterMessage>, secure: boolean): UpstreamHttp {
  const extension = findExtension(reader);
  const oldCommon = reader.child("commonHttpProtocolOptions");
  const oldHttp1 = reader.child("httpProtocolOptions");
  const oldHttp2 = reader.child("http2ProtocolOptions");
  const oldMaxRequests = reader.take("maxRequestsPerConnection");
  if (extension !== null) {
    for (const key of ["commonHttpProtocolOptions", "httpProtocolOptions", "http2ProtocolOptions"] as const) {
      if (reader.has(key)) reader.fault(key, `must not be set beside ${OPTIONS}`);
    }
    return orOld(readOptions(extension, secure), extension.message.commonHttpProtocolOptions, oldMaxRequests);
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

function readOptions(reader: Reader<HttpProtocolOptions>, secure: boolean): UpstreamHttp {
  return {
    common: readUpstreamHttpOptions(reader.child("commonHttpProtocolOptions")),
    ...readProtocol(reader, secure),
    maxResponseHeadersBytes: MAX_RESPONSE_HEADERS_BYTES,
  };
}

function readProtocol(reader: Reader<HttpProtocolOptions>, secure: boolean): Protocol {
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
      return { ...readEither(chosen.value), protocolBy: "DOWNSTREAM" };
    case "autoConfig":
      // As in Envoy. Without TLS nobody ever says which it is.
      if (!secure)
        chosen.value.faultHere("needs a transport_socket of TLS, which asks for a protocol by ALPN");
      return { ...readEither(chosen.value), protocolBy: "ALPN" };
  }
  return { http1: readHttp1Options(null), http2: null };
}

/** HTTP/2 need not be mentioned to be spoken. */
function readEither(
  reader: Reader<HttpProtocolOptions_UseDownstreamHttpConfig> | Reader<HttpProtocolOptions_AutoHttpConfig>,
): Protocol {
  const options = reader as Reader<HttpProtocolOptions_UseDownstreamHttpConfig>; // both have these two
  return {
    http1: readHttp1Options(options.child("httpProtocolOptions")),
    http2: readHttp2Options(options.child("http2ProtocolOptions")),
  };
}
