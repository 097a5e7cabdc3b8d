/**
 * From the configuration of a virtual host and its routes to their compiled form. Runs when a configuration is
 * applied; collects every fault with its path and goes on, so that an operator sees all of them at once.
 */
import { lowerCase } from "../bytes/ascii.ts";
import type {
  HeaderOperations,
  PathMatch,
  PerFilterConfig,
  Route,
  RouteConfiguration,
  SubstitutionFormat,
  VirtualHost,
  WeightedCluster,
} from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import { hostEnd } from "../http/authority.ts";
import { isFieldName } from "../http/fields.ts";
import {
  compileFormat,
  compileJsonFormat,
  type FormatEnvironment,
  type JsonFormatter,
  type TextFormatter,
} from "../http/formatter.ts";
import { compileClusterChoice, type PerFilters } from "./cluster-choice.ts";
import { compileHeaderMatcher } from "./header-matcher.ts";
import { compileHeaderMutation, type HeaderMutation } from "./header-mutation.ts";
import { compileQueryMatcher } from "./query-matcher.ts";
import { compileRedirect, TLS_REDIRECT } from "./redirect.ts";
import { compileRegex, type Regex } from "./regex.ts";
import { compileRegexRewrite, PathRewrite } from "./rewrite.ts";
import {
  MATCH_CONNECT,
  MATCH_EXACT,
  MATCH_PREFIX,
  MATCH_REGEX,
  MATCH_SEPARATED_PREFIX,
  RouteEntry,
} from "./route-entry.ts";
import { VirtualHostEntry } from "./virtual-host.ts";

/** The two sides of the header operations of one place. */
export interface Mutations {
  readonly request: HeaderMutation;
  readonly response: HeaderMutation;
}

/** What all virtual hosts of a route configuration share while it is compiled. */
export interface CompileScope {
  readonly table: RouteConfiguration;
  readonly mutations: Mutations;
  readonly environment: FormatEnvironment;
  readonly faults: ConfigFault[];
}

/** Compiles what is common to all virtual hosts. */
export function compileScope(table: RouteConfiguration, environment: FormatEnvironment): CompileScope {
  const faults: ConfigFault[] = [];
  return { table, mutations: compileMutations(table.headers, "", environment, faults), environment, faults };
}

/** Compiles a virtual host; what is wrong goes to the scope's faults under `path`. */
export function compileVirtualHost(config: VirtualHost, path: string, scope: CompileScope): VirtualHostEntry {
  const host = new VirtualHostEntry(config, scope.table.ignorePathParametersInPathMatching);
  const mutations = compileMutations(config.headers, `${path}.`, scope.environment, scope.faults);
  for (const [i, route] of config.routes.entries())
    host.add(compileRoute(route, config, mutations, `${path}.routes[${i}]`, scope));
  if (config.requireTls !== "NONE") host.tlsRedirect = tlsRedirect(config);
  return host;
}

function compileMutations(
  headers: HeaderOperations,
  path: string,
  environment: FormatEnvironment,
  faults: ConfigFault[],
): Mutations {
  return {
    request: compileHeaderMutation(
      headers.requestAdd,
      headers.requestRemove,
      "request",
      path,
      environment,
      faults,
    ),
    response: compileHeaderMutation(
      headers.responseAdd,
      headers.responseRemove,
      "response",
      path,
      environment,
      faults,
    ),
  };
}

