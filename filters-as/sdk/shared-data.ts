/**
 * Data and queues shared by all VMs of the same `vm_id`, across the host's threads. `getShared` also tells a number
 * (compare-and-swap) for `setShared`, which refuses a value that was changed meanwhile.
 */
import { Status } from "./abi";
import { allocate } from "./arena";
import {
  proxy_dequeue_shared_queue,
  proxy_enqueue_shared_queue,
  proxy_get_shared_data,
  proxy_register_shared_queue,
  proxy_resolve_shared_queue,
  proxy_set_shared_data,
} from "./env";
import { Slice } from "./slice";

/** For `setShared`: whatever is there. */
export const ANY: u32 = 0;

/** A value and the number of its version. */
@unmanaged
@final
export class SharedValue {
  private ptr: usize;
  private size: i32;
  /** To be given to `setShared`. */
  cas: u32;

  get bytes(): Slice {
    return changetype<Slice>(changetype<usize>(this));
  }
}

/** Null if nobody has set it. */
export function getShared(key: Slice): SharedValue | null {
  const place = allocate(offsetof<SharedValue>());
  const status = proxy_get_shared_data(
    key.ptr,
    key.length,
    place + offsetof<SharedValue>("ptr"),
    place + offsetof<SharedValue>("size"),
    place + offsetof<SharedValue>("cas"),
  );
  return status === Status.Ok ? changetype<SharedValue>(place) : null;
}

/** `Status.CasMismatch` if somebody else was faster: read again and retry. A key that is absent is made. */
export function setShared(key: Slice, value: Slice, cas: u32 = ANY): Status {
  return proxy_set_shared_data(key.ptr, key.length, value.ptr, value.length, cas);
}

/** The queue of this name, made if need be; its `onQueueReady` comes to this root context. 0 on failure. */
export function registerQueue(name: Slice): u32 {
  const place = allocate(4);
  store<u32>(place, 0);
  proxy_register_shared_queue(name.ptr, name.length, place);
  return load<u32>(place);
}

/** The queue that a plugin of another VM registered (`vmId` empty: of this one); 0 if there is none. */
export function resolveQueue(vmId: Slice, name: Slice): u32 {
  const place = allocate(4);
  store<u32>(place, 0);
  const status = proxy_resolve_shared_queue(vmId.ptr, vmId.length, name.ptr, name.length, place);
  return status === Status.Ok ? load<u32>(place) : 0;
}

/** False if there is no such queue. */
export function enqueue(queue: u32, bytes: Slice): bool {
  return proxy_enqueue_shared_queue(queue, bytes.ptr, bytes.length) === Status.Ok;
}

/** The oldest entry; null if there is none. */
export function dequeue(queue: u32): Slice | null {
  const slice = allocate(offsetof<Slice>());
  const status = proxy_dequeue_shared_queue(
    queue,
    slice + offsetof<Slice>("ptr"),
    slice + offsetof<Slice>("length"),
  );
  return status === Status.Ok ? changetype<Slice>(slice) : null;
}
