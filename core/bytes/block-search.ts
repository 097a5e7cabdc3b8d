/**
 * Looks for blocks of bytes in what passes by: all of them, in their order, with anything before, between and behind.
 *
 * Law: it holds no more of what passed than could be the beginning of the block that it looks for.
 */
import { latin1 } from "./ascii.ts";

export class BlockSearch {
  private readonly blocks: readonly string[];
  private found = 0;
  private rest = "";

  /** `blocks` are byte strings, none of them empty. */
  constructor(blocks: readonly string[]) {
    this.blocks = blocks;
  }

  /** True once every block was seen. */
  get done(): boolean {
    return this.found === this.blocks.length;
  }

  /** More has come. Cost O(bytes × blocks) at most. */
  read(bytes: Uint8Array, start: number, end: number): void {
    if (this.done) return;
    let text = this.rest + latin1(bytes, start, end);
    while (!this.done) {
      const block = this.blocks[this.found];
      const at = text.indexOf(block);
      if (at < 0) {
        this.rest = block.length === 1 ? "" : text.slice(1 - block.length);
        return;
      }
      text = text.slice(at + block.length);
      this.found++;
    }
    this.rest = "";
  }

  /** Begins anew. */
  clear(): void {
    this.found = 0;
    this.rest = "";
  }
}
