/**
 * Properties: what the host knows of the stream, connection, node and plugin. A path is its segments joined by NUL
 * (a segment may contain dots, so a dotted path cannot say the same): `propertyPath(["source", "address"])`, made
 * once and kept. Values are in Envoy's binary forms, which the typed getters decode.
 */
import { Status } from "./abi";
import { allocate } from "./arena";
import { proxy_get_property, proxy_set_property } from "./env";
import { Slice } from "./slice";

/** A path that may be kept for ever. */
export function propertyPath(segments: string[]): Slice {
  return Slice.of(segments.join("\0"));
}

/** The raw value; null if the host has none. */
export function getProperty(path: Slice): Slice | null {
  const slice = allocate(offsetof<Slice>());
  const status = proxy_get_property(
    path.ptr,
    path.length,
    slice + offsetof<Slice>("ptr"),
    slice + offsetof<Slice>("length"),
  );
  return status === Status.Ok ? changetype<Slice>(slice) : null;
}

/** Integers, durations and timestamps (both in ns): 8 bytes; `otherwise` if there is none of that form. */
export function getPropertyInteger(path: Slice, otherwise: i64): i64 {
  const value = getProperty(path);
  return value === null || value.length !== 8 ? otherwise : load<i64>(value.ptr);
}

/** Floating point: 8 bytes. */
export function getPropertyNumber(path: Slice, otherwise: f64): f64 {
  const value = getProperty(path);
  return value === null || value.length !== 8 ? otherwise : load<f64>(value.ptr);
}

/** Booleans: one byte. */
export function getPropertyBool(path: Slice, otherwise: bool): bool {
  const value = getProperty(path);
  return value === null || value.length !== 1 ? otherwise : load<u8>(value.ptr) !== 0;
}

/** The value as a string, "" if there is none. */
export function getPropertyString(path: Slice): string {
  const value = getProperty(path);
  return value === null ? "" : value.toString();
}

/** Stores a value for this stream, which later filters read under the same path (Envoy: filter state `wasm.…`). */
export function setProperty(path: Slice, value: Slice): bool {
  return proxy_set_property(path.ptr, path.length, value.ptr, value.length) === Status.Ok;
}
