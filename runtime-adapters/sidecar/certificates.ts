/**
 * The certificates of everything that a snapshot says, for the admin pages and the statistics: read once for each
 * snapshot that somebody asks about, not for each question.
 */
import type { Snapshot } from "../../core/config/model.ts";
import type { CommonTls } from "../../core/config/tls.ts";
import { formatAddress } from "../../core/io/socket.ts";
import type { Certificate } from "../../core/tls/certificate.ts";
import { type CertificateInventory, inventoryOf, readPem } from "../../core/tls/certificate-inventory.ts";

/** What one TLS context shows and trusts, and under which name it counts. */
export interface ContextCertificates extends CertificateInventory {
  readonly of: "listener" | "cluster";
  /** As in `listener.<name>.` or `cluster.<name>.`. */
  readonly statName: string;
}

/** Days, whole ones, until a certificate ends; 0 once it has (Envoy). */
export function daysUntil({ notAfter }: Certificate, now: number): number {
  return Math.max(0, Math.floor((notAfter - now) / 86_400_000));
}

/** Lists them, and remembers what it has read. */
export class Certificates {
  private snapshot: Snapshot | null = null;
  private list: readonly ContextCertificates[] = [];
  /** What was read, by its PEM. */
  private read = new Map<string, readonly Certificate[]>();

  /** Of every listener's filter chains, then of every cluster. */
  of(snapshot: Snapshot): readonly ContextCertificates[] {
    if (snapshot === this.snapshot) return this.list;
    this.snapshot = snapshot;
    const secrets = new Map(snapshot.secrets?.map((secret) => [secret.name, secret]));
    const { read: before } = this;
    const read = new Map<string, readonly Certificate[]>();
    this.read = read;
    const reader = (pem: string) => {
      const known = read.get(pem) ?? before.get(pem) ?? readPem(pem);
      read.set(pem, known);
      return known;
    };
    const list: ContextCertificates[] = [];
    const add = (of: "listener" | "cluster", statName: string, tls: CommonTls | null | undefined) => {
      const inventory = tls == null ? null : inventoryOf(tls, secrets, reader);
      if (inventory !== null) list.push({ of, statName, ...inventory });
    };
    for (const { statPrefix, addresses, filterChains, defaultFilterChain } of snapshot.listeners)
      for (const chain of [...filterChains, defaultFilterChain])
        add("listener", statPrefix || formatAddress(addresses[0]), chain?.tls);
    for (const { name, altStatName, tls } of snapshot.clusters) add("cluster", altStatName || name, tls);
    this.list = list;
    return list;
  }
}
