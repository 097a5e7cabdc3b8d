/**
 * The gRPC calls that one plugin has under way in one worker, and what the guest is being shown of one: metadata, a
 * message, a status. They belong to the root context, whichever stream made them.
 *
 * Laws: the guest is called from outside only, never from within a host function: streams that it gives up are cut when
 * it has returned. A stream is cut once.
 */
import type { CallSink, CallStream } from "../../../core/filter/callout.ts";
import type { Fields } from "../../../core/http/fields.ts";
import { ResponseHead } from "../../../core/http/head.ts";
import type { Timer } from "../../../core/time/timers.ts";
import type { GuestBuffer } from "../guest-context.ts";
import type { GuestExports } from "../guest-exports.ts";
import { FieldsMap, type HeaderMap, ResponseMap } from "../header-map.ts";
import { countPairs } from "../pairs.ts";
import type { RootContext } from "../root-context.ts";
import { type CallOwner, GrpcCall } from "./grpc-call.ts";

type Callback = GuestExports["grpcReceive"];

export class GrpcCalls implements CallOwner {
  private readonly root: RootContext;
  private readonly calls = new Map<number, GrpcCall>();
  /** Streams to be cut when the guest has returned. */
  private readonly dropped: CallStream[] = [];
  /** Bytes to be given back then. */
  private later = 0;
  private readonly head = new ResponseMap();
  private readonly fields = new FieldsMap();
  /** What the guest is being shown. */
  private initial: HeaderMap | null = null;
  private trailing: HeaderMap | null = null;
  private message: GuestBuffer | null = null;
  private status = 0;
  private statusMessage = "";

  constructor(root: RootContext) {
    this.root = root;
  }

  /** Calls under way, and those that are being given up. */
  get size(): number {
    return this.calls.size + this.dropped.length;
  }

  has(token: number): boolean {
    return this.calls.has(token);
  }

  /** Begins a call under that token by `open`, which holds `bytes` for its head; null if that is not to be. */
  begin(
    token: number,
    unary: boolean,
    maxMessage: number,
    bytes: number,
    open: (sink: CallSink) => CallStream | null,
  ): GrpcCall | null {
    const call = new GrpcCall(token, unary, maxMessage, this);
    if (!this.takeRoom(bytes)) return null;
    const stream = open(call);
    if (stream === null) {
      this.giveRoom(bytes);
      return null;
    }
    call.begin(stream, bytes);
    this.calls.set(token, call);
    return call;
  }

  /** The call of that token, or null. */
  find(token: number): GrpcCall | null {
    return this.calls.get(token) ?? null;
  }

  /** Gives a call up; it is forgotten. */
  cancel(call: GrpcCall): void {
    call.cancel();
    this.calls.delete(call.token);
  }

  /** Gives all of them up. */
  cancelAll(): void {
    for (const call of [...this.calls.values()]) this.cancel(call);
    this.settle();
  }

  // ── What host functions ask for ───────────────────────────────────────────────────────────────────────────

  get initialMetadata(): HeaderMap | null {
    return this.initial;
  }

  get trailingMetadata(): HeaderMap | null {
    return this.trailing;
  }

  get shownMessage(): GuestBuffer | null {
    return this.message;
  }

  /** Of the call whose end is being told, 0 otherwise. */
  get shownStatus(): number {
    return this.status;
  }

  get shownStatusMessage(): string {
    return this.statusMessage;
  }

  // ── What calls tell ───────────────────────────────────────────────────────────────────────────────────────

  takeRoom(bytes: number): boolean {
    return this.root.room.take(bytes);
  }

  giveRoom(bytes: number): void {
    // Streams that are still to be cut hold what their calls have given back.
    if (this.dropped.length > 0) this.later += bytes;
    else this.root.room.give(bytes);
  }

  arm(timer: Timer): void {
    const { timers, clock } = this.root.vm.host.context;
    timers.arm(timer, clock.now);
  }

  release(timer: Timer): void {
    this.root.vm.host.context.timers.release(timer);
  }

  onInitial(call: GrpcCall, head: ResponseHead | null): void {
    this.initial = head === null ? null : this.head.over(head);
    const count = this.initial === null ? 0 : countPairs(this.initial);
    this.show(this.root.vm.exports?.grpcInitialMetadata ?? null, call, count);
    this.initial = null;
  }

  onMessage(call: GrpcCall, message: GuestBuffer): void {
    this.message = message;
    this.show(this.root.vm.exports?.grpcReceive ?? null, call, message.size);
    this.message = null;
  }

  onTrailing(call: GrpcCall, trailers: Fields | ResponseHead | null): void {
    if (trailers === null) this.trailing = null;
    else if (trailers instanceof ResponseHead) this.trailing = this.head.over(trailers);
    else this.trailing = this.fields.over(trailers);
    const count = this.trailing === null ? 0 : countPairs(this.trailing);
    this.show(this.root.vm.exports?.grpcTrailingMetadata ?? null, call, count);
    this.trailing = null;
  }

  onClose(call: GrpcCall, status: number, message: string): void {
    this.status = status;
    this.statusMessage = message;
    this.show(this.root.vm.exports?.grpcClose ?? null, call, status);
    this.status = 0;
    this.statusMessage = "";
  }

  drop(stream: CallStream): void {
    const { root } = this;
    if (!root.vm.busy) stream.cancel();
    else {
      this.dropped.push(stream);
      root.vm.ask(root);
    }
  }

  /** The guest has returned: cuts what it has given up. */
  settle(): void {
    for (let stream = this.dropped.pop(); stream !== undefined; stream = this.dropped.pop()) stream.cancel();
    this.root.room.give(this.later);
    this.later = 0;
  }

  onOver(call: GrpcCall): void {
    if (this.calls.get(call.token) === call) this.calls.delete(call.token);
  }

  private show(callback: Callback, { token }: GrpcCall, number: number): void {
    const { vm, id } = this.root;
    if (callback !== null) vm.call(this.root, callback, id, token, number);
  }
}
