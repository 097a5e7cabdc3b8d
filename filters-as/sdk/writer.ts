/** Composes bytes in the arena: header values, log lines, keys. Grows in place while nothing else is taken. */
import { allocate, extend } from "./arena";
import { Slice } from "./slice";

@unmanaged
@final
export class Writer {
  private ptr: usize;
  private size: i32;
  private capacity: i32;

  /** An empty one, for this callback. */
  static create(capacity: i32 = 120): Writer {
    const writer = changetype<Writer>(allocate(offsetof<Writer>()));
    writer.ptr = allocate(capacity);
    writer.size = 0;
    writer.capacity = capacity;
    return writer;
  }

  get length(): i32 {
    return this.size;
  }

  /** What was written so far. It changes with every further write: take a `slice(0)` of what must stay. */
  get bytes(): Slice {
    return changetype<Slice>(changetype<usize>(this));
  }

  /** Forgets what was written. */
  clear(): Writer {
    this.size = 0;
    return this;
  }

  write(slice: Slice): Writer {
    return this.writeRange(slice.ptr, slice.length);
  }

  writeRange(ptr: usize, length: i32): Writer {
    if (length > this.capacity - this.size) this.grow(length);
    memory.copy(this.ptr + this.size, ptr, length);
    this.size += length;
    return this;
  }

  writeByte(byte: u8): Writer {
    if (this.size === this.capacity) this.grow(1);
    store<u8>(this.ptr + this.size, byte);
    this.size++;
    return this;
  }

  /** As UTF-8. */
  writeString(text: string): Writer {
    const length = String.UTF8.byteLength(text);
    if (length > this.capacity - this.size) this.grow(length);
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, this.ptr + this.size);
    this.size += length;
    return this;
  }

  /** In decimal digits. */
  writeInteger(value: i64): Writer {
    if (value < 0) this.writeByte(0x2d);
    // The negation of the smallest one is right as an unsigned number.
    let rest: u64 = value < 0 ? 0 - <u64>value : <u64>value;
    let digits = 1;
    for (let power: u64 = rest; power >= 10; power /= 10) digits++;
    if (digits > this.capacity - this.size) this.grow(digits);
    let at = this.ptr + this.size + digits;
    for (let i = 0; i < digits; i++) {
      at--;
      store<u8>(at, <u8>(0x30 + (rest % 10)));
      rest /= 10;
    }
    this.size += digits;
    return this;
  }

  private grow(by: i32): void {
    const wanted = max(this.capacity << 1, this.size + by);
    this.ptr = extend(this.ptr, this.capacity, wanted);
    this.capacity = wanted;
  }
}
