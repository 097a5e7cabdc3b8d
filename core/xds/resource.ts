/**
 * What reading Envoy's configuration gives: each resource as the core's plain model, beside the message that it
 * came from (for `/config_dump`) and the names that it waits for. Knows neither files nor gRPC: who fetches
 * a subscription decides how.
 */

import type { ConfigFault } from "../config/config-fault.ts";
import type {
  AccessLog,
  Cluster,
  ClusterLoadAssignment,
  ExtensionConfig,
  FilterDiscovery,
  Json,
  Listener,
  Node,
  RouteConfiguration,
  Snapshot,
} from "../config/model.ts";
import { secretKey } from "../config/secret-key.ts";
import type { Secret } from "../config/tls.ts";
import type { Address } from "../io/socket.ts";
import type { AnyMessage } from "./message.ts";

/** The kinds of dynamic resources, by the name of their discovery service. */
export type ResourceKind = "LDS" | "CDS" | "RDS" | "EDS" | "ECDS" | "SDS";

/** The model of each kind. */
export interface ModelOf {
  LDS: Listener;
  CDS: Cluster;
  RDS: RouteConfiguration;
  EDS: ClusterLoadAssignment;
  ECDS: ExtensionConfig;
  SDS: Secret;
}

interface Wanted {
  /** Route configuration, cluster (service), filter or secret name. */
  readonly name: string;
  /** File with a DiscoveryResponse. */
  readonly path: string;
  /** Milliseconds to wait for the first content (default 15 s; 0 = for ever). */
  readonly initialFetchTimeout: number;
}

/** A secret that stands in a document and names files: `message` is read anew when one of them changes. */
export interface InlineSecret {
  readonly kind: "tls_certificate" | "validation_context";
  readonly message: AnyMessage;
}

/**
 * A resource wanted by a listener (RDS, ECDS, SDS) or cluster (EDS, SDS), and the file that it is to be read from; an
 * inline secret has no file of its own, and its path is "".
 */
export type Subscription =
  | (Wanted & { readonly kind: "RDS" | "EDS" })
  | (Wanted & { readonly kind: "SDS"; readonly inline: InlineSecret | null })
  | (Wanted & { readonly kind: "ECDS"; readonly discovery: FilterDiscovery });

/**
 * The name that a subscription's resource goes by in a snapshot, unique among its kind. As in Envoy, filters of one
 * name may have their configurations from different files, and so may secrets.
 */
export function filedAs(wanted: Subscription): string {
  if (wanted.kind === "SDS") return wanted.path === "" ? wanted.name : secretKey(wanted.name, wanted.path);
  return wanted.kind === "ECDS" ? wanted.discovery.resource : wanted.name;
}

/** One resource that was read without a fault. */
export interface Resource<T> {
  readonly name: string;
  /** Stable hash of the resource; the same as `model.version`. */
  readonly version: string;
  readonly model: T;
  /** The resource in Envoy's JSON shape: proto field names, `@type` inside typed configurations. */
  readonly source: Json;
  /** What it waits for before it can be used. */
  readonly wants: readonly Subscription[];
}

/** The `admin` block. */
export interface Admin {
  readonly address: Address;
  readonly accessLog: readonly AccessLog[];
}

/** Everything in a bootstrap document. */
export interface Bootstrap {
  readonly node: Node;
  readonly listeners: readonly Resource<Listener>[];
  readonly clusters: readonly Resource<Cluster>[];
  readonly admin: Admin | null;
  /** Files that carry the listeners and clusters delivered dynamically, "" = none. */
  readonly dynamic: { readonly lds: string; readonly cds: string };
  readonly runtime: Snapshot["runtime"];
  /** True if an `admin_layer` is there, so that `/runtime_modify` may change values. */
  readonly runtimeAdminLayer: boolean;
  /** The cluster of the proxy itself (`cluster_manager.local_cluster_name`), "" = none. */
  readonly localClusterName: string;
  /** Milliseconds between flushes of statistics (default 5 s). */
  readonly statsFlushInterval: number;
  /** The whole document in Envoy's JSON shape. */
  readonly source: Json;
}

/** A file with listeners or clusters: it has whatever it has. */
interface Whole<K extends ResourceKind> {
  readonly kind: K;
  readonly name: "";
  readonly path: string;
}

/** A file with a DiscoveryResponse that something leads to. */
export type Lead = Subscription | Whole<"LDS"> | Whole<"CDS">;

/** Result of `readBootstrap`: exactly one of "no fault" and "no bootstrap" holds. */
export interface BootstrapResult {
  readonly bootstrap: Bootstrap | null;
  readonly faults: readonly ConfigFault[];
  /** Every file that the document names, as far as it could be read. */
  readonly leads: readonly Lead[];
}

/** A resource of a discovery response that was refused. */
export interface Rejected {
  /** Name, or "" if not even that could be read. */
  readonly name: string;
  /** Paths begin with `resources[i]`. */
  readonly faults: readonly ConfigFault[];
  /** What it would have waited for, as far as it could be read. */
  readonly wants: readonly Subscription[];
}

/** Result of `readResources`: the good ones are usable, whatever is wrong with the others. */
export interface Update<T> {
  readonly versionInfo: string;
  readonly resources: readonly Resource<T>[];
  readonly rejected: readonly Rejected[];
  /** Faults of the document as a whole; if there is one, nothing of it was read. */
  readonly faults: readonly ConfigFault[];
}

/** Resources delivered dynamically that are in force, by name. */
export interface Dynamic {
  readonly listeners: ReadonlyMap<string, Resource<Listener>>;
  readonly clusters: ReadonlyMap<string, Resource<Cluster>>;
  readonly routes: ReadonlyMap<string, Resource<RouteConfiguration>>;
  readonly endpoints: ReadonlyMap<string, Resource<ClusterLoadAssignment>>;
  /** By `filedAs`. */
  readonly extensions: ReadonlyMap<string, Resource<ExtensionConfig>>;
  /** By `filedAs`. */
  readonly secrets: ReadonlyMap<string, Resource<Secret>>;
}

/** A resource that cannot be used yet. */
export interface Warming {
  readonly kind: "LDS" | "CDS";
  readonly name: string;
  /** What has not arrived. */
  readonly waitsFor: readonly Subscription[];
}

/** Result of `buildSnapshot`. */
export interface SnapshotResult {
  readonly snapshot: Snapshot;
  readonly warming: readonly Warming[];
}
