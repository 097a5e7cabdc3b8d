/**
 * What is wrong with a document and how it is said. Each row puts some fields into a part of a sound document;
 * the faults are given below that part (`.` before a path), or from the top of the document (`/` before it).
 */
import { describe, expect, test } from "bun:test";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import type { FilterCheck } from "../../../core/xds/checks.ts";
import { edited, PARTS, type Part } from "../../support/config-document.ts";

const HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER = "envoy.extensions.filters.http.router.v3.Router";
const OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const SECURE = `transport_socket: { name: t, typed_config: { "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext } }`;
const file = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";

type Row = readonly [part: Part, edit: string, ...faults: string[]];

/** Checks of texts that other parts of the house own, as the table expects them. */
const checks = {
  checkRegex: (pattern: string) => (pattern.includes("(?<") ? "look-behind is not RE2" : ""),
  checkFormat: (format: string) => (format.includes("%NOPE%") ? "unknown operator NOPE" : ""),
};

function faultsOf(part: Part, edit: string): string[] {
  const { bootstrap, faults } = readBootstrap(edited(part, edit), checks);
  expect(bootstrap === null).toBe(faults.length > 0);
  return faults.map(({ path, message }) => {
    const inside = path.startsWith(PARTS[part]) && part !== "bootstrap";
    return inside ? `${path.slice(PARTS[part].length)}: ${message}` : `/${path}: ${message}`;
  });
}

function table(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    test.each(rows)("%s %s", (part, edit, ...faults) => {
      expect(faultsOf(part, edit)).toEqual(faults);
    });
  });
}

table("what is sound", [
  ["bootstrap", "{}"],
  ["hcm", "{ statPrefix: again, stat_prefix: ! }".replace("!", '"!"')],
  ["hcm", "{ codec_type: auto, use_remote_address: 'true', xff_num_trusted_hops: '2' }"],
  ["vhost", "{ routes: null, domains: '*' }"],
  ["cluster", "{ load_assignment: '!' }"],
]);

table("shape: kinds and names", [
  ["hcm", "{ stat_prefx: x }", ".stat_prefx: unknown field (did you mean stat_prefix?)"],
  ["hcm", "{ statPrefx: x }", ".statPrefx: unknown field (did you mean stat_prefix?)"],
  ["hcm", "{ nonsense: x }", ".nonsense: unknown field"],
  [
    "hcm",
    "{ hidden_envoy_deprecated_tracing: {} }",
    ".hidden_envoy_deprecated_tracing: unknown field: removed from Envoy's API",
  ],
  ["hcm", "{ statPrefix: x }", ".statPrefix: is given twice (as stat_prefix and statPrefix)"],
  ["hcm", "{ stat_prefix: 5 }", ".stat_prefix: must be a string, not the number 5"],
  ["hcm", "{ stat_prefix: on }", ".stat_prefix: must be a string, not the boolean true"],
  ["hcm", "{ skip_xff_append: 1 }", ".skip_xff_append: must be a boolean, not the number 1"],
  [
    "hcm",
    "{ xff_num_trusted_hops: -1 }",
    ".xff_num_trusted_hops: must be an integer from 0 to 4294967295, not the number -1",
  ],
  [
    "hcm",
    "{ xff_num_trusted_hops: 1.5 }",
    ".xff_num_trusted_hops: must be an integer from 0 to 4294967295, not the number 1.5",
  ],
  ["hcm", "{ drain_timeout: 5 }", '.drain_timeout: must be a duration such as "1.5s", not the number 5'],
  [
    "hcm",
    "{ drain_timeout: 5ms }",
    '.drain_timeout: must be a duration such as "1.5s", not the string "5ms"',
  ],
  ["hcm", "{ codec_type: HTTP9 }", '.codec_type: must be one of AUTO, HTTP1, HTTP2, HTTP3, not "HTTP9"'],
  ["hcm", "{ access_log: text }", '.access_log: must be an object, not the string "text"'],
  ["hcm", "{ route_config: [] }", ".route_config: must be an object, not a list"],
  ["vhost", "{ domains: [null] }", ".domains[0]: must not be null"],
  ["route", "{ redirect: {} }", ".redirect: only one of route and redirect may be set"],
  [
    "chain",
    "{ filters: [{ name: x, typed_config: { stat_prefix: x } }] }",
    '.filters[0].typed_config: must name its type in "@type"',
  ],
  ["route", "{ match: { path: 1 } }", ".match.path: must be a string, not the number 1"],
]);

