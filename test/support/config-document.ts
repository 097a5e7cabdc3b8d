/** A small sound bootstrap document to break: its parts by name, and edits to them. */
import type { Json } from "../../core/config/model.ts";
import { readDocument } from "../../runtime-adapters/sidecar/document.ts";

type Mutable = { [key: string]: never };

const DOCUMENT = `
static_resources:
  listeners:
    - name: front
      address: { socket_address: { address: 127.0.0.1, port_value: 18100 } }
      filter_chains:
        - filters:
            - name: http
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: front
                route_config:
                  name: routes
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: / }
                          route: { cluster: service }
                http_filters:
                  - name: router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
    - name: service
      load_assignment:
        cluster_name: service
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 8080 } } }
`;

/** The places that a table of faults speaks of. */
export const PARTS = {
  bootstrap: "",
  listener: "static_resources.listeners[0]",
  chain: "static_resources.listeners[0].filter_chains[0]",
  hcm: "static_resources.listeners[0].filter_chains[0].filters[0].typed_config",
  routes: "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config",
  vhost:
    "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0]",
  route:
    "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0]",
  cluster: "static_resources.clusters[0]",
  endpoint: "static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0]",
} as const;

export type Part = keyof typeof PARTS;

/** The value of a YAML text. */
export function yaml(text: string): Json {
  const document = readDocument(text);
  if (document.value === undefined) throw new Error(`${document.errors[0]?.message} in ${text}`);
  return document.value;
}

/** The sound document with the fields of `edit` put into `part`; `!` as a value removes a field. */
export function edited(part: Part, edit: string): Json {
  const document = yaml(DOCUMENT);
  let target = document as Mutable;
  for (const step of PARTS[part].match(/[^.[\]]+/g) ?? []) target = target[step];
  for (const [key, value] of Object.entries(yaml(edit) as Mutable)) {
    if (value === "!") delete target[key];
    else target[key] = value;
  }
  return document;
}
