/** A request as the tests of authz tell it, whoever judges it: the model, our module in a host, Envoy. */

import type { HeaderList } from "../../../runtime-adapters/filter-tool/scripted-host/fake-stream.ts";
import { serialise } from "../../../runtime-adapters/filter-tool/scripted-host/guest-bytes.ts";

export type Claim = string | number | boolean | null | readonly Claim[] | { readonly [name: string]: Claim };

export interface AuthzRequest {
  readonly method?: string;
  readonly path?: string;
  /** `:authority`. */
  readonly host?: string;
  readonly headers?: HeaderList;
  /** The URI in the peer's certificate; none: plain text, or a certificate without one. */
  readonly peer?: string;
  /** The certificate's subject. */
  readonly subject?: string;
  /** `source.address` of the host: what it makes of peer and X-Forwarded-For. */
  readonly source?: string;
  readonly port?: number;
  /** The claims of a token that was verified. */
  readonly claims?: { readonly [name: string]: Claim };
}

/** The header list of the request, pseudo-headers first. */
export function headersOf(request: AuthzRequest): HeaderList {
  const { method = "GET", path = "/", host = "shop", headers = [] } = request;
  return [[":method", method], [":path", path], [":authority", host], [":scheme", "http"], ...headers];
}

/** What the host tells of it, path segments joined by ".". */
export function propertiesOf(request: AuthzRequest): Map<string, string> {
  const { peer, subject, source = "10.1.2.3:4567", port = 8080, claims } = request;
  const properties = new Map([
    ["source.address", source],
    ["destination.address", `10.9.9.9:${port}`],
    ["destination.port", integer(port)],
  ]);
  if (peer !== undefined) properties.set("connection.uri_san_peer_certificate", peer);
  if (peer !== undefined || subject !== undefined) {
    properties.set("connection.subject_peer_certificate", subject ?? "");
  }
  for (const [name] of request.headers ?? []) {
    const values = (request.headers ?? []).filter(([other]) => other === name).map(([, value]) => value);
    properties.set(`request.headers.${name}`, values.join(","));
  }
  for (const [name, value] of headersOf(request).slice(0, 3))
    properties.set(`request.headers.${name}`, value);
  addClaims(properties, "metadata.filter_metadata.envoy.filters.http.jwt_authn.payload", claims ?? {});
  return properties;
}

function addClaims(
  into: Map<string, string>,
  path: string,
  claims: { readonly [name: string]: Claim },
): void {
  for (const [name, value] of Object.entries(claims)) {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      addClaims(into, `${path}.${name}`, value as { [name: string]: Claim });
    } else if (value !== null) into.set(`${path}.${name}`, claimBytes(value));
  }
}

/** The binary form in which Envoy gives a value of the metadata. */
function claimBytes(value: Claim): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "\x01" : "\0";
  if (typeof value === "number") return bytesOf(new Float64Array([value]));
  return serialise((value as readonly Claim[]).map((one) => [claimBytes(one), ""]));
}

function integer(value: number): string {
  return bytesOf(new BigInt64Array([BigInt(value)]));
}

function bytesOf(array: Float64Array | BigInt64Array): string {
  return String.fromCharCode(...new Uint8Array(array.buffer));
}
