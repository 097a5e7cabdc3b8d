/**
 * A plain proxy-wasm host for tests of filters (`tulle filter test`, and our own): one VM, one plugin, fake streams, and a record of every host call.
 * It knows nothing of the proxy; it does what the ABI says, in the simplest way, and is strict with the filter.
 *
 * A test reads like a story: start the filter with a configuration, let requests come, look at the stream and at
 * `calls` (what the filter asked of the host during the last callback, as text: `get request "x-team"`).
 */
import { readFileSync } from "node:fs";
import { BUDGET_EXPORT, REFUEL_EXPORT } from "../../../filters/wasm/module/fuel-sections.ts";
import { FakeStream, type HeaderList } from "./fake-stream.ts";
import type { Guest } from "./guest-bytes.ts";
import { hostFunctions, wasiFunctions } from "./host-functions.ts";

export interface HostOptions {
  /** The plugin's configuration: text as it is, anything else as JSON. */
  readonly configuration?: unknown;
  readonly rootId?: string;
  /** Path segments joined by "." → value in its binary form. */
  readonly properties?: { readonly [path: string]: string };
  /** A host of the same process: another worker, with which shared data is shared. */
  readonly beside?: ScriptedHost;
  /** See `ScriptedHost.answers`. */
  readonly answers?: { readonly [name: string]: number };
}

/** A call that the filter sent and that the test is to answer. */
export interface PendingCall {
  readonly token: number;
  readonly cluster: string;
  readonly headers: HeaderList;
  readonly body: string;
  readonly timeout: number;
}

export interface Metric {
  readonly type: number;
  readonly name: string;
  value: bigint;
}

/** What `vmLimits` gives, without a configuration. */
const FUEL_PER_CALL = 100_000_000;
const UNIMPLEMENTED = 12;
const LEVELS = ["trace", "debug", "info", "warn", "error", "critical"];

export class ScriptedHost {
  /** Host calls of the last callback. */
  calls: string[] = [];
  /** All log lines so far: "error: rules[0]: …". */
  readonly logs: string[] = [];
  readonly metrics: Metric[] = [];
  readonly shared: Map<string, { value: string; cas: number }>;
  readonly queues: { readonly name: string; readonly entries: string[] }[] = [];
  readonly pendingCalls: PendingCall[] = [];
  /** ms, 0 if the filter wants no ticks. */
  tickPeriod = 0;
  /** What the host's clock says, ns. */
  time = 1_700_000_000_000_000_000n;
  readonly properties = new Map<string, string>();
  /** Host functions that are to answer a status of the test's choice, without doing anything. */
  answers: { readonly [name: string]: number } = {};
  /** What other workers do after each reading of shared data. */
  afterRead: (() => void) | null = null;
  readonly foreign = new Map<string, (argument: string) => string | null>();
  /** Of the newest root context. */
  private configuration = "";
  /** The response to a call, while the filter handles it: its headers, trailers and body. */
  answer: { headers: HeaderList; trailers: HeaderList; body: string } | null = null;
  private configuring = false;
  readonly guest: Guest;
  private readonly instance: WebAssembly.Instance;
  private readonly streams = new Map<number, FakeStream>();
  private lastId = 0;
  private root = 0;
  private effective = 0;
  private lastToken = 0;

  private constructor(module: WebAssembly.Module, options: HostOptions) {
    this.properties.set("plugin_root_id", options.rootId ?? "");
    for (const [path, value] of Object.entries(options.properties ?? {})) this.properties.set(path, value);
    this.answers = options.answers ?? {};
    this.shared = options.beside?.shared ?? new Map();
    const imports = { env: hostFunctions(this), wasi_snapshot_preview1: wasiFunctions(this) };
    this.instance = new WebAssembly.Instance(module, this.withMissing(module, imports));
    const { memory, proxy_on_memory_allocate: allocate } = this.instance.exports;
    this.guest = {
      memory: memory as WebAssembly.Memory,
      allocate: allocate as (size: number) => number,
    };
  }

  /** Starts a module (or the one at a path) and configures it; throws if it refuses (see `refusal`). */
  static start(from: string | WebAssembly.Module, options: HostOptions = {}): ScriptedHost {
    const host = ScriptedHost.load(from, options);
    if (!host.configure(options.configuration))
      throw new Error(`the filter refused its configuration:\n${host.logs.join("\n")}`);
    return host;
  }

  /** The log lines with which the filter refuses a configuration; fails if it takes it. */
  static refusal(from: string | WebAssembly.Module, options: HostOptions): string[] {
    const host = ScriptedHost.load(from, options);
    if (host.configure(options.configuration)) throw new Error("the filter took the configuration");
    return host.logs;
  }

  private static load(from: string | WebAssembly.Module, options: HostOptions): ScriptedHost {
    const module = typeof from === "string" ? new WebAssembly.Module(readFileSync(from)) : from;
    const host = new ScriptedHost(module, options);
    host.callGuest("_initialize");
    return host;
  }

