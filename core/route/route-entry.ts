/**
 * One route, compiled: does it match, and what does it do to the request and the response. Made when the
 * configuration is applied; a request only reads it.
 *
 * Order of what happens to a request, as in Envoy: header operations (weighted cluster, route, virtual host,
 * route configuration; or from the general to the special), then the host, then the path. So header operations
 * see the path as it was routed.
 */
import { lowerCase } from "../bytes/ascii.ts";
import type {
  DirectResponseAction,
  RetryPolicy,
  Route,
  RouteAction,
  RuntimeFraction,
  TlsMatch,
  VirtualHost,
} from "../config/model.ts";
import { hostEnd } from "../http/authority.ts";
import type { Fields } from "../http/fields.ts";
import { firstValue } from "../http/first-value.ts";
import type { JsonFormatter, TextFormatter } from "../http/formatter.ts";
import { isGrpc } from "../http/grpc.ts";
import type { RequestHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { StreamInfo, TlsView } from "../http/stream-info.ts";
import type { Circumstances } from "./circumstances.ts";
import type { ClusterChoice, ClusterTarget, PerFilters } from "./cluster-choice.ts";
import type { HeaderMatcher } from "./header-matcher.ts";
import type { HeaderMutation } from "./header-mutation.ts";
import type { QueryMatcher } from "./query-matcher.ts";
import type { Redirect } from "./redirect.ts";
import type { Regex } from "./regex.ts";
import type { PathRewrite, RegexRewrite } from "./rewrite.ts";
import { inFraction } from "./runtime-fraction.ts";

/** How a route looks at the path. */
export const MATCH_EXACT = 0;
export const MATCH_PREFIX = 1;
export const MATCH_SEPARATED_PREFIX = 2;
export const MATCH_REGEX = 3;
export const MATCH_CONNECT = 4;

const ORIGINAL_PATH = known("x-envoy-original-path");
const ORIGINAL_HOST = known("x-envoy-original-host");
const FORWARDED_HOST = known("x-forwarded-host");

/** Everything that the compiler found out about a route. */
export interface RouteParts {
  readonly config: Route;
  readonly virtualHost: VirtualHost;
  readonly pathKind: number;
  /** Text of an exact or prefix match, lower case if case is ignored. */
  readonly pathText: string;
  readonly pathRegex: Regex | null;
  readonly headers: readonly HeaderMatcher[];
  readonly queries: readonly QueryMatcher[];
  readonly requestMutations: readonly HeaderMutation[];
  readonly responseMutations: readonly HeaderMutation[];
  readonly clusters: ClusterChoice | null;
  readonly pathRewrite: PathRewrite | null;
  readonly hostPathRewrite: RegexRewrite | null;
  readonly redirect: Redirect | null;
  readonly bodyFormatter: TextFormatter | JsonFormatter | null;
  readonly retryPolicy: RetryPolicy | null;
  readonly perRequestBufferLimitBytes: number | null;
  readonly perFilter: PerFilters | null;
}

export class RouteEntry {
  /** "" if the route has none. */
  readonly name: string;
  readonly config: Route;
  readonly virtualHost: VirtualHost;
  /** The action if it is to forward, else null. */
  readonly action: RouteAction | null;
  /** Where a forwarding route goes, else null. */
  readonly clusters: ClusterChoice | null;
  /** Non-null for a redirect: status and location. */
  readonly redirect: Redirect | null;
  /** Non-null for a direct response. */
  readonly directResponse: DirectResponseAction | null;
  /** Makes the body of a direct response that has a format. */
  readonly bodyFormatter: TextFormatter | JsonFormatter | null;
  /** The route's, else the virtual host's, else null. */
  readonly retryPolicy: RetryPolicy | null;
  /** The route's, else the virtual host's; null = the listener's limit. */
  readonly perRequestBufferLimitBytes: number | null;
  /** What is said about filters of the chain, weighted clusters aside; null if nothing is. */
  private readonly perFilter: PerFilters | null;
  /** A weighted cluster has a say about them. */
  private readonly weighsFilters: boolean;
  /** `MATCH_…`, and what the path is compared with: for the index of the virtual host. */
  readonly pathKind: number;
  readonly pathText: string;
  readonly pathRegex: Regex | null;

  private readonly fraction: RuntimeFraction | null;
  private readonly grpc: boolean;
  private readonly tls: TlsMatch | null;
  private readonly headers: readonly HeaderMatcher[];
  private readonly queries: readonly QueryMatcher[];
  private readonly requestMutations: readonly HeaderMutation[];
  private readonly responseMutations: readonly HeaderMutation[];
  private readonly pathRewrite: PathRewrite | null;
  private readonly hostPathRewrite: RegexRewrite | null;

  constructor(parts: RouteParts) {
    const { config } = parts;
    this.name = config.name;
    this.config = config;
    this.virtualHost = parts.virtualHost;
    this.action = config.action.kind === "route" ? config.action : null;
    this.clusters = parts.clusters;
    this.redirect = parts.redirect;
    this.directResponse = config.action.kind === "direct_response" ? config.action : null;
    this.bodyFormatter = parts.bodyFormatter;
    this.retryPolicy = parts.retryPolicy;
    this.perRequestBufferLimitBytes = parts.perRequestBufferLimitBytes;
    this.perFilter = parts.perFilter;
    this.weighsFilters = parts.clusters?.targets.some((target) => target.perFilter !== null) ?? false;
    this.pathKind = parts.pathKind;
    this.pathText = parts.pathText;
    this.pathRegex = parts.pathRegex;
    this.fraction = config.match.runtimeFraction;
    this.grpc = config.match.grpc;
    this.tls = config.match.tls;
    this.headers = parts.headers;
    this.queries = parts.queries;
    this.requestMutations = parts.requestMutations;
    this.responseMutations = parts.responseMutations;
    this.pathRewrite = parts.pathRewrite;
    this.hostPathRewrite = parts.hostPathRewrite;
  }

  /** What is said about filters of the chain on a request of that random number; null if nothing is. */
  perFilterFor(random: number): PerFilters | null {
    const { clusters } = this;
    if (!this.weighsFilters || clusters === null) return this.perFilter;
    return clusters.choose(random).perFilter ?? this.perFilter;
  }

  /**
   * Whether this route takes the request. The index has already compared `pathText` with the start of
   * `path[0, end)` (the path without its query); what remains of the path is checked here, then the rest.
   */
  accepts(head: RequestHead, path: string, end: number, asks: Circumstances): boolean {
    switch (this.pathKind) {
      case MATCH_EXACT:
        if (end !== this.pathText.length) return false;
        break;
      case MATCH_SEPARATED_PREFIX: {
        const length = this.pathText.length;
        if (end !== length && path.charCodeAt(length) !== 0x2f) return false;
        break;
      }
      case MATCH_REGEX:
        if (!(this.pathRegex as Regex).fullMatch(end === path.length ? path : path.slice(0, end)))
          return false;
        break;
    }
    if (this.fraction !== null && !inFraction(this.fraction, asks.random, asks.runtime)) return false;
    if (this.tls !== null && !isSuchTls(this.tls, asks.downstreamTls)) return false;
    if (this.grpc && !isGrpc(head.fields)) return false;
    const { headers, queries } = this;
    for (let i = 0; i < headers.length; i++) if (!headers[i].matches(head)) return false;
    for (let i = 0; i < queries.length; i++) if (!queries[i].matches(head.path)) return false;
    return true;
  }

  /**
   * Applies everything that this route does to a request on its way to `target`. Call once. Unless `quiet`, what
   * is rewritten goes on in `x-envoy-original-…`.
   */
  finalizeRequest(head: RequestHead, target: ClusterTarget, info: StreamInfo, quiet: boolean): void {
    if (!target.requestMutation.isEmpty) target.requestMutation.apply(head.fields, info);
    if (target.hostRewriteLiteral !== "") head.authority = target.hostRewriteLiteral;
    const mutations = this.requestMutations;
    for (let i = 0; i < mutations.length; i++) mutations[i].apply(head.fields, info);
    this.rewriteHostByRule(head, quiet);
    if (this.pathRewrite !== null) {
      const before = head.path;
      const path = this.pathRewrite.apply(before, this.matchedLength(before));
      if (!quiet) head.fields.setId(ORIGINAL_PATH, before);
      head.path = path;
    }
  }

  private rewriteHostByRule(head: RequestHead, quiet: boolean): void {
    const action = this.action as RouteAction;
    if (action.hostRewriteLiteral !== "") {
      this.rewriteHost(head, action.hostRewriteLiteral, quiet);
      return;
    }
    let host: string;
    if (action.hostRewriteHeader !== "") {
      host = firstValue(head, action.hostRewriteHeader) ?? "";
    } else if (this.hostPathRewrite !== null) host = this.hostPathRewrite.apply(withoutQuery(head.path));
    else return;
    // The client decides about this text: it may not become something that is not a host.
    if (hostEnd(host) >= 0) this.rewriteHost(head, host, quiet);
  }

  /** Applies the header operations to a response (forwarded, redirect or direct). `target` is null if none was chosen. */
  finalizeResponse(fields: Fields, target: ClusterTarget | null, info: StreamInfo): void {
    if (target !== null && !target.responseMutation.isEmpty) target.responseMutation.apply(fields, info);
    const mutations = this.responseMutations;
    for (let i = 0; i < mutations.length; i++) mutations[i].apply(fields, info);
  }

  /** Sets the authority; for `auto_host_rewrite` the router calls it with the endpoint's host name. `quiet` as above. */
  rewriteHost(head: RequestHead, host: string, quiet: boolean): void {
    const before = head.authority;
    if (before !== "") {
      if (!quiet) head.fields.setId(ORIGINAL_HOST, before);
      if ((this.action as RouteAction).appendXForwardedHost) {
        const list = head.fields.getId(FORWARDED_HOST);
        head.fields.setId(FORWARDED_HOST, list === null ? before : `${list},${before}`);
      }
    }
    head.authority = host;
  }

  /** The location of a redirecting route. */
  location(head: RequestHead): string {
    return (this.redirect as Redirect).location(head, this.matchedLength(head.path));
  }

  /**
   * How many bytes of `path` this route matched: what a prefix rewrite replaces. -1 if the path does not begin
   * with the route's text (a filter changed it, or path parameters were ignored in the match).
   */
  matchedLength(path: string): number {
    if (this.pathKind === MATCH_REGEX || this.pathKind === MATCH_CONNECT) {
      const query = path.indexOf("?");
      return query < 0 ? path.length : query;
    }
    const { pathText } = this;
    const length = pathText.length;
    if (path.startsWith(pathText)) return length;
    if (this.config.match.caseSensitive || path.length < length) return -1;
    return lowerCase(path.slice(0, length)) === pathText ? length : -1;
  }
}

/** As in Envoy: who came in plain text has shown nothing. */
function isSuchTls({ presented, validated }: TlsMatch, tls: TlsView | null): boolean {
  const peer = tls === null ? null : tls.peer;
  if (presented !== null && presented !== (peer !== null)) return false;
  return validated === null || validated === (peer?.verified === true);
}

function withoutQuery(path: string): string {
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
}