table("known, but not implemented, one choice of several", [
  ["cluster", "{ cluster_type: { name: x } }", ".cluster_type: not implemented yet: cluster_type"],
  [
    "cluster",
    "{ ring_hash_lb_config: {} }",
    ".ring_hash_lb_config: not implemented yet: ring_hash_lb_config",
  ],
  [
    "cluster",
    "{ round_robin_lb_config: { slow_start_config: { slow_start_window: 5s } } }",
    ".round_robin_lb_config.slow_start_config: not implemented yet: slow_start_config",
  ],
  [
    "cluster",
    "{ load_balancing_policy: { policies: [{ typed_extension_config: { name: r, typed_config: { '@type': type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin, slow_start_config: { slow_start_window: 5s } } } }] } }",
    ".load_balancing_policy.policies[0].typed_extension_config.typed_config.slow_start_config: not implemented yet: slow_start_config",
  ],
  [
    "cluster",
    `{ typed_extension_protocol_options: { ${OPTIONS}: { "@type": type.googleapis.com/${OPTIONS}, use_downstream_protocol_config: { http3_protocol_options: {} } } } }`,
    `.typed_extension_protocol_options["${OPTIONS}"].use_downstream_protocol_config.http3_protocol_options: not implemented yet: http3_protocol_options`,
  ],
  [
    "cluster",
    `{ ${SECURE}, typed_extension_protocol_options: { ${OPTIONS}: { "@type": type.googleapis.com/${OPTIONS}, auto_config: { http3_protocol_options: {}, alternate_protocols_cache_options: { name: x }, http2_protocol_options: { allow_metadata: true } } } } }`,
    `.typed_extension_protocol_options["${OPTIONS}"].auto_config.http3_protocol_options: not implemented yet: http3_protocol_options`,
    `.typed_extension_protocol_options["${OPTIONS}"].auto_config.alternate_protocols_cache_options: not implemented yet: alternate_protocols_cache_options`,
    `.typed_extension_protocol_options["${OPTIONS}"].auto_config.http2_protocol_options.allow_metadata: not implemented yet: allow_metadata`,
  ],
  [
    "hcm",
    "{ request_id_extension: { typed_config: { '@type': type.googleapis.com/x.Other } } }",
    ".request_id_extension.typed_config: not implemented yet: x.Other",
  ],
  [
    "hcm",
    "{ http_filters: [{ name: l, config_discovery: { config_source: { path: x }, type_urls: [x] } }] }",
    ".http_filters[0].config_discovery.type_urls[0]: not implemented yet: x",
    `.http_filters[0]: the last HTTP filter must be the router (${ROUTER})`,
  ],
  [
    "hcm",
    `{ access_log: [{ name: f, filter: { grpc_status_filter: { statuses: [OK] } }, typed_config: { "@type": ${file}, path: /x } }] }`,
    ".access_log[0].filter.grpc_status_filter: not implemented yet: grpc_status_filter",
  ],
  [
    "chain",
    "{ filters: [{ name: x, config_discovery: { config_source: { path: x }, type_urls: [x] } }] }",
    ".filters[0].config_discovery: not implemented yet: config_discovery",
  ],
  [
    "route",
    "{ match: { prefix: /, headers: [{ name: x, string_match: { custom: { name: c } } }] } }",
    ".match.headers[0].string_match.custom: not implemented yet: custom",
  ],
  [
    "route",
    "{ match: { path_match_policy: { name: x } } }",
    ".match.path_match_policy: not implemented yet: path_match_policy",
  ],
  ["route", "{ route: '!', filter_action: {} }", ".filter_action: not implemented yet: filter_action"],
  [
    "route",
    "{ route: { inline_cluster_specifier_plugin: { extension: { name: x } } } }",
    ".route.inline_cluster_specifier_plugin: not implemented yet: inline_cluster_specifier_plugin",
  ],
  [
    "route",
    "{ route: { cluster: service, retry_policy: { retry_host_predicate: [{ name: x, typed_config: { '@type': type.googleapis.com/x.Y } }] } } }",
    ".route.retry_policy.retry_host_predicate[0]: not implemented yet: x.Y",
  ],
  [
    "route",
    "{ route: '!', direct_response: { status: 200, body: { filename: /x } } }",
    ".direct_response.body.filename: not implemented yet: filename",
  ],
  [
    "route",
    "{ route: '!', direct_response: { status: 200, body: { environment_variable: X } } }",
    ".direct_response.body.environment_variable: not implemented yet: environment_variable",
  ],
]);

