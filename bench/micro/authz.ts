/**
 * What the authz filter costs: `bun bench/micro/authz.ts [--soak N]`, also with node. Prints µs of CPU per request (one
 * stream's context, head and end, host calls included) for 10, 20, 100 and 1000 rules, and with --soak the memory of
 * the module before and after N requests. The module is filters-as/build/authz.wasm (`npm run filters`).
 *
 * The host here is as quick as a host can be without knowing the filter: it finds names by a hash of their bytes and
 * copies prepared values into the guest. What our proxy's host adds is for `npm run bench`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const MODULE = join(import.meta.dirname, "../../filters-as/build/authz.wasm");
const SIZES = [10, 20, 100, 1000];
const ROUNDS = 15;
const REQUESTS_PER_ROUND = 20_000;

/** What the host knows of one request: by the hash of a header's name or a property's path, the value's bytes. */
type Values = ReadonlyMap<number, Uint8Array>;

const encoder = new TextEncoder();

function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash;
}

function hashOfText(text: string): number {
  const bytes = encoder.encode(text);
  return hashOf(bytes, 0, bytes.length);
}

class BenchHost {
  denied = 0;
  private bytes = new Uint8Array(0);
  private words = new Int32Array(0);
  private readonly guest: { readonly [name: string]: (...values: number[]) => number };
  private readonly memory: WebAssembly.Memory;
  private values: Values = new Map();
  private nextId = 2;

  constructor(module: WebAssembly.Module, configuration: unknown) {
    const text = encoder.encode(JSON.stringify(configuration));
    const find = (at: number, size: number, valueAt: number, sizeAt: number) => {
      this.refresh();
      const value = this.values.get(hashOf(this.bytes, at, at + size));
      return value === undefined ? 1 : this.give(value, valueAt, sizeAt);
    };
    const env = {
      proxy_log: (_level: number, at: number, size: number) => {
        console.log(new TextDecoder().decode(new Uint8Array(this.memory.buffer, at, size)));
        return 0;
      },
      proxy_get_header_map_value: (_map: number, at: number, size: number, valueAt: number, sizeAt: number) =>
        find(at, size, valueAt, sizeAt),
      proxy_get_header_map_pairs: () => 1,
      proxy_get_property: find,
      proxy_set_property: () => 0,
      proxy_get_buffer_bytes: (_id: number, _from: number, _most: number, at: number, sizeAt: number) =>
        this.give(text, at, sizeAt),
      proxy_define_metric: () => 0,
      proxy_increment_metric: () => 0,
      proxy_send_local_response: () => {
        this.denied++;
        return 0;
      },
    };
    const instance = new WebAssembly.Instance(module, { env });
    this.guest = instance.exports as typeof this.guest;
    this.memory = instance.exports.memory as WebAssembly.Memory;
    this.guest._initialize();
    this.guest.proxy_on_context_create(1, 0);
    if (this.guest.proxy_on_configure(1, text.length) === 0) throw new Error("the configuration is refused");
  }

  /** The whole life of one stream. */
  request(values: Values): void {
    this.values = values;
    const id = this.nextId++;
    this.guest.proxy_on_context_create(id, 1);
    this.guest.proxy_on_request_headers(id, values.size, 1);
    this.guest.proxy_on_delete(id);
  }

  get memorySize(): number {
    return this.memory.buffer.byteLength;
  }

  private refresh(): void {
    if (this.bytes.length !== 0) return;
    this.bytes = new Uint8Array(this.memory.buffer);
    this.words = new Int32Array(this.memory.buffer);
  }

  private give(value: Uint8Array, valueAt: number, sizeAt: number): number {
    const at = this.guest.proxy_on_memory_allocate(value.length);
    this.refresh();
    if (value.length < 32) for (let i = 0; i < value.length; i++) this.bytes[at + i] = value[i];
    else this.bytes.set(value, at);
    this.words[valueAt >>> 2] = at;
    this.words[sizeAt >>> 2] = value.length;
    return 0;
  }
}

/** Rules as a mesh has them: callers by identity or namespace, a few paths, sometimes a header; one in ten denies. */
function policies(count: number): unknown {
  const allow: unknown[] = [];
  const deny: unknown[] = [];
  for (let i = 0; i < count; i++) {
    const path = `/api/v1/resource-${i}`;
    if (i % 10 === 9) {
      const from = [{ source: { notNamespaces: ["operations"] } }];
      deny.push({ from, to: [{ operation: { paths: [`${path}/admin/*`] } }] });
      continue;
    }
    const source =
      i % 5 === 0
        ? { namespaces: [`team-${i % 17}`] }
        : { principals: [`cluster.local/ns/team-${i % 17}/sa/service-${i}`] };
    const paths = i % 5 === 1 ? [`${path}/{*}/items/{**}`] : [path, `${path}/*`];
    const when = i % 5 === 3 ? [{ key: "request.headers[x-tenant]", values: ["blue", "green"] }] : undefined;
    allow.push({ from: [{ source }], to: [{ operation: { methods: ["GET", "POST"], paths } }], when });
  }
  return {
    policies: [
      { name: "deny", namespace: "shop", action: "DENY", rules: deny },
      { name: "allow", namespace: "shop", action: "ALLOW", rules: allow },
    ],
  };
}

/** Requests that go all over the rules; one of eight is denied. */
function requests(count: number): Values[] {
  return Array.from({ length: 64 }, (_, i) => {
    const rule = (i * 7) % count;
    const caller = i % 8 === 5 ? rule + 1 : rule;
    return new Map(
      Object.entries({
        ":method": "GET",
        ":path": `/api/v1/resource-${rule}/x/items/4711?page=2`,
        ":authority": "shop.example",
        "connection\0uri_san_peer_certificate": `spiffe://cluster.local/ns/team-${caller % 17}/sa/service-${caller}`,
        "request\0headers\0x-tenant": "blue",
      }).map(([name, value]): [number, Uint8Array] => [hashOfText(name), encoder.encode(value)]),
    );
  });
}

function main(): void {
  const { values } = parseArgs({ options: { soak: { type: "string" } } });
  const module = new WebAssembly.Module(readFileSync(MODULE));
  for (const size of SIZES) {
    const host = new BenchHost(module, policies(size));
    const asked = requests(size);
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      // CPU time: on a busy machine a clock on the wall measures the others.
      const start = process.cpuUsage();
      for (let i = 0; i < REQUESTS_PER_ROUND; i++) host.request(asked[i & 63]);
      const { user, system } = process.cpuUsage(start);
      times.push((user + system) / REQUESTS_PER_ROUND);
    }
    times.sort((a, b) => a - b);
    const share = (100 * host.denied) / (ROUNDS * REQUESTS_PER_ROUND);
    console.log(
      `${String(size).padStart(5)} rules: ${times[0].toFixed(2)} µs a request at best, ` +
        `${times[ROUNDS >> 1].toFixed(2)} in the middle; ${share.toFixed(0)} % denied; ${host.memorySize >> 10} KiB`,
    );
    if (values.soak === undefined || size !== 20) continue;
    const before = host.memorySize;
    for (let i = 0; i < Number(values.soak); i++) host.request(asked[i & 63]);
    console.log(
      `      after ${values.soak} more: ${host.memorySize >> 10} KiB (before: ${before >> 10} KiB)`,
    );
  }
}

main();
