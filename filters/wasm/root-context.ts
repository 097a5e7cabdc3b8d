/**
 * The root context of a plugin: its configuration, its tick, and the requests that it has under way. All of them
 * belong to the root, whichever stream asked for them (proxy-wasm.md 1.4).
 */
import type { Fields } from "../../core/http/fields.ts";
import type { ResponseHead } from "../../core/http/head.ts";
import { Timer } from "../../core/time/timers.ts";
import {
  CallResponseBody,
  CallResponseHeaders,
  CallResponseTrailers,
  GrpcInitialMetadata,
  GrpcMessage,
  GrpcTrailingMetadata,
  PluginConfiguration,
  VmConfiguration,
} from "./abi.ts";
import { BytesBuffer } from "./bytes-buffer.ts";
import { CallRoom } from "./call-room.ts";
import { GrpcCalls } from "./grpc/grpc-calls.ts";
import { type GuestBuffer, GuestContext } from "./guest-context.ts";
import { FieldsMap, type HeaderMap, ResponseMap } from "./header-map.ts";
import type { HttpCall } from "./http-call.ts";
import { countPairs } from "./pairs.ts";
import type { WasmVm } from "./vm.ts";

/** Requests that one VM may have under way, those of gRPC included. */
const MAX_CALLS = 1024;
/** What a token counts up to, its kind aside. */
const LAST_CALL = 0x1fffffff;
/** How long a guest that is not done may take until it is (`proxy_done`), ms. */
const MAX_ENDING = 60_000;

interface Answer {
  readonly head: ResponseHead;
  readonly body: Uint8Array;
  readonly trailers: Fields | null;
}

export class RootContext extends GuestContext {
  private readonly pluginConfiguration: BytesBuffer;
  private readonly vmConfiguration: BytesBuffer;
  private readonly tick = new Timer(() => this.onTick());
  private readonly patience = new Timer(() => this.finish());
  private tickPeriod = 0;
  private readonly calls = new Map<number, HttpCall>();
  private lastCall = 0;
  readonly room: CallRoom = new CallRoom();
  readonly grpc: GrpcCalls = new GrpcCalls(this);
  /** The answer that the guest is being shown. */
  private answer: Answer | null = null;
  private readonly heads = new ResponseMap();
  private readonly trailers = new FieldsMap();
  /** `proxy_on_done` said that there is more to do. */
  private ending = false;
  /** It is done since. */
  private ended = false;
  /** `proxy_on_vm_start` is being called. */
  private starting = false;
  private finished = false;
  private onGone: (() => void) | null = null;

  constructor(vm: WasmVm) {
    super(vm);
    const { config } = vm.host;
    this.pluginConfiguration = new BytesBuffer(config.configuration);
    this.vmConfiguration = new BytesBuffer(config.vm.configuration);
  }

  get root(): RootContext {
    return this;
  }

  /** Starts the plugin: "" or why it cannot be used. */
  begin(): string {
    const { vm } = this;
    const exports = vm.exports;
    if (exports === null) return "not started";
    vm.register(this);
    if (exports.contextCreate !== null) vm.call(this, exports.contextCreate, this.id, 0, 0);
    if (exports.vmStart !== null) {
      this.starting = true;
      const ok = vm.call(this, exports.vmStart, this.id, this.vmConfiguration.size, 0);
      this.starting = false;
      if (vm.failure === "" && ok === 0) return "proxy_on_vm_start refused its configuration";
    }
    if (exports.configure !== null && vm.failure === "") {
      const ok = vm.call(this, exports.configure, this.id, this.pluginConfiguration.size, 0);
      if (vm.failure === "" && ok === 0) return "proxy_on_configure refused the configuration";
    }
    if (vm.failure === "") vm.begun();
    return vm.failure;
  }

  /** No stream uses it any more: lets the guest finish and calls `onGone` when it has. */
  end(onGone: () => void): void {
    const { vm } = this;
    this.onGone = onGone;
    if (vm.failure !== "" || vm.exports === null || vm.exports.done === null) {
      this.finish();
      return;
    }
    this.ending = true;
    const ready = vm.call(this, vm.exports.done, this.id, 0, 0);
    if (ready !== 0 || vm.failure !== "") this.finish();
    else if (!this.finished) {
      const { timers, clock } = vm.host.context;
      timers.arm(this.patience, clock.now + MAX_ENDING);
    }
  }

