/**
 * What TLS does: `listener.<a>.ssl.*` and `cluster.<c>.ssl.*` by what handshakes came to, `tls_inspector.*` and
 * `http_inspector.*` by what the first bytes of connections were. Names are Envoy's.
 */
import { layoutOf } from "./stat-layout.ts";
import type { Scope, StatsStore } from "./stats.ts";

/** Field names are Envoy's in camel case. */
export class TlsStats {
  /** Connections that the engine gave up, in the handshake or later. */
  connectionError = 0;
  handshake = 0;
  sessionReused = 0;
  /** Handshakes with a peer that showed no certificate, and need not. */
  noCertificate = 0;
  failVerifyNoCert = 0;
  failVerifyError = 0;
  failVerifySan = 0;
  failVerifyCertHash = 0;
}

/** What the tls_inspectors of all listeners found. */
export class TlsInspectorStats {
  tlsFound = 0;
  tlsNotFound = 0;
  sniFound = 0;
  sniNotFound = 0;
  alpnFound = 0;
  alpnNotFound = 0;
  clientHelloTooLarge = 0;
}

/** What the http_inspectors of all listeners found. */
export class HttpInspectorStats {
  http10Found = 0;
  http11Found = 0;
  http2Found = 0;
  httpNotFound = 0;
}

const TLS = layoutOf("ssl", () => new TlsStats());
const TLS_INSPECTOR = layoutOf("tls_inspector", () => new TlsInspectorStats());
const HTTP_INSPECTOR = layoutOf("http_inspector", () => new HttpInspectorStats());

/** Of a listener or cluster; goes with its scope. */
export function tlsStats(scope: Scope): TlsStats {
  return scope.set(TLS, "ssl.");
}

const UNREADY = {
  server: "server_ssl_socket_factory.downstream_context_secrets_not_ready",
  client: "client_ssl_socket_factory.upstream_context_secrets_not_ready",
} as const;

const UPDATES = {
  server: "server_ssl_socket_factory.ssl_context_update_by_sds",
  client: "client_ssl_socket_factory.ssl_context_update_by_sds",
} as const;

/** Makes what a listener (`server`) or cluster counts be there from the start: alerts do not fire on what is not there. */
export function declareTls(scope: Scope, side: keyof typeof UNREADY): void {
  tlsStats(scope);
  scope.counter(UNREADY[side]);
}

/** Counts a connection that could not be had because a secret is missing or cannot be used. */
export function countUnready(scope: Scope, side: keyof typeof UNREADY): void {
  scope.counter(UNREADY[side]).value++;
}

/** Counts secrets that came or changed, and with them the TLS of a listener or cluster. To be done once in the process. */
export function countContextUpdates(scope: Scope, side: keyof typeof UPDATES, secrets: number): void {
  scope.counter(UPDATES[side]).value += secrets;
}

/** Where a listener or cluster counts. */
export interface TlsCounts {
  readonly scope: Scope;
  readonly stats: TlsStats;
}

/** Counts a handshake by what was agreed upon (`ssl.versions.<version>`, `ssl.ciphers.<cipher>`). */
export function countHandshake(
  scope: Scope,
  stats: TlsStats,
  version: string,
  cipher: string,
  resumed: boolean,
): void {
  stats.handshake++;
  if (resumed) stats.sessionReused++;
  scope.counter(`ssl.versions.${version}`).value++;
  scope.counter(`ssl.ciphers.${cipher}`).value++;
}

/** Of the process; never released. */
export function tlsInspectorStats(store: StatsStore): TlsInspectorStats {
  return store.scope("tls_inspector.", "tls_inspector.", {}).set(TLS_INSPECTOR);
}

/** Of the process; never released. */
export function httpInspectorStats(store: StatsStore): HttpInspectorStats {
  return store.scope("http_inspector.", "http_inspector.", {}).set(HTTP_INSPECTOR);
}
