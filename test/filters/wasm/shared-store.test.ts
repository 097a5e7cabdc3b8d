/** Shared data: what a set and a get mean, what is refused, how a store grows, fills up and forgets. */
import { describe, expect, test } from "bun:test";
import { CAS_MISMATCH, OK, REFUSED, SharedStore } from "../../../filters/wasm/shared-store.ts";
import { newStore, StoreUser } from "../../support/store-user.ts";

describe("a key and its CAS number", () => {
  test("an absent key is not found; once set, it has its value and a number", () => {
    const user = new StoreUser(newStore());
    expect(user.get("bucket")).toBeNull();
    expect(user.set("bucket", "10 tokens")).toBe(OK);
    expect(user.get("bucket")).toBe("10 tokens");
    expect(user.store.cas).toBeGreaterThan(0);
  });

  test("every set changes the number, also one of the same value", () => {
    const user = new StoreUser(newStore());
    const numbers = ["a", "a", "b", "a longer value, which moves", ""].map((value) => {
      user.set("key", value);
      return user.cas("key");
    });
    expect(new Set(numbers).size).toBe(5);
  });

  test("0 forces; the right number sets once; a stale one is refused and nothing changes", () => {
    const user = new StoreUser(newStore());
    user.set("key", "one");
    const cas = user.cas("key");
    expect(user.set("key", "two", cas)).toBe(OK);
    expect(user.set("key", "three", cas)).toBe(CAS_MISMATCH);
    expect(user.get("key")).toBe("two");
    expect(user.set("key", "four", 0)).toBe(OK);
    expect(user.get("key")).toBe("four");
  });

  test("an absent key is created whatever the number", () => {
    const user = new StoreUser(newStore());
    expect(user.set("key", "value", 77)).toBe(OK);
    expect(user.get("key")).toBe("value");
  });

  test("an empty value is a value, an empty key is a key", () => {
    const user = new StoreUser(newStore());
    expect(user.set("key", "")).toBe(OK);
    expect(user.get("key")).toBe("");
    expect(user.set("", "value of nothing")).toBe(OK);
    expect(user.get("")).toBe("value of nothing");
  });

  test("the number goes round its 32 bits without being 0, and a guest may hand it back signed", () => {
    const buffer = newStore();
    const user = new StoreUser(buffer);
    new Int32Array(buffer)[33] = -2; // the last number given
    user.set("key", "a");
    expect(user.cas("key")).toBe(0xffffffff);
    expect(user.set("key", "b", -1)).toBe(OK);
    expect(user.cas("key")).toBe(1);
  });

  test.each([0, 1, 2, 3, 4, 5, 7, 8, 159, 160, 161, 511, 512, 513, 5000])("a value of %i bytes", (length) => {
    const user = new StoreUser(newStore());
    const value = Array.from({ length }, (_, i) => String.fromCharCode(33 + (i % 90))).join("");
    user.set("key", value);
    user.set("neighbour", "x");
    expect(user.get("key")).toBe(value);
    expect(user.store.check()).toEqual([]);
  });
});

