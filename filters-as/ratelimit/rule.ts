/**
 * A rule: to whom it applies (a descriptor's entries, or everybody) and the token buckets that it takes from: one, or
 * one per distinct value, which live in the shared store (bucket-group.ts) where all workers find them.
 *
 * Costs one read and one write of the store per request, and nothing at all while its only bucket is known to be empty.
 */
import { Status } from "../sdk/abi.ts";
import { allocate } from "../sdk/arena.ts";
import { proxy_get_shared_data, proxy_set_shared_data } from "../sdk/env.ts";
import { debt, displaced, fullAt, GRANTED, REFUSED, SLOTS, spend, written, writtenSize } from "./bucket-group.ts";
import { Entry } from "./entry.ts";
import { absorbWord, beginHash, endHash } from "./keyed-hash.ts";
import { debtOf, isFromTheFuture, tokensLeft, untilToken } from "./token-bucket.ts";

/** What `take` says: there was a token, there was none, or the store does not work. */
export const TAKEN: i32 = 0;
export const EMPTY: i32 = 1;
export const FAILED: i32 = 2;

/** Somebody else's success is behind every lost race; so many of them in one request do not happen by chance. */
const ATTEMPTS: i32 = 64;
/** A version that no entry has: an entry is made if it is not there, and left alone if somebody else made it. */
const ABSENT: u32 = u32.MAX_VALUE;
const KEY_SIZE: u32 = 16;
const KEY_TAG: u16 = 0x6c72; // "rl"

/** What the races for entries have cost, and how often a bucket lost its slot: for the statistics. */
export let conflicts: u32 = 0;
export let displacements: u32 = 0;

/** Starts counting again. */
export function clearCounts(): void {
  conflicts = 0;
  displacements = 0;
}

@final
export class Rule {
  /** Empty for the rule for everybody. */
  readonly entries: Entry[] = [];
  /** There is one bucket for all. */
  private single: bool = true;
  /** Entries of the store. */
  private groups: u32 = 1;
  /** Tells the buckets of this rule from those of others, and of this rule with other limits. */
  private identity: u64 = 0;
  private seed0: u64 = 0;
  private seed1: u64 = 0;
  /** domain u64, tag u16, ordinal u16, group u32 */
  private readonly key: usize = heap.alloc(KEY_SIZE);
  /** Of the single bucket: it is not full before; another worker may have made it later. */
  private knownFullAt: i64 = 0;
  /** What the bucket lacked after the last `take`, ns. */
  private debt: i64 = 0;

  constructor(
    /** As the configuration says; for the response headers. */
    readonly maxTokens: u64,
    readonly cost: i64,
    readonly span: i64,
  ) {}

  /** Says where the rule's buckets are. `capacity` is how many of them are remembered; 0 if there is only one. */
  place(domain: u64, ordinal: u16, capacity: u32, identity: u64, seed0: u64, seed1: u64): void {
    this.single = capacity === 0;
    this.groups = capacity === 0 ? 1 : (capacity + SLOTS - 1) / SLOTS;
    this.identity = identity;
    this.seed0 = seed0;
    this.seed1 = seed1;
    store<u64>(this.key, domain);
    store<u16>(this.key, KEY_TAG, 8);
    store<u16>(this.key, ordinal, 10);
    store<u32>(this.key, 0, 12);
  }

  applies(): bool {
    const entries = this.entries;
    for (let i = 0; i < entries.length; i++) if (!unchecked(entries[i]).applies()) return false;
    return true;
  }

  /** Takes a token from the bucket that the request under way belongs to. */
  take(now: i64): i32 {
    const single = this.single;
    if (single && this.isKnownEmpty(now)) return EMPTY;
    const key = this.key;
    const fingerprint = this.fingerprint();
    if (!single) store<u32>(key, <u32>(((fingerprint >> 32) * <u64>this.groups) >> 32), 12);

    const place = allocate(12);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      let status = proxy_get_shared_data(key, KEY_SIZE, place, place + 4, place + 8);
      if (status === Status.NotFound) {
        store<u64>(place, 0);
        store<u32>(place, ABSENT, 8);
        status = Status.Ok;
      } else if (status !== Status.Ok) {
        return FAILED;
      }
      const found = spend(load<u32>(place), load<u32>(place, 4), fingerprint, now, this.cost, this.span);
      if (found !== REFUSED) {
        status = proxy_set_shared_data(key, KEY_SIZE, written, writtenSize, load<u32>(place, 8));
      }
      if (status === Status.Ok) {
        this.debt = debt;
        if (single) this.knownFullAt = fullAt;
        if (displaced) displacements++;
        return found === GRANTED ? TAKEN : EMPTY;
      }
      if (status !== Status.CasMismatch) return FAILED;
      conflicts++;
    }
    return FAILED;
  }

  /** Whole tokens left after the last `take`. */
  get remaining(): i64 {
    return tokensLeft(this.debt, this.cost, this.span);
  }

  /** Time from the last `take` until there is a token, ns. */
  get wait(): i64 {
    return untilToken(this.debt, this.cost, this.span);
  }

  /** True if the single bucket has no token, whatever other workers did: they can only have made it emptier. */
  private isKnownEmpty(now: i64): bool {
    const known = this.knownFullAt;
    if (isFromTheFuture(known, now, this.span)) return false;
    this.debt = debtOf(known, now, this.span);
    return this.debt + this.cost > this.span;
  }

  private fingerprint(): u64 {
    beginHash(this.seed0, this.seed1);
    absorbWord(this.identity);
    const entries = this.entries;
    for (let i = 0; i < entries.length; i++) unchecked(entries[i]).absorb();
    return endHash();
  }
}
