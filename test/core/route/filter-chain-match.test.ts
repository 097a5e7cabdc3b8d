import { describe, expect, test } from "bun:test";
import type { FilterChain, FilterChainMatch, Listener } from "../../../core/config/model.ts";
import { compileFilterChains } from "../../../core/route/filter-chain-match.ts";
import { httpManager, ip, listener, routeConfiguration } from "../../support/snapshot-fixture.ts";

const BASE: Listener = listener("l", ip("0.0.0.0", 80), httpManager(routeConfiguration([])));

function chain(name: string, match: Partial<FilterChainMatch> = {}): FilterChain {
  const [any] = BASE.filterChains;
  return { ...any, name, match: { ...any.match, ...match } };
}

const range = (text: string) => {
  const [address, length] = text.split("/");
  return { ip: address, prefixLength: Number(length) };
};

function chosen(
  chains: FilterChain[],
  local = "10.0.0.1:80",
  remote = "10.0.0.2:999",
  fallback: FilterChain | null = null,
) {
  const { choice, faults } = compileFilterChains({
    ...BASE,
    filterChains: chains,
    defaultFilterChain: fallback,
  });
  if (choice === null) throw new Error(JSON.stringify(faults));
  const address = (text: string) => {
    const colon = text.lastIndexOf(":");
    return text.startsWith("/")
      ? { ip: "", port: 0, path: text }
      : ip(text.slice(0, colon), Number(text.slice(colon + 1)));
  };
  return choice.choose({ local: address(local), remote: address(remote) })?.name ?? "-";
}

describe("a filter chain", () => {
  test("without conditions takes everything; with none there is the default, or nothing", () => {
    expect(chosen([chain("all")])).toBe("all");
    expect(chosen([], undefined, undefined, chain("default"))).toBe("default");
    expect(chosen([])).toBe("-");
    expect(chosen([chain("p", { destinationPort: 81 })], undefined, undefined, chain("default"))).toBe(
      "default",
    );
    expect(chosen([chain("p", { destinationPort: 81 })])).toBe("-");
  });

  test("with the longest range around the address wins, whatever the order", () => {
    const chains = [
      chain("8", { prefixRanges: [range("10.0.0.0/8")] }),
      chain("24", { prefixRanges: [range("192.168.0.0/16"), range("10.0.0.0/24")] }),
      chain("any"),
      chain("0", { prefixRanges: [range("0.0.0.0/0")] }),
    ];
    const go = (local: string) => [chosen(chains, local), chosen([...chains].reverse(), local)];
    expect(go("10.0.0.1:80")).toEqual(["24", "24"]);
    expect(go("10.9.0.1:80")).toEqual(["8", "8"]);
    expect(go("11.0.0.1:80")).toEqual(["0", "0"]);
    expect(go("::1:80")).toEqual(["any", "any"]);
  });

  test("is looked for key by key without going back: an earlier key hides better chains on later keys", () => {
    const chains = [
      chain("port", { destinationPort: 80, sourcePorts: [1] }),
      chain("source", { sourcePrefixRanges: [range("10.0.0.0/8")] }),
    ];
    expect(chosen(chains, "10.0.0.1:80", "10.0.0.2:1")).toBe("port");
    expect(chosen(chains, "10.0.0.1:80", "10.0.0.2:2")).toBe("-");
    expect(chosen(chains, "10.0.0.1:81", "10.0.0.2:2")).toBe("source");
  });

  test("for TLS, SNI or ALPN does not take plain text", () => {
    expect(chosen([chain("tls", { transportProtocol: "tls" }), chain("any")])).toBe("any");
    expect(chosen([chain("any"), chain("raw", { transportProtocol: "raw_buffer" })])).toBe("raw");
    expect(chosen([chain("sni", { serverNames: ["a"] })])).toBe("-");
    expect(chosen([chain("alpn", { applicationProtocols: ["h2"] }), chain("any")])).toBe("any");
  });

  test("by where the peer is", () => {
    const chains = [
      chain("near", { sourceType: "SAME_IP_OR_LOOPBACK" }),
      chain("far", { sourceType: "EXTERNAL" }),
    ];
    expect(chosen(chains, "10.0.0.1:80", "10.0.0.1:1")).toBe("near");
    expect(chosen(chains, "10.0.0.1:80", "127.0.0.2:1")).toBe("near");
    expect(chosen(chains, "10.0.0.1:80", "::1:1")).toBe("near");
    expect(chosen(chains, "10.0.0.1:80", "10.0.0.2:1")).toBe("far");
    expect(chosen(chains, "/run/a.sock", "/run/b.sock")).toBe("near");
    expect(
      chosen([chain("direct", { directSourcePrefixRanges: [range("10.0.0.2/32")] }), chain("any")]),
    ).toBe("direct");
  });

  test("that is there twice, or has a range that is none, is a fault", () => {
    const { choice, faults } = compileFilterChains({
      ...BASE,
      filterChains: [chain("a"), chain("b"), chain("c", { sourcePrefixRanges: [range("10.0.0.0/33")] })],
    });
    expect(choice).toBeNull();
    expect(faults.map((fault) => fault.path)).toEqual([
      "filter_chains[1].filter_chain_match",
      "filter_chains[2].filter_chain_match.source_prefix_ranges[0]",
    ]);
  });
});
