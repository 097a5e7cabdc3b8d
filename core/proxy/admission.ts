/**
 * What a request must pass before it is routed: version, host, hop-by-hop fields, path, expectation, method. Each
 * step either lets it go on or answers it; the order is the order in which the steps depend on each other.
 *
 * Law: policy sees exactly what goes upstream (invariant 9): host and path are brought into their final form here.
 */
import { lowerCase, parseDecimalText } from "../bytes/ascii.ts";
import type { RouteAction } from "../config/model.ts";
import type { ResponseFlag } from "../errors.ts";
import { hostEnd, stripAuthority } from "../http/authority.ts";
import { NoBody } from "../http/framing.ts";
import { HopAccepted, HopOptions, readHopOptions } from "../http/hop-by-hop.ts";
import { known } from "../http/names.ts";
import { PATH_DETAILS, PathAccepted, PathRedirected } from "../http/path.ts";
import { reasonPhrase } from "../http/status.ts";
import { clientCertElement } from "./client-cert-details.ts";
import type { ReplyHeaders, Stream } from "./stream.ts";

const EXPECT = known("expect");
const UPGRADE = known("upgrade");
const MAX_FORWARDS = known("max-forwards");

/** Reused for every request: read at once, never kept. */
const hop = new HopOptions();

const NO_NAMES: readonly string[] = [];
const ALLOW: ReplyHeaders = [["allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"]];

/** True if the request goes on; false if it was answered here. */
export function admit(stream: Stream): boolean {
  const { request, manager, connection } = stream;
  const { fields } = request;
  const { socket } = connection;
  const isConnect = request.method === "CONNECT";
  if (request.version === 10 && !admitHttp10(stream)) return false;
  if (hostEnd(request.authority) < 0) return refuse(stream, 400, "http.invalid_authority", "DPE");
  // A socket that has not been asked for its address before asks the kernel.
  const port = manager.authorityOptions.stripMatchingHostPort ? socket.local.port : 0;
  request.authority = stripAuthority(request.authority, manager.authorityOptions, port, isConnect);
  if (readHopOptions(fields, hop) !== HopAccepted)
    return refuse(stream, 400, "invalid_connection_header", "DPE");
  if (hop.close) connection.clientCloses();
  stream.trailers = hop.trailers;
  if (connection.protocol !== "") stream.upgrade = connection.protocol;
  else if (hop.upgrade && fields.hasId(UPGRADE) && request.version === 11)
    stream.upgrade = lowerCase(fields.getId(UPGRADE) as string);
  if (connection.message.absoluteForm && !isConnect && !manager.config.http1.allowAbsoluteUrl) {
    manager.stats.downstreamRqNonRelativePath++;
    return stream.reply(404, "", "absolute_path_rejected", "");
  }
  if (request.path !== "" && request.path !== "*" && !admitPath(stream)) return false;
  const internalOnly = manager.routeTable?.config.internalOnlyHeaders ?? NO_NAMES;
  stream.downstreamRemote = manager.headerRules.apply(
    request,
    socket.remote,
    connection.secure !== null,
    internalOnly,
    certificateOf(stream),
  );
  if (!manager.headerRules.via(request)) return refuse(stream, 508, "loop_detected", "");
  if (fields.hasId(EXPECT) && !admitExpectation(stream)) return false;
  if (request.method === "TRACE") return stream.reply(405, "", "trace_not_allowed", "", ALLOW);
  if (request.method === "OPTIONS" && fields.hasId(MAX_FORWARDS) && !countForwards(stream)) return false;
  if (isConnect) {
    // Nothing behind a refused CONNECT is read (RFC 9931); behind an accepted one nothing is HTTP.
    connection.closeAfter();
    stream.upgrade = "connect";
  }
  return true;
}

/** What the next one is told of the client's certificate; null if it has shown none. Made once per connection. */
function certificateOf({ connection, manager }: Stream): string | null {
  const { secure } = connection;
  if (secure === null || secure.peer === null) return null;
  if (secure.forwarded === "") {
    const local = secure.local?.names.uri ?? NO_NAMES;
    secure.forwarded = clientCertElement(manager.config.clientCertDetails, secure.peer, local);
  }
  return secure.forwarded;
}

/** Refuses a malformed request: what follows on its connection cannot be trusted (row K1). */
function refuse(stream: Stream, status: number, details: string, flag: ResponseFlag | ""): boolean {
  stream.connection.closeAfter();
  return stream.reply(status, flag === "" ? "" : reasonPhrase(status), details, flag);
}

function admitHttp10(stream: Stream): boolean {
  const { request, manager } = stream;
  const { http1 } = manager.config;
  if (!http1.acceptHttp10) {
    manager.stats.downstreamCxProtocolError++;
    return refuse(stream, 426, "low_version", "DPE");
  }
  if (request.authority === "") request.authority = http1.defaultHostForHttp10;
  return request.authority !== "" || refuse(stream, 400, "missing_host_header", "");
}

function admitPath(stream: Stream): boolean {
  const { request, manager } = stream;
  const policy = manager.pathPolicy;
  const action = policy.apply(request.path);
  if (action === PathAccepted) {
    request.path = policy.path;
    return true;
  }
  if (action === PathRedirected) {
    manager.stats.downstreamRqRedirectedWithNormalizedPath++;
    return stream.reply(307, "", "path_normalization_failed", "", [["location", policy.path]]);
  }
  manager.stats.downstreamRqFailedPathNormalization++;
  return refuse(stream, 400, PATH_DETAILS, "");
}

/** Row E2: the expectation is forwarded, and the client waits for the upstream's word. */
function admitExpectation(stream: Stream): boolean {
  const { fields, version } = stream.request;
  if (version === 10) {
    fields.removeId(EXPECT);
    return true;
  }
  if (lowerCase(fields.getId(EXPECT) as string) !== "100-continue") {
    return refuse(stream, 417, "unknown_expectation", "");
  }
  stream.expects100 = true;
  return true;
}

/** Row H9: OPTIONS with Max-Forwards 0 is for us. */
function countForwards(stream: Stream): boolean {
  const { fields } = stream.request;
  const left = parseDecimalText(fields.getId(MAX_FORWARDS) as string, 0xffff);
  if (left < 0) return refuse(stream, 400, "bad_max_forwards", "DPE");
  if (left === 0) return stream.reply(200, "", "max_forwards_reached", "", ALLOW);
  fields.setId(MAX_FORWARDS, String(left - 1));
  return true;
}

/**
 * Whether the protocol that `stream.upgrade` names may be switched to on this route; true if the request goes on.
 * The route's word counts more than the connection manager's (Envoy). Row E3: an unlisted protocol is stripped and
 * the request goes on as usual; one that is listed and switched off is refused, and so is CONNECT (row E4).
 */
export function admitUpgrade(stream: Stream, action: RouteAction | null, endOfStream: boolean): boolean {
  const { manager, request, upgrade, connection } = stream;
  const own = action === null ? undefined : action.upgrades.find((one) => one.upgradeType === upgrade);
  const enabled = own !== undefined ? own.enabled : manager.upgrades.get(upgrade);
  if (enabled === undefined && upgrade !== "connect") {
    stream.upgrade = "";
    return true;
  }
  if (enabled !== true) {
    manager.stats.downstreamRqWsOnNonWsRoute++;
    return stream.reply(403, "", "upgrade_failed", "");
  }
  if (upgrade === "connect") return true;
  if (request.method !== "GET" || !endOfStream || connection.message.framing !== NoBody) {
    return refuse(stream, 400, "upgrade_with_body", "DPE");
  }
  return true;
}
