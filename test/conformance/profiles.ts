/**
 * The listeners that the vectors need, as one Envoy bootstrap (for Envoy and for us) and, for the "main" profile,
 * as nginx and HAProxy configurations. Every profile exists once per lane; a lane's profiles share one origin.
 */
import {
  anyHost,
  bootstrap,
  httpListener,
  staticCluster,
  toCluster,
  upstreamHttp1,
  type YamlMap,
} from "../support/bootstrap.ts";

/** What each profile changes in the connection manager. */
const MANAGERS: { readonly [profile: string]: YamlMap } = {
  main: {},
  "no-http10": { http_protocol_options: {} },
  "as-is": { normalize_path: false },
  "merge-slashes": { merge_slashes: true },
  unescape: { merge_slashes: true, path_with_escaped_slashes_action: "UNESCAPE_AND_FORWARD" },
  "reject-escaped": { path_with_escaped_slashes_action: "REJECT_REQUEST" },
  "underscores-reject": {
    common_http_protocol_options: { headers_with_underscores_action: "REJECT_REQUEST" },
  },
  "underscores-drop": { common_http_protocol_options: { headers_with_underscores_action: "DROP_HEADER" } },
  trailers: {
    http_protocol_options: {
      accept_http_10: true,
      default_host_for_http_10: "ten.test",
      enable_trailers: true,
    },
  },
  timeouts: {
    request_headers_timeout: "0.3s",
    request_timeout: "0.5s",
    stream_idle_timeout: "0.6s",
    common_http_protocol_options: { idle_timeout: "0.5s" },
  },
  connect: { upgrade_configs: [{ upgrade_type: "websocket" }, { upgrade_type: "CONNECT" }] },
  edge: { use_remote_address: true },
};

export const PROFILES: readonly string[] = [...Object.keys(MANAGERS), "local"];

function routes(profile: string, cluster: string): YamlMap[] {
  if (profile === "timeouts") return [toCluster(cluster, { timeout: "0.4s" })];
  if (profile === "connect")
    return [{ match: { connect_matcher: {} }, route: { cluster } }, toCluster(cluster)];
  if (profile === "local") {
    return [
      { match: { path: "/direct" }, direct_response: { status: 403, body: { inline_string: "no" } } },
      { match: { path: "/redirect" }, redirect: { path_redirect: "/elsewhere" } },
      { match: { path: "/down" }, route: { cluster: "down" } },
      { match: { path: "/nobody" }, route: { cluster: "nobody" } },
      { match: { path: "/missing" }, route: { cluster: "not-configured" } },
      { match: { path: "/slow" }, route: { cluster, timeout: "0.2s" } },
      { match: { path: "/full" }, route: { cluster: "full" } },
      { match: { path_separated_prefix: "/tulle-after" }, route: { cluster } },
      { match: { path_separated_prefix: "/tulle-victim" }, route: { cluster } },
    ];
  }
  return [toCluster(cluster)];
}

/** The whole bootstrap. `ports(profile, lane)` says where to listen; `down` is a port that refuses. */
export function conformanceBootstrap(
  ports: (profile: string, lane: number) => number,
  origins: readonly number[],
  adminPort: number,
  down: number,
): YamlMap {
  const listeners: YamlMap[] = [];
  const clusters: YamlMap[] = [
    staticCluster("down", [down]),
    staticCluster("nobody", []),
    staticCluster("full", [origins[0]], {
      circuit_breakers: { thresholds: [{ max_pending_requests: 0, max_connections: 0 }] },
    }),
  ];
  for (const [lane, origin] of origins.entries()) {
    clusters.push(staticCluster(`origin-${lane}`, [origin], upstreamHttp1({ enable_trailers: true })));
    for (const profile of PROFILES) {
      listeners.push(
        httpListener(`${profile}-${lane}`, ports(profile, lane), {
          codec_type: "HTTP1",
          normalize_path: true,
          delayed_close_timeout: "0.05s",
          drain_timeout: "0.1s",
          proxy_100_continue: true,
          http_protocol_options: { accept_http_10: true, default_host_for_http_10: "ten.test" },
          upgrade_configs: [{ upgrade_type: "websocket" }],
          ...MANAGERS[profile],
          route_config: {
            ...anyHost(profile, routes(profile, `origin-${lane}`)),
            validate_clusters: false,
          },
        }),
      );
    }
  }
  return bootstrap(listeners, clusters, adminPort);
}

/** The "main" profile for nginx. */
export function nginxConf(ports: readonly number[], origins: readonly number[], folder: string): string {
  const servers = ports.map(
    (port, lane) => `
    upstream origin${lane} { server 127.0.0.1:${origins[lane]}; keepalive 8; }
    server {
      listen 127.0.0.1:${port};
      location / {
        proxy_pass http://origin${lane};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Connection $upstream_connection;
        proxy_set_header Upgrade $http_upgrade;
      }
    }`,
  );
  return `
daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 512; }
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  proxy_next_upstream off; proxy_request_buffering off; proxy_buffering off;
  map $http_upgrade $upstream_connection { default upgrade; "" ""; }
  ${servers.join("")}
}`;
}

/** The "main" profile for HAProxy. */
export function haproxyCfg(ports: readonly number[], origins: readonly number[]): string {
  const sections = ports.map(
    (port, lane) => `
frontend f${lane}
  bind 127.0.0.1:${port}
  default_backend b${lane}
backend b${lane}
  http-reuse always
  server s${lane} 127.0.0.1:${origins[lane]}`,
  );
  return `
global
  maxconn 512
  nbthread 1
defaults
  mode http
  retries 0
  timeout connect 1s
  timeout client 5s
  timeout server 5s
  timeout http-request 5s
${sections.join("")}
`;
}
