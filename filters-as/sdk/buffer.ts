/**
 * Bodies, connection data, configurations: the buffers of the host. A body callback is told how many bytes are there
 * (all that is held, not only what arrived); they are copied into our memory only when asked for.
 */
import { BufferType, Status } from "./abi";
import { allocate } from "./arena";
import { proxy_get_buffer_bytes, proxy_get_buffer_status, proxy_set_buffer_bytes } from "./env";
import { Slice } from "./slice";

/** There is nothing behind the reference: its address is the number of the buffer. */
@unmanaged
@final
export class HostBuffer {
  private get type(): i32 {
    return <i32>changetype<usize>(this);
  }

  /** A copy of at most `max` bytes from `start`; null if there is no such buffer now. */
  get(start: u32 = 0, max: u32 = u32.MAX_VALUE): Slice | null {
    const slice = allocate(offsetof<Slice>());
    // start + max beyond 32 bits is an error to the host.
    const status = proxy_get_buffer_bytes(
      this.type,
      start,
      min(max, u32.MAX_VALUE - start),
      slice + offsetof<Slice>("ptr"),
      slice + offsetof<Slice>("length"),
    );
    return status === Status.Ok ? changetype<Slice>(slice) : null;
  }

  /** How many bytes are there; 0 if there is no such buffer now. */
  get size(): u32 {
    const place = allocate(8);
    const status = proxy_get_buffer_status(this.type, place, place + 4);
    return status === Status.Ok ? load<u32>(place) : 0;
  }

  /** Makes `bytes` the whole content. */
  replace(bytes: Slice): bool {
    return proxy_set_buffer_bytes(this.type, 0, u32.MAX_VALUE, bytes.ptr, bytes.length) === Status.Ok;
  }

  prepend(bytes: Slice): bool {
    return proxy_set_buffer_bytes(this.type, 0, 0, bytes.ptr, bytes.length) === Status.Ok;
  }

  append(bytes: Slice): bool {
    return proxy_set_buffer_bytes(this.type, u32.MAX_VALUE, 0, bytes.ptr, bytes.length) === Status.Ok;
  }

  /** Replaces the first `length` bytes. */
  replaceStart(length: u32, bytes: Slice): bool {
    return proxy_set_buffer_bytes(this.type, 0, length, bytes.ptr, bytes.length) === Status.Ok;
  }
}

/** What is held of the request's body, and the response's. */
export const requestBody: HostBuffer = changetype<HostBuffer>(<usize>BufferType.RequestBody);
export const responseBody: HostBuffer = changetype<HostBuffer>(<usize>BufferType.ResponseBody);
/** The bytes of a TCP connection, in a network filter. */
export const downstreamData: HostBuffer = changetype<HostBuffer>(<usize>BufferType.DownstreamData);
export const upstreamData: HostBuffer = changetype<HostBuffer>(<usize>BufferType.UpstreamData);
/** Of the response to an `httpCall`, while its handler runs. */
export const callBody: HostBuffer = changetype<HostBuffer>(<usize>BufferType.HttpCallResponseBody);
/** The message of a gRPC call that its handler is told of. */
export const grpcMessage: HostBuffer = changetype<HostBuffer>(<usize>BufferType.GrpcMessage);
/** Only in `onStart`. */
export const vmConfiguration: HostBuffer = changetype<HostBuffer>(<usize>BufferType.VmConfiguration);
/** Only in `onConfigure`. */
export const pluginConfiguration: HostBuffer = changetype<HostBuffer>(<usize>BufferType.PluginConfiguration);
/** The arguments, in `onForeignFunction`. */
export const foreignArguments: HostBuffer = changetype<HostBuffer>(<usize>BufferType.CallData);
