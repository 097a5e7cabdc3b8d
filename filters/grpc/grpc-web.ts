/**
 * `envoy.filters.http.grpc_web`: lets clients that speak gRPC-Web, browsers above all, talk to servers of gRPC. Requests
 * and answers of one message and of many from the server pass, as bytes or (`-text`) as Base64; the trailers of an answer
 * become the last frame of its body. Outcomes are counted as `cluster.<name>.grpc-web.<service>.<method>.…`.
 *
 * Laws: a request that is no gRPC-Web is not touched, and neither is an answer that is no gRPC. Nothing is held but what
 * is left of a group of Base64, less than four characters.
 */

import { toBytes } from "../../core/bytes/ascii.ts";
import { toBase64 } from "../../core/bytes/base64.ts";
import type { ConfigFault } from "../../core/config/config-fault.ts";
import type { Json } from "../../core/config/model.ts";
import type { Body } from "../../core/filter/body.ts";
import type { Filter, FilterCallbacks, FilterFactory, FilterKind } from "../../core/filter/filter.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";
import { Continue, Respond, type Verdict } from "../../core/filter/verdict.ts";
import type { Fields } from "../../core/http/fields.ts";
import { isGrpc } from "../../core/http/grpc.ts";
import type { RequestHead, ResponseHead } from "../../core/http/head.ts";
import { known } from "../../core/http/names.ts";
import { JsonSection } from "../json-section.ts";
import { Base64Stream } from "./base64-stream.ts";
import { CallOutcomes, methodOf } from "./call-outcomes.ts";

/** The configuration message, which has no field. */
export const GRPC_WEB = "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb";

const CONTENT_TYPE = known("content-type");
const CONTENT_LENGTH = known("content-length");
const TE = known("te");

/** Content types of requests; true for those whose bodies are text. */
const TYPES: ReadonlyMap<string, boolean> = new Map([
  ["application/grpc-web", false],
  ["application/grpc-web+proto", false],
  ["application/grpc-web-text", true],
  ["application/grpc-web-text+proto", true],
]);

/** Marks the frame of trailers. */
const TRAILERS = 0x80;

/** What is wrong with a configuration. */
export function checkGrpcWeb(json: Json): readonly ConfigFault[] {
  const faults: ConfigFault[] = [];
  new JsonSection(json, "", faults).finish();
  return faults;
}

/** The kind of the filter. */
export class GrpcWeb implements FilterKind {
  factory(_json: Json, _name: string, context: FilterContext): FilterFactory {
    const outcomes = new CallOutcomes(context, "grpc-web.", false);
    return {
      create: (callbacks) => {
        const text = TYPES.get(callbacks.request.fields.getId(CONTENT_TYPE) ?? "");
        return text === undefined ? null : new GrpcWebFilter(callbacks, text, outcomes);
      },
      release: () => undefined,
    };
  }
}

class GrpcWebFilter implements Filter {
  private readonly callbacks: FilterCallbacks;
  private readonly outcomes: CallOutcomes;
  /** Where its outcome is counted, null for what names no method. */
  private place: string | null = null;
  /** Null for a request that comes as bytes. */
  private readonly decoder: Base64Stream | null;
  private answersText = false;
  /** The answer is one of gRPC, and is translated. */
  private translates = false;

  constructor(callbacks: FilterCallbacks, text: boolean, outcomes: CallOutcomes) {
    this.callbacks = callbacks;
    this.outcomes = outcomes;
    this.decoder = text ? new Base64Stream() : null;
  }

  onRequestHeaders({ fields, path }: RequestHead): Verdict {
    const method = methodOf(path);
    this.place = method === null ? null : this.outcomes.placeOf(method);
    const accept = fields.get("accept");
    this.answersText = accept !== null && TYPES.get(accept) === true;
    fields.removeId(CONTENT_LENGTH);
    fields.setId(CONTENT_TYPE, "application/grpc");
    fields.setId(TE, "trailers");
    fields.set("grpc-accept-encoding", "identity");
    return Continue;
  }

  onRequestBody(body: Body, endOfStream: boolean): Verdict {
    const { decoder } = this;
    if (decoder === null) return Continue;
    const bytes = decoder.decode(body);
    if (bytes === null || (endOfStream && !decoder.complete)) {
      this.callbacks.respond({
        status: 400,
        body: "Bad gRPC-web request, invalid base64 data.",
        details: "grpc_base_64_decode_failed",
        headers: [],
        grpcStatus: -1,
      });
      return Respond;
    }
    body.replace(0, body.size, bytes);
    return Continue;
  }

  onResponseHeaders({ fields }: ResponseHead): Verdict {
    this.chargeOutcome(fields);
    this.translates = isGrpc(fields);
    if (!this.translates) return Continue;
    fields.removeId(CONTENT_LENGTH);
    fields.setId(
      CONTENT_TYPE,
      this.answersText ? "application/grpc-web-text+proto" : "application/grpc-web+proto",
    );
    return Continue;
  }

  onResponseBody(body: Body): Verdict {
    if (!this.translates || !this.answersText || body.size === 0) return Continue;
    const bytes = new Uint8Array(body.size);
    body.copy(0, body.size, bytes, 0);
    body.replace(0, body.size, toBytes(toBase64(bytes)));
    return Continue;
  }

  onResponseTrailers(trailers: Fields): Verdict {
    this.chargeOutcome(trailers);
    if (!this.translates) return Continue;
    let block = "";
    trailers.forEach((name, value) => {
      block += `${name}:${value}\r\n`;
    });
    const bytes = new Uint8Array(5 + block.length);
    bytes[0] = TRAILERS;
    new DataView(bytes.buffer).setUint32(1, block.length);
    bytes.set(toBytes(block), 5);
    trailers.clear();
    this.callbacks.addResponseBody(this.answersText ? toBytes(toBase64(bytes)) : bytes);
    return Continue;
  }

  private chargeOutcome(fields: Fields): void {
    if (this.place !== null) this.outcomes.charge(this.callbacks.info.clusterStatName, this.place, fields);
  }
}
