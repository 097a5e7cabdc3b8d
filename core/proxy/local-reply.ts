/**
 * Answers that the proxy gives itself: one place for status, body, and what `local_reply_config` changes about
 * them. A gRPC client is answered in its own terms (HTTP 200 and a grpc-status, http.md G2).
 */
import { utf8ByteString } from "../bytes/ascii.ts";
import type { LocalReplyConfig, SubstitutionFormat } from "../config/model.ts";
import { compileFormat, compileJsonFormat, type FormatEnvironment } from "../http/formatter.ts";
import { grpcStatusOf } from "../http/grpc.ts";
import type { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import { compileHeaderMutation, type HeaderMutation } from "../route/header-mutation.ts";
import type { AccessLogContext, AccessLogPredicate } from "../telemetry/access-log-filter.ts";
import { compileAccessLogFilter } from "../telemetry/access-log-filter.ts";

const CONTENT_TYPE = known("content-type");
const GRPC_STATUS = known("grpc-status");
const GRPC_MESSAGE = known("grpc-message");

interface BodyFormat {
  readonly contentType: string;
  render(info: StreamInfo): string;
}

interface Mapper {
  readonly accepts: AccessLogPredicate;
  readonly status: number | null;
  readonly body: string | null;
  readonly format: BodyFormat | null;
  readonly headers: HeaderMutation;
}

/** Reads the current body while a reply is formatted (`%LOCAL_REPLY_BODY%`). */
export interface ReplyDraft extends StreamInfo {
  responseCode: number;
  localReplyBody: string;
}

/** The compiled `local_reply_config` of a connection manager. */
export class LocalReplies {
  private readonly mappers: readonly Mapper[];
  private readonly format: BodyFormat | null;

  constructor(config: LocalReplyConfig, context: AccessLogContext, environment: FormatEnvironment) {
    this.format = compileBody(config.bodyFormat, environment);
    this.mappers = config.mappers.map((mapper) => ({
      accepts: compileAccessLogFilter(mapper.filter, context),
      status: mapper.status,
      body: mapper.body,
      format: compileBody(mapper.bodyFormat, environment),
      headers: compileHeaderMutation(mapper.headersToAdd, [], "response", "", environment, []),
    }));
  }

  /**
   * Fills `head` and returns the body (a byte string). `draft.responseCode` and `draft.localReplyBody` hold what
   * the proxy wants to say; the first mapper that accepts the stream may change both. A gRPC client is told
   * `status`, or what follows from the code if that is -1.
   */
  compose(draft: ReplyDraft, head: ResponseHead, grpc: boolean, status: number): string {
    head.status = draft.responseCode;
    let format = this.format;
    for (const mapper of this.mappers) {
      if (!mapper.accepts(draft)) continue;
      if (mapper.status !== null) {
        draft.responseCode = mapper.status;
        head.status = mapper.status;
      }
      if (mapper.body !== null) draft.localReplyBody = mapper.body;
      mapper.headers.apply(head.fields, draft);
      if (mapper.format !== null) format = mapper.format;
      break;
    }
    let contentType = "text/plain";
    if (format !== null) {
      draft.localReplyBody = format.render(draft);
      contentType = format.contentType;
    }
    const body = utf8Safe(draft.localReplyBody);
    if (grpc) {
      head.fields.setId(CONTENT_TYPE, "application/grpc");
      head.fields.setId(GRPC_STATUS, String(status < 0 ? grpcStatusOf(head.status) : status));
      if (body !== "") head.fields.setId(GRPC_MESSAGE, percentEncode(body));
      head.status = 200;
      return "";
    }
    if (body !== "" && !head.fields.hasId(CONTENT_TYPE)) head.fields.setId(CONTENT_TYPE, contentType);
    return body;
  }
}

function compileBody(format: SubstitutionFormat | null, environment: FormatEnvironment): BodyFormat | null {
  if (format === null) return null;
  const fallback = format.kind === "json" ? "application/json" : "text/plain";
  const contentType = format.contentType === "" ? fallback : format.contentType;
  const json = format.kind === "json";
  const { formatter } = json
    ? compileJsonFormat(format.format, environment, format.omitEmptyValues)
    : compileFormat(format.format, environment, format.omitEmptyValues);
  const end = json ? "\n" : ""; // a document is a line, here as in logs (Envoy)
  return formatter === null ? null : { contentType, render: (info) => formatter.format(info) + end };
}

/** An environment variable may hold characters beyond bytes; everything else is a byte string already. */
function utf8Safe(text: string): string {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return utf8ByteString(text);
  return text;
}

/** gRPC's percent encoding of `grpc-message`: everything outside 0x20–0x7E, and "%". */
function percentEncode(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x25) {
      out += `%${(code >> 4).toString(16).toUpperCase()}${(code & 15).toString(16).toUpperCase()}`;
    } else out += text[i];
  }
  return out;
}
