/**
 * One connection in a guest: the network filter that the engine calls, and the context that host functions ask. Its
 * end is told in the order of Envoy's network filter: done, log, delete (proxy-wasm.md 1.4).
 *
 * Law: data can be read and changed while it is shown or held. A failed VM closes its connections.
 */
import type { Body } from "../../core/filter/body.ts";
import type { ClosedBy, NetworkFilter, NetworkFilterCallbacks } from "../../core/filter/network-filter.ts";
import { Continue, Pause, type Verdict } from "../../core/filter/verdict.ts";
import type { StreamInfo } from "../../core/http/stream-info.ts";
import { DownstreamData, DownstreamStream, UpstreamData, UpstreamStream } from "./abi.ts";
import type { Generation } from "./generation.ts";
import { type GuestBuffer, GuestContext } from "./guest-context.ts";
import type { GuestExports } from "./guest-exports.ts";
import type { HeaderMap } from "./header-map.ts";
import type { RootContext } from "./root-context.ts";

const Resume = 1;
const Close = 2;

type Callback = ((...args: number[]) => number) | null;
type DataHook = (this: ConnectionContext, data: Body, endOfStream: boolean) => Verdict;

export class ConnectionContext extends GuestContext implements NetworkFilter {
  readonly onDownstreamData: DataHook | undefined;
  readonly onUpstreamData: DataHook | undefined;
  readonly exports: GuestExports;
  private readonly generation: Generation;
  private callbacks: NetworkFilterCallbacks | null;
  private asked = 0;
  private shown: Body | null = null;
  private shownKind = DownstreamData;

  constructor(generation: Generation, callbacks: NetworkFilterCallbacks) {
    super(generation.vm);
    const exports = generation.vm.exports as GuestExports;
    this.generation = generation;
    this.callbacks = callbacks;
    this.exports = exports;
    this.onDownstreamData = exports.downstreamData === null ? undefined : showDownstream;
    this.onUpstreamData = exports.upstreamData === null ? undefined : showUpstream;
  }

  get root(): RootContext {
    return this.generation.root;
  }

  override get info(): StreamInfo | null {
    return this.callbacks === null ? null : this.callbacks.info;
  }

  // ── The engine's side ─────────────────────────────────────────────────────────────────────────────────────

  private run(callback: Callback, b: number, c: number): number {
    const { vm, exports } = this;
    if (this.id === 0 && vm.failure === "") {
      vm.register(this);
      if (exports.contextCreate !== null) vm.call(this, exports.contextCreate, this.id, this.root.id, 0);
    }
    return callback === null ? 0 : vm.call(this, callback, this.id, b, c);
  }

  private verdict(action: number): Verdict {
    if (this.vm.failure === "") return action === 0 ? Continue : Pause;
    this.callbacks?.close();
    return Pause;
  }

  onNewConnection(): Verdict {
    return this.verdict(this.run(this.exports.newConnection, 0, 0));
  }

  show(kind: number, data: Body, callback: Callback, endOfStream: boolean): Verdict {
    this.shown = data;
    this.shownKind = kind;
    const action = this.run(callback, data.size, endOfStream ? 1 : 0);
    this.shown = null;
    return this.verdict(action);
  }

  onDownstreamClose(by: ClosedBy): void {
    this.run(this.exports.downstreamClose, by, 0);
  }

  onUpstreamClose(by: ClosedBy): void {
    this.run(this.exports.upstreamClose, by, 0);
  }

  onLog(): void {
    const { vm, exports } = this;
    if (vm.failure === "" && this.id !== 0) {
      this.run(exports.done, 0, 0);
      this.run(exports.log, 0, 0);
      this.run(exports.delete, 0, 0);
    }
    if (this.id !== 0) vm.unregister(this);
    this.callbacks = null;
    this.generation.streamEnded();
  }

  // ── What host functions ask for ───────────────────────────────────────────────────────────────────────────

  map(kind: number): HeaderMap | null {
    return this.root.map(kind);
  }

  buffer(kind: number): GuestBuffer | null {
    return kind === DownstreamData || kind === UpstreamData
      ? this.writableBody(kind)
      : this.root.buffer(kind);
  }

  override writableBody(kind: number): Body | null {
    const { callbacks } = this;
    if (callbacks === null) return null;
    if (this.shown !== null && kind === this.shownKind) return this.shown;
    if (kind === DownstreamData) return callbacks.heldDownstream;
    return kind === UpstreamData ? callbacks.heldUpstream : null;
  }

  override continueStream(stream: number): void {
    if (stream !== DownstreamStream) return;
    this.asked |= Resume;
    this.vm.ask(this);
  }

  override closeStream(stream: number): void {
    if (stream !== DownstreamStream && stream !== UpstreamStream) return;
    this.asked |= Close;
    this.vm.ask(this);
  }

  settle(): void {
    const { callbacks, asked } = this;
    this.asked = 0;
    if (callbacks === null) return;
    if ((asked & Close) !== 0) callbacks.close();
    else if ((asked & Resume) !== 0) callbacks.continueDownstream();
  }

  override abandon(): void {
    this.callbacks?.close();
  }
}

function showDownstream(this: ConnectionContext, data: Body, endOfStream: boolean): Verdict {
  return this.show(DownstreamData, data, this.exports.downstreamData, endOfStream);
}

function showUpstream(this: ConnectionContext, data: Body, endOfStream: boolean): Verdict {
  return this.show(UpstreamData, data, this.exports.upstreamData, endOfStream);
}
