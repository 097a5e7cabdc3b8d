/**
 * Where we answer otherwise than Envoy 1.40, each with its reason. The oracle's test accepts exactly these and fails
 * for an entry that nothing needs any more. `deliberate` ones are written to docs/differences-from-envoy.md; `open`
 * ones are faults that wait to be fixed: the list of them may only become shorter.
 */
import { healthDifferences } from "./health-differences.ts";

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

/** TLS: what `test/core/tls/validation-oracle.test.ts` and the tests beside it compare with Envoy. */
export const tlsDifferences: readonly { readonly title: string; readonly reason: string }[] = [
  {
    title: "A certificate that claims a SPIFFE ID has to be an X.509-SVID",
    reason:
      "One URI, an ID with a path, no CA, critical key usage with digital signature: by whichever validator. Envoy asks for some of it with its SPIFFE validator, and for none of it otherwise.",
  },
  {
    title: "The purpose counts with the SPIFFE validator, too",
    reason: "Envoy lets a certificate for servers pass as a client's there.",
  },
  {
    title: "A handshake has 15 s",
    reason:
      "Without `transport_socket_connect_timeout` Envoy waits for ever, and a client that never ends its handshake holds a connection.",
  },
  {
    title: "TLS that makes no sense is closed",
    reason: "Envoy takes a broken ClientHello for plain text.",
  },
  {
    title: "Clients of a server that speaks first wait once",
    reason:
      "Behind an `http_inspector` with `continue_on_listener_filters_timeout`, Envoy lets every one of them wait for the whole timeout. Here the first one of an address does (docs/tls.md); where TLS makes a difference, all of them, too.",
  },
  {
    title: "Names in `x-forwarded-client-cert` are quoted where they hold a separator",
    reason: "Envoy writes them as they are, so that a URI with `,` looks like two elements.",
  },
  {
    title: "A certificate that has expired is refused when it is configured",
    reason: "Envoy serves it.",
  },
  {
    title: "Who resumes a session is judged again",
    reason:
      "Envoy believes the session: who was let in comes back as long as it lasts, also when the certificate that it rests on has expired (tried with Envoy 1.40, TLS 1.2 and 1.3).",
  },
  {
    title: "Workers of Bun and Deno do not share sessions",
    reason: "Envoy's workers do, and so do those of Node (docs/tls.md).",
  },
  {
    title: "An SDS file may hold several secrets",
    reason: "Envoy takes one that holds exactly one.",
  },
  {
    title: "`/certs` says which file",
    reason:
      "Envoy writes `<inline>` for what SDS has delivered from files, and for every bundle of the SPIFFE validator the file of the last.",
  },
];

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

  {
    kind: "deliberate",
    title: "A redirect to https leaves port 80 behind",
    reason:
      "`require_tls` in Envoy keeps the port of the Host: `https://host:80/`, where nobody speaks TLS. Its own `https_redirect` drops it, and so do both here.",
    asks: ["routing/tls-all-port"],
    fields: ["answers.0.headers.location"],
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
  ...healthDifferences,
];

export const statDifferences: readonly StatDifference[] = [
  {
    kind: "deliberate",
    title: "Interim answers are not counted as answers",
    reason:
      "Envoy counts a 100 or 103 beside the final answer, so that `downstream_rq_completed` exceeds `downstream_rq_total`.",
    names: [
      "protocol/cluster.origin.upstream_rq_100",
      "protocol/cluster.origin.upstream_rq_103",
      "protocol/cluster.origin.upstream_rq_1xx",
      "protocol/http.continues.downstream_rq_1xx",
      "protocol/http.continues.downstream_rq_completed",
      "protocol/http.plain.downstream_rq_1xx",
      "protocol/http.plain.downstream_rq_completed",
    ],
  },
  {
    kind: "deliberate",
    title: "A request for an upgrade is complete with its head, and a refused one is no upgrade",
    reason:
      "Envoy counts every CONNECT and every Upgrade in `downstream_rq_response_before_rq_complete`, also those that succeed, and refused ones in `downstream_cx_upgrades_total`. Here the first tells of requests that were cut short, the second of tunnels.",
    names: [
      "protocol/http.*.downstream_rq_response_before_rq_complete",
      "protocol/http.*.downstream_cx_upgrades_total",
      "protocol/cluster.origin.upstream_cx_destroy*_with_active_rq",
      "faults/http.faults.downstream_rq_response_before_rq_complete",
    ],
  },
  {
    kind: "deliberate",
    title: "A missing Host and a fragment are faults of the protocol",
    reason:
      "They are the parser's to refuse here and count in `downstream_cx_protocol_error`; a Host that cannot be one is the connection manager's. In Envoy it is the other way round.",
    names: [
      "faults/http.faults.downstream_cx_protocol_error",
      "faults/http.faults.downstream_rq_failed_path_normalization",
      "local-replies/http.mapped.downstream_cx_protocol_error",
      "local-replies/http.mapped.downstream_rq_response_before_rq_complete",
    ],
  },
  {
    kind: "deliberate",
    title: "A request beyond `max_requests` makes no connection",
    reason:
      "Envoy opens one for it, and refuses the request when it is there. Here it is refused at once; both count `upstream_rq_active_overflow`.",
    names: [
      "clusters/cluster.no-requests.upstream_cx_*",
      "clusters/cluster.no-requests.upstream_rq_pending_total",
    ],
  },
  {
    kind: "deliberate",
    title: "Statistics that follow from the differences above",
    reason: "Another answer counts elsewhere.",
    names: [
      // What we refuse, Envoy forwards.
      "paths/http.*.downstream_rq_*",
      "paths/http.*.downstream_cx_destroy_*",
      "paths/http.*.rq_total",
      "paths/cluster.origin.upstream_*",
      // What we forward, Envoy refuses: upgrades that nobody configured.
      "protocol/http.plain.*",
      "protocol/http.websocket.*",
      "protocol/cluster.origin.upstream_cx_total",
      "protocol/cluster.origin.upstream_cx_http1_total",
      "protocol/cluster.origin.upstream_cx_destroy",
      "protocol/cluster.origin.upstream_cx_destroy_remote",
      "protocol/cluster.origin.upstream_rq_200",
      "protocol/cluster.origin.upstream_rq_2xx",
      "protocol/cluster.origin.upstream_rq_total",
      "protocol/cluster.origin.upstream_rq_pending_total",
      // 505 for 426; a reset is no protocol error.
      "faults/http.faults.downstream_rq_4xx",
      "faults/http.faults.downstream_rq_5xx",
      "faults/cluster.origin.upstream_cx_protocol_error",
      // Connections that we keep and Envoy closes.
      "routing/http.paths.downstream_cx_destroy_*",
      "redirects/http.*.downstream_cx_destroy_*",
    ],
  },
];
