/**
 * What Istio's metrics say of one request, in Istio's words: who called whom, as whom, how safely, and how it ended.
 * This proxy's side is known from its node's metadata, the other side from its certificate alone: there is no exchange
 * of metadata between peers here, so what only that could tell is "unknown".
 */
import { lowerCase } from "../../core/bytes/ascii.ts";
import type { Json, Node } from "../../core/config/model.ts";
import { withoutPort } from "../../core/http/authority.ts";
import { grpcStatusOf, isGrpc, isGrpcStatus } from "../../core/http/grpc.ts";
import { known } from "../../core/http/names.ts";
import type { MetadataValue, StreamInfo } from "../../core/http/stream-info.ts";

/** In Istio's order; a request's values follow it. */
export const LABELS = [
  "reporter",
  "source_workload",
  "source_canonical_service",
  "source_canonical_revision",
  "source_workload_namespace",
  "source_principal",
  "source_app",
  "source_version",
  "source_cluster",
  "destination_workload",
  "destination_workload_namespace",
  "destination_principal",
  "destination_app",
  "destination_version",
  "destination_service",
  "destination_canonical_service",
  "destination_canonical_revision",
  "destination_service_name",
  "destination_service_namespace",
  "destination_cluster",
  "request_protocol",
  "response_code",
  "grpc_response_status",
  "response_flags",
  "connection_security_policy",
] as const;
export type Label = (typeof LABELS)[number];

/** Values by label. */
export type LabelValues = { [label in Label]: string };

export const UNKNOWN = "unknown";

const GRPC_STATUS = known("grpc-status");
const SPIFFE = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/[^/]+$/;

/** A workload of the mesh, as far as it is known. */
interface Workload {
  readonly workload: string;
  readonly namespace: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly app: string;
  readonly version: string;
  readonly cluster: string;
}

/** Who this proxy stands beside, by the metadata that Istio gives to its nodes. */
export function workloadOf({ metadata }: Node): Workload {
  const labels = field(metadata, "LABELS");
  const label = (name: string): string => textOf(field(labels, name));
  const app = label("app");
  const workload = textOf(field(metadata, "WORKLOAD_NAME"));
  return {
    workload,
    namespace: textOf(field(metadata, "NAMESPACE")),
    canonicalService: firstKnown(label("service.istio.io/canonical-name"), app, workload),
    canonicalRevision: firstKnown(label("service.istio.io/canonical-revision"), label("version"), "latest"),
    app,
    version: label("version"),
    cluster: textOf(field(metadata, "CLUSTER_ID")),
  };
}

/** Texts that peers choose, and which of them have a name of their own. */
export interface Known {
  /** The host itself, or `unknown`. */
  host(text: string): string;
  /** The same of an identity. */
  identity(text: string): string;
}

/** What of a request its labels follow from. Made once, and read for each request. */
export class RequestFacts {
  private readonly own: Workload;
  private readonly byHost: boolean;
  private readonly known: Known;
  private outbound = false;
  private mutual = false;
  private ours = UNKNOWN;
  private theirs = UNKNOWN;
  private service: Service = NOBODY;
  private grpc = false;
  private code = 0;
  private status = "";
  private flags = "-";

  /** `byHost`: a service that nobody names is called by the host that was asked for. */
  constructor(own: Workload, byHost: boolean, known: Known) {
    this.own = own;
    this.byHost = byHost;
    this.known = known;
  }

  /** Looks at a request that is over; requests of the same text have the same labels. */
  read(info: StreamInfo): string {
    const { known } = this;
    this.outbound = info.listener?.trafficDirection === "OUTBOUND";
    const tls = (this.outbound ? info.upstreamTls : info.downstreamTls) ?? null;
    this.mutual = tls !== null && tls.peer?.verified === true;
    this.ours = this.mutual ? (tls?.local?.names.uri[0] ?? UNKNOWN) : UNKNOWN;
    const theirs = this.mutual ? tls?.peer?.names.uri[0] : undefined;
    this.theirs = theirs === undefined ? UNKNOWN : known.identity(theirs);
    this.service = serviceOf(info) ?? (this.byHost ? serviceByHost(info, known) : NOBODY);
    this.grpc = info.request !== null && isGrpc(info.request.fields);
    this.code = info.responseCode;
    this.status = this.grpc ? grpcStatus(info) : "";
    this.flags = info.flags.length === 0 ? "-" : info.flags.join(",");
    const { host, name, namespace } = this.service;
    const how = `${this.outbound} ${this.mutual} ${this.code} ${this.grpc} ${this.status} ${this.flags}`;
    return `${how} ${this.ours} ${host} ${name} ${namespace} ${this.theirs}`;
  }

