/**
 * Header maps of the stream (or of a call's response) that the callback is about. Names and values are bytes; names
 * are compared without regard to case by the host and are lower-case when read. The methods with `String` are sugar.
 *
 * A map can be read and changed only while its part of the message is under way (and read in `onLog`): otherwise
 * reads find nothing and writes answer false.
 */
import { MapType, Status } from "./abi";
import { allocate } from "./arena";
import {
  proxy_add_header_map_value,
  proxy_get_header_map_pairs,
  proxy_get_header_map_value,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
  proxy_set_header_map_pairs,
} from "./env";
import { Pairs } from "./pairs";
import { Slice } from "./slice";

/** There is nothing behind the reference: its address is the number of the map, so calls cost no load. */
@unmanaged
@final
export class HeaderMap {
  private get type(): i32 {
    return <i32>changetype<usize>(this);
  }

  /** The value of a header; of a repeated one, the first (see `pairs`); null if there is none. */
  get(name: Slice): Slice | null {
    const slice = allocate(offsetof<Slice>());
    const status = proxy_get_header_map_value(
      this.type,
      name.ptr,
      name.length,
      slice + offsetof<Slice>("ptr"),
      slice + offsetof<Slice>("length"),
    );
    return status === Status.Ok ? changetype<Slice>(slice) : null;
  }

  has(name: Slice): bool {
    return this.get(name) !== null;
  }

  /** Makes `value` the only value of the header. */
  set(name: Slice, value: Slice): bool {
    return (
      proxy_replace_header_map_value(this.type, name.ptr, name.length, value.ptr, value.length) === Status.Ok
    );
  }

  /** Adds a value beside those that are there. */
  add(name: Slice, value: Slice): bool {
    return (
      proxy_add_header_map_value(this.type, name.ptr, name.length, value.ptr, value.length) === Status.Ok
    );
  }

  /** Removes all values of the header, if there are any. */
  remove(name: Slice): bool {
    return proxy_remove_header_map_value(this.type, name.ptr, name.length) === Status.Ok;
  }

  /** All headers, to be walked over once: `const all = requestHeaders.pairs(); while (all.next()) …`. */
  pairs(): Pairs {
    return Pairs.over(this.serialised());
  }

  /** All headers as the host gives them, for several walks (`Pairs.over`) over the same lines. */
  serialised(): Slice {
    const slice = changetype<Slice>(allocate(offsetof<Slice>()));
    const status = proxy_get_header_map_pairs(
      this.type,
      changetype<usize>(slice) + offsetof<Slice>("ptr"),
      changetype<usize>(slice) + offsetof<Slice>("length"),
    );
    return status === Status.Ok ? slice : Slice.empty;
  }

  /** Replaces all headers, pseudo-headers included, by the ones in a serialised map (see `PairsWriter`). */
  replaceAll(pairs: Slice): bool {
    return proxy_set_header_map_pairs(this.type, pairs.ptr, pairs.length) === Status.Ok;
  }

  /** The value as a string, "" if there is none. */
  getString(name: string): string {
    const value = this.get(Slice.from(name));
    return value === null ? "" : value.toString();
  }

  setString(name: string, value: string): bool {
    return this.set(Slice.from(name), Slice.from(value));
  }

  addString(name: string, value: string): bool {
    return this.add(Slice.from(name), Slice.from(value));
  }

  removeString(name: string): bool {
    return this.remove(Slice.from(name));
  }
}

/** The headers of the request, pseudo-headers (`:method`, `:path`, `:authority`, `:scheme`) included. */
export const requestHeaders: HeaderMap = changetype<HeaderMap>(<usize>MapType.RequestHeaders);
export const requestTrailers: HeaderMap = changetype<HeaderMap>(<usize>MapType.RequestTrailers);
/** The headers of the response, `:status` included. */
export const responseHeaders: HeaderMap = changetype<HeaderMap>(<usize>MapType.ResponseHeaders);
export const responseTrailers: HeaderMap = changetype<HeaderMap>(<usize>MapType.ResponseTrailers);
/** Of the response to an `httpCall`, while its handler runs. */
export const callHeaders: HeaderMap = changetype<HeaderMap>(<usize>MapType.HttpCallResponseHeaders);
export const callTrailers: HeaderMap = changetype<HeaderMap>(<usize>MapType.HttpCallResponseTrailers);
/** Of a gRPC stream, while its handler is told of them. */
export const grpcInitialMetadata: HeaderMap = changetype<HeaderMap>(<usize>MapType.GrpcInitialMetadata);
export const grpcTrailingMetadata: HeaderMap = changetype<HeaderMap>(<usize>MapType.GrpcTrailingMetadata);
