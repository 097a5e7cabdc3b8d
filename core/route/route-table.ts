/**
 * A route configuration, compiled. A look-up is a hash of the host, a walk along the path and the conditions of
 * the few routes met there; it allocates nothing.
 *
 * Virtual hosts are chosen as in Envoy: the exact host, then the longest "*.suffix", then the longest "prefix.*",
 * then "*". Hosts compare without ASCII case.
 */
import { lowerCase } from "../bytes/ascii.ts";
import type { PerFilterConfig, RouteConfiguration, RouteMatch } from "../config/model.ts";
import { perFilterConfigs } from "../config/per-filter-configs.ts";
import type { ConfigFault } from "../errors.ts";
import { withoutPort } from "../http/authority.ts";
import type { FormatEnvironment } from "../http/formatter.ts";
import type { RequestHead } from "../http/head.ts";
import type { Circumstances } from "./circumstances.ts";
import { compileScope, compileVirtualHost } from "./compile-route.ts";
import type { RouteEntry } from "./route-entry.ts";
import type { VirtualHostEntry } from "./virtual-host.ts";

export class RouteTable {
  readonly config: RouteConfiguration;
  private readonly exact = new Map<string, VirtualHostEntry>();
  private readonly suffixes = new WildcardHosts(true);
  private readonly prefixes = new WildcardHosts(false);
  private fallback: VirtualHostEntry | null = null;
  private readonly ignorePort: boolean;
  /** All that this table says about filters. */
  readonly perFilter: readonly PerFilterConfig[];
  /** A request's route follows from its start line: no field, and nothing that varies, has a say in it. */
  readonly byStartLine: boolean;

  /** Use `compileRouteTable`. */
  constructor(config: RouteConfiguration) {
    this.config = config;
    this.ignorePort = config.ignorePortInHostMatching;
    this.perFilter = perFilterConfigs(config);
    this.byStartLine = config.virtualHosts.every(
      ({ requireTls, routes }) => requireTls === "NONE" && routes.every(({ match }) => readsStartLine(match)),
    );
  }

  /**
   * The first route that takes the request, or null (404, `NR`, `route_not_found`). Expects a validated authority and
   * a normalised path.
   */
  lookup(head: RequestHead, asks: Circumstances): RouteEntry | null {
    const host = this.findVirtualHost(head.authority);
    return host === null ? null : host.match(head, asks);
  }

  /** The virtual host for an authority, or null. */
  findVirtualHost(authority: string): VirtualHostEntry | null {
    // As in Envoy: a table with nothing but "*" takes requests without a host too.
    if (authority === "") {
      return this.exact.size === 0 && this.suffixes.isEmpty && this.prefixes.isEmpty ? this.fallback : null;
    }
    const host = lowerCase(this.ignorePort ? withoutPort(authority) : authority);
    return (
      this.exact.get(host) ?? this.suffixes.longest(host) ?? this.prefixes.longest(host) ?? this.fallback
    );
  }

  /** Registers a domain; an error text, or "". Compile time only. */
  addDomain(domain: string, host: VirtualHostEntry): string {
    if (domain === "*") {
      if (this.fallback !== null) return "only one virtual host may have the domain *";
      this.fallback = host;
      return "";
    }
    const key = lowerCase(domain);
    let taken: boolean;
    if (key.startsWith("*")) taken = !this.suffixes.add(key.slice(1), host);
    else if (key.endsWith("*")) taken = !this.prefixes.add(key.slice(0, -1), host);
    else {
      taken = this.exact.has(key);
      if (!taken) this.exact.set(key, host);
    }
    return taken ? `the domain "${domain}" is given twice` : "";
  }
}

function readsStartLine({ headers, runtimeFraction, grpc }: RouteMatch): boolean {
  return !grpc && runtimeFraction === null && headers.every(({ name }) => name.startsWith(":"));
}

/** Suffix or prefix wildcards, by length, longest first. */
class WildcardHosts {
  private readonly fromEnd: boolean;
  private readonly lengths: number[] = [];
  private readonly byLength: Map<string, VirtualHostEntry>[] = [];

  constructor(fromEnd: boolean) {
    this.fromEnd = fromEnd;
  }

  get isEmpty(): boolean {
    return this.lengths.length === 0;
  }

  /** False if it is there already. */
  add(text: string, host: VirtualHostEntry): boolean {
    let i = this.lengths.findIndex((length) => length <= text.length);
    if (i < 0) i = this.lengths.length;
    if (this.lengths[i] !== text.length) {
      this.lengths.splice(i, 0, text.length);
      this.byLength.splice(i, 0, new Map());
    }
    if (this.byLength[i].has(text)) return false;
    this.byLength[i].set(text, host);
    return true;
  }

  /** The host of the longest wildcard that leaves at least one byte for its "*", or null. */
  longest(host: string): VirtualHostEntry | null {
    for (let i = 0; i < this.lengths.length; i++) {
      const length = this.lengths[i];
      if (length >= host.length) continue;
      const part = this.fromEnd ? host.slice(host.length - length) : host.slice(0, length);
      const found = this.byLength[i].get(part);
      if (found !== undefined) return found;
    }
    return null;
  }
}

/** Compiles a route configuration and finds everything that is wrong with it. `table` is null if there is a fault. */
export function compileRouteTable(
  config: RouteConfiguration,
  environment: FormatEnvironment,
): { readonly table: RouteTable | null; readonly faults: readonly ConfigFault[] } {
  const scope = compileScope(config, environment);
  const { faults } = scope;
  const table = new RouteTable(config);
  for (const [i, virtualHost] of config.virtualHosts.entries()) {
    const path = `virtual_hosts[${i}]`;
    const entry = compileVirtualHost(virtualHost, path, scope);
    for (const [k, domain] of virtualHost.domains.entries()) {
      const message = table.addDomain(domain, entry);
      if (message !== "") faults.push({ path: `${path}.domains[${k}]`, message });
    }
  }
  return { table: faults.length === 0 ? table : null, faults };
}
