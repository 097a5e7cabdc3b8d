/** Where active health checks are otherwise than Envoy's on purpose. */
import type { Difference } from "./differences.ts";

export const healthDifferences: readonly Difference[] = [
  {
    kind: "deliberate",
    title: "A health check that meets a connection which was closed meanwhile is made again",
    reason:
      "A kept connection that ends as it is used says nothing about the endpoint: the check is made once more, by a new one. Envoy counts a failure.",
    asks: ["closed-instead", "closed-threshold", "reset-threshold"].map((id) => `health-checks/${id}`),
    fields: ["stats.*", "flags.*", "status.*", "events.*"],
  },
  {
    kind: "deliberate",
    title: "A health check says that it ends its connection",
    reason:
      "By `connection: close` with `reuse_connection: false`, by GOAWAY in HTTP/2. Envoy closes without a word; after a timeout it keeps the connections of gRPC checks, which are closed here.",
    asks: ["not-reused", "http2-no-reuse", "http2-timeout", "grpc-timeout", "grpc-goaway-error"].map(
      (id) => `health-checks/${id}`,
    ),
    fields: ["checks.*"],
  },
  {
    kind: "deliberate",
    title: "A `user-agent` that is added to a health check is a line of its own",
    reason: "Envoy joins the two with a comma. Both replace it with `OVERWRITE_IF_EXISTS_OR_ADD`.",
    asks: ["health-checks/headers-agent-added"],
    fields: ["checks.*"],
  },
  {
    kind: "deliberate",
    title: "The head of an answer to a health check has a limit",
    reason: "That of all answers (60 KiB). Envoy takes larger ones from health checks.",
    asks: ["health-checks/too-large"],
    fields: ["checks.*", "stats.*"],
  },
  {
    kind: "deliberate",
    title: "Health checks are not in `upstream_cx_protocol_error`",
    reason:
      "It is about connections for requests, as the other `upstream_cx_*` are; Envoy counts both in this one.",
    asks: ["health-checks/*"],
    fields: ["stats.upstream_cx_protocol_error"],
  },
  {
    kind: "deliberate",
    title: "`health_check.degraded` goes down again",
    reason: "Envoy's gauge stays up when an endpoint is no longer degraded.",
    asks: ["health-checks/degraded-no-more"],
    fields: ["stats.health_check.degraded"],
  },
  {
    kind: "deliberate",
    title: "What a health check has found holds at once",
    reason:
      "Envoy gathers changes for `update_merge_window`, a second by default: an endpoint that is well again waits for its requests.",
    asks: ["health-checks/level-back"],
    fields: ["answers.*"],
  },
  {
    kind: "deliberate",
    title: "`membership_change` counts changes of a cluster's endpoints",
    reason: "Envoy counts one for each priority that has changed.",
    asks: ["health-checks/level-*"],
    fields: ["stats.membership_change", "later.stats.membership_change"],
  },
  {
    kind: "deliberate",
    title: "A threshold of health checks of 0 counts as 1",
    reason: "In Envoy it is never reached.",
    asks: ["health-checks/thresholds-zero"],
    fields: ["flags.*", "status.*", "stats.*", "events.*"],
  },
];

/** What the oracle does not see. */
export const healthBetween: readonly (readonly [title: string, reason: string])[] = [
  [
    "A health check offers by ALPN what requests offer",
    "Envoy offers nothing without `tls_options.alpn_protocols` or `alpn_protocols` of the TLS context, so that checks by HTTP/2 and gRPC fail where the server chooses by ALPN (grpc-go does).",
  ],
  [
    "The path of a health check is a path",
    "Envoy sends one with a space, a tab or `#` as it stands, and the server takes it for something else. Here it is refused.",
  ],
  [
    "GOAWAY with an error code does not end a gRPC health check",
    "What the peer has begun to answer it may answer still (RFC 9113 6.8): the check ends with the answer or the timeout. Envoy closes at once and counts a failure.",
  ],
  [
    "Listeners open when every endpoint was asked once",
    "Envoy counts answers: the second one of a quick endpoint stands for the first one of a mute endpoint.",
  ],
  [
    "What a server sends after its answer to a TCP health check means nothing",
    "Envoy counts it as one more success if it holds the expected bytes, and waits for the interval anew.",
  ],
  [
    "A process that was busy when a health check's time was up looks once more",
    "The answer may be there and not be read yet: it gets 20 ms. Envoy counts a timeout.",
  ],
  [
    "A changed cluster keeps what its health checks have found out",
    "Endpoints that are there before and after keep their health, and if the check is another one they are asked soon. Envoy makes a new cluster, and uses the old one until the new one has asked everybody.",
  ],
  [
    "Health check events of endpoints that DNS has found are like those of others",
    "Envoy gives those of STRICT_DNS an empty `metadata`, and writes none for LOGICAL_DNS.",
  ],
];
