/**
 * The one topology that every proxy gets: a listener on one loopback port, an upstream on another, and a table of
 * routes and clusters of a given size between them. How a proxy writes it down is its own file's business.
 */
import type { Identities } from "./certificate.ts";
import type { FilterChain } from "./filter-chains.ts";

export interface Topology {
  /** Loopback port that the proxy must listen on. */
  readonly listen: number;
  /** Loopback port for its admin interface, if it has one. */
  readonly admin: number;
  /** Loopback port of the upstream. */
  readonly upstream: number;
  /** Most client connections at once. Proxies that set memory aside per connection are told, not left to guess. */
  readonly clients: number;
  readonly table: Table;
  readonly http2: Http2Sides;
  /** A second port, on which it speaks TLS 1.3; null for none. */
  readonly tls: TlsPort | null;
  /** Filters before the router. Only what takes an Envoy bootstrap is given any. */
  readonly chain: FilterChain;
  /** Folder for its configuration files. */
  readonly folder: string;
}

/** A port of TLS. */
export interface TlsPort {
  readonly port: number;
  readonly identities: Identities;
  readonly use: TlsUse;
}

/**
 * Who comes over TLS: `server`, any client, HTTP/1 or HTTP/2. `mutual`, clients that show the client's certificate, with
 * its SPIFFE ID. `pair-…`, the proxy's own plain port alone, mutually and so many: two sidecars in one process.
 */
export type TlsUse = "server" | "mutual" | "pair-http1" | "pair-http2";

/** A path of a `mutual` port that the proxy answers itself, with two bytes. */
export const OWN_ANSWER = "/own-answer";

export function isPair(use: TlsUse): boolean {
  return use === "pair-http1" || use === "pair-http2";
}

/** Where HTTP/2 is spoken instead of HTTP/1. */
export interface Http2Sides {
  readonly down: boolean;
  readonly up: boolean;
}

export const NO_HTTP2: Http2Sides = { down: false, up: false };

/** What stands between listener and upstream besides the catch-all route to it. */
export interface Table {
  /** Routes: the even ones are prefixes (`/route-8/`), the odd ones exact paths (`/route-9/exact`). */
  readonly routes: number;
  /** Clusters, all with the same single endpoint. Only `ACTIVE_CLUSTERS` of them have a route (`/cluster-7/`). */
  readonly clusters: number;
}

export const PLAIN: Table = { routes: 0, clusters: 1 };

/** So many clusters get traffic however many there are: the question is what *having* the others costs. */
export const ACTIVE_CLUSTERS = 10;

export interface RouteEntry {
  readonly kind: "prefix" | "path";
  readonly text: string;
  readonly cluster: number;
}

/** The routes of a table in order, without the catch-all that ends them. */
export function routesOf(table: Table): RouteEntry[] {
  const routes: RouteEntry[] = [];
  for (let i = 0; i < table.routes; i++) {
    if (i % 2 === 0) routes.push({ kind: "prefix", text: `/route-${i}/`, cluster: 0 });
    else routes.push({ kind: "path", text: `/route-${i}/exact`, cluster: 0 });
  }
  if (table.clusters > 1) {
    for (let i = 0; i < ACTIVE_CLUSTERS; i++) {
      const cluster = Math.floor((i * table.clusters) / ACTIVE_CLUSTERS);
      routes.push({ kind: "prefix", text: `/cluster-${cluster}/`, cluster });
    }
  }
  return routes;
}

/** Request paths that walk evenly over a table: at most 1000 of them, `/` alone for the plain one. */
export function pathsOver(table: Table): string[] {
  const routes = routesOf(table);
  if (routes.length === 0) return ["/"];
  const step = Math.max(1, routes.length / 1000);
  const paths: string[] = [];
  for (let at = 0; at < routes.length; at += step) {
    const route = routes[Math.floor(at)];
    paths.push(route.kind === "prefix" ? `${route.text}item` : route.text);
  }
  return paths;
}
