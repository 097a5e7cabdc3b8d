/** Access logs of the admin server (`admin.access_log`): the same formats and filters as any other access log. */
import { utf8ByteString } from "../../../core/bytes/ascii.ts";
import type { AccessLog, Snapshot } from "../../../core/config/model.ts";
import { isFieldName, isFieldValue } from "../../../core/http/fields.ts";
import {
  compileFormat,
  compileJsonFormat,
  DEFAULT_LOG_FORMAT,
  type FormatEnvironment,
} from "../../../core/http/formatter.ts";
import { RequestHead, ResponseHead } from "../../../core/http/head.ts";
import type { StreamInfo } from "../../../core/http/stream-info.ts";
import type { LogSink } from "../../../core/io/platform.ts";
import type { Address } from "../../../core/io/socket.ts";
import { compileHeaderMatcher } from "../../../core/route/header-matcher.ts";
import { compileAccessLogs } from "../../../core/telemetry/access-log.ts";

/** Writes one answered request. */
export type AdminLog = (request: Request, response: Response, startWall: number) => void;

/** What the logs need from the process. */
export interface AdminLogParts {
  readonly environment: FormatEnvironment;
  readonly address: Address;
  openLog(path: string): LogSink;
  runtime(): Snapshot["runtime"];
}

/** Compiles the configured logs, which were checked with the bootstrap. */
export function adminAccessLog(logs: readonly AccessLog[], parts: AdminLogParts): AdminLog {
  const { environment } = parts;
  const loggers = compileAccessLogs(logs, {
    openLog: (path) => parts.openLog(path),
    compileHeader(config) {
      const matcher = compileHeaderMatcher(config, "", []);
      return (head) => matcher.matches(head);
    },
    runtimeNumber(key) {
      const value = parts.runtime()[key];
      return typeof value === "number" ? value : null;
    },
    random: () => Math.floor(Math.random() * 2 ** 32),
    compileFormat(format) {
      const compiled =
        format === null
          ? compileFormat(DEFAULT_LOG_FORMAT, environment)
          : format.kind === "text"
            ? compileFormat(format.format, environment, format.omitEmptyValues)
            : compileJsonFormat(format.format, environment, format.omitEmptyValues);
      return compiled.formatter ?? { format: () => "" };
    },
  });
  return (request, response, startWall) => {
    const info = streamInfo(request, response, startWall, parts.address);
    for (const logger of loggers) logger.log(info);
  };
}

function addAll(to: RequestHead | ResponseHead, headers: Headers): void {
  headers.forEach((text, name) => {
    const value = utf8ByteString(text);
    if (isFieldName(name) && isFieldValue(value)) to.fields.add(name, value);
  });
}

/** An admin request as a stream. The peer is not known here: the runtimes' servers tell it in four ways. */
function streamInfo(request: Request, response: Response, startWall: number, local: Address): StreamInfo {
  const url = new URL(request.url);
  const head = new RequestHead();
  head.method = request.method;
  head.path = url.pathname + url.search;
  head.authority = url.host;
  addAll(head, request.headers);
  const answer = new ResponseHead();
  answer.status = response.status;
  addAll(answer, response.headers);
  const duration = Date.now() - startWall;
  const unknown: Address = { ip: "0.0.0.0", port: 0, path: "" };
  return {
    request: head,
    response: answer,
    responseTrailers: null,
    startWall,
    requestReceived: 0,
    upstreamRequestSent: -1,
    upstreamResponseStarted: -1,
    upstreamResponseEnded: -1,
    responseStarted: duration,
    duration,
    responseCode: response.status,
    responseCodeDetails: "admin_filter_response",
    connectionTerminationDetails: "",
    flags: [],
    bytesReceived: 0,
    bytesSent: Number(response.headers.get("content-length") ?? 0),
    headerBytesReceived: 0,
    headerBytesSent: 0,
    upstreamBytesReceived: 0,
    upstreamBytesSent: 0,
    routeName: "",
    virtualHostName: "",
    clusterName: "",
    clusterStatName: "",
    localReplyBody: "",
    parent: null,
    listener: null,
    route: null,
    cluster: null,
    endpoint: null,
    upstreamHost: null,
    upstreamLocal: null,
    upstreamFailure: "",
    upstreamAttempts: 0,
    downstreamLocal: local,
    downstreamDirectRemote: unknown,
    downstreamRemote: unknown,
    requestedServerName: "",
    connectionId: 0,
    streamId: "",
    filterChainName: "",
  };
}
