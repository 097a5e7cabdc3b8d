/**
 * One entry of a descriptor: what it demands of a value of the request, and what of it tells buckets apart. A
 * descriptor applies to a request if all of its entries do.
 */
import { Slice } from "../sdk/slice.ts";
import { inBlock, isV4, mask, V4_OFFSET } from "./address.ts";
import { absorbBytes } from "./keyed-hash.ts";
import { RequestValue, SOURCE_ADDRESS } from "./request-value.ts";

/** An address block: 16 bytes that are kept, and how many of their bits count. */
@final
export class Block {
  constructor(
    readonly bytes: Slice,
    readonly bits: i32,
  ) {}
}

const masked: usize = memory.data(16, 8);

@final
export class Entry {
  /** One of these has to be the value, or its beginning, or the block it lies in; if there are none, any value will do. */
  readonly exact: Slice[] = [];
  readonly prefixes: Slice[] = [];
  readonly blocks: Block[] = [];
  /** Every value has a bucket of its own. */
  distinct: bool = false;
  /** Bits of an address that tell buckets apart. */
  v4Bits: i32 = 32;
  v6Bits: i32 = 64;

  constructor(readonly source: RequestValue) {}

  /** True if the request under way has such a value. */
  applies(): bool {
    const value = this.source.get();
    if (value === null) return false;
    const exact = this.exact;
    for (let i = 0; i < exact.length; i++) if (value.equals(unchecked(exact[i]))) return true;
    const prefixes = this.prefixes;
    for (let i = 0; i < prefixes.length; i++) if (value.startsWith(unchecked(prefixes[i]))) return true;
    const blocks = this.blocks;
    for (let i = 0; i < blocks.length; i++) {
      const block = unchecked(blocks[i]);
      if (inBlock(value.ptr, block.bytes.ptr, block.bits)) return true;
    }
    return exact.length + prefixes.length + blocks.length === 0;
  }

  /** Adds to the hash under way what tells buckets apart; the entry applies to the request. */
  absorb(): void {
    if (!this.distinct) return;
    const value = this.source.get()!;
    if (this.source.kind !== SOURCE_ADDRESS) {
      absorbBytes(value.ptr, value.length);
      return;
    }
    memory.copy(masked, value.ptr, 16);
    mask(masked, isV4(masked) ? V4_OFFSET + this.v4Bits : this.v6Bits);
    absorbBytes(masked, 16);
  }
}