table("values that contradict each other, or cannot be", [
  [
    "hcm",
    "{ strip_matching_host_port: true, strip_any_host_port: true }",
    ".strip_matching_host_port: must not be set beside strip_any_host_port",
  ],
  ["hcm", "{ http_filters: [] }", `.http_filters: must end with the router (${ROUTER})`],
  ["hcm", "{ http_filters: [{ name: l }] }", ".http_filters[0].typed_config: must be set"],
  [
    "hcm",
    `{ http_filters: [{ name: r, disabled: true, typed_config: { "@type": type.googleapis.com/${ROUTER} } }] }`,
    ".http_filters[0].disabled: the router cannot be disabled",
  ],
  [
    "chain",
    "{ filter_chain_match: { prefix_ranges: [{ address_prefix: nonsense, prefix_len: 8 }] } }",
    '.filter_chain_match.prefix_ranges[0].address_prefix: must be an IP address, not "nonsense"',
  ],
  [
    "chain",
    "{ filter_chain_match: { source_prefix_ranges: [{ address_prefix: 10.0.0.0, prefix_len: 33 }] } }",
    ".filter_chain_match.source_prefix_ranges[0].prefix_len: must be at most 32",
  ],
  [
    "route",
    "{ route: { weighted_clusters: { total_weight: 5, clusters: [{ name: service, weight: 4 }] } } }",
    ".route.weighted_clusters.total_weight: must be the sum of the weights, 4",
  ],
  [
    "route",
    "{ route: { weighted_clusters: { clusters: [{ name: service, weight: 4294967295 }, { name: service, weight: 1 }] } } }",
    ".route.weighted_clusters.clusters: must have a sum of weights below 2^32",
  ],
  [
    "route",
    "{ route: { cluster: service, retry_policy: { retry_host_predicate: [{ name: x }] } } }",
    ".route.retry_policy.retry_host_predicate[0].typed_config: must be set",
  ],
  [
    "route",
    "{ route: { cluster: service, retry_policy: { host_selection_retry_max_attempts: -1 } } }",
    ".route.retry_policy.host_selection_retry_max_attempts: must be from 0 to 4294967295",
  ],
  [
    "route",
    "{ route: '!', direct_response: { status: 200, body: { inline_bytes: '***' } } }",
    ".direct_response.body.inline_bytes: must be Base64 text",
  ],
  [
    "routes",
    "{ max_direct_response_body_size_bytes: 3, virtual_hosts: [{ name: a, domains: [a], routes: [{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: hello } } }] }] }",
    ".virtual_hosts[0].routes[0].direct_response.body: has 5 bytes; at most 3 are allowed",
  ],
  [
    "hcm",
    `{ access_log: [{ name: f, typed_config: { "@type": ${file}, path: /x, format: "%NOPE%" } }, { name: g, typed_config: { "@type": ${file}, path: /x, json_format: { a: "%NOPE%" } } }, { name: h, typed_config: { "@type": ${file}, path: /x, typed_json_format: { a: "%NOPE%" } } }] }`,
    ".access_log[0].typed_config.format: unknown operator NOPE",
    ".access_log[1].typed_config.json_format.a: unknown operator NOPE",
    ".access_log[2].typed_config.typed_json_format.a: unknown operator NOPE",
  ],
]);