  /** The guest says that it has done what it had left (`proxy_done`); false if nobody waits for that. */
  done(): boolean {
    if (!this.ending) return false;
    this.ended = true;
    this.vm.ask(this);
    return true;
  }

  settle(): void {
    this.grpc.settle();
    if (this.ended) this.finish();
  }

  /** Gives everything up that could call the guest. */
  finish(): void {
    if (this.finished) return;
    this.finished = true;
    const { vm } = this;
    vm.host.context.timers.release(this.tick);
    vm.host.shared.bell.mute(this.onQueueReady);
    vm.host.context.timers.release(this.patience);
    this.abandon();
    const { exports } = vm;
    if (vm.failure === "" && exports !== null && exports.delete !== null && this.id !== 0)
      vm.call(this, exports.delete, this.id, 0, 0);
    vm.unregister(this);
    this.onGone?.();
  }

  /** Gives up all requests: nobody is there to hear of them. */
  override abandon(): void {
    for (const call of this.calls.values()) call.cancel();
    this.calls.clear();
    this.grpc.cancelAll();
  }

  // ── What host functions ask for ───────────────────────────────────────────────────────────────────────────

  map(kind: number): HeaderMap | null {
    if (kind === GrpcInitialMetadata) return this.grpc.initialMetadata;
    if (kind === GrpcTrailingMetadata) return this.grpc.trailingMetadata;
    if (this.answer === null) return null;
    if (kind === CallResponseHeaders) return this.heads.over(this.answer.head);
    if (kind === CallResponseTrailers && this.answer.trailers !== null)
      return this.trailers.over(this.answer.trailers);
    return null;
  }

  /** The configuration that `proxy_get_configuration` (0.1.0) is about. */
  get configurationKind(): number {
    return this.starting ? VmConfiguration : PluginConfiguration;
  }

  buffer(kind: number): GuestBuffer | null {
    if (kind === PluginConfiguration) return this.pluginConfiguration;
    if (kind === VmConfiguration) return this.vmConfiguration;
    if (kind === GrpcMessage) return this.grpc.shownMessage;
    if (kind === CallResponseBody && this.answer !== null) return new BytesBuffer(this.answer.body);
    return null;
  }

  /** Sets the time between ticks, ms; 0 stops them. */
  setTickPeriod(period: number): void {
    const { timers, clock } = this.vm.host.context;
    this.tickPeriod = period;
    if (period === 0 || this.finished) timers.cancel(this.tick);
    else timers.arm(this.tick, clock.now + period);
  }

  /** A message has come to a queue that this plugin registered. One function object: the bell knows it by that. */
  readonly onQueueReady = (queue: number): void => {
    const { vm } = this;
    if (vm.failure !== "" || this.finished || vm.exports === null || vm.exports.queueReady === null) return;
    vm.call(this, vm.exports.queueReady, this.id, queue, 0);
  };

  private onTick(): void {
    const { vm } = this;
    const { timers, clock } = vm.host.context;
    if (vm.failure !== "" || this.finished) return;
    timers.arm(this.tick, clock.now + this.tickPeriod);
    if (vm.exports !== null && vm.exports.tick !== null) vm.call(this, vm.exports.tick, this.id, 0, 0);
  }

  // ── Requests of its own ───────────────────────────────────────────────────────────────────────────────────

  /** A token for a request of that kind that is about to be sent, or 0 if there are too many. */
  newToken(kind: number): number {
    const { calls, grpc } = this;
    if (calls.size + grpc.size >= MAX_CALLS || this.finished || this.vm.failure !== "") return 0;
    let token = 0;
    do {
      this.lastCall = this.lastCall === LAST_CALL ? 1 : this.lastCall + 1;
      token = this.lastCall * 4 + kind;
    } while (calls.has(token) || grpc.has(token));
    return token;
  }

  /** A request was sent under that token. */
  sent(token: number, call: HttpCall): void {
    this.calls.set(token, call);
  }

  /** Its answer is here. */
  onAnswer(token: number, head: ResponseHead, body: Uint8Array, trailers: Fields | null): void {
    const { vm } = this;
    this.calls.delete(token);
    const { exports } = vm;
    if (vm.failure !== "" || exports === null || exports.httpCallResponse === null) return;
    this.answer = { head, body, trailers };
    const headers = countPairs(this.heads.over(head));
    const more = trailers === null ? 0 : trailers.count;
    vm.call5(this, exports.httpCallResponse, this.id, token, headers, body.length, more);
    this.answer = null;
  }
}
