/**
 * One gRPC call of a guest: messages out, messages in, and what its end means. Of a unary call the guest hears one
 * thing, its message or a status; of a stream everything (proxy-wasm.md "Observed"; statuses as Envoy's client gives
 * them).
 *
 * Laws: after `cancel` nothing is heard. At the end nothing is left of it: no bytes in `room`, no timer, no stream.
 */
import type { Body } from "../../../core/filter/body.ts";
import type { CallFailure, CallSink, CallStream } from "../../../core/filter/callout.ts";
import {
  framedMessage,
  type MessageOwner,
  MessageReader,
  Sound,
} from "../../../core/filter/grpc-message-reader.ts";
import type { Fields } from "../../../core/http/fields.ts";
import { grpcStatusOf } from "../../../core/http/grpc.ts";
import { ResponseHead } from "../../../core/http/head.ts";
import { Timer } from "../../../core/time/timers.ts";
import { BytesBuffer } from "../bytes-buffer.ts";
import type { GuestBuffer } from "../guest-context.ts";

/** Bytes of one message, either way. */
export const MAX_MESSAGE = 4 * 1024 * 1024;
/** Bytes of messages that wait for one call's upstream, if it is not one message alone. */
const MAX_WAITING = 4 * 1024 * 1024;
/** What a message takes that waits, beside its bytes. */
const MESSAGE_COST = 128;

const OK = 0;
const UNKNOWN = 2;
const RESOURCE_EXHAUSTED = 8;
const INTERNAL = 13;
/** Of what is no status. */
const INVALID = 0xffffffff;
const LAST_STATUS = 16;

const NO_ROOM = "too many bytes of calls wait";
/** Envoy's word for what the upstream itself said. */
const VIA_UPSTREAM = "via_upstream";

/** Who is told of calls, and shares their room. */
export interface CallOwner {
  /** Bytes that the calls may hold together. */
  takeRoom(bytes: number): boolean;
  giveRoom(bytes: number): void;
  /** Null: there is none. */
  onInitial(call: GrpcCall, head: ResponseHead | null): void;
  onMessage(call: GrpcCall, message: GuestBuffer): void;
  /** A head if it came with everything else. */
  onTrailing(call: GrpcCall, trailers: Fields | ResponseHead | null): void;
  /** The end, for a call that was not cancelled; a unary one has been told of its message. */
  onClose(call: GrpcCall, status: number, message: string): void;
  /** Cuts a stream, as soon as the guest has returned: others may get its place, and their guests hear of that. */
  drop(stream: CallStream): void;
  /** Nothing more comes of it. */
  onOver(call: GrpcCall): void;
  arm(timer: Timer): void;
  release(timer: Timer): void;
}

export class GrpcCall implements CallSink, MessageOwner {
  readonly token: number;
  readonly unary: boolean;
  private readonly owner: CallOwner;
  private readonly reader: MessageReader;
  private stream: CallStream | null = null;
  /** The last message of a unary call. */
  private message: Uint8Array | null = null;
  /** The head of an answer that is nothing else. */
  private only: ResponseHead | null = null;
  /** Bytes in the room: of the head, of messages that wait and for each of them, of the answer. */
  private head = 0;
  private sending = 0;
  private costs = 0;
  private held = 0;
  private ended = false;
  private over = false;
  /** The guest sends more than the upstream takes. */
  private readonly overflow = new Timer(() => this.break(RESOURCE_EXHAUSTED, NO_ROOM, ""));

  /** `maxMessage`: bytes of a message of the answer, 0 = `MAX_MESSAGE`. */
  constructor(token: number, unary: boolean, maxMessage: number, owner: CallOwner) {
    this.token = token;
    this.unary = unary;
    this.owner = owner;
    this.reader = new MessageReader(this, maxMessage === 0 ? MAX_MESSAGE : Math.min(maxMessage, MAX_MESSAGE));
  }

  /** Nothing more is heard of it. */
  get isOver(): boolean {
    return this.over;
  }

  /** The call is under way; its head has taken `bytes` of the room. */
  begin(stream: CallStream, bytes: number): void {
    this.stream = stream;
    this.head = bytes;
  }

  // ── The guest's side ──────────────────────────────────────────────────────────────────────────────────────

  /** Sends a message, which is copied; what cannot wait ends the call, as soon as the guest has returned. */
  send(message: Uint8Array, end: boolean): void {
    const { stream } = this;
    if (stream === null || this.over || this.ended) return;
    const framed = framedMessage(message);
    const crowded = this.sending > 0 && this.sending + framed.length > MAX_WAITING;
    if (crowded || !this.owner.takeRoom(framed.length + MESSAGE_COST)) {
      this.ended = true;
      this.drop();
      this.owner.arm(this.overflow);
      return;
    }
    this.sending += framed.length;
    this.costs += MESSAGE_COST;
    stream.send(framed);
    if (end) this.end();
  }

