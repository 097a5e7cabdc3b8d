/**
 * When certificates end, as gauges: `server.days_until_first_cert_expiring`, and for each listener and cluster
 * `ssl.certificate.<name>.expiration_unix_time_seconds` under the names that Envoy gives. They are the supervisor's, because
 * what every worker has must not be summed.
 */
import type { Snapshot } from "../../core/config/model.ts";
import type { ServerStats } from "../../core/telemetry/server-stats.ts";
import type { Scope, StatsStore, Tags } from "../../core/telemetry/stats.ts";
import { Certificates, type ContextCertificates, daysUntil } from "./certificates.ts";

/** Of an unnamed certificate Envoy writes the beginning of the SHA-256 of its name, "". */
const UNNAMED = "e3b0c442";
/** There is no certificate (Envoy). */
const NEVER = 2 ** 32 - 1;

/** Keeps the gauges of one store. */
export class CertificateStats {
  private readonly store: StatsStore;
  private readonly certificates = new Certificates();
  private shown: readonly ContextCertificates[] | null = null;
  private scopes: readonly Scope[] = [];

  constructor(store: StatsStore) {
    this.store = store;
  }

  /** Brings the gauges to what `snapshot` says, as of a Unix time in ms. */
  update(snapshot: Snapshot, server: ServerStats, now: number): void {
    const contexts = this.certificates.of(snapshot);
    let first = NEVER;
    for (const { shown, trusted } of contexts)
      for (const { certificate } of [...shown, ...trusted])
        first = Math.min(first, daysUntil(certificate, now));
    server.daysUntilFirstCertExpiring = first;
    if (contexts !== this.shown) this.rebuild(contexts);
    this.shown = contexts;
  }

  private rebuild(contexts: readonly ContextCertificates[]): void {
    const ends = new Map<string, { context: ContextCertificates; name: string; end: number }>();
    for (const context of contexts)
      for (const [name, end] of endsOf(context)) {
        const key = `${context.of} ${context.statName} ${name}`;
        const sooner = Math.min(end, ends.get(key)?.end ?? Number.POSITIVE_INFINITY);
        ends.set(key, { context, name, end: sooner });
      }
    const old = this.scopes;
    this.scopes = [...ends.values()].map(({ context: { of, statName }, name, end }) => {
      const [owner, certificate] = [statName, name].map((text) => text.replaceAll(":", "_"));
      const tags: Tags = {
        envoy_tls_certificate: certificate,
        [of === "listener" ? "envoy_listener_address" : "envoy_cluster_name"]: owner,
      };
      const scope = this.store.scope(
        `${of}.${owner}.ssl.certificate.${certificate}.`,
        `${of}.ssl.certificate.`,
        tags,
      );
      scope.gauge("expiration_unix_time_seconds").value = Math.floor(end / 1000);
      return scope;
    });
    for (const scope of old) scope.release();
  }
}

/** Names of certificates as Envoy has them, with their ends in ms. */
function endsOf({ shown, trusted }: ContextCertificates): [string, number][] {
  return [
    ...shown.map(({ secret, certificate }): [string, number] => [
      secret || `unnamed_cert_${UNNAMED}`,
      certificate.notAfter,
    ]),
    ...trusted.map(({ secret, trustDomain, certificate }, i): [string, number] => [
      trustDomain === "" ? secret || `unnamed_ca_cert_${UNNAMED}` : `${secret || "unnamed_ca_cert"}_${i}`,
      certificate.notAfter,
    ]),
  ];
}
