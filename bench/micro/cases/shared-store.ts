/** Shared data of filters: what a rate limiter does once or twice a request. One thread, no contention. */
import { SharedStore } from "../../../filters/wasm/shared-store.ts";
import type { MicroCase } from "../micro-case.ts";

/** A store with `keys` keys of 24 bytes; the key of `at` is written into `bytes`. */
class Filled {
  readonly bytes = new Uint8Array(1024).fill(0x61);
  readonly store: SharedStore;
  readonly namespace: number;
  private readonly view = new DataView(this.bytes.buffer);

  constructor(keys: number, length: number) {
    this.store = SharedStore.attach(SharedStore.create({ threads: 1, seed: [1, 2] }), 0, () => {});
    this.namespace = this.store.open(new Uint8Array([1]));
    for (let i = 0; i < keys; i++) this.set(i, length);
  }

  get(key: number): number {
    const { store, bytes } = this;
    this.view.setUint32(0, key);
    const status = store.get(this.namespace, bytes, 0, 24);
    store.copyInto(bytes, 512);
    return status + store.cas;
  }

  set(key: number, length: number, cas = 0): number {
    this.view.setUint32(0, key);
    return this.store.set(this.namespace, this.bytes, 0, 24, 256, length, cas);
  }
}

function hot(length: number): MicroCase[] {
  return [
    {
      name: `shared data: get and copy of ${length} bytes, a hot key`,
      prepare: () => {
        const filled = new Filled(1000, length);
        return (times) => {
          let sum = 0;
          for (let i = 0; i < times; i++) sum += filled.get(7);
          return sum;
        };
      },
    },
    {
      name: `shared data: get and set by CAS of ${length} bytes, a hot key`,
      prepare: () => {
        const filled = new Filled(1000, length);
        return (times) => {
          let sum = 0;
          for (let i = 0; i < times; i++) {
            filled.get(7);
            sum += filled.set(7, length, filled.store.cas);
          }
          return sum;
        };
      },
    },
  ];
}

export const SHARED_STORE: readonly MicroCase[] = [
  ...hot(16),
  ...hot(64),
  ...hot(200),
  {
    name: "shared data: get and copy of 16 bytes, one of 500 000 keys",
    prepare: () => {
      const filled = new Filled(500_000, 16);
      let key = 0;
      return (times) => {
        let sum = 0;
        for (let i = 0; i < times; i++) {
          key = (key + 7919) % 500_000;
          sum += filled.get(key);
        }
        return sum;
      };
    },
  },
];