function compileRoute(
  config: Route,
  host: VirtualHost,
  hostMutations: Mutations,
  path: string,
  scope: CompileScope,
): RouteEntry {
  const { environment, faults, table } = scope;
  const { match, action } = config;
  const pathRegex = compilePathRegex(match.path, `${path}.match`, faults);
  const own = compileMutations(config.headers, `${path}.`, environment, faults);
  const levels = [own, hostMutations, scope.mutations];
  if (table.mostSpecificHeaderMutationsWins) levels.reverse();

  const perFilter = [table.perFilter, host.perFilter, config.perFilter];
  const filtersOf = (cluster: WeightedCluster): PerFilters | null =>
    cluster.perFilter === undefined ? null : mergePerFilter([...perFilter, cluster.perFilter]);
  const forward = action.kind === "route" ? action : null;
  const at = `${path}.route`;
  const regexRewrite =
    forward === null ? null : compileRegexRewrite(forward.regexRewrite, `${at}.regex_rewrite`, faults);
  const prefixRewrite = forward?.prefixRewrite ?? "";
  if (forward !== null) {
    if (forward.hostRewriteLiteral !== "" && hostEnd(forward.hostRewriteLiteral) < 0)
      faults.push({ path: `${at}.host_rewrite_literal`, message: "is not a host with an optional port" });
    if (forward.hostRewriteHeader !== "" && !isFieldName(forward.hostRewriteHeader.replace(/^:/, "")))
      faults.push({ path: `${at}.host_rewrite_header`, message: "is not a header name" });
  }

  return new RouteEntry({
    config,
    virtualHost: host,
    pathKind: PATH_KINDS[match.path.kind],
    pathText: pathText(match.path, match.caseSensitive),
    pathRegex,
    headers: match.headers.map((matcher, i) =>
      compileHeaderMatcher(matcher, `${path}.match.headers[${i}]`, faults),
    ),
    queries: match.queryParameters.map((matcher, i) =>
      compileQueryMatcher(matcher, `${path}.match.query_parameters[${i}]`, faults),
    ),
    requestMutations: effective(levels.map((level) => level.request)),
    responseMutations: effective(levels.map((level) => level.response)),
    clusters: forward === null ? null : compileClusterChoice(forward, at, environment, faults, filtersOf),
    pathRewrite:
      prefixRewrite !== "" || regexRewrite !== null ? new PathRewrite(prefixRewrite, regexRewrite) : null,
    hostPathRewrite:
      forward === null
        ? null
        : compileRegexRewrite(forward.hostRewritePathRegex, `${at}.host_rewrite_path_regex`, faults),
    redirect: action.kind === "redirect" ? compileRedirect(action, `${path}.redirect`, faults) : null,
    bodyFormatter:
      action.kind === "direct_response"
        ? compileBody(action.bodyFormat, `${path}.direct_response.body_format`, environment, faults)
        : null,
    retryPolicy: forward?.retryPolicy ?? host.retryPolicy,
    perRequestBufferLimitBytes: config.perRequestBufferLimitBytes ?? host.perRequestBufferLimitBytes,
    perFilter: mergePerFilter(perFilter),
  });
}

/** For each filter the last that speaks of it; null if nobody speaks of any. */
function mergePerFilter(levels: readonly (readonly PerFilterConfig[])[]): PerFilters | null {
  const all = levels.flat();
  return all.length === 0 ? null : new Map(all.map((config) => [config.name, config]));
}

const NO_MUTATIONS: readonly HeaderMutation[] = [];

function effective(mutations: readonly HeaderMutation[]): readonly HeaderMutation[] {
  const some = mutations.filter((mutation) => !mutation.isEmpty);
  return some.length === 0 ? NO_MUTATIONS : some;
}

const PATH_KINDS = {
  path: MATCH_EXACT,
  prefix: MATCH_PREFIX,
  path_separated_prefix: MATCH_SEPARATED_PREFIX,
  regex: MATCH_REGEX,
  connect: MATCH_CONNECT,
} as const;

function pathText(match: PathMatch, caseSensitive: boolean): string {
  if (match.kind === "regex" || match.kind === "connect") return "";
  return caseSensitive ? match.text : lowerCase(match.text);
}

function compilePathRegex(match: PathMatch, path: string, faults: ConfigFault[]): Regex | null {
  if (match.kind !== "regex") return null;
  const { regex, error } = compileRegex(match.regex);
  if (regex === null) faults.push({ path: `${path}.safe_regex.regex`, message: error });
  return regex;
}

function compileBody(
  format: SubstitutionFormat | null,
  path: string,
  environment: FormatEnvironment,
  faults: ConfigFault[],
): TextFormatter | JsonFormatter | null {
  if (format === null) return null;
  const compiled =
    format.kind === "text"
      ? compileFormat(format.format, environment, format.omitEmptyValues)
      : compileJsonFormat(format.format, environment, format.omitEmptyValues);
  for (const message of compiled.errors) faults.push({ path, message });
  return compiled.formatter;
}

const NO_HEADERS: HeaderOperations = {
  requestAdd: [],
  requestRemove: [],
  responseAdd: [],
  responseRemove: [],
};

/** The route that answers plain text where a virtual host requires TLS. */
function tlsRedirect(host: VirtualHost): RouteEntry {
  return new RouteEntry({
    config: {
      name: "",
      match: {
        path: { kind: "prefix", text: "/" },
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
    },
    virtualHost: host,
    pathKind: MATCH_PREFIX,
    pathText: "/",
    pathRegex: null,
    headers: [],
    queries: [],
    requestMutations: [],
    responseMutations: [],
    clusters: null,
    pathRewrite: null,
    hostPathRewrite: null,
    redirect: TLS_REDIRECT,
    bodyFormatter: null,
    retryPolicy: null,
    perRequestBufferLimitBytes: null,
    perFilter: null,
  });
}
