/** Shared queues: names and ids, order, limits, who is told of a message and how often. */
import { describe, expect, test } from "bun:test";
import { EMPTY, NOT_FOUND, OK, REFUSED } from "../../../filters/wasm/shared-store.ts";
import { QueueBell } from "../../../filters/wasm/store/queue-bell.ts";
import { newStore, StoreUser } from "../../support/store-user.ts";

describe("names and ids", () => {
  test("registering is idempotent and gives every thread the same id, which is not 0", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0), new StoreUser(buffer, 1)];
    const id = one.register("jobs");
    expect(id).toBeGreaterThan(0);
    expect(two.register("jobs")).toBe(id);
    expect(one.register("others")).not.toBe(id);
  });

  test("a queue is found by its vm_id and name, from any vm_id, and from its own without", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0, "a"), new StoreUser(buffer, 1, "b")];
    const id = one.register("jobs");
    expect(two.resolve("a", "jobs")).toBe(id);
    expect(two.resolve("b", "jobs")).toBe(0);
    expect(two.resolve("nobody", "jobs")).toBe(0);
    const name = new TextEncoder().encode("jobs");
    expect(one.store.queues.resolveOwn(one.namespace, name, 0, 4)).toBe(id);
    expect(two.store.queues.resolveOwn(two.namespace, name, 0, 4)).toBe(0);
  });

  test("ids that were never given, or whose vm_id is gone", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0, "a"), new StoreUser(buffer, 1, "b")];
    const id = one.register("jobs");
    for (const wrong of [0, id + 1, id + 1024, 0x7fffffff, 0xffffffff]) {
      expect(two.enqueue(wrong, "x")).toBe(NOT_FOUND);
      expect(two.dequeue(wrong)).toBe(NOT_FOUND);
    }
    one.enqueue(id, "lost");
    one.store.release(one.namespace);
    expect(two.enqueue(id, "x")).toBe(NOT_FOUND);
    expect(two.resolve("a", "jobs")).toBe(0);
    // The same names anew: another queue, without the old messages, under another id.
    const again = new StoreUser(buffer, 2, "a");
    expect(again.register("jobs")).not.toBe(id);
    expect(again.dequeue(again.register("jobs"))).toBe(EMPTY);
    expect(two.dequeue(id)).toBe(NOT_FOUND);
  });

  test("1024 queues, not one more; those of a released vm_id make room", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0, "a"), new StoreUser(buffer, 1, "b")];
    for (let i = 0; i < 1023; i++) one.register(`queue ${i}`);
    expect(two.register("last")).toBeGreaterThan(0);
    expect(two.register("one more")).toBe(0);
    expect(two.store.refusal).toBe("full");
    one.store.release(one.namespace);
    for (let i = 0; i < 600; i++) two.set(`sweep ${i}`, "");
    expect(two.register("one more")).toBeGreaterThan(0);
    expect(two.store.check()).toEqual([]);
  });
});

describe("messages", () => {
  test("come out in order, whole, in any thread, and then there are none", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0), new StoreUser(buffer, 1)];
    const id = one.register("jobs");
    const messages = ["first", "", "third", "x".repeat(10_000)];
    for (const message of messages) expect(two.enqueue(id, message)).toBe(OK);
    expect(one.drain(id)).toEqual(messages);
    expect(one.dequeue(id)).toBe(EMPTY);
    expect(one.store.check()).toEqual([]);
  });

  test("4096 in one queue; a quarter of the store in all, a quarter of that in one", () => {
    const buffer = newStore(4 << 20);
    const user = new StoreUser(buffer);
    const id = user.register("small messages");
    for (let i = 0; i < 4096; i++) expect(user.enqueue(id, "")).toBe(OK);
    expect(user.enqueue(id, "")).toBe(REFUSED);
    expect(user.store.refusal).toBe("queue full");
    expect(user.drain(id).length).toBe(4096);

    const large = "x".repeat(100 << 10);
    const fill = (name: string) => {
      const queue = user.register(name);
      let count = 0;
      while (user.enqueue(queue, large) === OK) count++;
      return count;
    };
    expect(fill("one")).toBe(2);
    for (const name of ["two", "three", "four"]) expect(fill(name)).toBe(2);
    expect(fill("five")).toBeLessThan(2 + 1);
    expect(fill("six")).toBe(0);
    expect(user.store.statistics().queuedBytes).toBeLessThanOrEqual(1 << 20);
    // Data has three quarters for itself whatever the queues hold.
    for (let i = 0; i < 20; i++) expect(user.set(`key ${i}`, large)).toBe(OK);
    expect(user.store.check()).toEqual([]);
  });
});