table("known, but not implemented", [
  [
    "cluster",
    "{ common_http_protocol_options: { max_stream_duration: 3s } }",
    ".common_http_protocol_options.max_stream_duration: not implemented yet: max_stream_duration of a cluster",
  ],
  ["bootstrap", "{ overload_manager: {} }", "/overload_manager: not implemented yet: overload_manager"],
  ["bootstrap", "{ watchdogs: {} }", "/watchdogs: not implemented yet: watchdogs"],
  ["bootstrap", "{ stats_sinks: [{ name: x }] }", "/stats_sinks: not implemented yet: stats_sinks"],
  [
    "bootstrap",
    "{ stats_config: { stats_tags: [{ tag_name: x }] } }",
    "/stats_config.stats_tags: not implemented yet: stats_tags",
  ],
  [
    "bootstrap",
    "{ stats_config: { use_all_default_tags: false } }",
    "/stats_config.use_all_default_tags: not implemented yet: use_all_default_tags",
  ],
  [
    "bootstrap",
    "{ dynamic_resources: { ads_config: { api_type: GRPC } } }",
    "/dynamic_resources.ads_config: not implemented yet: ads_config",
  ],
  [
    "bootstrap",
    "{ dynamic_resources: { lds_config: { ads: {} } } }",
    "/dynamic_resources.lds_config.ads: not implemented yet: ads",
  ],
  [
    "bootstrap",
    "{ dynamic_resources: { lds_config: { path: x, resource_api_version: V2 } } }",
    "/dynamic_resources.lds_config.resource_api_version: not implemented yet: V2",
  ],
  [
    "bootstrap",
    "{ layered_runtime: { layers: [{ name: a, rtds_layer: {} }, { name: b, disk_layer: {} }] } }",
    "/layered_runtime.layers[0].rtds_layer: not implemented yet: rtds_layer",
    "/layered_runtime.layers[1].disk_layer: not implemented yet: disk_layer",
  ],
  [
    "listener",
    "{ listener_filters: [{ name: t, typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst } }] }",
    ".listener_filters[0]: not implemented yet: envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
  ],
  ["listener", "{ use_original_dst: true }", ".use_original_dst: not implemented yet: use_original_dst"],
  ["listener", "{ use_original_dst: false, transparent: false, freebind: false }"],
  [
    "listener",
    "{ address: { socket_address: { protocol: UDP, address: 127.0.0.1, port_value: 1 } } }",
    ".address.socket_address.protocol: not implemented yet: UDP",
  ],
  [
    "listener",
    "{ address: { pipe: { path: /x, mode: 511 } } }",
    ".address.pipe.mode: not implemented yet: mode",
  ],
  [
    "listener",
    "{ api_listener: {}, address: '!', filter_chains: '!' }",
    ".api_listener: not implemented yet: api_listener",
  ],
  [
    "chain",
    "{ transport_socket: { name: tls, typed_config: { '@type': type.googleapis.com/envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig } } }",
    ".transport_socket: not implemented yet: transport_socket (envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig)",
  ],
  [
    "chain",
    "{ filters: [{ name: echo, typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo } }] }",
    ".filters[0].typed_config.@type: not implemented yet: envoy.extensions.filters.network.echo.v3.Echo",
  ],
  ["hcm", "{ codec_type: HTTP3 }", ".codec_type: not implemented yet: HTTP3"],
  ["hcm", "{ tracing: {} }", ".tracing: not implemented yet: tracing"],
  [
    "hcm",
    "{ http2_protocol_options: { allow_metadata: true } }",
    ".http2_protocol_options.allow_metadata: not implemented yet: allow_metadata",
  ],
  [
    "hcm",
    "{ route_config: '!', scoped_routes: { name: x, scope_key_builder: { fragments: [{ header_value_extractor: { name: x } }] }, scoped_rds: { scoped_rds_config_source: { path: x } } } }",
    ".scoped_routes: not implemented yet: scoped_routes",
  ],
  [
    "hcm",
    `{ http_filters: [{ name: l, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua } }, { name: r, typed_config: { "@type": type.googleapis.com/${ROUTER} } }] }`,
    ".http_filters[0].typed_config.@type: not implemented yet: envoy.extensions.filters.http.lua.v3.Lua",
  ],
  [
    "hcm",
    `{ http_filters: [{ name: r, typed_config: { "@type": type.googleapis.com/${ROUTER}, start_child_span: true, suppress_grpc_request_failure_code_stats: true, upstream_log: [{ name: a }] } }] }`,
    ".http_filters[0].typed_config.upstream_log: not implemented yet: upstream_log",
    ".http_filters[0].typed_config.suppress_grpc_request_failure_code_stats: not implemented yet: suppress_grpc_request_failure_code_stats",
  ],
  [
    "route",
    "{ route: { cluster: service, hash_policy: [{ header: { header_name: x } }] } }",
    ".route.hash_policy: not implemented yet: hash_policy",
  ],
  [
    "route",
    "{ route: { cluster: service, request_mirror_policies: [{ cluster: service }] } }",
    ".route.request_mirror_policies: not implemented yet: request_mirror_policies",
  ],
  [
    "route",
    "{ typed_per_filter_config: { x: { '@type': type.googleapis.com/x.Y } } }",
    '.typed_per_filter_config["x"].@type: not implemented yet: x.Y',
  ],
  [
    "route",
    "{ match: { prefix: /, dynamic_metadata: [{ filter: x }] } }",
    ".match.dynamic_metadata: not implemented yet: dynamic_metadata",
  ],
  ["route", "{ metadata: { filter_metadata: { a: {} } } }"],
  ["cluster", "{ type: ORIGINAL_DST }", ".type: not implemented yet: ORIGINAL_DST"],
  ["cluster", "{ lb_policy: MAGLEV }", ".lb_policy: not implemented yet: MAGLEV"],
  ["cluster", "{ outlier_detection: {} }", ".outlier_detection: not implemented yet: outlier_detection"],
  [
    "cluster",
    "{ http2_protocol_options: { allow_metadata: true } }",
    ".http2_protocol_options.allow_metadata: not implemented yet: allow_metadata",
  ],
  [
    "cluster",
    `{ typed_extension_protocol_options: { ${OPTIONS}: { "@type": type.googleapis.com/${OPTIONS}, explicit_http_config: { http2_protocol_options: { allow_metadata: true } } } } }`,
    `.typed_extension_protocol_options["${OPTIONS}"].explicit_http_config.http2_protocol_options.allow_metadata: not implemented yet: allow_metadata`,
  ],
  [
    "cluster",
    "{ load_balancing_policy: { policies: [{ typed_extension_config: { name: x, typed_config: { '@type': type.googleapis.com/x.Y } } }] } }",
    ".load_balancing_policy.policies: not implemented yet: x.Y",
  ],
  ["endpoint", "{ endpoint_name: x, endpoint: '!' }", ".endpoint_name: not implemented yet: endpoint_name"],
]);

