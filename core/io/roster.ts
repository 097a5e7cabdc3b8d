/**
 * The members of something that come and go all the time, such as the open connections of a listener. A member
 * remembers its own place, so that adding and removing cost a store each.
 *
 * Why not a `Set`: V8 keeps what was deleted from one alive until its next full collection (its old tables are
 * promoted and keep their members). With a new connection per request that was a third of all CPU time.
 *
 * Law: a member is in one roster at a time.
 */

/** What can be on a roster. */
export interface Member {
  /** Place in the roster, -1 while it is in none. Only the roster changes it. */
  place: number;
}

export class Roster<T extends Member> {
  private readonly members: T[] = [];

  /** Number of members. */
  get size(): number {
    return this.members.length;
  }

  /** Adds one that is in no roster. */
  add(member: T): void {
    member.place = this.members.push(member) - 1;
  }

  /** Removes `member`; false if it is not here. */
  remove(member: T): boolean {
    const { place } = member;
    if (place < 0) return false;
    member.place = -1;
    const last = this.members.pop() as T;
    if (last !== member) {
      this.members[place] = last;
      last.place = place;
    }
    return true;
  }

  /** Those who are here now; a copy, so that they may leave while they are visited. */
  list(): T[] {
    return [...this.members];
  }
}
