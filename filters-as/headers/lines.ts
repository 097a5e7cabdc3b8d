/**
 * All lines of the message at hand, for whoever must see every value of a repeated header: the ABI's getter shows
 * only the first. Asking the host for all is its dearest call, so that is done once in a callback; an operation
 * whose header was written by one before it asks again.
 */
import { Bytes, HeaderMap, Pairs, Slice } from "../sdk/sdk";

/** In the arena; null if nobody has asked in this callback. */
let known: Slice | null = null;

/** To be called when a callback begins. */
export function forgetLines(): void {
  known = null;
}

/**
 * A walk over all lines, or null if the message has none of `name`. `isStale`: an operation before this one may have
 * changed the lines of `name`.
 */
export function linesWith(headers: HeaderMap, name: Slice, isStale: bool): Pairs | null {
  const lines = known;
  if (lines !== null && !isStale) return Pairs.over(lines);
  if (!headers.has(name)) return null;
  const asked = headers.serialised();
  known = asked;
  return Pairs.over(asked);
}

/** While a configuration is read: the headers that the operations so far have written. */
@final
export class WrittenNames {
  private readonly names: Bytes[] = [];

  add(name: Bytes): void {
    this.names.push(name);
  }

  has(name: Bytes): bool {
    for (let i = 0; i < this.names.length; i++) if (this.names[i].view.equals(name.view)) return true;
    return false;
  }
}
