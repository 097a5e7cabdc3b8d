/**
 * The things of a request that descriptors look at: a header, the path, the method, who sent it. Each is asked of the
 * host at most once per request, by whichever descriptor needs it first.
 *
 * A value lies in the arena: it is valid until the callback ends.
 */
import { allocate, Bytes, getProperty, requestHeaders, Slice } from "../sdk/sdk";
import { readSocketAddress } from "./address";

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

/** Of the pseudo-header or the property, by kind. */
const NAMES = [
  "",
  ":path",
  ":method",
  "connection\0uri_san_peer_certificate",
  "source\0address",
  "connection\0id",
];

/** Which request the values are of. */
let request: u64 = 0;

/** A request begins: nothing is known of it. */
export function beginRequest(): void {
  request++;
}

@final
export class RequestValue {
  readonly kind: i32;
  /** The header's name in lower case; "" if it is none. */
  readonly header: string;
  /** That, or the pseudo-header's, or the property's path. */
  private readonly name: Bytes;
  private readOf: u64 = 0;
  /** Null if the request has no such value. */
  private value: Slice | null = null;

  constructor(kind: i32, header: string = "") {
    this.kind = kind;
    this.header = header;
    this.name = Bytes.of(kind === HEADER ? header : NAMES[kind]);
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
      const value = requestHeaders.get(this.name.view);
      return value !== null && this.kind === PATH ? withoutQuery(value) : value;
    }
    const value = getProperty(this.name.view);
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
