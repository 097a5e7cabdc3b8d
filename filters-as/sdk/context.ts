/**
 * What a filter is made of: a root context per plugin configuration, which makes one context per stream. Override
 * what is needed, and export the matching `proxy_on_…` functions (see `exports/`): the host does not call what is
 * not exported.
 *
 * Laws: callbacks are never nested; slices that a callback reads are gone when the next one begins.
 */
import { Action, Peer } from "./abi";
import { Slice } from "./slice";

/** What root and stream contexts have in common: an end. */
export abstract class Context {
  /** The host's number for this context. */
  id: u32 = 0;

  /** Everything is over but the log. False asks the host to wait for `done()`: only root contexts may. */
  onDone(): bool {
    return true;
  }

  /** Headers of both sides can be read, and no longer changed. */
  onLog(): void {}

  /** The last call; the context is forgotten after it. */
  onDelete(): void {}
}

/** One plugin configuration. Made by the function given to `register`. */
export abstract class RootContext extends Context {
  /** Stream contexts that wait to be used again, chained by their `next`. */
  spare: HttpContext | null = null;

  /** The VM starts. False refuses the plugin. `vmConfiguration` can be read. */
  onStart(_configurationSize: u32): bool {
    return true;
  }

  /** The plugin's configuration, which may be empty. False refuses it: log why, with the path of the fault. */
  onConfigure(_configuration: Slice): bool {
    return true;
  }

  onTick(): void {}

  onQueueReady(_queue: u32): void {}

  /** A call from the host by a number of its own; `foreignArguments` has the arguments. */
  onForeignFunction(_number: u32, _argumentsSize: u32): void {}

  /** A context for one HTTP stream; null if this plugin is not for HTTP. */
  createHttpContext(): HttpContext | null {
    return null;
  }

  /** A context for one TCP connection; null if this plugin is not for TCP. */
  createNetworkContext(): NetworkContext | null {
    return null;
  }
}

/** One HTTP stream. */
export abstract class HttpContext extends Context {
  /** Belongs to the pool of the root context. */
  next: HttpContext | null = null;
  /** The root context's number. */
  rootId: u32 = 0;

  /** `endOfStream`: the request has no body and no trailers. */
  onRequestHeaders(_count: u32, _endOfStream: bool): Action {
    return Action.Continue;
  }

  /** `size`: all bytes in `requestBody`, those held by `Action.Pause` before included. */
  onRequestBody(_size: u32, _endOfStream: bool): Action {
    return Action.Continue;
  }

  onRequestTrailers(_count: u32): Action {
    return Action.Continue;
  }

  onResponseHeaders(_count: u32, _endOfStream: bool): Action {
    return Action.Continue;
  }

  onResponseBody(_size: u32, _endOfStream: bool): Action {
    return Action.Continue;
  }

  onResponseTrailers(_count: u32): Action {
    return Action.Continue;
  }

  /** Called after `onDelete`: set all fields back and return true, and the object serves a later stream. */
  recycle(): bool {
    return false;
  }
}

/** One TCP connection. */
export abstract class NetworkContext extends Context {
  rootId: u32 = 0;

  onNewConnection(): Action {
    return Action.Continue;
  }

  onDownstreamData(_size: u32, _endOfStream: bool): Action {
    return Action.Continue;
  }

  onUpstreamData(_size: u32, _endOfStream: bool): Action {
    return Action.Continue;
  }

  onDownstreamClose(_by: Peer): void {}

  onUpstreamClose(_by: Peer): void {}
}
