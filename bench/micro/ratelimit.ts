/**
 * What the filter ratelimit costs per request, µs: `bun bench/micro/ratelimit.ts`, `node bench/micro/ratelimit.ts`.
 *
 * The host here is the least that the ABI asks for (byte arrays, no checks, no log) over the real shared store, so the
 * figures are the filter's and the store's; a request is all callbacks from context_create to delete.
 */
import { readFileSync } from "node:fs";
import { SharedStore } from "../../filters/wasm/shared-store.ts";
import { buildFilter } from "../../scripts/build-filters.ts";

const encoder = new TextEncoder();
type Header = readonly [name: Uint8Array, value: Uint8Array];

/** One worker with one plugin. */
class BareHost {
  headers: Header[] = [];
  refused = 0;
  now = 1_700_000_000_000_000_000n;
  readonly store: SharedStore;
  private readonly counters = new Float64Array(64);
  private readonly properties = new Map<string, Uint8Array>();
  private bytes: Uint8Array;
  private words: DataView;
  private readonly memory: WebAssembly.Memory;
  private readonly callbacks: { readonly [name: string]: (...values: number[]) => number };
  private id = 1;

  constructor(module: WebAssembly.Module, store: SharedStore, namespace: number, configuration: string) {
    this.store = store;
    this.properties.set("plugin_root_id", new Uint8Array());
    this.properties.set("plugin_name", encoder.encode("bench"));
    this.properties.set("source\0address", encoder.encode("10.1.2.3:4567"));
    const plugin = encoder.encode(configuration);
    let metrics = 0;
    const env = {
      proxy_log: (_level: number, at: number, size: number) => {
        console.log(Buffer.from(this.bytes.subarray(at, at + size)).toString());
        return 0;
      },
      proxy_get_current_time_nanoseconds: (at: number) => {
        this.refresh();
        this.words.setBigUint64(at, this.now, true);
        return 0;
      },
      proxy_get_property: (at: number, size: number, valueAt: number, sizeAt: number) => {
        this.refresh();
        const value = this.properties.get(Buffer.from(this.bytes.subarray(at, at + size)).toString());
        if (value === undefined) return 1;
        this.give(value, valueAt, sizeAt);
        return 0;
      },
      proxy_get_header_map_value: (
        _map: number,
        at: number,
        size: number,
        valueAt: number,
        sizeAt: number,
      ) => {
        const { headers, bytes } = this;
        search: for (let i = 0; i < headers.length; i++) {
          const name = headers[i][0];
          if (name.length !== size) continue;
          for (let j = 0; j < size; j++) if (bytes[at + j] !== name[j]) continue search;
          this.give(headers[i][1], valueAt, sizeAt);
          return 0;
        }
        return 1;
      },
      proxy_add_header_map_value: () => 0,
      proxy_get_buffer_bytes: (
        _id: number,
        _start: number,
        _max: number,
        valueAt: number,
        sizeAt: number,
      ) => {
        this.give(plugin, valueAt, sizeAt);
        return 0;
      },
      proxy_send_local_response: () => {
        this.refused++;
        return 0;
      },
      proxy_get_shared_data: (key: number, size: number, valueAt: number, sizeAt: number, casAt: number) => {
        this.refresh();
        const found = store.get(namespace, this.bytes, key, size);
        if (found !== 0) return found;
        const { length, cas } = store;
        const at = this.room(length, valueAt, sizeAt);
        store.copyInto(this.bytes, at);
        this.words.setUint32(casAt, cas, true);
        return 0;
      },
      proxy_set_shared_data: (key: number, size: number, value: number, length: number, cas: number) => {
        this.refresh();
        return store.set(namespace, this.bytes, key, size, value, length, cas >>> 0);
      },
      proxy_define_metric: (_type: number, _at: number, _size: number, idAt: number) => {
        this.refresh();
        this.words.setUint32(idAt, metrics++, true);
        return 0;
      },
      proxy_set_tick_period_milliseconds: () => 0,
      proxy_increment_metric: (id: number, delta: bigint) => {
        this.counters[id] += Number(delta);
        return 0;
      },
    };
    const wasi = {
      random_get: (at: number, size: number) => {
        this.refresh();
        crypto.getRandomValues(this.bytes.subarray(at, at + size));
        return 0;
      },
    };
    const instance = new WebAssembly.Instance(module, { env, wasi_snapshot_preview1: wasi });
    this.callbacks = instance.exports as never;
    this.memory = instance.exports.memory as WebAssembly.Memory;
    this.bytes = new Uint8Array(this.memory.buffer);
    this.words = new DataView(this.memory.buffer);
    this.callbacks._initialize();
    this.callbacks.proxy_on_context_create(1, 0);
    if (!this.callbacks.proxy_on_configure(1, plugin.length)) throw new Error("refused");
  }

  get memorySize(): number {
    return this.memory.buffer.byteLength;
  }

  /** All callbacks of one stream. */
  request(): void {
    const { callbacks } = this;
    const id = ++this.id;
    callbacks.proxy_on_context_create(id, 1);
    if (callbacks.proxy_on_request_headers(id, this.headers.length, 1) === 0) {
      callbacks.proxy_on_response_headers(id, 5, 0);
    }
    callbacks.proxy_on_delete(id);
  }