table("what one part asks of another", [
  [
    "cluster",
    `{ typed_extension_protocol_options: { ${OPTIONS}: { "@type": type.googleapis.com/${OPTIONS}, auto_config: {} } } }`,
    `.typed_extension_protocol_options["${OPTIONS}"].auto_config: needs a transport_socket of TLS, which asks for a protocol by ALPN`,
  ],
]);

table("the API's own rules", [
  ["bootstrap", "{ stats_flush_interval: 300s }", "/stats_flush_interval: must be below 300000 ms"],
  ["hcm", "{ stat_prefix: '' }", ".stat_prefix: must not be empty"],
  ["hcm", "{ route_config: '!' }", ": one of rds, route_config, scoped_routes must be set"],
  ["hcm", "{ max_request_headers_kb: 9000 }", ".max_request_headers_kb: must be at most 8192"],
  ["hcm", "{ drain_timeout: -1s }", ".drain_timeout: must not be negative"],
  [
    "hcm",
    "{ request_headers_timeout: -1s }",
    ".request_headers_timeout: must be at least 0 ms",
    ".request_headers_timeout: must not be negative",
  ],
  ["vhost", "{ domains: [] }", ".domains: must not be empty"],
  ["vhost", "{ name: '' }", ".name: must not be empty"],
  [
    "route",
    "{ match: {} }",
    ".match: one of prefix, path, safe_regex, connect_matcher, path_separated_prefix, path_match_policy must be set",
  ],
  ["route", "{ match: '!' }", ".match: must be set"],
  [
    "route",
    "{ route: '!' }",
    ": one of route, redirect, direct_response, filter_action, non_forwarding_action must be set",
  ],
  [
    "route",
    "{ match: { path_separated_prefix: /a/ } }",
    ".match.path_separated_prefix: must match ^[^?#]+[^?#/]$",
  ],
  [
    "route",
    "{ route: '!', direct_response: { status: 100 } }",
    ".direct_response.status: must be at least 200",
  ],
  [
    "route",
    "{ match: { prefix: /, headers: [{ name: a, string_match: { prefix: '' } }] } }",
    ".match.headers[0].string_match.prefix: must not be empty",
  ],
  [
    "cluster",
    "{ name: '' }",
    ".name: must not be empty",
    `/${PARTS.route}.route.cluster: unknown cluster "service"`,
  ],
  ["cluster", "{ connect_timeout: 0s }", ".connect_timeout: must be above 0 ms"],
  [
    "cluster",
    "{ upstream_connection_options: { tcp_keepalive: { keepalive_time: 32768, keepalive_interval: 40000, keepalive_probes: 128 } } }",
    ".upstream_connection_options.tcp_keepalive.keepalive_probes: must be at most 127, as the kernel has it",
    ".upstream_connection_options.tcp_keepalive.keepalive_time: must be at most 32767, as the kernel has it",
    ".upstream_connection_options.tcp_keepalive.keepalive_interval: must be at most 32767, as the kernel has it",
  ],
  [
    "cluster",
    "{ common_lb_config: { healthy_panic_threshold: { value: 101 } } }",
    ".common_lb_config.healthy_panic_threshold.value: must be at most 100",
  ],
  ["endpoint", "{ load_balancing_weight: 0 }", ".load_balancing_weight: must be at least 1"],
  [
    "endpoint",
    "{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 70000 } } } }",
    ".endpoint.address.socket_address.port_value: must be at most 65535",
  ],
  [
    "endpoint",
    "{ endpoint: { address: { socket_address: { address: 127.0.0.1 } } } }",
    ".endpoint.address.socket_address: one of port_value, named_port must be set",
  ],
  [
    "endpoint",
    "{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: many } } } }",
    '.endpoint.address.socket_address.port_value: must be an integer from 0 to 4294967295, not the string "many"',
  ],
]);

