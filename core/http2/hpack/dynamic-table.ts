/**
 * The fields that two HPACK peers have told each other (RFC 7541 2.3.2): first in, first out, bounded by a size that
 * counts 32 bytes for each beside its text. A ring whose places are taken as they are needed.
 *
 * Laws: never larger than `limit`; what is evicted is not kept alive. Fields are numbered from 1, in the order in which
 * they came, for as long as the connection lives.
 */

/** What an entry counts beside its name and value (RFC 7541 4.1), bytes. */
export const ENTRY_OVERHEAD = 32;

/** Few: every connection has them, twice. */
const FIRST_PLACES = 4;

export class DynamicTable {
  /** Bytes, by the reckoning of RFC 7541 4.1. */
  size = 0;
  /** The most it may be. */
  limit: number;
  /** Fields that are there. */
  count = 0;
  /** The number of the newest field, 0 before there was one. */
  last = 0;
  private ids: number[] = new Array<number>(FIRST_PLACES).fill(0);
  private names: string[] = new Array<string>(FIRST_PLACES).fill("");
  private values: string[] = new Array<string>(FIRST_PLACES).fill("");

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Sets the limit and evicts what has no room any more. */
  resize(limit: number): void {
    this.limit = limit;
    this.evict(0);
  }

  /** Adds a field; one that is larger than the table empties it and is not there afterwards: false. */
  add(id: number, name: string, value: string): boolean {
    const bytes = name.length + value.length + ENTRY_OVERHEAD;
    this.evict(bytes);
    if (bytes > this.limit) return false;
    if (this.count === this.names.length) this.spread();
    const place = ++this.last & (this.names.length - 1);
    this.ids[place] = id;
    this.names[place] = name;
    this.values[place] = value;
    this.count++;
    this.size += bytes;
    return true;
  }

  /** True if the field of that number is (still) there. */
  has(number: number): boolean {
    return number <= this.last && number > this.last - this.count;
  }

  /** Known id, name and value of a field that is there. */
  idOf(number: number): number {
    return this.ids[number & (this.names.length - 1)];
  }

  nameOf(number: number): string {
    return this.names[number & (this.names.length - 1)];
  }

  valueOf(number: number): string {
    return this.values[number & (this.names.length - 1)];
  }

  /** Makes room for so many bytes more, as far as there is any. */
  private evict(bytes: number): void {
    const mask = this.names.length - 1;
    while (this.count > 0 && this.size + bytes > this.limit) {
      const place = (this.last - this.count + 1) & mask;
      this.size -= this.names[place].length + this.values[place].length + ENTRY_OVERHEAD;
      this.names[place] = "";
      this.values[place] = "";
      this.count--;
    }
  }

  private spread(): void {
    const before = this.names.length;
    const places = before * 2;
    const ids = new Array<number>(places).fill(0);
    const names = new Array<string>(places).fill("");
    const values = new Array<string>(places).fill("");
    for (let number = this.last - this.count + 1; number <= this.last; number++) {
      ids[number & (places - 1)] = this.ids[number & (before - 1)];
      names[number & (places - 1)] = this.names[number & (before - 1)];
      values[number & (places - 1)] = this.values[number & (before - 1)];
    }
    this.ids = ids;
    this.names = names;
    this.values = values;
  }
}