  /** The memory may have grown, which makes views of it empty. */
  private refresh(): void {
    if (this.bytes.length > 0) return;
    this.bytes = new Uint8Array(this.memory.buffer);
    this.words = new DataView(this.memory.buffer);
  }

  private room(size: number, valueAt: number, sizeAt: number): number {
    const at = size === 0 ? 0 : this.callbacks.proxy_on_memory_allocate(size) >>> 0;
    this.refresh();
    this.words.setUint32(valueAt, at, true);
    this.words.setUint32(sizeAt, size, true);
    return at;
  }

  private give(value: Uint8Array, valueAt: number, sizeAt: number): void {
    const at = this.room(value.length, valueAt, sizeAt);
    for (let i = 0; i < value.length; i++) this.bytes[at + i] = value[i];
  }
}

const module = new WebAssembly.Module(readFileSync(buildFilter("ratelimit")));
const bucket = { max_tokens: 1_000_000, tokens_per_fill: 1_000_000, fill_interval: "1s" };
const users = [{ header: { name: "x-user" } }];
/** Of a thousand users each comes every 10 ms. */
const byUser = {
  entries: users,
  token_bucket: { max_tokens: 100, tokens_per_fill: 200, fill_interval: "1s" },
};
/** Of a million each comes every 10 s: no bucket is ever full again, so all are live. */
const byManyUsers = (max_keys: number) => ({
  entries: users,
  token_bucket: { max_tokens: 1000, fill_interval: "20s" },
  max_keys,
});
const byPath = { entries: [{ path: { prefix: "/api/" } }], token_bucket: bucket };
const user = new Uint8Array(12);

/** Writes the name of user `i`. */
function nameUser(i: number): void {
  let rest = i;
  for (let at = 11; at >= 0; at--) {
    user[at] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

const HEADERS: Header[] = [
  [":method", "GET"],
  [":path", "/api/orders?page=2"],
  [":authority", "shop.example"],
  [":scheme", "https"],
  ["user-agent", "bench"],
  ["accept", "application/json"],
].map(([name, value]) => [encoder.encode(name), encoder.encode(value)]);
HEADERS.push([encoder.encode("x-user"), user]);

interface Scene {
  readonly name: string;
  readonly configuration: object;
  readonly users: number;
}

const scenes: Scene[] = [
  { name: "not enabled", configuration: { token_bucket: bucket, enabled: false }, users: 1 },
  {
    name: "bucket for everybody, batch_size 10",
    configuration: { token_bucket: bucket, batch_size: 10 },
    users: 1,
  },
  { name: "one descriptor", configuration: { descriptors: [byUser] }, users: 1000 },
  { name: "bucket for everybody", configuration: { token_bucket: bucket }, users: 1 },
  { name: "two descriptors", configuration: { descriptors: [byUser, byPath] }, users: 1000 },
  {
    name: "everybody, two descriptors, x-ratelimit headers",
    configuration: {
      token_bucket: bucket,
      descriptors: [byUser, byPath],
      enable_x_ratelimit_headers: "DRAFT_VERSION_03",
    },
    users: 1000,
  },
  {
    name: "refused by everybody's empty bucket",
    configuration: { token_bucket: { max_tokens: 1, fill_interval: "3600s" } },
    users: 1,
  },
  {
    name: "1 000 000 keys, max_keys 1 048 576",
    configuration: { descriptors: [byManyUsers(1_048_576)] },
    users: 1_000_000,
  },
  {
    name: "1 000 000 keys, max_keys 2 097 152",
    configuration: { descriptors: [byManyUsers(2_097_152)] },
    users: 1_000_000,
  },
  {
    name: "1 000 000 keys, max_keys 65 536 (crowded)",
    configuration: { descriptors: [byManyUsers(65_536)] },
    users: 1_000_000,
  },
];

const runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";
console.log(`${runtime}: µs of CPU per request | refused | store MB | guest KiB`);
const only = process.argv[2] ?? "";
for (const { name, configuration, users } of scenes) {
  if (!name.includes(only)) continue;
  const buffer = SharedStore.create({ threads: 1, seed: [1, 2], bytes: 128 << 20 });
  const store = SharedStore.attach(buffer, 0, () => {});
  const host = new BareHost(module, store, store.open(new Uint8Array()), JSON.stringify(configuration));
  host.headers = HEADERS;
  let next = 0;
  const run = (count: number) => {
    for (let i = 0; i < count; i++) {
      nameUser(next);
      next = next + 1 === users ? 0 : next + 1;
      host.now += 10_000n;
      host.request();
    }
  };
  run(Math.max(200_000, users));
  let best = Number.POSITIVE_INFINITY;
  const count = Math.max(100_000, users);
  const rounds = users > 100_000 ? 3 : 9;
  host.refused = 0;
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage().user;
    run(count);
    best = Math.min(best, (process.cpuUsage().user - start) / count);
  }
  const refused = ((100 * host.refused) / (count * rounds)).toFixed(2);
  const megabytes = (store.statistics().usedBytes / 1e6).toFixed(1);
  console.log(
    `${name.padEnd(50)} ${best.toFixed(2).padStart(6)} | ${refused}% | ${megabytes} | ${host.memorySize >> 10}`,
  );
}
