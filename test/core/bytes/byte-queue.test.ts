/** The queue of writes: whatever is pushed and consumed, the bytes that remain are the right ones. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ByteQueue } from "../../../core/bytes/byte-queue.ts";

function content(queue: ByteQueue): number[] {
  const out: number[] = [];
  for (let i = queue.first; i < queue.last; i++) {
    out.push(...queue.chunks[i].subarray(queue.starts[i], queue.ends[i]));
  }
  return out;
}

test("a queue is a queue", () => {
  const push = fc.record({
    bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }),
    from: fc.nat(10),
    consume: fc.constant(-1),
  });
  const consume = fc.record({
    bytes: fc.constant(new Uint8Array()),
    from: fc.constant(0),
    consume: fc.nat(60),
  });
  fc.assert(
    fc.property(fc.array(fc.oneof(push, push, consume), { maxLength: 100 }), (steps) => {
      const queue = new ByteQueue();
      let model: number[] = [];
      for (const step of steps) {
        if (step.consume < 0) {
          const start = Math.min(step.from, step.bytes.length - 1);
          queue.push(step.bytes, start, step.bytes.length);
          model.push(...step.bytes.subarray(start));
        } else {
          const count = Math.min(step.consume, queue.bytes);
          queue.consume(count);
          model = model.slice(count);
        }
        expect(queue.bytes).toBe(model.length);
        expect(content(queue)).toEqual(model);
        for (let i = 0; i < queue.first; i++) expect(queue.chunks[i].length).toBe(0);
      }
    }),
  );
});

test("chunks are let go of", () => {
  const queue = new ByteQueue();
  for (let i = 0; i < 100; i++) queue.push(new Uint8Array(10), 0, 10);
  queue.consume(500);
  expect(queue.chunks.filter((chunk) => chunk.length > 0).length).toBe(50);
  queue.consume(500);
  expect(queue.chunks.length).toBe(4);
  queue.push(new Uint8Array(10), 0, 10);
  queue.clear();
  expect(queue.chunks.every((chunk) => chunk.length === 0)).toBe(true);
});
