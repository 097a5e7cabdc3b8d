/**
 * What the response's operations will want to know of the request, taken down when the request comes: on the
 * response's way a host need not show the request any more, and Envoy does not. Values of headers, and the answers
 * of conditions as bits. Part of a pooled stream context: it allocates only when a request needs more room than all
 * before it.
 */
import { Bytes, requestHeaders, Slice } from "../sdk/sdk";

const ABSENT: u32 = u32.MAX_VALUE;

@final
export class RequestNotes {
  /** Bit i: the answer to the condition number i. */
  answers: u64 = 0;
  /** For each header its place and length, then the bytes. */
  private room: StaticArray<u8> = new StaticArray<u8>(0);
  private count: i32 = 0;

  /** Copies the values that these headers have now. */
  take(names: StaticArray<Bytes>): void {
    this.count = names.length;
    let used: u32 = (<u32>names.length) << 3;
    this.provide(used, 0);
    for (let i = 0; i < names.length; i++) {
      const value = requestHeaders.get(unchecked(names[i]).view);
      if (value !== null) {
        this.provide(used + value.length, used);
        memory.copy(changetype<usize>(this.room) + used, value.ptr, value.length);
      }
      const entry = changetype<usize>(this.room) + ((<usize>i) << 3);
      store<u32>(entry, used);
      store<u32>(entry, value === null ? ABSENT : <u32>value.length, 4);
      if (value !== null) used += value.length;
    }
  }

  /** The value of the header number `i`; null if the request had none (or was never seen). */
  get(i: i32): Slice | null {
    if (i >= this.count) return null;
    const entry = changetype<usize>(this.room) + ((<usize>i) << 3);
    const length = load<u32>(entry, 4);
    if (length === ABSENT) return null;
    return Slice.at(changetype<usize>(this.room) + load<u32>(entry), length);
  }

  forget(): void {
    this.answers = 0;
    this.count = 0;
  }

  /** Makes room for `size` bytes, of which the first `used` are kept. */
  private provide(size: u32, used: u32): void {
    if (<u32>this.room.length >= size) return;
    const larger = new StaticArray<u8>(max<u32>(size, 64) << 1);
    memory.copy(changetype<usize>(larger), changetype<usize>(this.room), used);
    this.room = larger;
  }
}
