/**
 * Where we answer otherwise than Envoy 1.40, each with its reason. The oracle's test accepts exactly these and fails
 * for an entry that nothing needs any more. `deliberate` ones are written to docs/differences-from-envoy.md; `open`
 * ones are faults that wait to be fixed: the list of them may only become shorter.
 */

export interface Difference {
  readonly kind: "deliberate" | "open";
  /** What it is about, as a heading. */
  readonly title: string;
  readonly reason: string;
  /** "group/ask", each with `*` for anything. */
  readonly asks: readonly string[];
  /** Paths of the observation that may differ, with `*` for anything, e.g. "answers.0.headers.connection". */
  readonly fields: readonly string[];
}

/** A statistic that we do not have, or count otherwise. */
export interface StatDifference {
  readonly kind: "deliberate" | "open";
  readonly title: string;
  readonly reason: string;
  /** "group/name of the statistic", with `*` for anything. */
  readonly names: readonly string[];
}

export const differences: readonly Difference[] = [
  // ── Stricter, or nearer to the RFC ───────────────────────────────────────────────────────────────────────
  {
    kind: "deliberate",
    title: "Invalid percent-encoding is refused",
    reason:
      "A path with `%zz`, a cut `%2` or `%00` reads differently in different servers. With path normalisation on, Envoy forwards most of them; we answer 400 `path_normalization_failed`.",
    asks: ["paths/*:bad-percent", "paths/*:percent-nul"],
    fields: ["*"],
  },
  {
    kind: "deliberate",
    title: "A version that we do not speak gets 505",
    reason: "Envoy answers 426 to `HTTP/2.0` in a request line; RFC 9110 15.6.6 has 505 for it.",
    asks: ["faults/http2-version"],
    fields: ["*"],
  },
  {
    kind: "deliberate",
    title: "Expect: 100-continue is forwarded and awaited",
    reason:
      "RFC 9110 10.1.1: a proxy forwards the expectation, or answers with a final status. Envoy answers 100 itself unless `proxy_100_continue` is set, and takes the header away.",
    asks: ["protocol/expect"],
    fields: ["answers.0.interim.*", "origin.0.headers.expect"],
  },
  {
    kind: "deliberate",
    title: "1xx responses are forwarded",
    reason: "RFC 9110 15.2: a proxy must forward them. Envoy 1.40 swallows all but 100.",
    asks: ["protocol/answer-103"],
    fields: ["answers.0.interim.*"],
  },
  {
    kind: "deliberate",
    title: "An Upgrade that is not allowed is taken away, not refused",
    reason:
      "RFC 9110 7.8: a server may ignore Upgrade. Envoy answers 403 `upgrade_failed`, which hurts clients that offer `Upgrade: TLS/1.2` or h2c with every request.",
    asks: ["protocol/upgrade-refused", "protocol/upgrade-other"],
    fields: ["*"],
  },
  {
    kind: "deliberate",
    title: "`te: trailers` is announced by Connection",
    reason: "RFC 9110 10.1.4: a sender of TE must also send a `TE` connection option. Envoy does not.",
    asks: ["protocol/te-trailers"],
    fields: ["origin.0.headers.connection"],
  },
  {
    kind: "deliberate",
    title: "Answers to HEAD carry no transfer-encoding",
    reason:
      "Envoy says `transfer-encoding: chunked` where no body follows. It means nothing there; a local reply says `content-length: 0`.",
    asks: ["*/*head*"],
    fields: ["answers.0.headers.transfer-encoding", "answers.0.headers.content-length"],
  },
  {
    kind: "deliberate",
    title: "Slashes are merged completely",
    reason: "`merge_slashes` turns `///` into `//` in Envoy. Here no two slashes stay.",
    asks: ["paths/*:only-slashes"],
    fields: ["origin.0.line", "log.0.path", "log.0.original_path"],
  },

  {
    kind: "deliberate",
    title: "Via names the protocol",
    reason: "RFC 9110 7.6.3: `Via: 1.1 mesh`. Envoy writes the pseudonym alone.",
    asks: ["identity/via:*"],
    fields: ["answers.0.headers.via", "origin.0.headers.via"],
  },
  {
    kind: "deliberate",
    title: "A peer on 127.0.0.1 is appended to X-Forwarded-For as 127.0.0.1",
    reason: "Envoy writes the address of its own host instead, which nobody connected from.",
    asks: ["identity/*"],
    fields: ["origin.0.headers.x-forwarded-for", "log.0.xff"],
  },
  {
    kind: "deliberate",
    title: "All `x-envoy-…` control headers of outsiders are taken away",
    reason:
      "Envoy lets `x-envoy-attempt-count` and `x-envoy-original-path` of a client through to the upstream.",
    asks: ["identity/*:control*"],
    fields: [
      "origin.0.headers.x-envoy-attempt-count",
      "origin.0.headers.x-envoy-original-path",
      "log.0.original_path",
    ],
  },

  {
    kind: "deliberate",
    title: "A small rest of an answered request is read, and the connection kept",
    reason:
      "Envoy closes after every local reply to a request whose body it has not read to its end. We discard up to a limit and keep the connection; a longer rest closes it here too.",
    asks: ["redirects/*post*", "redirects/307", "routing/no-route-post"],
    fields: ["answers.0.headers.connection", "connection", "log.0.bytes_received"],
  },

  // ── Logs that say more ───────────────────────────────────────────────────────────────────────────────────
  {
    kind: "deliberate",
    title: "Details name the fault",
    reason:
      "Envoy's `http1.codec_error` and `protocol_error` cover dozens of causes. We name the cause, in the same shape, e.g. `http1.chunk_size` or `protocol_error|http1.field_name`.",
    asks: ["faults/*", "local-replies/*"],
    fields: ["log.0.details"],
  },
  {
    kind: "deliberate",
    title: "Refused requests are logged with what was read of them",
    reason:
      "Envoy forgets method, path, host and scheme of a request that its codec refuses. We log as much as was valid.",
    asks: ["*/*"],
    fields: ["log.0.scheme"],
  },
  {
    kind: "deliberate",
    title: "Refused requests are logged with what was read of them (method, path, host)",
    reason: "See above.",
    asks: ["faults/*", "protocol/ten-*", "paths/*"],
    fields: ["log.0.method", "log.0.path", "log.0.original_path", "log.0.authority", "log.0.protocol"],
  },
  {
    kind: "deliberate",
    title: "A redirect is logged with the path that was asked for",
    reason: "Envoy logs the rewritten path of a prefix or regex redirect, which the client never sent.",
    asks: ["redirects/prefix", "redirects/regex"],
    fields: ["log.0.path"],
  },
  {
    kind: "deliberate",
    title: "%RESPONSE_CODE% in the headers of a direct response",
    reason: "Envoy has not set the code yet and writes 0; we write the code of the response.",
    asks: ["redirects/headers"],
    fields: ["answers.0.headers.x-code"],
  },
  {
    kind: "deliberate",
    title: "A reset inside a response body is UC",
    reason:
      "Envoy logs `UPE` for a connection that was reset in the middle of a body with Content-Length. The upstream broke the connection, not the protocol.",
    asks: ["faults/reset-in-body"],
    fields: ["log.0.flags", "log.0.flags_long"],
  },

  // ── Open: to be fixed ────────────────────────────────────────────────────────────────────────────────────
  {
    kind: "open",
    title: "An https redirect keeps port 80",
    reason: "require_tls: Envoy leaves the port of the Host as it is.",
    asks: ["routing/tls-all-port"],
    fields: ["answers.0.headers.location"],
  },
  {
    kind: "open",
    title: "The body of a 503 UF names no transport failure",
    reason:
      "Envoy 1.40 puts it in details and log only, as `delayed_connect_error:_Connection_refused`; we put ECONNREFUSED in the body too.",
    asks: [
      "clusters/refused*",
      "clusters/retry-connect",
      "local-replies/*down",
      "local-replies/mapped-uf",
      "tcp/tcp-refused",
    ],
    fields: [
      "answers.0.body",
      "answers.0.headers.content-length",
      "answers.0.headers.grpc-message",
      "log.0*",
    ],
  },
  {
    kind: "open",
    title: "What a WebSocket logs",
    reason:
      "Envoy: `101 UC` when the upstream ended it, `101 DC` when the client did; no x-envoy-upstream-service-time in a 101.",
    asks: ["protocol/websocket", "protocol/websocket-client-closes", "protocol/websocket-refused-by-origin"],
    fields: [
      "log.0.details",
      "log.0.flags",
      "log.0.flags_long",
      "answers.0.headers.x-envoy-upstream-service-time",
    ],
  },
  {
    kind: "open",
    title: "A refused WebSocket keeps the client's connection",
    reason: "Envoy closes it (`connection: close`): bytes may already have been sent for the tunnel.",
    asks: ["protocol/websocket-refused-by-origin", "protocol/upgrade-on-by-route"],
    fields: ["answers.0.headers.connection", "connection"],
  },
  {
    kind: "open",
    title: "upgrade_configs of a route",
    reason: "They have no effect: one that is off upgrades, one that is on does not.",
    asks: ["protocol/upgrade-off-by-route", "protocol/upgrade-on-by-route"],
    fields: ["*"],
  },
  {
    kind: "open",
    title: "x-envoy-upstream-alt-stat-name and x-envoy-force-trace of internal clients",
    reason:
      "The first is consumed and counts a second time under that name; the second puts x-request-id into the answer.",
    asks: ["identity/edge-internal:control"],
    fields: ["answers.0.headers.x-request-id", "origin.0.headers.x-envoy-upstream-alt-stat-name"],
  },
];

