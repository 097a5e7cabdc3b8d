/** One thing to measure. Every file in `cases/` exports a list of these; `all-cases.ts` is the list of lists. */
export interface MicroCase {
  /** "subject: variant"; what `--only` looks for. */
  readonly name: string;
  /**
   * Sets the scene and returns the loop: it does the operation `times` times and returns something that depends
   * on every one of them, so that no compiler can leave it out.
   */
  prepare(): (times: number) => number;
}
