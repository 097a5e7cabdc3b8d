/**
 * Which root contexts there are and which contexts live. The exported callbacks (`exports/`) find the object that
 * they are about here; filters only call `register`.
 */
import { Status } from "./abi";
import { bytesSinceCollection, collectGarbage } from "./compiler-hooks";
import { Context, HttpContext, RootContext } from "./context";
import { ContextTable } from "./context-table";
import { proxy_set_effective_context } from "./env";
import { error } from "./log";
import { getPropertyString } from "./property";
import { Slice } from "./slice";

/** Garbage is collected when at least so many bytes of objects were made. */
const COLLECTION_STEP: usize = 64 * 1024;

const ROOT_ID = Slice.of("plugin_root_id");
const names: string[] = [];
const makers: (() => RootContext)[] = [];
const contexts = new ContextTable();
let current: u32 = 0;
let onGone: ((id: u32) => void) | null = null;

/**
 * Says how root contexts are made: for plugins whose `root_id` is `rootId`, or for all others if that is "". To be
 * called at the top of the filter's entry file.
 */
export function register(make: () => RootContext, rootId: string = ""): void {
  names.push(rootId);
  makers.push(make);
}

/** The number of the context that the callback is about. */
export function currentContext(): u32 {
  return current;
}

/** Called by every callback about a context. */
export function enter(id: u32): void {
  current = id;
}

/** The same for an answer to a context, which the host is told of; false if nobody is there who could hear it. */
export function enterForAnswer(id: u32): bool {
  if (contexts.get(id) === null || proxy_set_effective_context(id) !== Status.Ok) return false;
  enter(id);
  return true;
}

/** The context of this number; null if there is none. */
export function findContext(id: u32): Context | null {
  return contexts.get(id);
}

/** How many contexts live, roots included. */
export function liveContexts(): i32 {
  return contexts.size;
}

/** Has `tell` called for each context that is over: once, by what keeps something for contexts. */
export function whenDeleted(tell: (id: u32) => void): void {
  onGone = tell;
}

/** Makes the context `id`: a root context if `parent` is 0, else one of a stream of that root. */
export function createContext(id: u32, parent: u32): void {
  if (parent === 0) {
    createRoot(id);
    return;
  }
  const found = contexts.get(parent);
  if (found === null) return;
  const root = changetype<RootContext>(found);
  const spare = root.spare;
  const http = spare === null ? root.createHttpContext() : spare;
  if (http !== null) {
    root.spare = http.next;
    http.next = null;
    http.rootId = parent;
    add(id, http);
    return;
  }
  const network = root.createNetworkContext();
  if (network === null) return;
  network.rootId = parent;
  add(id, network);
}

function createRoot(id: u32): void {
  const name = getPropertyString(ROOT_ID);
  let at = names.indexOf(name);
  if (at < 0) at = names.indexOf("");
  if (at < 0) {
    error(`no root context is registered for root_id "${name}"`);
    return;
  }
  add(id, makers[at]());
}

function add(id: u32, context: Context): void {
  context.id = id;
  contexts.set(id, context);
}

/** Ends the context `id`; an HTTP context that can be used again goes to its root's pool. */
export function deleteContext(id: u32): void {
  const context = contexts.get(id);
  if (context === null) return;
  context.onDelete();
  contexts.remove(id);
  const tell = onGone;
  if (tell !== null) tell(id);
  if (context instanceof HttpContext) {
    const http = changetype<HttpContext>(context);
    const root = contexts.get(http.rootId);
    if (root !== null && http.recycle()) {
      http.next = changetype<RootContext>(root).spare;
      changetype<RootContext>(root).spare = http;
    }
  }
}

/** The very last thing that an exported callback does: the time to collect, if enough was made to be worth while. */
export function endCallback(): void {
  current = 0;
  const made = bytesSinceCollection();
  if (made < COLLECTION_STEP) return;
  // A collection walks over all that lives: the more memory there is, the rarer it must be.
  if (made > ((<usize>memory.size()) << 16) >> 1) collectGarbage();
}
