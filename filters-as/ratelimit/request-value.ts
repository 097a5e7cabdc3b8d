/**
 * The things of a request that descriptors look at: a header, the path, the method, who sent it. Each is asked of the
 * host at most once per request, by whichever descriptor needs it first.
 *
 * A value lies in the arena: it is valid until the callback ends.
 */
import { allocate } from "../sdk/arena.ts";
import { requestHeaders } from "../sdk/header-map.ts";
import { getProperty, propertyPath } from "../sdk/property.ts";
import { Slice } from "../sdk/slice.ts";
import { readSocketAddress } from "./address.ts";

export const HEADER: i32 = 0;
/** Without query and fragment. */
export const PATH: i32 = 1;
export const METHOD: i32 = 2;
/** The first URI SAN of the peer's certificate. */
export const SOURCE_IDENTITY: i32 = 3;
/** 16 bytes, see address.ts. */
export const SOURCE_ADDRESS: i32 = 4;
/** The number of the downstream connection, 8 bytes. */
export const CONNECTION: i32 = 5;

/** Which request the values are of. */
let request: u32 = 0;

/** A request begins: nothing is known of it. */
export function beginRequest(): void {
  request++;
}

export class RequestValue {
  readonly kind: i32;
  /** The header's name, or the property's path. */
  private readonly name: Slice;
  private readOf: u32 = 0;
  /** Null if the request has no such value. */
  private value: Slice | null = null;

  constructor(kind: i32, header: string) {
    this.kind = kind;
    if (kind === HEADER) this.name = Slice.of(header);
    else if (kind === PATH) this.name = Slice.of(":path");
    else if (kind === METHOD) this.name = Slice.of(":method");
    else if (kind === SOURCE_IDENTITY) this.name = propertyPath(["connection", "uri_san_peer_certificate"]);
    else if (kind === SOURCE_ADDRESS) this.name = propertyPath(["source", "address"]);
    else this.name = propertyPath(["connection", "id"]);
  }

  /** True for a header of that name, and for anything else of that kind. */
  is(kind: i32, header: Slice): bool {
    return this.kind === kind && (kind !== HEADER || this.name.equals(header));
  }

  /** Of the request under way; null if it has none. */
  get(): Slice | null {
    if (this.readOf !== request) {
      this.readOf = request;
      this.value = this.read();
    }
    return this.value;
  }

  private read(): Slice | null {
    if (this.kind <= METHOD) {
      const value = requestHeaders.get(this.name);
      return value !== null && this.kind === PATH ? withoutQuery(value) : value;
    }
    const value = getProperty(this.name);
    if (value === null || value.length === 0) return null;
    return this.kind === SOURCE_ADDRESS ? toAddress(value) : value;
  }
}

function withoutQuery(path: Slice): Slice {
  for (let i = 0; i < path.length; i++) {
    const byte = path.at(i);
    if (byte === 0x3f || byte === 0x23) return Slice.at(path.ptr, i);
  }
  return path;
}

function toAddress(text: Slice): Slice | null {
  const place = allocate(16);
  return readSocketAddress(text.ptr, text.length, place) ? Slice.at(place, 16) : null;
}