export const statDifferences: readonly StatDifference[] = [
  {
    kind: "deliberate",
    title: "Statistics that follow from the differences above",
    reason: "Another answer counts elsewhere.",
    names: [
      "paths/*.downstream_rq_*",
      "paths/cluster.origin.upstream_*",
      "protocol/http.*.downstream_rq_*",
      "protocol/http.*.downstream_cx_upgrades_total",
      "protocol/http.*.downstream_cx_protocol_error",
      "protocol/cluster.origin.upstream_*",
      "faults/http.faults.*",
      "faults/cluster.origin.upstream_*",
      "local-replies/http.mapped.*",
      "clusters/http.clusters.*",
    ],
  },
  {
    kind: "open",
    title: "Who ended a connection",
    reason:
      "A connection that the peer ended counts as `…_cx_destroy_remote` (and `…_with_active_rq`); we count most as local.",
    names: ["*_cx_destroy_remote*", "*_cx_destroy_local*", "*_cx_destroy_with_active_rq"],
  },
  {
    kind: "open",
    title: "rq_total of the router",
    reason: "Envoy counts every request that reaches the router, also redirects, direct responses and 404s.",
    names: ["*.rq_total"],
  },
  {
    kind: "open",
    title: "Requests answered before they were complete",
    reason:
      "downstream_rq_response_before_rq_complete counts every local reply to a request that is not read to its end.",
    names: ["*.downstream_rq_response_before_rq_complete"],
  },
  {
    kind: "open",
    title: "upstream_rq_active_overflow",
    reason: "Overflow of pending requests counts only as upstream_rq_pending_overflow.",
    names: ["clusters/cluster.full.upstream_rq_active_overflow"],
  },
  {
    kind: "open",
    title: "TCP connections as requests of their cluster",
    reason: "tcp_proxy counts upstream_rq_total, upstream_rq_pending_total and failure_eject.",
    names: ["tcp/cluster.*.upstream_rq_*"],
  },
  {
    kind: "open",
    title: "Statistics of x-envoy-upstream-alt-stat-name",
    reason: "See above.",
    names: ["identity/cluster.origin.a.*"],
  },
  {
    kind: "open",
    title: "Statistics of a client that leaves while the rest of its answered request is awaited",
    reason: "See above.",
    names: ["redirects/http.unread.*"],
  },
];
