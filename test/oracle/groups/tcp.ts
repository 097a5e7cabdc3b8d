/** TCP proxying, and how a listener chooses its filter chain. */
import { address, fileLog, staticCluster, tcpListener, type YamlMap } from "../../support/bootstrap.ts";
import {
  ask,
  downCluster,
  type Group,
  oracleListener,
  originCluster,
  type Places,
  request,
} from "../scenario.ts";

const FORMAT: YamlMap = {
  log_format: {
    json_format: {
      flags: "%RESPONSE_FLAGS%",
      code: "%RESPONSE_CODE%",
      details: "%RESPONSE_CODE_DETAILS%",
      termination: "%CONNECTION_TERMINATION_DETAILS%",
      failure: "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
      received: "%BYTES_RECEIVED%",
      sent: "%BYTES_SENT%",
      host: "%UPSTREAM_HOST%",
      cluster: "%UPSTREAM_CLUSTER%",
      protocol: "%PROTOCOL%",
    },
  },
};

const proxy = (places: Places, name: string, change: YamlMap): YamlMap =>
  tcpListener(name, places.port(name), { access_log: [fileLog(places.log(name), FORMAT)], ...change });

function chains(places: Places): YamlMap {
  const plain = oracleListener(places, "chains", [
    { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "default" } } },
  ]);
  const [chain] = plain.filter_chains as readonly YamlMap[];
  const says = (text: string): YamlMap => {
    const copy = JSON.parse(JSON.stringify(chain)) as {
      filters: { typed_config: { route_config: YamlMap } }[];
    };
    const config = JSON.stringify(copy).replaceAll('"default"', JSON.stringify(text));
    return JSON.parse(config) as YamlMap;
  };
  return {
    name: "chains",
    address: address(places.port("chains")),
    filter_chains: [
      { ...says("other-port"), filter_chain_match: { destination_port: 1 } },
      {
        ...says("source-10"),
        filter_chain_match: { source_prefix_ranges: [{ address_prefix: "10.0.0.0", prefix_len: 8 }] },
      },
      {
        ...says("source-127"),
        filter_chain_match: { source_prefix_ranges: [{ address_prefix: "127.0.0.0", prefix_len: 8 }] },
      },
      { ...says("tls"), filter_chain_match: { transport_protocol: "tls" } },
    ],
    default_filter_chain: says("default"),
  };
}

export const tcp: Group = {
  name: "tcp",
  listeners: ["tcp", "refused", "nobody", "weighted", "no-chain", "chains"],
  build: (places) => {
    const none = chains(places);
    return {
      listeners: [
        proxy(places, "tcp", { cluster: "origin" }),
        proxy(places, "refused", { cluster: "down" }),
        proxy(places, "nobody", { cluster: "nobody" }),
        proxy(places, "weighted", {
          weighted_clusters: {
            clusters: [
              { name: "origin", weight: 1 },
              { name: "second", weight: 0 },
            ].filter(({ weight }) => weight > 0),
          },
        }),
        {
          name: "no-chain",
          address: address(places.port("no-chain")),
          filter_chains: [(none.filter_chains as readonly YamlMap[])[0]],
        },
        none,
      ],
      clusters: [originCluster(places), downCluster(places), staticCluster("nobody", [])],
    };
  },
  asks: [
    ask("tcp", "tcp", request("GET /")),
    ask(
      "tcp-origin-closes",
      "tcp",
      request("GET /"),
      [[{ until: "request" }, { send: "HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok" }, { close: true }]],
      { client: [request("GET /"), { closed: true }] },
    ),
    ask("tcp-refused", "refused", "", [], { client: [request("GET /"), { closed: true }] }),
    ask("tcp-nobody", "nobody", "", [], { client: [request("GET /"), { closed: true }] }),
    ask("tcp-weighted", "weighted", request("GET /")),
    ask("chain-by-source", "chains", request("GET /")),
    ask("no-chain", "no-chain", "", [], { client: [request("GET /"), { closed: true }] }),
  ],
};
