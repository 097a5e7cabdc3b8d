/**
 * Which route takes a request, by the number of routes. Requests go round all of them, so the processor's caches
 * see what they see with many tenants. The bar: 10 000 routes cost at most 1.15 × 10 routes, per request.
 */
import type {
  HeaderOperations,
  PathMatch,
  Route,
  RouteConfiguration,
  VirtualHost,
} from "../../../core/config/model.ts";
import { RequestHead } from "../../../core/http/head.ts";
import type { Circumstances } from "../../../core/route/circumstances.ts";
import { compileRouteTable, type RouteTable } from "../../../core/route/route-table.ts";
import { Clock } from "../../../core/time/clock.ts";
import type { MicroCase } from "../micro-case.ts";

const NO_CIRCUMSTANCES: Circumstances = { random: 0, runtime: {}, downstreamTls: null };

const NO_HEADERS: HeaderOperations = {
  requestAdd: [],
  requestRemove: [],
  responseAdd: [],
  responseRemove: [],
};

function route(path: PathMatch): Route {
  return {
    name: "",
    match: {
      path,
      caseSensitive: true,
      runtimeFraction: null,
      headers: [],
      queryParameters: [],
      grpc: false,
      tls: null,
    },
    action: { kind: "non_forwarding" },
    headers: NO_HEADERS,
    perRequestBufferLimitBytes: null,
    perFilter: [],
    statPrefix: "",
    decorator: "",
  };
}

function virtualHost(name: string, domains: readonly string[], routes: readonly Route[]): VirtualHost {
  return {
    name,
    domains,
    routes,
    requireTls: "NONE",
    headers: NO_HEADERS,
    includeRequestAttemptCount: false,
    includeAttemptCountInResponse: false,
    retryPolicy: null,
    perRequestBufferLimitBytes: null,
    perFilter: [],
  };
}

function compiled(virtualHosts: readonly VirtualHost[]): RouteTable {
  const config: RouteConfiguration = {
    name: "bench",
    version: "1",
    virtualHosts,
    headers: NO_HEADERS,
    internalOnlyHeaders: [],
    mostSpecificHeaderMutationsWins: false,
    perFilter: [],
    ignorePortInHostMatching: false,
    ignorePathParametersInPathMatching: false,
    maxDirectResponseBodySizeBytes: 4096,
  };
  const { table, faults } = compileRouteTable(config, { variables: {}, hostname: "", clock: new Clock() });
  if (table === null) throw new Error(faults.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  return table;
}

/** Looks up, in turn, a fixed selection of authorities and paths. */
function lookups(
  name: string,
  make: () => { table: RouteTable; targets: readonly [string, string][] },
): MicroCase {
  return {
    name: `route match: ${name}`,
    prepare: () => {
      const { table, targets } = make();
      const heads = targets.map(([authority, path]) => {
        const head = new RequestHead();
        head.method = "GET";
        head.authority = authority;
        head.path = path;
        return head;
      });
      let at = 0;
      return (times) => {
        let found = 0;
        for (let i = 0; i < times; i++) {
          at = (at + 1) & 255;
          if (table.lookup(heads[at], NO_CIRCUMSTANCES) !== null) found++;
        }
        if (found !== times) throw new Error(`${name}: ${times - found} of ${times} requests found no route`);
        return found;
      };
    },
  };
}

/** 256 numbers below `count`, spread over it. */
function spread(count: number): number[] {
  return Array.from({ length: 256 }, (_, i) => Math.floor((i * 2654435761) % 4294967296) % count);
}

function oneHost(count: number, kind: "path" | "prefix", rest: string): MicroCase {
  return lookups(`${count} ${kind === "path" ? "exact paths" : "prefixes"}`, () => ({
    table: compiled([
      virtualHost(
        "all",
        ["*"],
        Array.from({ length: count }, (_, i) => route({ kind, text: `/service-${i}/v1/items` })),
      ),
    ]),
    targets: spread(count).map((i) => ["shop.example.com", `/service-${i}/v1/items${rest}`]),
  }));
}

function manyHosts(count: number): MicroCase {
  return lookups(`${count} virtual hosts`, () => ({
    table: compiled(
      Array.from({ length: count }, (_, i) =>
        virtualHost(`host-${i}`, [`service-${i}.example.com`], [route({ kind: "prefix", text: "/" })]),
      ),
    ),
    targets: spread(count).map((i) => [`service-${i}.example.com`, "/v1/items"]),
  }));
}

export const ROUTE_MATCH: readonly MicroCase[] = [
  ...[10, 100, 1000, 10_000].map((count) => oneHost(count, "prefix", "/42?expand=1")),
  ...[10, 10_000].map((count) => oneHost(count, "path", "")),
  ...[10, 10_000].map((count) => manyHosts(count)),
  lookups("10 regular expressions, the last one", () => ({
    table: compiled([
      virtualHost(
        "all",
        ["*"],
        Array.from({ length: 10 }, (_, i) =>
          route({ kind: "regex", regex: `/service-${i}/v[0-9]+/items/.*` }),
        ),
      ),
    ]),
    targets: spread(256).map((i) => ["shop.example.com", `/service-9/v1/items/${i}`]),
  })),
];