  /** Of the request that was read last. */
  labels(): LabelValues {
    const { outbound, service, ours, theirs } = this;
    const peer: Workload = { ...STRANGER, namespace: SPIFFE.exec(theirs)?.[1] ?? UNKNOWN };
    const [source, destination] = outbound ? [this.own, peer] : [peer, this.own];
    return {
      reporter: outbound ? "source" : "destination",
      source_workload: source.workload,
      source_canonical_service: source.canonicalService,
      source_canonical_revision: source.canonicalRevision,
      source_workload_namespace: source.namespace,
      source_principal: outbound ? ours : theirs,
      source_app: source.app,
      source_version: source.version,
      source_cluster: source.cluster,
      destination_workload: destination.workload,
      destination_workload_namespace: destination.namespace,
      destination_principal: outbound ? theirs : ours,
      destination_app: destination.app,
      destination_version: destination.version,
      destination_service: service.host,
      destination_canonical_service: destination.canonicalService,
      destination_canonical_revision: destination.canonicalRevision,
      destination_service_name: service.name,
      destination_service_namespace: firstKnown(service.namespace, destination.namespace),
      destination_cluster: destination.cluster,
      request_protocol: this.grpc ? "grpc" : "http",
      response_code: String(this.code),
      grpc_response_status: this.status,
      response_flags: this.flags,
      // Whoever calls cannot say how the other side took it (Istio).
      connection_security_policy: outbound ? UNKNOWN : this.mutual ? "mutual_tls" : "none",
    };
  }
}

const STRANGER: Workload = {
  workload: UNKNOWN,
  namespace: UNKNOWN,
  canonicalService: UNKNOWN,
  canonicalRevision: UNKNOWN,
  app: UNKNOWN,
  version: UNKNOWN,
  cluster: UNKNOWN,
};

interface Service {
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
}

const NOBODY: Service = { host: UNKNOWN, name: UNKNOWN, namespace: UNKNOWN };

/** What the control plane says of the cluster; null = nothing. */
function serviceOf(info: StreamInfo): Service | null {
  const metadata = info.cluster?.config.metadata;
  if (metadata === undefined) return null;
  const services = field(field(metadata as MetadataValue, "istio"), "services");
  const first = Array.isArray(services) ? (services[0] as MetadataValue) : undefined;
  if (first === undefined) return null;
  return {
    host: textOf(field(first, "host")),
    name: textOf(field(first, "name")),
    namespace: textOf(field(first, "namespace")),
  };
}

function serviceByHost({ request }: StreamInfo, known: Known): Service {
  if (request === null || request.authority === "") return NOBODY;
  const host = known.host(lowerCase(withoutPort(request.authority)));
  return { host, name: host, namespace: UNKNOWN };
}

/** What the answer says, in its head or behind its body, if it is a status; if it says nothing, what follows from HTTP's. */
function grpcStatus(info: StreamInfo): string {
  const said = info.responseTrailers?.getId(GRPC_STATUS) ?? info.response?.fields.getId(GRPC_STATUS) ?? null;
  if (said !== null) return isGrpcStatus(said) ? said : UNKNOWN;
  return String(grpcStatusOf(info.responseCode));
}

function firstKnown(...values: readonly string[]): string {
  return values.find((value) => value !== UNKNOWN) ?? UNKNOWN;
}

function field(value: Json | MetadataValue | undefined, name: string): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? (value as { readonly [key: string]: Json })[name] : undefined;
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" && value !== "" ? value : UNKNOWN;
}
