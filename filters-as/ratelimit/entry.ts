/**
 * One entry of a descriptor: what it demands of a value of the request, and what of it tells buckets apart. A
 * descriptor applies to a request if all of its entries do.
 */
import { Bytes, Writer } from "../sdk/sdk";
import { inBlock, isV4, mask, V4_OFFSET } from "./address";
import { absorbBytes } from "./keyed-hash";
import { RequestValue, SOURCE_ADDRESS } from "./request-value";

/** An address block: 16 bytes, and how many of their bits count. */
@final
export class Block {
  constructor(
    readonly bytes: Bytes,
    readonly bits: i32,
  ) {}
}

const masked: usize = memory.data(16, 8);

@final
export class Entry {
  /**
   * One of these has to be the value, or its beginning, or the block that it lies in; if there are none, any value
   * will do.
   */
  exact: Bytes[] = [];
  prefixes: Bytes[] = [];
  readonly blocks: Block[] = [];
  /** Every value has a bucket of its own. */
  distinct: bool = false;
  /** Bits of an address that tell buckets apart. */
  v4Bits: i32 = 32;
  v6Bits: i32 = 64;

  constructor(
    /** Null if the entry applies to every request. */
    readonly source: RequestValue | null,
    /** Of an entry that applies to every request. */
    readonly name: string = "",
  ) {}

  /** True if the request under way has such a value. */
  applies(): bool {
    const source = this.source;
    if (source === null) return true;
    const value = source.get();
    if (value === null) return false;
    const exact = this.exact;
    for (let i = 0; i < exact.length; i++) if (value.equals(unchecked(exact[i]).view)) return true;
    const prefixes = this.prefixes;
    for (let i = 0; i < prefixes.length; i++) if (value.startsWith(unchecked(prefixes[i]).view)) return true;
    const blocks = this.blocks;
    for (let i = 0; i < blocks.length; i++) {
      const block = unchecked(blocks[i]);
      if (inBlock(value.ptr, block.bytes.view.ptr, block.bits)) return true;
    }
    return exact.length + prefixes.length + blocks.length === 0;
  }

  /** Adds to the hash under way what tells buckets apart; the entry applies to the request. */
  absorb(): void {
    const source = this.source;
    if (!this.distinct || source === null) return;
    const value = source.get()!;
    if (source.kind !== SOURCE_ADDRESS) {
      absorbBytes(value.ptr, value.length);
      return;
    }
    memory.copy(masked, value.ptr, 16);
    mask(masked, isV4(masked) ? V4_OFFSET + this.v4Bits : this.v6Bits);
    absorbBytes(masked, 16);
  }

  /** Writes what makes this entry what it is: two are the same if they write the same. */
  describe(to: Writer): void {
    const source = this.source;
    if (source === null) {
      describeText(to, this.name);
      return;
    }
    to.writeInteger(source.kind);
    describeText(to, source.header);
    to.writeByte(this.distinct ? 0x64 : 0x73)
      .writeInteger(this.v4Bits)
      .writeByte(0x2c)
      .writeInteger(this.v6Bits);
    describeAll(to, this.exact);
    describeAll(to, this.prefixes);
    to.writeInteger(this.blocks.length);
    for (let i = 0; i < this.blocks.length; i++) {
      to.write(this.blocks[i].bytes.view).writeInteger(this.blocks[i].bits).writeByte(0x2c);
    }
  }
}

/** Length and bytes: no text is the beginning of another. */
function describeText(to: Writer, text: string): void {
  const bytes = Bytes.of(text);
  to.writeInteger(bytes.length).writeByte(0x3a).write(bytes.view);
}

function describeAll(to: Writer, texts: Bytes[]): void {
  to.writeInteger(texts.length).writeByte(0x5b);
  for (let i = 0; i < texts.length; i++)
    to.writeInteger(texts[i].length).writeByte(0x3a).write(texts[i].view);
}
