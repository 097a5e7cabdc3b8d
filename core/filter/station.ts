/** A filter's place in a leg (leg.ts has the table of its states), and what it holds there. */
import { Body } from "./body.ts";

export const FLOWING = 0;
export const HOLDS_ALL = 1;
export const HOLDS_HEAD = 2;
export const HOLDS_BODY = 3;

/** Whether the end waits at a station, and if its filter has been shown it. */
export const ELSEWHERE = 0;
export const UNSEEN = 1;
export const SEEN = 2;

/** What happens when too much waits at a station: the message is refused, the sender is stopped, or it is already. */
export const REFUSES = 0;
export const PRESSES = 1;
export const PRESSING = 2;

export class Station {
  state = FLOWING;
  readonly waiting: Body = new Body();
  /** What waits is shown together with what comes. */
  gathers = false;
  end = ELSEWHERE;
  excess = REFUSES;

  /** As it was before it held anything. */
  renew(): void {
    this.state = FLOWING;
    this.waiting.clear();
    this.gathers = false;
    this.end = ELSEWHERE;
    this.excess = REFUSES;
  }
}
