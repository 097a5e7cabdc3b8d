/**
 * The shared store against plain maps and arrays: random sequences of operations by two threads' attachments in a
 * store so small that it fills up, with all structures checked at the end of every run.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { CAS_MISMATCH, EMPTY, NOT_FOUND, OK, REFUSED } from "../../../filters/wasm/shared-store.ts";
import { newStore, StoreUser } from "../../support/store-user.ts";

const VM_IDS = ["a", "b", "c"];

/** One namespace as it should be. */
interface Space {
  /** How often each thread has it open. */
  readonly users: number[];
  readonly values: Map<string, { value: string; cas: number }>;
  readonly queues: Map<string, { id: number; messages: string[] }>;
}

class Model {
  readonly spaces = new Map<string, Space>();
  readonly ids = new Map<string, number>();
  readonly queueIds: number[] = [];

  queue(id: number): string[] | null {
    for (const { queues } of this.spaces.values()) {
      for (const queue of queues.values()) if (queue.id === id) return queue.messages;
    }
    return null;
  }
}

interface Real {
  readonly users: readonly StoreUser[];
}

type Step = fc.Command<Model, Real>;

function step(name: string, isPossible: (model: Model) => boolean, run: (m: Model, r: Real) => void): Step {
  return { check: isPossible, run, toString: () => name };
}

const open = (thread: number, vmId: string) =>
  step(
    `open ${vmId} in ${thread}`,
    () => true,
    (model, { users }) => {
      const id = users[thread].open(vmId);
      expect(id).toBeGreaterThanOrEqual(0);
      if (id === 0) return;
      let space = model.spaces.get(vmId);
      if (space === undefined) {
        space = { users: [0, 0], values: new Map(), queues: new Map() };
        model.spaces.set(vmId, space);
      } else expect(id).toBe(model.ids.get(vmId) as number);
      for (const [other, otherId] of model.ids) if (other !== vmId) expect(otherId).not.toBe(id);
      model.ids.set(vmId, id);
      space.users[thread]++;
    },
  );

const release = (thread: number, vmId: string) =>
  step(
    `release ${vmId} in ${thread}`,
    (model) => (model.spaces.get(vmId)?.users[thread] ?? 0) > 0,
    (model, { users }) => {
      users[thread].store.release(model.ids.get(vmId) as number);
      const space = model.spaces.get(vmId) as Space;
      space.users[thread]--;
      if (space.users[0] + space.users[1] > 0) return;
      model.spaces.delete(vmId);
      model.ids.delete(vmId);
    },
  );

const isOpen = (vmId: string) => (model: Model) => model.spaces.has(vmId);

const set = (thread: number, vmId: string, key: string, value: string, casKind: number) =>
  step(
    `set ${vmId}/${key} to ${value.length} bytes (${casKind}) in ${thread}`,
    isOpen(vmId),
    (model, { users }) => {
      const { values } = model.spaces.get(vmId) as Space;
      const had = values.get(key);
      const cas = casKind === 0 ? 0 : casKind === 1 ? (had?.cas ?? 99) : (had?.cas ?? 5) + 1;
      const status = users[thread].set(key, value, cas, model.ids.get(vmId) as number);
      if (had !== undefined && cas !== 0 && cas !== had.cas) {
        expect(status).toBe(CAS_MISMATCH);
        return;
      }
      if (status === REFUSED) {
        // Only where there may be no room: something of that size is more than what is contiguous.
        expect(users[thread].store.fragmentation().largest).toBeLessThan(value.length + key.length + 300);
        return;
      }
      expect(status).toBe(OK);
      expect(users[1 - thread].get(key, model.ids.get(vmId) as number)).toBe(value);
      const now = users[1 - thread].store.cas;
      expect(now).toBeGreaterThan(had?.cas ?? 0);
      values.set(key, { value, cas: now });
    },
  );

const get = (thread: number, vmId: string, key: string) =>
  step(`get ${vmId}/${key} in ${thread}`, isOpen(vmId), (model, { users }) => {
    const had = model.spaces.get(vmId)?.values.get(key);
    expect(users[thread].get(key, model.ids.get(vmId) as number)).toBe(had?.value ?? null);
    if (had !== undefined) expect(users[thread].store.cas).toBe(had.cas);
  });

