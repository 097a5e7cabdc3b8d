/**
 * How often a listener's or cluster's TLS was made anew because a secret came or was rotated, by Envoy's names:
 * `server_ssl_socket_factory.ssl_context_update_by_sds`, `client_…`. The supervisor counts, because every worker makes it.
 *
 * Law: as in Envoy each secret that changes counts, in each context that uses it; what stands in the configuration does not.
 */
import type { Snapshot } from "../../core/config/model.ts";
import type { CommonTls, Secret } from "../../core/config/tls.ts";
import { formatAddress } from "../../core/io/socket.ts";
import { clusterScope } from "../../core/telemetry/cluster-stats.ts";
import { listenerScope } from "../../core/telemetry/listener-stats.ts";
import type { Scope, StatsStore } from "../../core/telemetry/stats.ts";
import { countContextUpdates } from "../../core/telemetry/tls-stats.ts";
import { secretsOf } from "../../core/tls/tls-secrets.ts";

type Secrets = ReadonlyMap<string, Secret>;

/** Keeps the counters of one store. */
export class ContextUpdates {
  private readonly store: StatsStore;
  /** Of everything that has counted, by its name; counters go with their scopes. */
  private scopes = new Map<string, Scope>();

  constructor(store: StatsStore) {
    this.store = store;
  }

  /** Counts what `after` brings. */
  count(before: Snapshot, after: Snapshot): void {
    const [old, secrets] = [secretsIn(before), secretsIn(after)];
    const scopes = new Map<string, Scope>();
    const count = (side: "server" | "client", key: string, tls: CommonTls, make: () => Scope) => {
      const scope = scopes.get(key) ?? this.scopes.get(key) ?? make();
      scopes.set(key, scope);
      countContextUpdates(scope, side, updates(tls, old, secrets));
    };
    for (const { statPrefix, addresses, filterChains, defaultFilterChain } of after.listeners) {
      const name = statPrefix || formatAddress(addresses[0]);
      for (const chain of [...filterChains, defaultFilterChain])
        if (chain?.tls != null)
          count("server", `listener ${name}`, chain.tls, () => listenerScope(this.store, name));
    }
    for (const { name, altStatName, tls } of after.clusters) {
      const statName = altStatName || name;
      if (tls != null) count("client", `cluster ${statName}`, tls, () => clusterScope(this.store, statName));
    }
    for (const [key, scope] of this.scopes) if (!scopes.has(key)) scope.release();
    this.scopes = scopes;
  }
}

/** Secrets of `tls` that have come or changed; 0 while one is missing. */
function updates(tls: CommonTls, before: Secrets, after: Secrets): number {
  const used = secretsOf(tls, after);
  if (used === null) return 0;
  // Those that were waited for count when the last one is there.
  const had = secretsOf(tls, before) !== null;
  return used.filter(
    ({ name, version }) => isDelivered(name) && !(had && before.get(name)?.version === version),
  ).length;
}

/** Secrets that stand in the configuration itself have no name that Envoy would know. */
const INLINE = /^(tls_certificate|validation_context):/;

/** True if no secret of that name was asked for: what it is stands beside who uses it. */
export function isInline(secret: string): boolean {
  return INLINE.test(secret);
}

/** It came from a file of secrets, which is part of its name then. */
function isDelivered(secret: string): boolean {
  return secret.includes("@") && !isInline(secret);
}

function secretsIn({ secrets }: Snapshot): Secrets {
  return new Map(secrets?.map((secret) => [secret.name, secret]));
}
