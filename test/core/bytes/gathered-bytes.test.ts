/** Bytes that come in pieces are one run, and nobody's chunk is changed. */
import { expect, test } from "bun:test";
import { GatheredBytes } from "../../../core/bytes/gathered-bytes.ts";

const chunk = (...bytes: number[]) => new Uint8Array(bytes);

test("a chunk that comes alone is not copied", () => {
  const gathered = new GatheredBytes(8);
  const only = chunk(1, 2);
  gathered.append(only);
  expect(gathered.buffer).toBe(only);
  expect([...gathered.bytes]).toEqual([1, 2]);
});

test("chunks follow each other, beyond the usual most, too, and stay as they were", () => {
  const gathered = new GatheredBytes(8);
  // The first one has more behind it, which is not ours.
  const lent = chunk(1, 2, 3, 99, 99, 99);
  const all: number[] = [];
  for (const each of [lent.subarray(0, 3), chunk(4), chunk(), chunk(5, 6), chunk(7, 8, 9, 10), chunk(11)]) {
    gathered.append(each);
    all.push(...each);
    expect([...gathered.bytes]).toEqual(all);
  }
  expect(gathered.length).toBe(11);
  expect([...lent]).toEqual([1, 2, 3, 99, 99, 99]);
});

test("room is doubled, up to the usual most", () => {
  const gathered = new GatheredBytes(8);
  const rooms: number[] = [];
  for (let i = 0; i < 10; i++) {
    gathered.append(chunk(i));
    rooms.push(gathered.buffer.length);
  }
  expect(rooms).toEqual([1, 2, 4, 4, 8, 8, 8, 8, 9, 10]);
});
