/**
 * Contexts by the host's numbers: open addressing with linear probing, without tombstones. Numbers count upwards, so
 * the number itself is the hash and most look-ups hit at once; nothing is allocated but for growth.
 */
import { Context } from "./context";

@final
export class ContextTable {
  private ids: StaticArray<u32> = new StaticArray<u32>(64);
  private contexts: StaticArray<Context | null> = new StaticArray<Context | null>(64);
  private mask: u32 = 63;
  size: i32 = 0;

  get(id: u32): Context | null {
    const at = this.find(id);
    return unchecked(this.contexts[at]);
  }

  /** `id` is not 0. */
  set(id: u32, context: Context): void {
    if (this.size * 2 > <i32>this.mask) this.grow();
    const at = this.find(id);
    if (unchecked(this.ids[at]) === 0) this.size++;
    unchecked((this.ids[at] = id));
    unchecked((this.contexts[at] = context));
  }

  remove(id: u32): void {
    let hole = <u32>this.find(id);
    if (unchecked(this.ids[hole]) === 0) return;
    this.size--;
    // Close the gap: whoever was pushed past the hole by a collision moves up.
    for (let at = (hole + 1) & this.mask; ; at = (at + 1) & this.mask) {
      const other = unchecked(this.ids[at]);
      if (other === 0) break;
      if (((at - other) & this.mask) < ((at - hole) & this.mask)) continue;
      unchecked((this.ids[hole] = other));
      unchecked((this.contexts[hole] = this.contexts[at]));
      hole = at;
    }
    unchecked((this.ids[hole] = 0));
    unchecked((this.contexts[hole] = null));
  }

  /** Where `id` is or would be. */
  private find(id: u32): i32 {
    let at = id & this.mask;
    while (true) {
      const there = unchecked(this.ids[at]);
      if (there === id || there === 0) return at;
      at = (at + 1) & this.mask;
    }
  }

  private grow(): void {
    const ids = this.ids;
    const contexts = this.contexts;
    const capacity = ids.length << 1;
    this.ids = new StaticArray<u32>(capacity);
    this.contexts = new StaticArray<Context | null>(capacity);
    this.mask = capacity - 1;
    for (let i = 0; i < ids.length; i++) {
      const id = unchecked(ids[i]);
      if (id === 0) continue;
      const at = this.find(id);
      unchecked((this.ids[at] = id));
      unchecked((this.contexts[at] = contexts[i]));
    }
  }
}
