/**
 * What the connection manager does to a request's fields before anything is routed by them: who the client is
 * (X-Forwarded-For), what it may say (x-envoy-*), and the request's id. Order and rules are Envoy's
 * (`envoy-istio.md` 1.2 and "Observed"); the fields of the connection itself were dealt with before.
 */
import { Cidr, parseIp } from "../bytes/cidr.ts";
import type { HttpConnectionManager } from "../config/model.ts";
import type { RequestHead } from "../http/head.ts";
import { trimOws } from "../http/hop-by-hop.ts";
import { known } from "../http/names.ts";
import type { Platform } from "../io/platform.ts";
import type { Address } from "../io/socket.ts";
import { forwardClientCert } from "./client-cert-details.ts";

const XFF = known("x-forwarded-for");
const XFP = known("x-forwarded-proto");
const REQUEST_ID = known("x-request-id");
const INTERNAL = known("x-envoy-internal");
const EXTERNAL_ADDRESS = known("x-envoy-external-address");
const VIA = known("via");

/** Instructions to the proxy that only an internal client may give. */
const CONTROL = (
  [
    "x-envoy-max-retries",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-stream-duration-ms",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-original-path",
    "x-envoy-original-host",
    "x-envoy-attempt-count",
    "x-envoy-is-timeout-retry",
  ] as const
).map((name) => known(name));
/** Removed as well from what an edge receives. */
const EDGE = (
  [
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-external-address",
  ] as const
).map((name) => known(name));

/** Longest X-Forwarded-For that is still looked at for a trusted address; the rest passes unread. */
const MAX_XFF_BYTES = 8192;
/** How often our own pseudonym may stand in Via before a loop is assumed (row H6). */
const MAX_OWN_VIA = 4;

/** The rules of one connection manager, compiled. */
export class RequestHeaderRules {
  private readonly config: HttpConnectionManager;
  private readonly internalRanges: readonly Cidr[];
  private readonly platform: Platform;
  private readonly viaField: string;

  constructor(config: HttpConnectionManager, platform: Platform) {
    this.config = config;
    this.platform = platform;
    this.internalRanges = config.internalCidrRanges.flatMap(
      (range) => Cidr.of(range.ip, range.prefixLength) ?? [],
    );
    this.viaField = config.via === "" ? "" : `1.1 ${config.via}`;
  }

  /**
   * Applies the rules; returns the client's address as the rest of the proxy is to see it. `secure`: the
   * connection is TLS. `internalOnly`: what the route configuration takes from internal clients alone. `certificate`:
   * see `clientCertElement`; null = the client showed none.
   */
  apply(
    head: RequestHead,
    peer: Address,
    secure: boolean,
    internalOnly: readonly string[],
    certificate: string | null = null,
  ): Address {
    const { config } = this;
    const fields = head.fields;
    const hadXff = fields.hasId(XFF);
    let client = peer;
    let single: boolean;
    if (config.useRemoteAddress) {
      single = !hadXff;
      if (config.xffNumTrustedHops > 0 && hadXff) {
        client = trustedAddress(fields.getId(XFF) as string, config.xffNumTrustedHops - 1, peer);
      }
      if (!config.skipXffAppend && peer.ip !== "") {
        if (hadXff) fields.setId(XFF, `${fields.getId(XFF)},${peer.ip}`);
        else fields.addId(XFF, peer.ip);
      }
      if (config.xffNumTrustedHops === 0 || !fields.hasId(XFP)) fields.setId(XFP, secure ? "https" : "http");
    } else {
      single = false;
      if (hadXff) {
        const xff = fields.getId(XFF) as string;
        client = trustedAddress(xff, config.xffNumTrustedHops, peer);
        single = !xff.includes(",");
      }
      if (!fields.hasId(XFP)) fields.addId(XFP, secure ? "https" : "http");
    }
    if (config.schemeToOverwrite !== "") fields.setId(XFP, config.schemeToOverwrite);
    head.scheme = fields.getId(XFP) === "https" ? "https" : "http";

    const internal = single && this.isInternal(client);
    const edge = !internal && config.useRemoteAddress;
    if (internal) fields.setId(INTERNAL, "true");
    else {
      fields.removeId(INTERNAL);
      for (let i = 0; i < CONTROL.length; i++) fields.removeId(CONTROL[i]);
      for (let i = 0; i < internalOnly.length; i++) fields.remove(internalOnly[i]);
      if (edge) {
        for (let i = 0; i < EDGE.length; i++) fields.removeId(EDGE[i]);
        fields.setId(EXTERNAL_ADDRESS, client.ip);
      }
    }
    forwardClientCert(fields, config.forwardClientCertDetails, certificate);
    this.requestId(head, edge);
    return client;
  }

  /** Adds `via`; false if our own name stands there so often that the request must be going in circles. */
  via(head: RequestHead): boolean {
    if (this.viaField === "") return true;
    const fields = head.fields;
    const before = fields.getId(VIA);
    if (before === null) {
      fields.addId(VIA, this.viaField);
      return true;
    }
    const own = this.config.via;
    let seen = 0;
    for (const part of before.split(",")) if (trimOws(part).split(" ")[1] === own) seen++;
    fields.setId(VIA, `${before}, ${this.viaField}`);
    return seen <= MAX_OWN_VIA;
  }

  private requestId(head: RequestHead, edge: boolean): void {
    const { config } = this;
    if (!config.generateRequestId) return;
    if (head.fields.hasId(REQUEST_ID) && !(edge && !config.preserveExternalRequestId)) return;
    head.fields.setId(REQUEST_ID, this.platform.uuid());
  }

  private isInternal(client: Address): boolean {
    if (this.internalRanges.length === 0) return false;
    const ip = parseIp(client.ip);
    return ip !== null && this.internalRanges.some((range) => range.contains(ip));
  }
}

/** The address `hops` places from the right of an X-Forwarded-For value; `peer` if there is no valid one. */
function trustedAddress(xff: string, hops: number, peer: Address): Address {
  if (xff.length > MAX_XFF_BYTES) return peer;
  const parts = xff.split(",");
  const at = parts.length - 1 - hops;
  if (at < 0) return peer;
  const ip = trimOws(parts[at]);
  return parseIp(ip) === null ? peer : { ip, port: 0, path: "" };
}
