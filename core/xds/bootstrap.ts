/**
 * A bootstrap document → `Bootstrap`: decode by the schema, apply the API's own rules, translate, and look at
 * what the parts say about each other. Each stage adds to one list of faults; only a clean list gives a result.
 */
import type { Cluster, Json, Listener, Node } from "../config/model.ts";
import { formatAddress } from "../io/socket.ts";
import { readAccessLogs } from "./access-log.ts";
import { readAddress, readLocality } from "./address.ts";
import type { Checks } from "./checks.ts";
import { readConfigSource } from "./config-source.ts";
import { Faults } from "./faults.ts";
import { messageFromJson } from "./from-json.ts";
import type {
  Admin as AdminMessage,
  Bootstrap_DynamicResources,
  Bootstrap_StaticResources,
  Bootstrap as BootstrapMessage,
} from "./generated/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import type { Node as NodeMessage } from "./generated/envoy/config/core/v3/base_pb.ts";
import { Context, type Reader } from "./reader.ts";
import type { Admin, Bootstrap, BootstrapResult, Lead, Resource } from "./resource.ts";
import { clusterResource, listenerResource } from "./resource-reader.ts";
import { readRuntimeLayers } from "./runtime-layers.ts";
import { messageToJson } from "./to-json.ts";
import { validate } from "./validate.ts";

const BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap";

/** Reads an `envoy.config.bootstrap.v3.Bootstrap` in JSON shape. Never throws; collects every fault. */
export function readBootstrap(json: Json, checks: Checks = {}): BootstrapResult {
  const faults = new Faults();
  const message = messageFromJson(BOOTSTRAP, json, "", faults);
  validate(message, "", faults);
  const clusters = namesOf(message as unknown as BootstrapMessage);
  const context = new Context(faults, { clusters, ...checks });
  const bootstrap = translate(context.open<BootstrapMessage>(message, ""), messageToJson(message));
  context.finish();
  return {
    bootstrap: faults.count === 0 ? bootstrap : null,
    faults: faults.list(),
    leads: leadsOf(bootstrap),
  };
}

/** A source that was refused has no path. */
function leadsOf({ dynamic, listeners, clusters }: Bootstrap): Lead[] {
  const leads: Lead[] = [
    { kind: "LDS", name: "", path: dynamic.lds },
    { kind: "CDS", name: "", path: dynamic.cds },
  ];
  for (const { wants } of [...listeners, ...clusters]) leads.push(...wants);
  return leads.filter(({ path }) => path !== "");
}

function namesOf(message: BootstrapMessage): Set<string> {
  return new Set(message.staticResources?.clusters.map((cluster) => cluster.name));
}

function translate(reader: Reader<BootstrapMessage>, source: Json): Bootstrap {
  const resources = reader.child("staticResources");
  const clusters = readClusters(resources);
  const listeners = readListeners(resources);
  const runtime = readRuntimeLayers(reader.child("layeredRuntime"));
  const localClusterName = reader.child("clusterManager")?.text("localClusterName") ?? "";
  if (localClusterName !== "" && !clusters.some((cluster) => cluster.name === localClusterName)) {
    reader.context.faults.add(
      "cluster_manager.local_cluster_name",
      `unknown cluster ${JSON.stringify(localClusterName)}`,
    );
  }
  const stats = reader.child("statsConfig");
  if (stats !== null && stats.flag("useAllDefaultTags", true) === false) {
    stats.refuse("useAllDefaultTags", "use_all_default_tags");
  }
  return {
    node: readNode(reader.child("node")),
    listeners,
    clusters,
    admin: readAdmin(reader.child("admin")),
    dynamic: readDynamic(reader.child("dynamicResources")),
    runtime: runtime.values,
    runtimeAdminLayer: runtime.adminLayer,
    localClusterName,
    statsFlushInterval: reader.duration("statsFlushInterval", 5000),
    source,
  };
}

function readNode(reader: Reader<NodeMessage> | null): Node {
  if (reader === null) {
    return { id: "", cluster: "", locality: readLocality(null), metadata: {} };
  }
  // What a client says of itself to a control plane; it has no effect on this side.
  reader.inert("userAgentName", "userAgentVersionType", "extensions", "clientFeatures");
  return {
    id: reader.text("id"),
    cluster: reader.text("cluster"),
    locality: readLocality(reader.child("locality")),
    metadata: (reader.take("metadata") ?? {}) as Json,
  };
}

function readAdmin(reader: Reader<AdminMessage> | null): Admin | null {
  if (reader === null) return null;
  const accessLog = readAccessLogs(reader.children("accessLog"));
  const path = reader.take("accessLogPath");
  if (path !== "") accessLog.push({ path, format: null, filter: null });
  const address = reader.child("address");
  if (address === null) return null; // as in Envoy: no address, no admin
  return { address: readAddress(address, false), accessLog };
}

function readDynamic(reader: Reader<Bootstrap_DynamicResources> | null): Bootstrap["dynamic"] {
  const lds = reader?.child("ldsConfig") ?? null;
  const cds = reader?.child("cdsConfig") ?? null;
  return {
    lds: lds === null ? "" : readConfigSource(lds).path,
    cds: cds === null ? "" : readConfigSource(cds).path,
  };
}

function readClusters(reader: Reader<Bootstrap_StaticResources> | null): Resource<Cluster>[] {
  const readers = reader?.children("clusters") ?? [];
  const names = new Set<string>();
  return readers.map((cluster) => {
    const read = clusterResource(cluster);
    if (names.has(read.name))
      cluster.fault("name", `is taken by an earlier cluster: ${JSON.stringify(read.name)}`);
    names.add(read.name);
    return read;
  });
}

function readListeners(reader: Reader<Bootstrap_StaticResources> | null): Resource<Listener>[] {
  const readers = reader?.children("listeners") ?? [];
  const names = new Set<string>();
  const addresses = new Map<string, string>();
  return readers.map((listener) => {
    const read = listenerResource(listener);
    if (names.has(read.name))
      listener.fault("name", `is taken by an earlier listener: ${JSON.stringify(read.name)}`);
    names.add(read.name);
    for (const address of read.model.bindToPort ? read.model.addresses : []) {
      const text = formatAddress(address);
      const other = addresses.get(text);
      if (address.port === 0 && address.path === "") continue; // the kernel picks a free one
      if (other === undefined) addresses.set(text, read.name);
      else listener.fault("address", `${text} is taken by listener ${JSON.stringify(other)}`);
    }
    return read;
  });
}