table("addresses", [
  [
    "listener",
    "{ address: { socket_address: { address: localhost, port_value: 1 } } }",
    '.address.socket_address.address: must be an IP address, not "localhost"',
  ],
  [
    "listener",
    "{ address: { socket_address: { address: '[::1]', port_value: 1 } } }",
    '.address.socket_address.address: must be an IP address, not "[::1]"',
  ],
  ["listener", "{ address: '!' }", ".address: must be set"],
  [
    "listener",
    "{ address: { envoy_internal_address: { server_listener_name: x } } }",
    ".address.envoy_internal_address: not implemented yet: envoy_internal_address",
  ],
  [
    "endpoint",
    "{ endpoint: { address: { socket_address: { address: 127.0.0.01, port_value: 1 } } } }",
    '.endpoint.address.socket_address.address: must be an IP address, not "127.0.0.01"',
  ],
  ["endpoint", "{ endpoint: {} }", ".endpoint.address: must be set"],
  ["endpoint", "{ endpoint: '!' }", ": endpoint must be set"],
  [
    "cluster",
    "{ type: STRICT_DNS, load_assignment: { cluster_name: x, endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: /x } } } }] }] } }",
    ".load_assignment.endpoints[0].lb_endpoints[0].endpoint.address: must be a host name or an IP address in a DNS cluster",
  ],
  [
    "cluster",
    "{ type: STRICT_DNS, load_assignment: { cluster_name: x, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 'a b', port_value: 1 } } } }] }] } }",
    '.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: is no host name: "a b"',
  ],
  [
    "chain",
    "{ filter_chain_match: { prefix_ranges: [{ address_prefix: 1.2.3.4, prefix_len: 33 }] } }",
    ".filter_chain_match.prefix_ranges[0].prefix_len: must be at most 32",
  ],
  [
    "chain",
    "{ filter_chain_match: { server_names: ['a*.b'] } }",
    '.filter_chain_match.server_names[0]: may have "*" only as its first label',
  ],
]);

table("headers, formats, regular expressions", [
  [
    "route",
    "{ request_headers_to_add: [{ header: { key: ':path', value: / } }] }",
    '.request_headers_to_add[0].header.key: must be neither "host" nor begin with ":"',
  ],
  [
    "vhost",
    "{ response_headers_to_remove: [Host] }",
    '.response_headers_to_remove[0]: must be neither "host" nor begin with ":"',
  ],
  [
    "routes",
    "{ request_headers_to_add: [{ header: { key: a b, value: c } }] }",
    '.request_headers_to_add[0].header.key: is no header name: "a b"',
  ],
  [
    "route",
    '{ request_headers_to_add: [{ header: { key: a, value: "x\\r\\ny" } }] }',
    ".request_headers_to_add[0].header.value: has characters that a header value must not have",
  ],
  [
    "route",
    "{ request_headers_to_add: [{ header: { key: a, value: '%NOPE%' } }] }",
    ".request_headers_to_add[0].header.value: unknown operator NOPE",
  ],
  [
    "route",
    "{ request_headers_to_add: [{ header: { key: a, value: b }, append: true, append_action: ADD_IF_ABSENT }] }",
    ".request_headers_to_add[0].append: must not be set beside append_action",
  ],
  [
    "route",
    "{ match: { safe_regex: { regex: '(?<!a)b' } } }",
    ".match.safe_regex.regex: look-behind is not RE2",
  ],
  [
    "hcm",
    "{ via: 'a\\0'}".replace("'a\\0'", '"a\\0"'),
    ".via: has characters that a header value must not have",
  ],
  [
    "hcm",
    `{ access_log: [{ name: f, typed_config: { "@type": ${file}, path: /x, log_format: { json_format: { a: { b: ["%NOPE%"] } } } } }] }`,
    ".access_log[0].typed_config.log_format.json_format.a.b[0]: unknown operator NOPE",
  ],
  [
    "hcm",
    "{ access_log: [{ name: envoy.access_loggers.file }] }",
    ".access_log[0].typed_config: must be set",
  ],
]);

