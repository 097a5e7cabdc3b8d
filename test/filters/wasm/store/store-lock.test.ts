/** The store's lock: taken, waited for, given up on, and taken over from a thread that is no more. */
import { expect, test } from "bun:test";
import { REFUSED } from "../../../../filters/wasm/shared-store.ts";
import { LOCK_AT, THREAD_TABLE_AT, THREADS_AT } from "../../../../filters/wasm/store/store-layout.ts";
import { FAILED, StoreLock, TAKEN, TAKEN_OVER } from "../../../../filters/wasm/store/store-lock.ts";
import { newStore, StoreUser } from "../../../support/store-user.ts";

/** The locks of three attached threads, and a way to end one. */
function locks(): [StoreLock, StoreLock, StoreLock, (thread: number) => void] {
  const head = new Int32Array(new SharedArrayBuffer((THREAD_TABLE_AT + 3) * 4));
  head[THREADS_AT] = 3;
  head.set([1, 3, 5], THREAD_TABLE_AT);
  const [one, two, three] = [1, 3, 5].map((incarnation) => new StoreLock(head, incarnation));
  return [one, two, three, (thread) => void Atomics.store(head, THREAD_TABLE_AT + thread, 0)];
}

test("one holder at a time", () => {
  const [one, two] = locks();
  expect(one.tryTake()).toBe(true);
  expect(two.tryTake()).toBe(false);
  expect(one.isMine).toBe(true);
  expect(two.isMine).toBe(false);
  two.release(); // not two's to give back
  expect(two.tryTake()).toBe(false);
  one.release();
  expect(two.tryTake()).toBe(true);
});

test("a wait for a holder that does not come back ends; the next ones end at once, until it does", () => {
  const [one, two, three] = locks();
  one.tryTake();
  let start = performance.now();
  expect(two.wait()).toBe(FAILED);
  expect(performance.now() - start).toBeGreaterThan(200);
  start = performance.now();
  for (let i = 0; i < 10; i++) expect(three.wait()).toBe(FAILED);
  expect(performance.now() - start).toBeLessThan(100);
  one.release();
  expect(three.tryTake()).toBe(true);
  three.release();
  expect(two.wait()).toBe(TAKEN);
});

test("what its own holder finds taken was left by an operation that was thrown out", () => {
  const [one, two] = locks();
  one.tryTake();
  expect(one.wait()).toBe(TAKEN_OVER);
  one.release();
  expect(two.tryTake()).toBe(true);
});

test("taken from a thread that is not attached any more, after a moment, and from no other", () => {
  const [one, two, three, end] = locks();
  one.tryTake();
  end(2);
  expect(two.wait()).toBe(FAILED);
  end(0);
  expect(two.wait()).toBe(TAKEN_OVER);
  one.release(); // a ghost's
  expect(three.tryTake()).toBe(false);
  two.release();
  expect(three.tryTake()).toBe(true);
});

test("a ghost that takes the lock after its end was told, and then really ends, is in nobody's way for long", () => {
  const [ghost, two, three, end] = locks();
  end(0);
  ghost.tryTake();
  const start = performance.now();
  expect(two.wait()).toBe(TAKEN_OVER);
  expect(performance.now() - start).toBeWithin(40, 150);
  two.release();
  expect(three.tryTake()).toBe(true);
});

test("a store whose lock holder has ended answers all the same, and works again once that was told", () => {
  const buffer = newStore();
  const [one, two] = [new StoreUser(buffer, 0), new StoreUser(buffer, 1)];
  one.set("key", "value");
  const words = new Int32Array(buffer);
  // Thread 1's incarnation, as if it had ended in the middle of something.
  const free = words[LOCK_AT];
  two.set("key", "value of two");
  // biome-ignore lint/complexity/useLiteralKeys: private, and no thread can be ended here
  expect(two.store["session"]["lock"].tryTake()).toBe(true);
  expect(() => one.get("key")).toThrow("stuck");
  expect(one.set("key", "x")).toBe(REFUSED);
  expect(one.store.refusal).toBe("stuck");
  expect(one.open("other")).toBe(0);
  expect(one.register("queue")).toBe(0);
  // Of the wrong thread: no reason to take the lock from this one.
  expect(one.store.threadEnded(2)).toBe(false);
  expect(one.store.threadEnded(1)).toBe(true);
  expect(words[LOCK_AT]).toBe(free);
  expect(one.get("key")).toBe("value of two");
  expect(one.store.statistics()).toMatchObject({ repairs: 0, lostKeys: 0 });
  expect(one.store.statistics().lockTimeouts).toBeGreaterThan(1);
});
