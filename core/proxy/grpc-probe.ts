/** Asks by `grpc.health.v1.Health/Check` (gRPC's health checking protocol): SERVING means well, all else does not. */
import { toBytes } from "../bytes/ascii.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import type { ProbeSink } from "../cluster/health-probe.ts";
import type { GrpcQuestion } from "../config/health-check.ts";
import type { Body } from "../filter/body.ts";
import { framedMessage, type MessageOwner, MessageReader, Sound } from "../filter/grpc-message-reader.ts";
import type { Fields } from "../http/fields.ts";
import { ByChunks } from "../http/framing.ts";
import { formatGrpcTimeout, grpcStatusOf, isGrpc } from "../http/grpc.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import { ExchangeProbe, USER_AGENT } from "./exchange-probe.ts";
import type { HealthProber } from "./health-prober.ts";

/** Bytes of a `HealthCheckResponse`, which has three at most unless somebody adds to it. */
const MAX_MESSAGE = 4096;
/** `HealthCheckResponse.ServingStatus`. */
const SERVING = 1;
/** No answer, and one that is none. */
const Unanswered = -1;
const Garbled = -2;

export class GrpcProbe extends ExchangeProbe implements MessageOwner {
  protected readonly authority: string;
  protected override readonly framing = ByChunks;
  private readonly message: Uint8Array;
  private readonly timeout: string;
  private reader = new MessageReader(this, MAX_MESSAGE);
  private answer: ResponseHead | null = null;
  private serving = Unanswered;

  constructor(prober: HealthProber, question: GrpcQuestion, endpoint: EndpointState, sink: ProbeSink) {
    super(prober, question.http2, endpoint, sink);
    this.authority = question.authority;
    this.message = framedMessage(requestOf(question.service));
    this.timeout = formatGrpcTimeout(Math.ceil(prober.check.timeout));
  }

  protected write(head: RequestHead): Uint8Array {
    head.method = "POST";
    head.path = "/grpc.health.v1.Health/Check";
    head.fields.add("content-type", "application/grpc");
    head.fields.add("user-agent", USER_AGENT);
    this.prober.mutate(head, this.endpoint);
    head.fields.set("grpc-timeout", this.timeout);
    return this.message;
  }

  protected onHead(head: ResponseHead): void {
    this.reader = new MessageReader(this, MAX_MESSAGE);
    this.serving = Unanswered;
    this.answer = head.copy();
  }

  protected onBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.reader.read(bytes, start, end) !== Sound) this.serving = Garbled;
  }

  onHeld(): boolean {
    return true;
  }

  onMessage(message: Body): void {
    const bytes = new Uint8Array(message.size);
    message.copy(0, bytes.length, bytes, 0);
    // The call has one answer, and an empty message says nothing (Envoy).
    if (bytes.length > 0) this.serving = this.serving === Unanswered ? servingIn(bytes) : Garbled;
  }

  protected onAnswer(trailers: Fields | null, alone: boolean): void {
    const { sink, serving } = this;
    const head = this.answer as ResponseHead;
    this.answer = null;
    const said = (alone ? head.fields : trailers)?.get("grpc-status") ?? null;
    if (head.status !== 200) this.refuseStatus(said ?? String(grpcStatusOf(head.status)), head.status);
    else if (!isGrpc(head.fields)) this.refuseStatus("13", 200);
    else if (said !== "0") this.refuseStatus(said ?? "13", 200);
    else if (serving === SERVING) sink.onWell(false);
    else sink.onUnwell("ACTIVE", false, false, 0, `it is not serving (${serving})`);
  }

  private refuseStatus(grpcStatus: string, status: number): void {
    const why = `grpc-status ${grpcStatus}, status ${status}`;
    this.sink.onUnwell("ACTIVE", false, false, 0, why);
  }
}

/** `HealthCheckRequest { service = 1 }`. */
function requestOf(service: string): Uint8Array {
  if (service === "") return new Uint8Array(0);
  const size = service.length;
  const length = size < 128 ? [size] : [(size & 127) | 128, size >>> 7];
  return new Uint8Array([0x0a, ...length, ...toBytes(service)]);
}

/** `HealthCheckResponse { status = 1 }`, 0 if it is not there; fields that are not known are passed over. */
function servingIn(bytes: Uint8Array): number {
  let at = 0;
  let status = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    return Number.NaN;
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) {
      const value = varint();
      if (Number.isNaN(value)) return Garbled;
      if (tag === 8) status = value;
    } else if (wire === 1) at += 8;
    else if (wire === 2) {
      const length = varint();
      at += length;
    } else if (wire === 5) at += 4;
    else return Garbled;
    if (!(at <= bytes.length)) return Garbled;
  }
  return status;
}
