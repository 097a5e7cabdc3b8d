/**
 * The part of the shared store that belongs to filters of one domain, and the secret that all workers hash with there.
 * The first who comes makes the secret; it stays as long as the process lives, as nothing in the store can be deleted.
 */
import { getShared, Slice, Status, setShared } from "../sdk/sdk";
import { sipHash } from "./keyed-hash";
import { fillRandom } from "./random";

/** A version that no entry has: an entry is made if it is not there, and left alone if somebody else made it. */
export const ABSENT: u32 = u32.MAX_VALUE;
export const KEY_SIZE: i32 = 16;

const KEY_TAG: u16 = 0x6c72; // "rl"
const SEED_TABLE: u16 = 0xffff;
const SEED_SIZE: i32 = 16;

/** Writes the key of the first entry of a table, 16 bytes: domain u64, tag u16, table u16, group u32. */
export function writeKey(into: usize, domain: u64, table: u16): void {
  store<u64>(into, domain);
  store<u16>(into, KEY_TAG, 8);
  store<u16>(into, table, 10);
  store<u32>(into, 0, 12);
}

@final
export class Space {
  private constructor(
    readonly domain: u64,
    readonly seed0: u64,
    readonly seed1: u64,
  ) {}

  /** The space of that name; null if the host can keep no secret for it. */
  static open(name: Slice): Space | null {
    const domain = sipHash(0, 0, name.ptr, name.length);
    const key = Slice.allocate(KEY_SIZE);
    writeKey(key.ptr, domain, SEED_TABLE);
    let found = getShared(key);
    if (found === null) {
      const seed = Slice.allocate(SEED_SIZE);
      if (!fillRandom(seed.ptr, SEED_SIZE)) return null;
      const status = setShared(key, seed, ABSENT);
      if (status !== Status.Ok && status !== Status.CasMismatch) return null;
      found = getShared(key);
    }
    if (found === null || found.bytes.length !== SEED_SIZE) return null;
    return new Space(domain, load<u64>(found.bytes.ptr), load<u64>(found.bytes.ptr, 8));
  }
}