describe("who is told", () => {
  test("the thread that registered last, once until it has taken notice, then for all messages", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0), new StoreUser(buffer, 1)];
    const id = one.register("jobs");
    two.register("jobs");
    one.enqueue(id, "a");
    one.enqueue(id, "b");
    expect(one.rings).toEqual([[1, id]]);
    expect(one.store.queues.takeReady(id)).toBe(0);
    expect(two.store.queues.takeReady(id)).toBe(2);
    expect(two.store.queues.takeReady(id)).toBe(0);
    one.enqueue(id, "c");
    expect(one.rings).toEqual([
      [1, id],
      [1, id],
    ]);
  });

  test("a new receiver is told of what the former one has not taken", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0), new StoreUser(buffer, 1)];
    const id = one.register("jobs");
    two.enqueue(id, "a");
    two.register("jobs");
    expect(two.rings).toEqual([
      [0, id],
      [1, id],
    ]);
    expect(one.store.queues.takeReady(id)).toBe(0);
    expect(two.store.queues.takeReady(id)).toBe(1);
  });

  test("when the receiver's thread has ended nobody is, until somebody registers", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0), new StoreUser(buffer, 1)];
    const id = one.register("jobs");
    two.store.threadEnded(0);
    expect(two.enqueue(id, "a")).toBe(OK);
    expect(two.rings).toEqual([]);
    const restarted = new StoreUser(buffer, 0);
    expect(restarted.register("jobs")).toBe(id);
    expect(restarted.rings).toEqual([[0, id]]);
    expect(restarted.store.queues.takeReady(id)).toBe(1);
  });

  test("a bell: one call per message, in a later turn, for the root context that listened last", () => {
    const buffer = newStore();
    const heard: string[] = [];
    const posted: [number, number][] = [];
    let wakes = 0;
    const bell = new QueueBell(0, { post: (...note) => void posted.push(note), wake: () => void wakes++ });
    const user = new StoreUser(buffer);
    const ring = (thread: number, queue: number) => bell.ring(thread, queue);
    const turn = () => {
      for (const note of user.rings.splice(0)) ring(...note);
      bell.deliver(user.store.queues);
    };
    const id = user.register("jobs");
    const first = () => void heard.push("first");
    const second = (queue: number) => {
      heard.push(`second: ${user.dequeue(queue)}`);
      // What a guest enqueues from its callback is for the next turn.
      if (heard.length === 1) user.enqueue(queue, "of the callback");
    };
    bell.listen(id, first);
    bell.listen(id, second);
    user.enqueue(id, "a");
    user.enqueue(id, "b");
    expect(heard).toEqual([]);
    turn();
    expect(heard).toEqual(["second: a", "second: b"]);
    turn();
    expect(heard).toEqual(["second: a", "second: b", "second: of the callback"]);
    expect(wakes).toBe(2);

    bell.mute(second);
    user.enqueue(id, "for nobody");
    turn();
    expect(heard.length).toBe(3);
    expect(user.dequeue(id)).toBe("for nobody");

    const other = new StoreUser(buffer, 1);
    other.register("jobs");
    user.enqueue(id, "for the other thread");
    turn();
    expect(posted).toEqual([[1, id]]);
  });
});