describe("threads and namespaces", () => {
  test("what one thread sets the other gets, and their CAS numbers meet", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0), new StoreUser(buffer, 1)];
    one.set("key", "of one");
    const cas = two.cas("key");
    expect(two.get("key")).toBe("of one");
    one.set("key", "of one again");
    expect(two.set("key", "of two", cas)).toBe(CAS_MISMATCH);
  });

  test("the same key in another namespace is another key", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0, "a"), new StoreUser(buffer, 1, "b")];
    one.set("key", "a's");
    expect(two.get("key")).toBeNull();
    two.set("key", "b's");
    expect(one.get("key")).toBe("a's");
  });

  test("the empty vm_id is one like any other", () => {
    const user = new StoreUser(newStore(), 0, "");
    expect(user.namespace).toBeGreaterThan(0);
    expect(user.set("key", "value")).toBe(OK);
  });

  test("a namespace lasts until its last user of all threads is gone", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0), new StoreUser(buffer, 1)];
    one.set("key", "value");
    expect(one.open("vm")).toBe(one.namespace);
    one.store.release(one.namespace);
    one.store.release(one.namespace);
    expect(two.get("key")).toBe("value");
    two.store.release(two.namespace);
    expect(two.get("key")).toBeNull();
    expect(two.set("key", "late")).toBe(REFUSED);
    expect(two.store.refusal).toBe("released");
    const again = new StoreUser(buffer, 2);
    expect(again.get("key")).toBeNull();
  });

  test("more releases than opens do no harm", () => {
    const buffer = newStore();
    const [one, two] = [new StoreUser(buffer, 0), new StoreUser(buffer, 1)];
    for (let i = 0; i < 5; i++) one.store.release(one.namespace);
    two.set("key", "value");
    expect(two.get("key")).toBe("value");
  });

  test("a released namespace's memory is there for others, a little with every new key", () => {
    const buffer = newStore();
    const keeper = new StoreUser(buffer, 0, "keeper");
    const empty = keeper.store.statistics().usedBytes;
    const user = new StoreUser(buffer, 1, "user");
    for (let i = 0; i < 1000; i++) expect(user.set(`key ${i}`, "a value of some length")).toBe(OK);
    user.store.release(user.namespace);
    for (let i = 0; i < 500; i++) keeper.set(`mine ${i}`, "");
    expect(keeper.store.statistics().keys).toBe(500);
    expect(keeper.store.statistics().usedBytes).toBeLessThan(empty + 500 * 48);
    expect(keeper.store.check()).toEqual([]);
  });

  test("an id that was released does not come back before its keys are gone", () => {
    const buffer = newStore();
    const keeper = new StoreUser(buffer, 0, "keeper");
    for (let round = 0; round < 1200; round++) {
      const id = keeper.open(`vm ${round}`);
      expect(id).toBeGreaterThan(0);
      expect(keeper.get("key", id)).toBeNull();
      keeper.set("key", `of ${round}`, 0, id);
      keeper.store.release(id);
    }
    expect(keeper.store.check()).toEqual([]);
  });

  test("1023 namespaces at one time, not one more", () => {
    const user = new StoreUser(newStore(1 << 20), 0, "0");
    for (let i = 1; i < 1023; i++) expect(user.open(`${i}`)).toBeGreaterThan(0);
    expect(user.open("one more")).toBe(0);
    expect(user.store.refusal).toBe("full");
    user.store.release(7);
    expect(user.open("one more")).toBeGreaterThan(0);
  });
});

describe("limits", () => {
  test("keys up to 16 KiB, values up to a sixteenth of the store and 1 MiB", () => {
    const user = new StoreUser(newStore());
    expect(user.store.valueLimit).toBe(16 << 10);
    expect(user.set("k".repeat(16 << 10), "v".repeat(16 << 10))).toBe(OK);
    expect(user.get("k".repeat(16 << 10))).toBe("v".repeat(16 << 10));
    expect(user.set("k".repeat((16 << 10) + 1), "v")).toBe(REFUSED);
    expect(user.set("k", "v".repeat((16 << 10) + 1))).toBe(REFUSED);
    expect(user.store.refusal).toBe("too long");
    expect(user.get("k".repeat((16 << 10) + 1))).toBeNull();
    expect(user.store.statistics().refusedLength).toBe(2);
    expect(new StoreUser(newStore(64 << 20)).store.valueLimit).toBe(1 << 20);
  });

  test("a full store refuses, keeps all it has, and takes what fits again", () => {
    const user = new StoreUser(newStore());
    let kept = 0;
    while (user.set(`key ${kept}`, `value ${kept}`.repeat(10)) === OK) kept++;
    expect(kept).toBeGreaterThan(1000);
    expect(user.store.refusal).toBe("full");
    expect(user.set("key 5", "grown".repeat(1000))).toBe(REFUSED);
    expect(user.get("key 5")).toBe("value 5".repeat(10));
    for (let i = 0; i < kept; i++) expect(user.get(`key ${i}`)).toBe(`value ${i}`.repeat(10));
    // In place there is always room, and a value that shrinks makes some.
    expect(user.set("key 6", "VALUE 6".repeat(10))).toBe(OK);
    for (let i = 0; i < 100; i++) expect(user.set(`key ${i}`, "")).toBe(OK);
    expect(user.set("another", "")).toBe(OK);
    expect(user.store.statistics().refusedFull).toBe(2);
    expect(user.store.check()).toEqual([]);
  });

  test("refused at creation: sizes and numbers of threads that make no sense", () => {
    const create = (bytes: number, threads: number) => () =>
      SharedStore.create({ threads, seed: [1, 2], bytes });
    expect(create(1000, 1)).toThrow("shared store of 1000 bytes");
    expect(create(2 ** 31, 1)).toThrow("shared store of");
    expect(create(1 << 20, 0)).toThrow("for 0 threads");
    expect(create(Number.NaN, 1)).toThrow();
  });

  test("a buffer that is no store, a thread that has no place", () => {
    expect(() => SharedStore.attach(new SharedArrayBuffer(1 << 20), 0, () => {})).toThrow("no place");
    expect(() => SharedStore.attach(newStore(), 3, () => {})).toThrow("no place for thread 3");
  });
});

