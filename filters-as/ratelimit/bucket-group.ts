/**
 * A group of token buckets: one entry of the shared store, the value of which is a row of up to 16 slots
 *
 *   0  fingerprint  u64   the hash of the rule and of the request's values
 *   8  fullAt       i64   ns, see token-bucket.ts
 *
 * A bucket is made when it is first needed. A slot whose bucket is full says nothing, and serves the next newcomer. If
 * all 16 are in use, the newcomer takes over the slot that is full first, *with its debt*.
 *
 * Law: no bucket ever comes back with more tokens than it had. Whoever lost its slot was the first to be full, so all
 * others' `fullAt` are later and only grow, and it returns with one of theirs. The error is on the strict side: a
 * newcomer to a crowded group starts with no more tokens than the fullest bucket there.
 *
 * Works on memory alone: the caller reads the value before and writes it back afterwards, if it was not changed
 * meanwhile. One bucket is in work at a time; what `spend` found is in this module's variables.
 */
import { CLOCK_TOLERANCE, debtOf, isFromTheFuture } from "./token-bucket";

export const SLOT_SIZE: u32 = 16;
export const SLOTS: u32 = 16;

/** What `spend` found. */
export const GRANTED: i32 = 0;
/** There is no token; nothing is to be written. */
export const REFUSED: i32 = 1;
/** There is no token, yet the group has to be written: it has times that the clock has not reached by far. */
export const REPAIRED: i32 = 2;

/** The value to be written, in the caller's memory or in this module's. */
export let written: usize = 0;
export let writtenSize: u32 = 0;
/** What the bucket lacks now, ns. */
export let debt: i64 = 0;
/** When it will be full. */
export let fullAt: i64 = 0;
/** How many tokens were given. */
export let taken: i64 = 0;
/** A bucket that was not full lost its slot. */
export let displaced: bool = false;

const room: usize = memory.data(256);

/**
 * Takes a token, or as many of `most` as there are, from the bucket `fingerprint` of the group whose value is the `size`
 * bytes at `group`, which it may change. A value that is no row of slots counts as empty.
 */
export function spend(
  group: usize,
  size: u32,
  fingerprint: u64,
  now: i64,
  cost: i64,
  span: i64,
  most: i64,
): i32 {
  const count: u32 = size % SLOT_SIZE === 0 && size <= SLOTS * SLOT_SIZE ? size / SLOT_SIZE : 0;
  const end = group + count * SLOT_SIZE;
  let oldest: usize = 0;
  let earliest: i64 = i64.MAX_VALUE;
  let slot = group;
  while (slot < end && load<u64>(slot) !== fingerprint) {
    const time = load<i64>(slot, 8);
    if (time < earliest) {
      earliest = time;
      oldest = slot;
    }
    slot += SLOT_SIZE;
  }

  written = group;
  writtenSize = count * SLOT_SIZE;
  displaced = false;
  let append = false;
  if (slot < end) {
    earliest = load<i64>(slot, 8);
  } else if (oldest !== 0 && earliest + CLOCK_TOLERANCE <= now) {
    slot = oldest;
  } else if (count < SLOTS) {
    append = true;
    earliest = now;
  } else {
    slot = oldest;
    displaced = earliest > now;
  }

  debt = debtOf(earliest, now, span);
  if (debt + cost > span) {
    fullAt = now + debt;
    if (!isFromTheFuture(earliest, now, span)) return REFUSED;
    store<u64>(slot, fingerprint);
    store<i64>(slot, fullAt, 8);
    return REPAIRED;
  }
  taken = most === 1 ? 1 : min((span - debt) / cost, most);
  debt += taken * cost;
  fullAt = now + debt;
  if (append) {
    memory.copy(room, group, writtenSize);
    slot = room + writtenSize;
    written = room;
    writtenSize += SLOT_SIZE;
  }
  store<u64>(slot, fingerprint);
  store<i64>(slot, fullAt, 8);
  return GRANTED;
}
