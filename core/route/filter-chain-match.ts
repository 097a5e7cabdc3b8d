/**
 * Which filter chain of a listener a connection gets. Envoy decides key by key in a fixed order and never goes
 * back: at each key the most specific value that some remaining chain has wins, and chains that match on later
 * keys only are out, even if nothing is left in the end (then: the default filter chain).
 *
 *   destination port → destination IP → server name → transport protocol → application protocol
 *   → direct source IP → source type → source IP → source port
 *
 * What the first bytes said (core/tls/client-hello.ts, core/proxy/http-watch.ts) is handed in as `Inspection`.
 */
import { Cidr, isLoopback, parseIp } from "../bytes/cidr.ts";
import type { CidrRange, FilterChain, Listener } from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import type { Address } from "../io/socket.ts";

/** What a choice is made from. Asking a socket for an address costs a system call, so it is asked only if it matters. */
export interface ConnectionEnds {
  readonly local: Address;
  readonly remote: Address;
}

/** What the inspectors saw in the first bytes; `NOT_INSPECTED` if nobody looked, or nothing was found. */
export interface Inspection {
  readonly transportProtocol: "raw_buffer" | "tls";
  /** Lower case, "" = none. */
  readonly serverName: string;
  /** What the client offers by ALPN, in its order, or what the http_inspector found ("http/1.1", "h2c", …). */
  readonly applicationProtocols: readonly string[];
}

/** Plain text of an unknown kind. */
export const NOT_INSPECTED: Inspection = {
  transportProtocol: "raw_buffer",
  serverName: "",
  applicationProtocols: [],
};

interface Candidate {
  readonly chain: FilterChain;
  readonly destinations: readonly Cidr[];
  readonly directSources: readonly Cidr[];
  readonly sources: readonly Cidr[];
}

export class FilterChainChoice {
  private readonly candidates: readonly Candidate[];
  private readonly fallback: FilterChain | null;
  /** The only chain, if it matches everything: no work per connection. */
  private readonly only: FilterChain | null;

  /** Use `compileFilterChains`. */
  constructor(candidates: readonly Candidate[], fallback: FilterChain | null, inspected: boolean) {
    this.candidates = candidates;
    this.fallback = fallback;
    this.only =
      candidates.length === 1 && matchesAll(candidates[0].chain, inspected)
        ? candidates[0].chain
        : candidates.length === 0
          ? fallback
          : null;
  }

  /** The chain for a connection, or null: close it and count `no_filter_chain_match`. */
  choose(connection: ConnectionEnds, seen: Inspection = NOT_INSPECTED): FilterChain | null {
    if (this.only !== null) return this.only;
    const { local, remote } = connection;
    const localIp = parseIp(local.ip);
    const remoteIp = parseIp(remote.ip);
    let left = this.candidates;

    left = narrow(left, (c) => exactPort(c.chain.match.destinationPort, local.port));
    left = narrow(left, (c) => bestPrefix(c.destinations, localIp));
    left = narrow(left, (c) => serverNameScore(c.chain.match.serverNames, seen.serverName));
    left = narrow(left, (c) => transportScore(c.chain.match.transportProtocol, seen.transportProtocol));
    left = narrow(left, (c) => protocolScore(c.chain.match.applicationProtocols, seen.applicationProtocols));
    left = narrow(left, (c) => bestPrefix(c.directSources, remoteIp));
    const near =
      remote.path !== "" || (remoteIp !== null && (isLoopback(remoteIp) || local.ip === remote.ip));
    left = narrow(left, (c) => sourceTypeScore(c.chain.match.sourceType, near));
    left = narrow(left, (c) => bestPrefix(c.sources, remoteIp));
    left = narrow(left, (c) => portScore(c.chain.match.sourcePorts, remote.port));
    return left.length === 0 ? this.fallback : left[0].chain;
  }
}

/** Keeps the candidates with the highest score; negative = does not match. */
function narrow(list: readonly Candidate[], score: (candidate: Candidate) => number): readonly Candidate[] {
  let best = 0;
  let kept: Candidate[] = [];
  for (const candidate of list) {
    const points = score(candidate);
    if (points < best) continue;
    if (points > best) {
      best = points;
      kept = [];
    }
    kept.push(candidate);
  }
  return kept;
}

function exactPort(wanted: number, port: number): number {
  return wanted === 0 ? 0 : wanted === port ? 1 : -1;
}

