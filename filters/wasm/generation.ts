/**
 * One life of a plugin in one worker: a VM, its root context and the streams that began with them. It ends when it has
 * been replaced and its last stream is over; a VM that failed ends at once.
 */
import type { FilterCallbacks } from "../../core/filter/filter.ts";
import type { NetworkFilterCallbacks } from "../../core/filter/network-filter.ts";
import type { CompiledModule } from "./compiled-module.ts";
import { ConnectionContext } from "./connection-context.ts";
import type { PluginStats } from "./plugin-stats.ts";
import { RootContext } from "./root-context.ts";
import { StreamContext } from "./stream-context.ts";
import { type VmHost, WasmVm } from "./vm.ts";

export class Generation {
  readonly vm: WasmVm;
  readonly root: RootContext;
  readonly allowStopIteration: boolean;
  private readonly highWater: number;
  private firstMemory = 0;
  private readonly stats: PluginStats;
  /** What the statistics hold of this VM's memory, bytes. */
  private toldMemory = 0;
  private streams = 0;
  private retired = false;
  private gone = false;
  private readonly onGone: (generation: Generation) => void;

  /** `onGone` is called once, when nothing of it is left. */
  constructor(
    module: CompiledModule,
    host: VmHost,
    stats: PluginStats,
    onGone: (generation: Generation) => void,
  ) {
    this.stats = stats;
    this.vm = new WasmVm(module, host);
    this.root = new RootContext(this.vm);
    this.allowStopIteration = host.config.allowOnHeadersStopIteration;
    this.highWater = host.limits.recycleAboveBytes;
    this.onGone = onGone;
  }

  /** Starts and configures it: "" or why it cannot be used. */
  begin(): string {
    const failure = this.vm.start() || this.root.begin();
    this.firstMemory = this.vm.memory.size;
    this.tellMemory(this.firstMemory);
    return failure;
  }

  /** Takes a stream. */
  open(callbacks: FilterCallbacks): StreamContext {
    this.streams++;
    return new StreamContext(this, callbacks);
  }

  /** Takes a connection. */
  connect(callbacks: NetworkFilterCallbacks): ConnectionContext {
    this.streams++;
    return new ConnectionContext(this, callbacks);
  }

  /** The guest's memory has grown above what is allowed to stay: a fresh one would need less. */
  get hasGrown(): boolean {
    const { size } = this.vm.memory;
    return this.highWater > 0 && size > this.highWater && size > this.firstMemory;
  }

  /** Streams that live. */
  get active(): number {
    return this.streams;
  }

  /** A stream is over. */
  streamEnded(): void {
    this.streams--;
    const { size } = this.vm.memory;
    if (size !== this.toldMemory) this.tellMemory(size);
    if (this.retired && this.streams === 0) this.end();
  }

  /** No further stream comes. */
  retire(): void {
    if (this.retired) return;
    this.retired = true;
    if (this.streams === 0) this.end();
  }

  private end(): void {
    if (this.gone) return;
    this.gone = true;
    this.root.end(() => {
      this.tellMemory(0);
      this.onGone(this);
    });
  }

  private tellMemory(bytes: number): void {
    this.stats.vmMemoryBytes += bytes - this.toldMemory;
    this.toldMemory = bytes;
  }
}
