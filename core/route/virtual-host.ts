/**
 * The routes of one virtual host, indexed so that finding the first match does not depend on how many there are.
 * The answer is always that of a walk through the list in order: the index only leaves out routes whose path
 * cannot match. Conditions have no side effects, so they may be asked in any order.
 */
import { LOWER } from "../bytes/ascii.ts";
import type { VirtualHost } from "../config/model.ts";
import type { RequestHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { Circumstances } from "./circumstances.ts";
import { TrieNode } from "./path-trie.ts";
import { MATCH_CONNECT, MATCH_REGEX, type RouteEntry } from "./route-entry.ts";

const INTERNAL = known("x-envoy-internal");

export class VirtualHostEntry {
  readonly name: string;
  readonly config: VirtualHost;
  /** In the order of the configuration. */
  readonly routes: RouteEntry[] = [];
  /** Answers plain-text requests where `require_tls` asks for it. Set by the compiler. */
  tlsRedirect: RouteEntry | null = null;

  private readonly exactCase = new TrieNode("");
  /** Routes that ignore case, under lower-case texts; null if there are none. */
  private anyCase: TrieNode | null = null;
  /** Regular expressions without a certain beginning, in order. */
  private readonly unindexed: number[] = [];
  private readonly connects: number[] = [];
  private readonly ignoreParameters: boolean;

  constructor(config: VirtualHost, ignorePathParameters: boolean) {
    this.name = config.name;
    this.config = config;
    this.ignoreParameters = ignorePathParameters;
  }

  /** Appends a route. Compile time only. */
  add(route: RouteEntry): void {
    const place = this.routes.push(route) - 1;
    if (route.pathKind === MATCH_CONNECT) this.connects.push(place);
    else if (route.pathKind === MATCH_REGEX) {
      const prefix = route.pathRegex?.literalPrefix ?? "";
      if (prefix === "") this.unindexed.push(place);
      else this.exactCase.insert(prefix, place);
    } else if (route.config.match.caseSensitive) this.exactCase.insert(route.pathText, place);
    else {
      this.anyCase ??= new TrieNode("");
      this.anyCase.insert(route.pathText, place);
    }
  }

  /** The first route that takes the request, or null. */
  match(head: RequestHead, asks: Circumstances): RouteEntry | null {
    if (this.tlsRedirect !== null && this.mustUseTls(head)) return this.tlsRedirect;
    const routes = this.routes;
    const path = this.ignoreParameters ? withoutParameters(head.path) : head.path;
    let best = routes.length;
    if (head.method === "CONNECT") best = this.scan(this.connects, best, head, path, 0, asks);
    if (path !== "") {
      const query = path.indexOf("?");
      const end = query < 0 ? path.length : query;
      best = this.walk(this.exactCase, false, best, head, path, end, asks);
      if (this.anyCase !== null) best = this.walk(this.anyCase, true, best, head, path, end, asks);
      best = this.scan(this.unindexed, best, head, path, end, asks);
    }
    return best < routes.length ? routes[best] : null;
  }

  private mustUseTls(head: RequestHead): boolean {
    if (head.scheme === "https") return false;
    return this.config.requireTls === "ALL" || head.fields.getId(INTERNAL) !== "true";
  }

  /** The lowest place below `best` among the routes met along the path, or `best`. */
  private walk(
    root: TrieNode,
    fold: boolean,
    best: number,
    head: RequestHead,
    path: string,
    end: number,
    asks: Circumstances,
  ): number {
    let node = root;
    let at = 0;
    let lowest = best;
    while (node.lowest < lowest) {
      const place = node.route;
      if (place >= 0 && place < lowest) {
        if (this.routes[place].accepts(head, path, end, asks)) lowest = place;
        else if (node.others.length > 0) lowest = this.scan(node.others, lowest, head, path, end, asks);
      }
      if (at >= end) break;
      const child = node.child(fold ? LOWER[path.charCodeAt(at) & 0xff] : path.charCodeAt(at));
      if (child === null) break;
      const label = child.label;
      const next = at + label.length;
      if (next > end) break;
      let i = 1;
      if (fold) while (i < label.length && LOWER[path.charCodeAt(at + i) & 0xff] === label.charCodeAt(i)) i++;
      else while (i < label.length && path.charCodeAt(at + i) === label.charCodeAt(i)) i++;
      if (i < label.length) break;
      at = next;
      node = child;
    }
    return lowest;
  }

  /** The first of `places` (ascending) below `best` whose route takes the request, or `best`. */
  private scan(
    places: readonly number[],
    best: number,
    head: RequestHead,
    path: string,
    end: number,
    asks: Circumstances,
  ): number {
    for (let i = 0; i < places.length; i++) {
      const place = places[i];
      if (place >= best) break;
      if (this.routes[place].accepts(head, path, end, asks)) return place;
    }
    return best;
  }
}

/** `path` with ";…" cut out of each segment: "/a;x=1/b;y?q" is compared as "/a/b?q". The text itself without ";". */
function withoutParameters(path: string): string {
  const query = path.indexOf("?");
  const end = query < 0 ? path.length : query;
  const first = path.indexOf(";");
  if (first < 0 || first > end) return path;
  return path.slice(0, end).replace(/;[^/]*/g, "") + path.slice(end);
}