table("routes", [
  ["route", "{ route: { cluster: nowhere } }", '.route.cluster: unknown cluster "nowhere"'],
  [
    "route",
    "{ route: { weighted_clusters: { clusters: [{ name: nowhere, weight: 1 }] } } }",
    '.route.weighted_clusters.clusters[0].name: unknown cluster "nowhere"',
  ],
  [
    "route",
    "{ route: { weighted_clusters: { clusters: [{ name: service, weight: 0 }] } } }",
    ".route.weighted_clusters.clusters: must have a sum of weights above 0",
  ],
  [
    "route",
    "{ route: { weighted_clusters: { clusters: [{ name: service }, { weight: 1 }] } } }",
    ".route.weighted_clusters.clusters[0].weight: must be set",
    ".route.weighted_clusters.clusters[1].name: must not be empty",
  ],
  [
    "route",
    "{ route: { cluster: service, prefix_rewrite: /a, regex_rewrite: { pattern: { regex: a }, substitution: b } } }",
    ".route.regex_rewrite: must not be set beside prefix_rewrite",
  ],
  [
    "route",
    "{ route: { cluster: service, regex_rewrite: { pattern: { regex: a }, substitution: '\\x' } } }",
    ".route.regex_rewrite.substitution: has a backslash that is followed by neither a digit nor a backslash",
  ],
  [
    "route",
    "{ route: { cluster: service, retry_policy: { retry_on: 'reset,foo' } } }",
    ".route.retry_policy.retry_on: unknown condition: foo",
  ],
  [
    "route",
    "{ route: { cluster: service, retry_policy: { retry_on: reset, retry_back_off: { base_interval: 1s, max_interval: 0.5s } } } }",
    ".route.retry_policy.retry_back_off.max_interval: must not be below base_interval",
  ],
  [
    "route",
    "{ route: { cluster: service, upgrade_configs: [{ upgrade_type: a }, { upgrade_type: A, connect_config: {} }] } }",
    ".route.upgrade_configs[1].upgrade_type: is given twice: a",
    '.route.upgrade_configs[1].connect_config: must only be set where upgrade_type is "CONNECT"',
  ],
  [
    "route",
    "{ route: '!', redirect: { port_redirect: 70000 } }",
    ".redirect.port_redirect: must be at most 65535",
  ],
  [
    "route",
    `{ route: '!', direct_response: { status: 200, body: { inline_string: ${"x".repeat(5000)} } } }`,
    ".direct_response.body: has 5000 bytes; at most 4096 are allowed",
  ],
  [
    "route",
    "{ route: '!', direct_response: { status: 200, body: { filename: /etc/motd } } }",
    ".direct_response.body.filename: not implemented yet: filename",
  ],
  [
    "vhost",
    "{ domains: [Shop, shop, 'a*b', ''] }",
    '.domains[2]: may have one "*", at its beginning or its end',
    ".domains[3]: must not be empty",
    '.domains[1]: domain shop is taken by virtual host "all"',
  ],
  [
    "routes",
    "{ virtual_hosts: [{ name: a, domains: ['*'] }, { name: b, domains: ['*'] }] }",
    '.virtual_hosts[1].domains[0]: domain * is taken by virtual host "a"',
  ],
  [
    "routes",
    "{ validate_clusters: false, virtual_hosts: [{ name: a, domains: ['*'], routes: [{ match: { prefix: / }, route: { cluster: nowhere } }] }] }",
  ],
]);

table("chains of filters", [
  ["chain", "{ filters: [] }", ".filters: must not be empty"],
  ["listener", "{ filter_chains: [] }", ".filter_chains: must not be empty"],
  [
    "listener",
    `{ filter_chains: [{ filters: &f [{ name: t, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: service } }] }, { filters: *f }] }`,
    ".filter_chains[1].filter_chain_match: is the same as that of filter_chains[0]",
  ],
  [
    "chain",
    `{ filters: [&t { name: t, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: service } }, *t] }`,
    ".filters[0]: a terminal filter must be the last of its chain",
  ],
  [
    "chain",
    `{ filters: [{ name: h, typed_config: { "@type": type.googleapis.com/${HCM} } }] }`,
    ".filters[0].typed_config.stat_prefix: must not be empty",
    ".filters[0].typed_config: one of rds, route_config, scoped_routes must be set",
    `.filters[0].typed_config.http_filters: must end with the router (${ROUTER})`,
  ],
  [
    "hcm",
    `{ http_filters: [&r { name: r, typed_config: { "@type": type.googleapis.com/${ROUTER} } }, *r] }`,
    ".http_filters[0]: the router must be the last HTTP filter",
  ],
  [
    "hcm",
    `{ http_filters: [{ name: r, disabled: true, typed_config: { "@type": type.googleapis.com/${ROUTER} } }] }`,
    ".http_filters[0].disabled: the router cannot be disabled",
  ],
  [
    "hcm",
    "{ http_filters: [{ name: envoy.filters.http.router }] }",
    ".http_filters[0].typed_config: must be set",
  ],
]);

