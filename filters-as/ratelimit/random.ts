/** Random numbers: strong ones from the host, and quick ones for drawing lots. */
import { random_get } from "./wasi_snapshot_preview1";

/** Fills `length` bytes with what nobody can guess; false if the host has nothing of the sort. */
export function fillRandom(into: usize, length: u32): bool {
  return random_get(into, length) === 0;
}

/** The share of cases in which something is done: of all, of none, or drawn by lot. */
@final
export class Share {
  /** Of 2^32. */
  private readonly threshold: u64;

  /** `percent` is from 0 to 100. */
  constructor(percent: f64) {
    this.threshold = <u64>Math.round(percent * 42949672.96);
  }

  /** True in that share of calls. */
  draw(): bool {
    const threshold = this.threshold;
    if (threshold === 0) return false;
    return threshold > u32.MAX_VALUE || <u64>nextLot() < threshold;
  }
}

let state: u64 = 0x9e3779b97f4a7c15;

/** Starts the lots at a place of its own, so that workers do not draw alike. */
export function seedLots(seed: u64): void {
  state ^= seed;
  if (state === 0) state = 1;
}

/** Xorshift64*: evenly spread, and no secret. */
function nextLot(): u32 {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return <u32>((state * 0x2545f4914f6cdd1d) >> 32);
}
