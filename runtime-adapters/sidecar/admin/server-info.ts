/** `/server_info` and `/memory`: facts about the process, in Envoy's shapes. */
import type { Json } from "../../../core/config/model.ts";
import type { AdminSource } from "./admin-source.ts";

/** `envoy.admin.v3.ServerInfo`, with the options that we have. */
export function serverInfo(source: AdminSource): Json {
  const { options, snapshot } = source;
  const uptime = `${Math.floor((Date.now() - source.startedAt) / 1000)}s`;
  const { region, zone, subZone } = snapshot.node.locality;
  return {
    version: source.version,
    state: source.state,
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: "disabled",
    command_line_options: {
      concurrency: options.concurrency,
      config_path: options.configPath,
      config_yaml: "",
      allow_unknown_static_fields: false,
      reject_unknown_dynamic_fields: true,
      admin_address_path: options.adminAddressPath,
      log_level: options.logLevel,
      component_log_level: [...options.componentLogLevel].map((pair) => pair.join(":")).join(","),
      service_cluster: "",
      service_node: "",
      service_zone: "",
      drain_time: `${options.drainTime / 1000}s`,
      mode: "Serve",
      disable_hot_restart: true,
      restart_epoch: 0,
      drain_strategy: "Immediate",
    },
    node: {
      id: snapshot.node.id,
      cluster: snapshot.node.cluster,
      metadata: snapshot.node.metadata,
      locality: { region, zone, sub_zone: subZone },
      user_agent_name: "tulle",
    },
  };
}

/** `envoy.admin.v3.Memory`: the JavaScript heap stands where Envoy reports its allocator. */
export function memory(): Json {
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  return {
    allocated: `${heapUsed + external}`,
    heap_size: `${heapTotal}`,
    pageheap_unmapped: "0",
    pageheap_free: `${Math.max(0, heapTotal - heapUsed)}`,
    total_thread_cache: "0",
    total_physical_bytes: `${rss}`,
  };
}