  /** Functions that no story knows (gRPC, WASI) are noted when they are called, and answer "unimplemented". */
  private withMissing(module: WebAssembly.Module, imports: WebAssembly.Imports): WebAssembly.Imports {
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      imports[from] ??= {};
      if (kind !== "function" || Object.hasOwn(imports[from], name)) continue;
      imports[from][name] = () => {
        this.calls.push(`${name}, which is not scripted`);
        return UNIMPLEMENTED;
      };
    }
    return imports;
  }

  /** Makes a root context of its own for a configuration. */
  private configure(configuration: unknown = ""): boolean {
    this.root = ++this.lastId;
    this.configuration = byteString(
      typeof configuration === "string" ? configuration : JSON.stringify(configuration),
    );
    this.callGuest("proxy_on_context_create", this.root, 0);
    if (this.callGuest("proxy_on_vm_start", this.root, 0) === 0) return false;
    this.configuring = true;
    const accepted = this.callGuest("proxy_on_configure", this.root, this.configuration.length) !== 0;
    this.configuring = false;
    return accepted;
  }

  /** Another configuration in the same VM: for streams from now on, while old ones keep the old root context. */
  reconfigure(configuration: unknown): ScriptedHost {
    if (!this.configure(configuration)) throw new Error(`refused:\n${this.logs.join("\n")}`);
    return this;
  }

  /** A new stream, or connection. */
  open(): FakeStream {
    const stream = new FakeStream(this, ++this.lastId);
    this.streams.set(stream.id, stream);
    this.callGuest("proxy_on_context_create", stream.id, this.root);
    return stream;
  }

  /** Called by a stream that has ended. */
  forget(stream: FakeStream): void {
    this.streams.delete(stream.id);
  }

  /** `ms` later, the filter's tick. */
  tick(ms = this.tickPeriod): void {
    this.time += BigInt(ms) * 1_000_000n;
    this.callGuest("proxy_on_tick", this.root);
  }

  /** The answer to a call of the filter's; without headers, the news that there is none. */
  answerCall(call: PendingCall, headers: HeaderList, body = "", trailers: HeaderList = []): void {
    this.pendingCalls.splice(this.pendingCalls.indexOf(call), 1);
    this.answer = { headers, body, trailers };
    const sizes = [headers.length, body.length, trailers.length];
    this.callGuest("proxy_on_http_call_response", this.root, call.token, ...sizes);
    this.answer = null;
  }

  /** Something was put into a queue that the filter registered. */
  queueReady(queue: number): void {
    this.callGuest("proxy_on_queue_ready", this.root, queue);
  }

  /** The plugin ends: done and delete of its root context. */
  shutdown(): void {
    this.callGuest("proxy_on_done", this.root);
    this.callGuest("proxy_on_delete", this.root);
  }

  /** Calls an export; undefined if there is none. A module with fuel (filters/wasm) gets enough for one call. */
  callGuest(name: string, ...values: number[]): number | undefined {
    const callback = this.instance.exports[name] as ((...values: number[]) => number) | undefined;
    const refuel = this.instance.exports[REFUEL_EXPORT] as ((fuel: number) => number) | undefined;
    const setBudget = this.instance.exports[BUDGET_EXPORT] as ((fuel: number) => number) | undefined;
    this.calls = [];
    this.effective = values[0] ?? 0;
    setBudget?.(FUEL_PER_CALL);
    try {
      return callback?.(...values);
    } catch (error) {
      if (refuel !== undefined && refuel(0) < 0) {
        throw new Error(`${name} used up its fuel: the filter loops, or does too much in one call`);
      }
      throw error;
    }
  }

  /** The bytes of the plugin's configuration; null when it is not being configured, as in Envoy. */
  get pluginConfiguration(): string | null {
    return this.configuring ? this.configuration : null;
  }

  /** The stream that host calls are about now; null in a root context's callback. */
  get stream(): FakeStream | null {
    return this.streams.get(this.effective) ?? null;
  }

  /** For the host functions: `proxy_set_effective_context`. */
  setEffective(id: number): boolean {
    if (id !== this.root && !this.streams.has(id)) return false;
    this.effective = id;
    return true;
  }

  /** For the host functions: notes a log line. */
  log(level: number, text: string): void {
    this.logs.push(`${LEVELS[level]}: ${text}`);
  }

  /** For the host functions: sends a call. */
  dispatch(call: Omit<PendingCall, "token">): number {
    this.pendingCalls.push({ token: ++this.lastToken, ...call });
    return this.lastToken;
  }

  /** How much memory the filter has, in bytes. */
  get memorySize(): number {
    return this.guest.memory.buffer.byteLength;
  }
}

/** The UTF-8 bytes of a text, one character per byte. */
export function byteString(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}
