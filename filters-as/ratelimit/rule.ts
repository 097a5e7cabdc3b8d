/**
 * A rule: to whom it applies (a descriptor's entries, or everybody) and the token buckets that it takes from: one, or
 * one per distinct value, which live in the shared store (bucket-group.ts) where all workers find them.
 *
 * Costs one read and one write of the store per request, and nothing at all while its only bucket is known to be empty.
 */

import { proxy_get_shared_data, proxy_set_shared_data } from "../sdk/env";
import { allocate, Bytes, Status } from "../sdk/sdk";
import {
  debt,
  displaced,
  fullAt,
  GRANTED,
  REFUSED,
  SLOTS,
  spend,
  taken,
  written,
  writtenSize,
} from "./bucket-group";
import { Entry } from "./entry";
import { absorbWord, beginHash, endHash } from "./keyed-hash";
import { ABSENT, KEY_SIZE, Space, writeKey } from "./space";
import { debtOf, isFromTheFuture, tokensLeft, untilToken } from "./token-bucket";

/** What `take` says: there was a token, there was none, or the store does not work. */
export const TAKEN: i32 = 0;
export const EMPTY: i32 = 1;
export const FAILED: i32 = 2;

/** Somebody else's success is behind every lost race; so many of them in one request do not happen by chance. */
const ATTEMPTS: i32 = 64;

@final
export class Rule {
  /** Races for entries that were lost, and buckets that lost their slot, since these were last set to 0. */
  static conflicts: u32 = 0;
  static displacements: u32 = 0;

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
  /** Of the single bucket. */
  private fingerprint: u64 = 0;
  private readonly key: Bytes = Bytes.allocate(KEY_SIZE);
  /** Of the single bucket: it is not full before; another worker may have made it later. */
  private knownFullAt: i64 = 0;
  /** What the bucket lacked after the last `take`, ns. */
  private debt: i64 = 0;
  /** Tokens that were taken from the single bucket and not given yet; and how many are taken at once. */
  private spare: i64 = 0;
  private batch: i64 = 1;

  constructor(
    /** As the configuration says; for the response headers. */
    readonly maxTokens: u64,
    readonly cost: i64,
    readonly span: i64,
  ) {}

  /**
   * Says where the rule's buckets are: in this table of the space, which remembers `capacity` of them, or 0 if there is
   * only one, of which this worker takes `batch` tokens at once.
   */
  place(space: Space, table: u16, capacity: u32, identity: u64, batch: i64): void {
    this.single = capacity === 0;
    this.groups = capacity === 0 ? 1 : (capacity + SLOTS - 1) / SLOTS;
    this.identity = identity;
    this.batch = capacity === 0 ? batch : 1;
    this.seed0 = space.seed0;
    this.seed1 = space.seed1;
    writeKey(this.key.view.ptr, space.domain, table);
    if (this.single) this.fingerprint = this.hash();
  }

  applies(): bool {
    const entries = this.entries;
    for (let i = 0; i < entries.length; i++) if (!unchecked(entries[i]).applies()) return false;
    return true;
  }

  /** Takes a token from the bucket that the request under way belongs to. */
  take(now: i64): i32 {
    const single = this.single;
    if (single) {
      if (this.spare > 0) {
        this.spare--;
        this.debt = debtOf(this.knownFullAt, now, this.span);
        return TAKEN;
      }
      if (this.isKnownEmpty(now)) return EMPTY;
    }
    const key = this.key.view.ptr;
    const fingerprint = single ? this.fingerprint : this.hash();
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
      const found = spend(
        load<u32>(place),
        load<u32>(place, 4),
        fingerprint,
        now,
        this.cost,
        this.span,
        this.batch,
      );
      if (found !== REFUSED) {
        status = proxy_set_shared_data(key, KEY_SIZE, written, writtenSize, load<u32>(place, 8));
      }
      if (status === Status.Ok) {
        this.debt = debt;
        if (single) this.knownFullAt = fullAt;
        if (displaced) Rule.displacements++;
        if (found !== GRANTED) return EMPTY;
        this.spare = taken - 1;
        return TAKEN;
      }
      if (status !== Status.CasMismatch) return FAILED;
      Rule.conflicts++;
    }
    return FAILED;
  }

  /** Whole tokens left after the last `take`, as far as this worker knows. */
  get remaining(): i64 {
    return tokensLeft(this.debt, this.cost, this.span) + this.spare;
  }

  /** Time from the last `take` until there is a token, ns. */
  get wait(): i64 {
    return this.spare > 0 ? 0 : untilToken(this.debt, this.cost, this.span);
  }

  /** True if the single bucket has no token, whatever other workers did: they can only have made it emptier. */
  private isKnownEmpty(now: i64): bool {
    const known = this.knownFullAt;
    if (isFromTheFuture(known, now, this.span)) return false;
    this.debt = debtOf(known, now, this.span);
    return this.debt + this.cost > this.span;
  }

  /** Of the bucket that the request under way belongs to. */
  private hash(): u64 {
    beginHash(this.seed0, this.seed1);
    absorbWord(this.identity);
    const entries = this.entries;
    for (let i = 0; i < entries.length; i++) unchecked(entries[i]).absorb();
    return endHash();
  }
}