table("clusters", [
  ["cluster", "{ type: EDS, load_assignment: '!' }", ".eds_cluster_config: must be set for type EDS"],
  [
    "cluster",
    "{ type: EDS, eds_cluster_config: { eds_config: { path: x } } }",
    ".load_assignment: must not be set for type EDS",
  ],
  [
    "cluster",
    "{ eds_cluster_config: { eds_config: { path: x } } }",
    ".eds_cluster_config: must only be set for type EDS",
  ],
  [
    "cluster",
    "{ type: LOGICAL_DNS, load_assignment: '!' }",
    ".load_assignment: must have exactly one endpoint for type LOGICAL_DNS",
  ],
  [
    "cluster",
    "{ circuit_breakers: { thresholds: [{}, { max_retries: 1 }] } }",
    ".circuit_breakers.thresholds[1].priority: is given twice: DEFAULT",
  ],
  [
    "cluster",
    "{ dns_failure_refresh_rate: { base_interval: 2s, max_interval: 1s } }",
    ".dns_failure_refresh_rate.max_interval: must not be below base_interval",
  ],
]);

table("the document as a whole", [
  [
    "bootstrap",
    "{ cluster_manager: { local_cluster_name: me } }",
    '/cluster_manager.local_cluster_name: unknown cluster "me"',
  ],
  [
    "bootstrap",
    "{ static_resources: { clusters: [{ name: a }, { name: a }] } }",
    '/static_resources.clusters[1].name: is taken by an earlier cluster: "a"',
  ],
  [
    "bootstrap",
    `{ static_resources: { listeners: [&l { name: a, address: { socket_address: { address: "::", port_value: 80 } }, filter_chains: [{ filters: [{ name: t, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c } }] }] }, *l] } }`,
    '/static_resources.listeners[1].name: is taken by an earlier listener: "a"',
    '/static_resources.listeners[1].address: [::]:80 is taken by listener "a"',
  ],
  [
    "bootstrap",
    "{ layered_runtime: { layers: [{ name: a, static_layer: { x: [1], y: { numerator: 1 } } }, { name: a, admin_layer: {} }, { name: b, admin_layer: {} }] } }",
    "/layered_runtime.layers[0].static_layer.x: must be a text, a number, a boolean or an object",
    "/layered_runtime.layers[0].static_layer.y: not implemented yet: a fraction as a runtime value; give the numerator alone",
    "/layered_runtime.layers[1].name: is taken by an earlier layer: a",
    "/layered_runtime.layers[2]: at most one admin layer is allowed",
  ],
]);

describe("every fault at once", () => {
  test("not only the first", () => {
    const faults = faultsOf(
      "hcm",
      "{ stat_prefix: 1, via: 2, nope: 3, tracing: {}, drain_timeout: x, http_filters: [] }",
    );
    expect(faults).toEqual([
      ".stat_prefix: must be a string, not the number 1",
      ".via: must be a string, not the number 2",
      ".nope: unknown field",
      '.drain_timeout: must be a duration such as "1.5s", not the string "x"',
      ".http_filters: must end with the router (envoy.extensions.filters.http.router.v3.Router)",
      ".tracing: not implemented yet: tracing",
    ]);
  });

  test("a document that is no object", () => {
    expect(readBootstrap([]).faults).toEqual([{ path: "", message: "must be an object, not a list" }]);
    expect(readBootstrap(null).faults).toEqual([{ path: "", message: "must be an object, not null" }]);
  });

  test("HTTP filters that ship are judged by their own check", () => {
    const json = edited(
      "hcm",
      `{ http_filters: [{ name: m, typed_config: { "@type": type.googleapis.com/my.Filter, a: 1 } }, { name: r, typed_config: { "@type": type.googleapis.com/${ROUTER} } }] }`,
    );
    const seen: unknown[] = [];
    const refuse: FilterCheck = (config) => {
      seen.push(config);
      return [{ path: "a", message: "is one too many" }];
    };
    const httpFilters = new Map([["my.Filter", refuse]]);
    expect(readBootstrap(json, { httpFilters }).faults).toEqual([
      { path: `${PARTS.hcm}.http_filters[0].typed_config.a`, message: "is one too many" },
    ]);
    expect(seen).toEqual([{ a: 1 }]);
  });
});