  /** The guest has no more to say. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.stream?.end();
  }

  /** Gives it up; nobody hears. */
  cancel(): void {
    if (this.over) return;
    this.finish();
    this.owner.onOver(this);
  }

  // ── The upstream's side ───────────────────────────────────────────────────────────────────────────────────

  onSent(bytes: number): void {
    if (this.over) return;
    this.sending -= bytes;
    const costs = this.sending === 0 ? this.costs : 0;
    this.costs -= costs;
    this.owner.giveRoom(bytes + costs);
  }

  onHead(head: ResponseHead, endOfStream: boolean): void {
    if (this.over) return;
    const { owner } = this;
    const whole = head.status === 200 && !endOfStream;
    if (endOfStream) this.only = head.copy();
    if (!this.unary) owner.onInitial(this, whole ? head : null);
    if (!whole && !endOfStream) this.break(grpcStatusOf(head.status), "", VIA_UPSTREAM);
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.over) return;
    const fault = this.reader.read(bytes, start, end);
    if (fault !== Sound) this.break(fault, "", VIA_UPSTREAM);
  }

  onHeld(bytes: number): boolean {
    // All that it held was given back when it ended.
    if (this.over || (bytes > 0 && !this.owner.takeRoom(bytes))) return false;
    if (bytes < 0) this.owner.giveRoom(-bytes);
    this.held += bytes;
    return true;
  }

  onMessage(message: Body): void {
    if (!this.unary) {
      this.owner.onMessage(this, message);
      return;
    }
    // The last one counts (Envoy).
    if (this.message !== null) this.onHeld(-this.message.length);
    this.message = null;
    if (!this.onHeld(message.size)) {
      this.break(RESOURCE_EXHAUSTED, NO_ROOM, "");
      return;
    }
    this.message = new Uint8Array(message.size);
    message.copy(0, message.size, this.message, 0);
  }

  onEnd(trailers: Fields | null): void {
    if (this.over) return;
    const { only } = this;
    const fields = only === null ? trailers : only.fields;
    if (fields === null) {
      this.break(UNKNOWN, "", VIA_UPSTREAM);
      return;
    }
    const said = fields.get("grpc-status");
    if (only !== null && only.status !== 200 && said === null) {
      this.break(grpcStatusOf(only.status), "", VIA_UPSTREAM);
      return;
    }
    if (!this.unary) this.owner.onTrailing(this, only ?? trailers);
    this.close(statusIn(said), fields.get("grpc-message") ?? "", VIA_UPSTREAM);
  }

  onFailure(failure: CallFailure | null): void {
    if (this.over) return;
    if (failure === null) {
      this.break(UNKNOWN, "", VIA_UPSTREAM);
      return;
    }
    // Envoy's client answers itself as a server of gRPC would.
    const status = grpcStatusOf(failure.status);
    const head = new ResponseHead();
    head.status = 200;
    head.fields.add("content-type", "application/grpc");
    head.fields.add("grpc-status", String(status));
    head.fields.add("grpc-message", failure.body);
    if (!this.unary) {
      this.owner.onInitial(this, null);
      if (!this.over) this.owner.onTrailing(this, head);
    }
    this.close(status, failure.body, failure.details);
  }

  // ── The end ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends it from our side. */
  private break(status: number, message: string, details: string): void {
    if (this.over) return;
    this.drop();
    this.reader.stop();
    if (!this.unary) this.owner.onTrailing(this, null);
    this.close(status, message, details);
  }

  private close(status: number, message: string, details: string): void {
    if (this.over) return;
    const { owner } = this;
    const last = this.message;
    this.finish();
    if (this.unary && status === OK) {
      if (last === null) owner.onClose(this, INTERNAL, "");
      else owner.onMessage(this, new BytesBuffer(last));
    } else owner.onClose(this, status, noted(message, details));
    owner.onOver(this);
  }

  private drop(): void {
    const { stream } = this;
    this.stream = null;
    if (stream !== null) this.owner.drop(stream);
  }

  private finish(): void {
    const { owner } = this;
    this.over = true;
    this.ended = true;
    this.drop();
    this.reader.stop();
    owner.release(this.overflow);
    owner.giveRoom(this.head + this.sending + this.costs + this.held);
    this.head = 0;
    this.sending = 0;
    this.costs = 0;
    this.held = 0;
    this.message = null;
  }
}

/** What a `grpc-status` says. */
function statusIn(text: string | null): number {
  if (text === null) return UNKNOWN;
  const status = /^[0-9]{1,2}$/.test(text) ? Number(text) : INVALID;
  return status > LAST_STATUS ? INVALID : status;
}

/** Envoy's client adds the details of its stream to what it tells. */
function noted(message: string, details: string): string {
  if (details === "") return message;
  return message === "" ? details : `${message}{${details}}`;
}