const register = (thread: number, vmId: string, name: string) =>
  step(`register ${vmId}/${name} in ${thread}`, isOpen(vmId), (model, { users }) => {
    const user = users[thread];
    user.namespace = model.ids.get(vmId) as number;
    const id = user.register(name);
    if (id === 0) return;
    const { queues } = model.spaces.get(vmId) as Space;
    const had = queues.get(name);
    if (had !== undefined) {
      expect(id).toBe(had.id);
      return;
    }
    expect(model.queueIds).not.toContain(id);
    model.queueIds.push(id);
    queues.set(name, { id, messages: [] });
  });

const resolve = (thread: number, vmId: string, name: string) =>
  step(
    `resolve ${vmId}/${name} in ${thread}`,
    () => true,
    (model, { users }) => {
      const id = model.spaces.get(vmId)?.queues.get(name)?.id ?? 0;
      expect(users[thread].resolve(vmId, name)).toBe(id);
    },
  );

const anyQueue = (model: Model) => model.queueIds.length > 0;

const enqueue = (thread: number, which: number, message: string) =>
  step(`enqueue ${message.length} bytes to ${which} in ${thread}`, anyQueue, (model, { users }) => {
    const id = model.queueIds[which % model.queueIds.length];
    const messages = model.queue(id);
    const status = users[thread].enqueue(id, message);
    if (messages === null) expect(status).toBe(NOT_FOUND);
    else if (status === OK) messages.push(message);
    else expect(status).toBe(REFUSED);
  });

const dequeue = (thread: number, which: number) =>
  step(`dequeue from ${which} in ${thread}`, anyQueue, (model, { users }) => {
    const id = model.queueIds[which % model.queueIds.length];
    const messages = model.queue(id);
    const expected = messages === null ? NOT_FOUND : (messages.shift() ?? EMPTY);
    expect(users[thread].dequeue(id)).toBe(expected);
  });

test("any sequence of operations means what it means on maps", () => {
  const thread = fc.nat(1);
  const vmId = fc.constantFrom(...VM_IDS);
  const key = fc.integer({ min: 0, max: 40 }).map((n) => "k".repeat(n % 7) + n);
  const name = fc.constantFrom("q", "queue of a longer name");
  const text = fc
    .oneof(
      { weight: 6, arbitrary: fc.nat(60) },
      { weight: 2, arbitrary: fc.nat(2000) },
      { weight: 1, arbitrary: fc.nat(16 << 10) },
    )
    .chain((length) => fc.nat(25).map((n) => String.fromCharCode(97 + n).repeat(length)));
  const steps = [
    fc.tuple(thread, vmId).map((a) => open(...a)),
    fc.tuple(thread, vmId).map((a) => release(...a)),
    fc.tuple(thread, vmId, key, text, fc.nat(2)).map((a) => set(...a)),
    fc.tuple(thread, vmId, key, text, fc.constant(0)).map((a) => set(...a)),
    fc.tuple(thread, vmId, key).map((a) => get(...a)),
    fc.tuple(thread, vmId, name).map((a) => register(...a)),
    fc.tuple(thread, vmId, name).map((a) => resolve(...a)),
    fc.tuple(thread, fc.nat(9), text).map((a) => enqueue(...a)),
    fc.tuple(thread, fc.nat(9)).map((a) => dequeue(...a)),
  ];
  fc.assert(
    fc.property(fc.commands(steps, { maxCommands: 400, size: "max" }), (commands) => {
      const buffer = newStore();
      const users = [new StoreUser(buffer, 0, "x"), new StoreUser(buffer, 1, "x")];
      const model = new Model();
      // Open from the start, so that few steps are impossible.
      for (const each of VM_IDS) open(0, each).run(model, { users });
      fc.modelRun(() => ({ model, real: { users } }), commands);
      expect(users[0].store.check()).toEqual([]);
      for (const [each, { values }] of model.spaces) {
        for (const [k, { value }] of values) expect(users[1].get(k, model.ids.get(each))).toBe(value);
      }
    }),
    { numRuns: 150 },
  );
});
