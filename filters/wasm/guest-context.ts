/**
 * A context of the ABI: the root context of a plugin, or that of one stream. Host functions ask it for what belongs
 * to the call under way; what a guest asks to be done is remembered here and done when the guest has returned
 * (proxy-wasm.md 1.4: never re-enter).
 */
import type { Body } from "../../core/filter/body.ts";
import type { FilterReply } from "../../core/filter/filter.ts";
import type { StreamInfo } from "../../core/http/stream-info.ts";
import type { HeaderMap } from "./header-map.ts";
import type { RootContext } from "./root-context.ts";
import type { WasmVm } from "./vm.ts";

/** Bytes that a guest can read and perhaps change. */
export interface GuestBuffer {
  readonly size: number;
  copy(from: number, length: number, into: Uint8Array, at: number): void;
}

export abstract class GuestContext {
  readonly vm: WasmVm;
  /** Its number in the guest, 0 before it has one. */
  id = 0;
  /** It is in the VM's list of those with something to be done. */
  waiting = false;

  constructor(vm: WasmVm) {
    this.vm = vm;
  }

  /** The root context that it belongs to: itself, or its parent. */
  abstract get root(): RootContext;

  /** What is known about the stream, null in a root context. */
  get info(): StreamInfo | null {
    return null;
  }

  /** A header map (abi.ts), or null if there is none now. */
  abstract map(kind: number): HeaderMap | null;

  /** The same if it may be changed now. */
  writableMap(_kind: number): HeaderMap | null {
    return null;
  }

  /** False if the guest has written more to header maps than it may; `bytes` more is what it wants to write. */
  maySpend(_bytes: number): boolean {
    return false;
  }

  /** A header map was changed. */
  wrote(_kind: number): void {}

  /** A buffer (abi.ts), or null if there is none now. */
  abstract buffer(kind: number): GuestBuffer | null;

  /** The same if it may be changed now. */
  writableBody(_kind: number): Body | null {
    return null;
  }

  /** The guest asks that a stream goes on. */
  continueStream(_stream: number): void {}

  closeStream(_stream: number): void {}

  /** The route is to be chosen again. */
  clearRouteCache(): void {}

  respond(_reply: FilterReply): void {}

  /** The VM has failed: whoever waits for it is not left waiting. */
  abandon(): void {}

  /** The guest has returned: does what it asked for. */
  abstract settle(): void;
}
