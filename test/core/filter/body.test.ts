/** A body in pieces behaves as the plain row of bytes that it stands for, whatever is done to it. */
import { describe, expect, test } from "bun:test";
import { Body } from "../../../core/filter/body.ts";
import { Random } from "../../../runtime-adapters/memory/random.ts";

function bytesOf(body: Body): number[] {
  const out: number[] = [];
  body.replay({
    sendBody(bytes, start, end) {
      if (start >= end) throw new Error("an empty piece");
      out.push(...bytes.subarray(start, end));
    },
  });
  return out;
}

function copyOf(body: Body, from: number, length: number): number[] {
  const into = new Uint8Array(length + 2).fill(255);
  body.copy(from, length, into, 1);
  expect([into[0], into[length + 1]]).toEqual([255, 255]);
  return [...into.subarray(1, length + 1)];
}

describe("against a plain array", () => {
  test.each(Array.from({ length: 60 }, (_, seed) => seed))("seed %i", (seed) => {
    const random = new Random(seed + 1);
    const bodies: { body: Body; model: number[]; changed: boolean }[] = [0, 1].map(() => ({
      body: new Body(),
      model: [],
      changed: false,
    }));
    const most = seed % 3 === 0 ? 2 : 40;
    const bytes = (length: number) => Uint8Array.from({ length }, () => random.between(0, 254));
    for (let step = 0; step < 600; step++) {
      const which = random.between(0, 1);
      const one = bodies[which];
      const other = bodies[1 - which];
      const { body, model } = one;
      const kind = random.between(0, 19);
      if (kind < 12) {
        const chunk = bytes(random.between(0, most));
        const start = random.between(0, chunk.length);
        const end = random.between(start, chunk.length);
        body.push(chunk, start, end);
        model.push(...chunk.subarray(start, end));
      } else if (kind < 15) {
        const put = bytes(random.between(0, most));
        const from = random.between(0, model.length + 3);
        const length = random.between(0, 30);
        body.replace(from, length, put);
        model.splice(from, length, ...put);
        one.changed = true;
      } else if (kind < 17) {
        const from = random.between(0, model.length);
        const length = random.between(0, model.length - from);
        expect(copyOf(body, from, length)).toEqual(model.slice(from, from + length));
      } else if (kind < 19) {
        body.take(other.body);
        model.push(...other.model);
        other.model.length = 0;
        one.changed ||= other.changed;
        other.changed = false;
      } else if (random.between(0, 3) === 0) {
        body.clear();
        model.length = 0;
        one.changed = false;
      }
      for (const each of bodies) {
        expect(each.body.size).toBe(each.model.length);
        expect(each.body.changed).toBe(each.changed);
      }
      if (step % 20 === 0) for (const each of bodies) expect(bytesOf(each.body)).toEqual(each.model);
    }
    for (const each of bodies) expect(bytesOf(each.body)).toEqual(each.model);
  });
});

describe("pieces", () => {
  const chunk = Uint8Array.from({ length: 200 }, (_, i) => i);

  test("are the chunks themselves", () => {
    const body = new Body();
    body.push(chunk, 10, 200);
    const seen: Uint8Array[] = [];
    body.replay({ sendBody: (bytes) => seen.push(bytes) });
    expect(seen[0]).toBe(chunk);
  });

  test("of a reasonable size are never copied, crumbs are: what waits costs about what it weighs", () => {
    const body = new Body();
    for (let i = 0; i < 5000; i++) body.push(chunk, 0, 100);
    expect(body.pieces).toBe(5000);
    body.clear();
    for (let i = 0; i < 100_000; i++) body.push(chunk, i % 200, (i % 200) + 1);
    expect(body.pieces).toBeLessThan(100_000 / 256 + 256);
    const whole = new Uint8Array(body.size);
    body.copy(0, body.size, whole, 0);
    expect(whole.every((byte, i) => byte === i % 200)).toBe(true);
  });

  test("crumbs between larger ones stay in their place", () => {
    const body = new Body();
    const model: number[] = [];
    for (let i = 0; i < 2000; i++) {
      const end = i % 7 === 0 ? 90 : 1;
      body.push(chunk, 0, end);
      model.push(...chunk.subarray(0, end));
    }
    expect(body.pieces).toBeLessThan(600);
    expect(bytesOf(body)).toEqual(model);
  });

  test("an empty range is none, for an empty chunk would end a body", () => {
    const body = new Body();
    body.push(chunk, 5, 5);
    body.replace(0, 0, new Uint8Array(0));
    expect([body.pieces, body.size]).toEqual([0, 0]);
  });
});