describe("growth", () => {
  test("a hundred thousand keys, all found, in short chains", () => {
    const user = new StoreUser(newStore(16 << 20));
    for (let i = 0; i < 100_000; i++) expect(user.set(`key ${i}`, `${i}`)).toBe(OK);
    for (let i = 0; i < 100_000; i += 7) expect(user.get(`key ${i}`)).toBe(`${i}`);
    expect(user.get("key 100000")).toBeNull();
    expect(user.store.statistics().keys).toBe(100_000);
    expect(user.store.check()).toEqual([]);
  });

  test("a million keys of 16 bytes with values of 16 fit the default store: 60 bytes a key", () => {
    const store = SharedStore.attach(SharedStore.create({ threads: 1, seed: [1, 2] }), 0, () => {});
    const namespace = store.open(new Uint8Array(3));
    const bytes = new Uint8Array(32);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < 1_000_000; i++) {
      view.setUint32(0, i);
      if (store.set(namespace, bytes, 0, 16, 16, 16, 0) !== OK) throw new Error(`refused at ${i}`);
    }
    expect(store.statistics().keys).toBe(1_000_000);
    expect(store.statistics().usedBytes / 1_000_000).toBeLessThan(60.5);
  });

  test("a large value that grows a little stays where it is", () => {
    const user = new StoreUser(newStore());
    user.set("key", "x".repeat(3000));
    const { usedBytes } = user.store.statistics();
    user.set("key", "y".repeat(3030));
    expect(user.get("key")).toBe("y".repeat(3030));
    expect(user.store.statistics().usedBytes).toBe(usedBytes);
  });

  test("values of all sizes coming and going leave the heap usable", () => {
    // Half full, 30 000 replacements with sizes from 1 to 2000: what is free must stay in large pieces.
    const user = new StoreUser(newStore(2 << 20));
    let random = 1;
    const next = (below: number) => {
      random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
      return (random >> 8) % below;
    };
    for (let i = 0; i < 30_000; i++) {
      expect(user.set(`key ${next(1000)}`, "x".repeat(1 + next(2000)))).toBe(OK);
    }
    expect(user.store.check()).toEqual([]);
    const { usedBytes, capacityBytes } = user.store.statistics();
    expect(usedBytes).toBeGreaterThan(capacityBytes * 0.45);
    expect(user.store.fragmentation().largest).toBeGreaterThan((capacityBytes - usedBytes) * 0.5);
    expect(user.store.statistics().refusedFull).toBe(0);
  });
});

test("keys that were made to collide under one seed spread under another", () => {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  const [attacked, other] = [
    newStore(4 << 20),
    SharedStore.create({ threads: 1, seed: [5, 6], bytes: 4 << 20 }),
  ];
  const session = new StoreUser(attacked);
  // The attacker knows the first seed: 300 keys whose hashes end in the same 10 bits, hence in one bucket.
  const hash = (user: StoreUser, i: number) => {
    view.setUint32(0, i);
    // biome-ignore lint/complexity/useLiteralKeys: the session is private, and the hash the point of this test
    const table = user.store["session"].table;
    return table.hash((user.namespace << 15) | 8, bytes, 0, 8) & 1023;
  };
  const keys: number[] = [];
  for (let i = 0; keys.length < 300; i++) if (hash(session, i) === 0) keys.push(i);
  const victim = new StoreUser(other);
  const buckets = new Set(keys.map((key) => hash(victim, key)));
  expect(buckets.size).toBeGreaterThan(200);
  // And where they do collide, all are told apart.
  for (const key of keys) {
    view.setUint32(0, key);
    expect(session.store.set(session.namespace, bytes, 0, 8, 0, 4, 0)).toBe(OK);
  }
  for (const key of keys) {
    view.setUint32(0, key);
    expect(session.store.get(session.namespace, bytes, 0, 8)).toBe(OK);
    const value = new Uint8Array(4);
    session.store.copyInto(value, 0);
    expect(new DataView(value.buffer).getUint32(0)).toBe(key);
  }
  expect(session.store.check()).toEqual([]);
});
