/**
 * Header maps as proxy-wasm serialises them: a count, then the sizes of each name and value, then each name and
 * value followed by a NUL. `Pairs` walks over such bytes where they are, `PairsWriter` makes them. Neither makes an
 * object per header.
 */
import { allocate, extend } from "./arena";
import { Slice } from "./slice";

/** A walk over a serialised map. `name` and `value` are valid until the next step. Ill-formed bytes end the walk. */
@unmanaged
@final
export class Pairs {
  /** Of the pair reached by `next`. */
  namePtr: usize;
  nameLength: i32;
  valuePtr: usize;
  valueLength: i32;
  private sizes: usize;
  private data: usize;
  private end: usize;
  private left: i32;

  /** A walk over `bytes`, which stay where they are. */
  static over(bytes: Slice): Pairs {
    const pairs = changetype<Pairs>(allocate(offsetof<Pairs>()));
    const count: u32 = bytes.length >= 4 ? load<u32>(bytes.ptr) : 0;
    pairs.end = bytes.ptr + bytes.length;
    pairs.sizes = bytes.ptr + 4;
    // A count that does not fit into the bytes makes no walk at all.
    const fits = count <= <u32>(bytes.length - 4) >>> 3;
    pairs.left = fits ? <i32>count : 0;
    pairs.data = fits ? pairs.sizes + ((<usize>count) << 3) : pairs.end;
    return pairs;
  }

  /** How many pairs are still to come. */
  get remaining(): i32 {
    return this.left;
  }

  /** Goes to the next pair; false at the end. */
  next(): bool {
    if (this.left === 0) return false;
    const nameLength = load<u32>(this.sizes);
    const valueLength = load<u32>(this.sizes, 4);
    const room = <u32>(this.end - this.data);
    if (nameLength >= room || valueLength >= room || nameLength + valueLength + 2 > room) {
      this.left = 0;
      return false;
    }
    this.left--;
    this.sizes += 8;
    this.namePtr = this.data;
    this.nameLength = nameLength;
    this.valuePtr = this.data + nameLength + 1;
    this.valueLength = valueLength;
    this.data = this.valuePtr + valueLength + 1;
    return true;
  }

  /** Goes to the next pair of this name (lower-case); false if there is none. */
  nextOf(name: Slice): bool {
    while (this.next()) if (this.name.equals(name)) return true;
    return false;
  }

  /** A view that changes with the next step; `name.slice(0)` is one that stays. */
  get name(): Slice {
    return changetype<Slice>(changetype<usize>(this) + offsetof<Pairs>("namePtr"));
  }

  get value(): Slice {
    return changetype<Slice>(changetype<usize>(this) + offsetof<Pairs>("valuePtr"));
  }
}

/** Makes a serialised map in the arena, for local replies, calls and `replaceAll`. */
@unmanaged
@final
export class PairsWriter {
  private items: usize;
  private count: i32;
  private capacity: i32;
  private bytes: usize;

  /** An empty map. */
  static create(): PairsWriter {
    const writer = changetype<PairsWriter>(allocate(offsetof<PairsWriter>()));
    writer.capacity = 8;
    writer.items = allocate(8 << 4);
    writer.count = 0;
    writer.bytes = 0;
    return writer;
  }

  /** Adds a pair; the bytes are read by `finish`. */
  add(name: Slice, value: Slice): PairsWriter {
    if (this.count === this.capacity) {
      this.items = extend(this.items, (<usize>this.capacity) << 4, (<usize>this.capacity) << 5);
      this.capacity <<= 1;
    }
    const item = this.items + ((<usize>this.count) << 4);
    store<usize>(item, name.ptr);
    store<i32>(item, name.length, 4);
    store<usize>(item, value.ptr, 8);
    store<i32>(item, value.length, 12);
    this.count++;
    this.bytes += name.length + value.length + 2;
    return this;
  }

  addString(name: string, value: string): PairsWriter {
    return this.add(Slice.from(name), Slice.from(value));
  }

  /** The serialised map, for this callback. An empty one is no bytes. */
  finish(): Slice {
    if (this.count === 0) return Slice.empty;
    const sizes = (<usize>this.count) << 3;
    const map = Slice.allocate(4 + <i32>sizes + <i32>this.bytes);
    store<u32>(map.ptr, this.count);
    let size = map.ptr + 4;
    let data = size + sizes;
    for (let i = 0; i < this.count; i++) {
      const item = this.items + ((<usize>i) << 4);
      data = put(size, data, load<usize>(item), load<i32>(item, 4));
      data = put(size + 4, data, load<usize>(item, 8), load<i32>(item, 12));
      size += 8;
    }
    return map;
  }
}

function put(size: usize, data: usize, from: usize, length: i32): usize {
  store<u32>(size, length);
  memory.copy(data, from, length);
  store<u8>(data + length, 0);
  return data + length + 1;
}
