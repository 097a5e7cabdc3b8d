/** What was found wrong with a JSON text, each with its path. Beyond a limit faults are counted, not told. */
const MAX_FAULTS: i32 = 20;

@final
export class JsonFaults {
  readonly list: string[] = [];
  private untold: i32 = 0;

  get isEmpty(): bool {
    return this.list.length === 0;
  }

  /** The same line twice is one fault. */
  add(path: string, message: string): void {
    const line = `${path}: ${message}`;
    if (this.list.includes(line)) return;
    if (this.list.length < MAX_FAULTS) this.list.push(line);
    else this.untold++;
  }

  /** Ends the list with the number of those that were not told. */
  close(): void {
    if (this.untold > 0) this.list.push(`configuration: ${this.untold} more faults`);
    this.untold = 0;
  }
}
