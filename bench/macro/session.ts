/** What every kind of scenario is run with. */
import type { Contestant } from "./contestant.ts";
import type { Lab } from "./lab.ts";
import type { Settings } from "./result.ts";

export interface Session {
  readonly lab: Lab;
  readonly settings: Settings;
  /** Those that are installed, in the order of the tables. */
  readonly contestants: readonly Contestant[];
  /** Progress, for the person who waits. */
  say(line: string): void;
  /** Something that a reader of the result must know; told once. */
  warn(text: string): void;
}