function portScore(wanted: readonly number[], port: number): number {
  return wanted.length === 0 ? 0 : wanted.includes(port) ? 1 : -1;
}

function transportScore(wanted: string, found: string): number {
  return wanted === "" ? 0 : wanted === found ? 1 : -1;
}

/** The whole name before any wildcard, and of wildcards the longest; "*.a.b" does not cover "a.b" itself. */
function serverNameScore(wanted: readonly string[], name: string): number {
  if (wanted.length === 0) return 0;
  let best = -1;
  for (const each of wanted) {
    if (each === name) return Number.MAX_SAFE_INTEGER;
    // As in Envoy there must be something before the dot, and something behind it.
    const covers = each.startsWith("*.") && name.length > each.length - 1 && name.endsWith(each.slice(1));
    if (covers && each.length > best) best = each.length;
  }
  return best;
}

/** The client's order decides: the first of its protocols that any chain names. */
function protocolScore(wanted: readonly string[], offered: readonly string[]): number {
  if (wanted.length === 0) return 0;
  const first = offered.findIndex((protocol) => wanted.includes(protocol));
  return first < 0 ? -1 : offered.length - first;
}

function sourceTypeScore(wanted: FilterChain["match"]["sourceType"], near: boolean): number {
  return wanted === "ANY" ? 0 : near === (wanted === "SAME_IP_OR_LOOPBACK") ? 1 : -1;
}

/** One more than the length of the longest range around `ip`; 0 if there are no ranges; -1 if none fits. */
function bestPrefix(list: readonly Cidr[], ip: Uint8Array | null): number {
  if (list.length === 0) return 0;
  let best = -1;
  if (ip !== null) {
    for (const cidr of list) if (cidr.prefixLength >= best && cidr.contains(ip)) best = cidr.prefixLength + 1;
  }
  return best;
}

function matchesAll(chain: FilterChain, inspected: boolean): boolean {
  const m = chain.match;
  return (
    m.destinationPort === 0 &&
    m.prefixRanges.length === 0 &&
    m.serverNames.length === 0 &&
    (m.transportProtocol === "" || (m.transportProtocol === "raw_buffer" && !inspected)) &&
    m.applicationProtocols.length === 0 &&
    m.directSourcePrefixRanges.length === 0 &&
    m.sourceType === "ANY" &&
    m.sourcePrefixRanges.length === 0 &&
    m.sourcePorts.length === 0
  );
}

/** Every chain that a connection may get, the default one last. */
export function chainsOf({ filterChains, defaultFilterChain }: Listener): readonly FilterChain[] {
  return defaultFilterChain === null ? filterChains : [...filterChains, defaultFilterChain];
}

/** Compiles the filter chains of a listener; `choice` is null if there is a fault. */
export function compileFilterChains(listener: Listener): {
  readonly choice: FilterChainChoice | null;
  readonly faults: readonly ConfigFault[];
} {
  const faults: ConfigFault[] = [];
  const cidrs = (list: readonly CidrRange[], path: string): Cidr[] => {
    const out: Cidr[] = [];
    for (const [i, range] of list.entries()) {
      const cidr = Cidr.of(range.ip, range.prefixLength);
      if (cidr !== null) out.push(cidr);
      else
        faults.push({
          path: `${path}[${i}]`,
          message: `${range.ip}/${range.prefixLength} is not an IP range`,
        });
    }
    return out;
  };
  const seen = new Map<string, number>();
  const candidates = listener.filterChains.map((chain, i): Candidate => {
    const path = `filter_chains[${i}].filter_chain_match`;
    const { match } = chain;
    const key = JSON.stringify(match);
    const twin = seen.get(key);
    if (twin !== undefined) faults.push({ path, message: `matches the same as filter_chains[${twin}]` });
    seen.set(key, i);
    return {
      chain,
      destinations: cidrs(match.prefixRanges, `${path}.prefix_ranges`),
      directSources: cidrs(match.directSourcePrefixRanges, `${path}.direct_source_prefix_ranges`),
      sources: cidrs(match.sourcePrefixRanges, `${path}.source_prefix_ranges`),
    };
  });
  const inspected = listener.filters?.tlsInspector ?? false;
  const choice =
    faults.length === 0 ? new FilterChainChoice(candidates, listener.defaultFilterChain, inspected) : null;
  return { choice, faults };
}
