/** What was found wrong with a JSON text, each with its path. Beyond a limit faults are counted, not told. */
const MAX_FAULTS: i32 = 20;

@final
export class JsonFaults {
  readonly list: string[] = [];
  private untold: i32 = 0;

  get isEmpty(): bool {
    return this.list.length === 0;
  }

  /** True if no more faults are told. */
  get isFull(): bool {
    return this.list.length >= MAX_FAULTS;
  }

  add(path: string, message: string): void {
    if (this.isFull) this.untold++;
    else this.list.push(`${path}: ${message}`);
  }

  /** Ends the list with the number of those that were not told. */
  close(): void {
    if (this.untold > 0) this.list.push(`configuration: ${this.untold} more faults`);
    this.untold = 0;
  }
}
