/** A roster holds who came and did not leave, whatever the order. */
import { expect, test } from "bun:test";
import { type Member, Roster } from "../../../core/io/roster.ts";

class Guest implements Member {
  place = -1;
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

const names = (roster: Roster<Guest>) =>
  roster
    .list()
    .map((guest) => guest.name)
    .sort()
    .join("");

test("members come and leave in any order, and leave once", () => {
  const roster = new Roster<Guest>();
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => new Guest(name));
  for (const guest of [a, b, c, d]) roster.add(guest);
  expect(roster.remove(b)).toBe(true); // in the middle: the last one takes its place
  expect(roster.remove(b)).toBe(false);
  expect([names(roster), roster.size]).toEqual(["acd", 3]);
  expect(roster.remove(d)).toBe(true); // the one that was moved
  expect(roster.remove(c)).toBe(true);
  expect(names(roster)).toBe("a");
  roster.add(b);
  expect(names(roster)).toBe("ab");
  for (const guest of roster.list()) roster.remove(guest);
  expect([names(roster), roster.size, a.place, b.place]).toEqual(["", 0, -1, -1]);
});
