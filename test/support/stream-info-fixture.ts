/** A finished request and its answer, as access logs and formatters see them; a test changes what it is about. */
import { RequestHead, ResponseHead } from "../../core/http/head.ts";
import type { StreamInfo } from "../../core/http/stream-info.ts";
import type { Circumstances } from "../../core/route/circumstances.ts";

/** What routes ask about a request in plain text. */
export function asked(change: Partial<Circumstances> = {}): Circumstances {
  return { random: 0, runtime: {}, downstreamTls: null, ...change };
}

/** A request head from a start line and fields: `requestHead("GET /a?b", "h:80", ["x-a: 1"])`. */
export function requestHead(line = "GET /", authority = "h", fields: readonly string[] = []): RequestHead {
  const head = new RequestHead();
  const space = line.indexOf(" ");
  head.method = line.slice(0, space);
  head.path = line.slice(space + 1);
  head.authority = authority;
  for (const [name, value] of fields.map(split)) head.fields.add(name, value);
  return head;
}

export function responseHead(status = 200, fields: readonly string[] = []): ResponseHead {
  const head = new ResponseHead();
  head.status = status;
  for (const [name, value] of fields.map(split)) head.fields.add(name, value);
  return head;
}

function split(field: string): [string, string] {
  const colon = field.indexOf(":", 1);
  return [field.slice(0, colon), field.slice(colon + 1).trim()];
}

export function streamInfo(change: Partial<StreamInfo> = {}): StreamInfo {
  const client = { ip: "10.0.0.9", port: 40000, path: "" };
  return {
    request: requestHead(),
    response: responseHead(),
    responseTrailers: null,
    startWall: Date.UTC(2026, 10, 21, 9, 19, 19, 833),
    requestReceived: 0.4,
    upstreamRequestSent: 1.2,
    upstreamResponseStarted: 2.9,
    upstreamResponseEnded: 6,
    responseStarted: 3,
    duration: 7.73,
    responseCode: 200,
    responseCodeDetails: "via_upstream",
    connectionTerminationDetails: "",
    flags: [],
    bytesReceived: 0,
    bytesSent: 297,
    headerBytesReceived: 52,
    headerBytesSent: 126,
    upstreamBytesReceived: 356,
    upstreamBytesSent: 247,
    routeName: "rn",
    virtualHostName: "v",
    clusterName: "echo2",
    clusterStatName: "alt_echo2",
    upstreamHost: { ip: "127.0.0.1", port: 23109, path: "" },
    upstreamLocal: { ip: "::1", port: 50000, path: "" },
    upstreamFailure: "",
    upstreamAttempts: 1,
    downstreamLocal: { ip: "127.0.0.1", port: 23110, path: "" },
    downstreamDirectRemote: { ip: "127.0.0.1", port: 54564, path: "" },
    downstreamRemote: client,
    requestedServerName: "",
    connectionId: 3,
    streamId: "705fc6d0",
    filterChainName: "",
    localReplyBody: "",
    parent: null,
    listener: null,
    route: null,
    cluster: null,
    endpoint: null,
    ...change,
  };
}
