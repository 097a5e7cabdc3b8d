/**
 * Guests for tests, written in the text format of WebAssembly and assembled by binaryen (it comes with the
 * AssemblyScript compiler; TULLE_BINARYEN names another place). A prelude imports every host function without its
 * `proxy_` prefix, has memory, an allocator and words that tell the test what happened, so that a guest is only what
 * it is about:
 *
 *   guest`(on request_headers
 *     (call $tell ${"get"} (call $get_header_map_value #0 ${":path"} #out))   ;; logs "get=0"
 *     (call $tell_out ${"path"})                                             ;; logs "path=/"
 *     #0)`
 *
 * `(on x …)` is the callback proxy_on_x with its parameters ($id, then $a, $b, $c as the ABI has them) and a local
 * $i; `${"text"}` is pointer and size; `#5` is a constant; `#out` names the places for a value that is given.
 */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { AbiVersion } from "../../filters/wasm/abi.ts";
import type { CompiledModule } from "../../filters/wasm/compiled-module.ts";
import { providedImports } from "../../filters/wasm/host/host-functions.ts";
import { prepareModule } from "../../filters/wasm/module/prepare-module.ts";

interface Assembled {
  validate(): number;
  emitBinary(): Uint8Array;
  dispose(): void;
}
interface Assembler {
  readonly Features: { readonly All: number };
  parseText(text: string): Assembled & { setFeatures(features: number): void };
}

async function loadAssembler(): Promise<Assembler | null> {
  const place = process.env.TULLE_BINARYEN;
  const name = place === undefined ? "binaryen" : resolve(place, "index.js");
  try {
    return ((await import(name)) as { default: Assembler }).default;
  } catch {
    console.log(`skipped: stories of WASM guests need binaryen, which is not at "${name}"`);
    return null;
  }
}

const assembler = await loadAssembler();

/** False where guests cannot be made; a story that needs one is skipped. */
export const HAS_ASSEMBLER: boolean = assembler !== null;

/** Where `#out` has the host put a pointer and a size. */
export const OUT = 16;

/** Host functions: parameters (l = i64) and result. */
const IMPORTS: { readonly [name: string]: string } = {
  log: "iii",
  get_log_level: "i",
  get_current_time_nanoseconds: "i",
  set_tick_period_milliseconds: "i",
  get_property: "iiii",
  set_property: "iiii",
  get_header_map_value: "iiiii",
  add_header_map_value: "iiiii",
  replace_header_map_value: "iiiii",
  remove_header_map_value: "iii",
  get_header_map_pairs: "iii",
  set_header_map_pairs: "iii",
  get_header_map_size: "ii",
  get_buffer_bytes: "iiiii",
  get_buffer_status: "iii",
  set_buffer_bytes: "iiiii",
  continue_stream: "i",
  close_stream: "i",
  send_local_response: "iiiiiiii",
  http_call: "iiiiiiiiii",
  grpc_call: "iiiiiiiiiiii",
  grpc_stream: "iiiiiiiii",
  grpc_send: "iiii",
  grpc_cancel: "i",
  grpc_close: "i",
  get_status: "iii",
  get_shared_data: "iiiii",
  set_shared_data: "iiiii",
  register_shared_queue: "iii",
  resolve_shared_queue: "iiiii",
  enqueue_shared_queue: "iii",
  dequeue_shared_queue: "iii",
  define_metric: "iiii",
  increment_metric: "il",
  record_metric: "il",
  get_metric: "ii",
  set_effective_context: "i",
  done: "",
  call_foreign_function: "iiiiii",
  get_configuration: "ii",
  continue_request: "",
  continue_response: "",
  clear_route_cache: "",
};

/** Those that Envoy lacks but for ABI 0.1.0. */
const OLD = ["get_configuration", "continue_request", "continue_response", "clear_route_cache"];

/** Callbacks: how many parameters follow the context's number, and if there is a result. */
const CALLBACKS: { readonly [name: string]: readonly [number, boolean] } = {
  context_create: [1, false],
  vm_start: [1, true],
  configure: [1, true],
  tick: [0, false],
  queue_ready: [1, false],
  foreign_function: [2, false],
  request_headers: [2, true],
  request_body: [2, true],
  request_trailers: [1, true],
  response_headers: [2, true],
  response_body: [2, true],
  response_trailers: [1, true],
  new_connection: [0, true],
  downstream_data: [2, true],
  upstream_data: [2, true],
  downstream_connection_close: [1, false],
  upstream_connection_close: [1, false],
  http_call_response: [4, false],
  grpc_receive_initial_metadata: [2, false],
  grpc_receive: [2, false],
  grpc_receive_trailing_metadata: [2, false],
  grpc_close: [2, false],
  done: [0, true],
  log: [0, false],
  delete: [0, false],
};

const DATA_AT = 1024;
const HEAP_AT = 65536;

const ALLOCATOR = `
  (func $allocate (export "proxy_on_memory_allocate") (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (local.get $at) (i32.and (i32.add (local.get $size) #7) #-8)))
    (block $done (loop $more
      (br_if $done (i32.le_u (global.get $heap) (i32.mul (memory.size) #65536)))
      (if (i32.eq (memory.grow #1) #-1) (then (return #0)))
      (br $more)))
    (local.get $at))`;

const WORDS = `
  (global $heap (mut i32) #${HEAP_AT})
  (global $line (mut i32) #0)
  (func $line_text (param $from i32) (param $size i32)
    (memory.copy (i32.add #256 (global.get $line)) (local.get $from) (local.get $size))
    (global.set $line (i32.add (global.get $line) (local.get $size))))
  (func $line_char (param $char i32)
    (i32.store8 (i32.add #256 (global.get $line)) (local.get $char))
    (global.set $line (i32.add (global.get $line) #1)))
  (func $line_number (param $n i32)
    (if (i32.gt_u (local.get $n) #9) (then (call $line_number (i32.div_u (local.get $n) #10))))
    (call $line_char (i32.add #48 (i32.rem_u (local.get $n) #10))))
  (func $line_end
    (drop (call $log #2 #256 (global.get $line)))
    (global.set $line #0))
  (func $say (param $label i32) (param $size i32)
    (drop (call $log #2 (local.get $label) (local.get $size))))
  (func $tell (param $label i32) (param $size i32) (param $n i32)
    (call $line_text (local.get $label) (local.get $size))
    (call $line_char #61)
    (call $line_number (local.get $n))
    (call $line_end))
  (func $tell_out (param $label i32) (param $size i32)
    (call $line_text (local.get $label) (local.get $size))
    (call $line_char #61)
    (call $line_text (i32.load #${OUT}) (i32.load #${OUT + 4}))
    (call $line_end))
  (func $tell_out64 (param $label i32) (param $size i32)
    (call $tell (local.get $label) (local.get $size) (i32.wrap_i64 (i64.load (i32.load #${OUT})))))
  (func $trap (unreachable))
  (func $deep (param $n i32) (result i32) (i32.add (call $deep (i32.add (local.get $n) #1)) #1))
  (func $spin (loop $again (br $again)))`;

/** A part of a guest that is text of the format itself, not a string of the guest. */
export interface Wat {
  readonly wat: string;
}

export interface GuestOptions {
  readonly abi?: AbiVersion;
  /** Exports an allocator; without it the guest brings its own. */
  readonly allocator?: boolean;
  /** The WASI functions to import as $name, with their parameters: `{ fd_write: "iiii" }`. */
  readonly wasi?: { readonly [name: string]: string };
  /** More at the place of imports. */
  readonly imports?: string;
  /** Largest memory in pages. */
  readonly maxPages?: number;
  /** Imports nothing that Envoy has for 0.1.0 alone, so that it loads there. */
  readonly forEnvoy?: boolean;
}

/** The guest that these lines make (see above). */
export function guest(texts: TemplateStringsArray, ...parts: (string | Wat)[]): CompiledModule {
  return guestWith({})(texts, ...parts);
}

const made = new Map<string, CompiledModule>();

/** `guest` with other surroundings. */
export function guestWith(
  options: GuestOptions,
): (texts: TemplateStringsArray, ...parts: (string | Wat)[]) => CompiledModule {
  return (texts, ...parts) => {
    const strings = new Map<string, number>();
    let dataEnd = DATA_AT;
    let body = texts[0];
    parts.forEach((part, i) => {
      if (typeof part === "string") {
        let at = strings.get(part);
        if (at === undefined) {
          at = dataEnd;
          strings.set(part, at);
          dataEnd += part.length;
        }
        body += `#${at} #${part.length}`;
      } else body += part.wat;
      body += texts[i + 1];
    });
    return assemble(body, strings, options);
  };
}

function assemble(body: string, strings: ReadonlyMap<string, number>, options: GuestOptions): CompiledModule {
  const data = Array.from(strings, ([text, at]) => `(data (i32.const ${at}) "${escaped(text)}")`).join("\n");
  const imports = Object.entries(IMPORTS)
    .filter(([name]) => options.forEnvoy !== true || !OLD.includes(name))
    .map(([name, types]) => imported("env", `proxy_${name}`, name, types));
  const wasi = Object.entries(options.wasi ?? {}).map(([name, types]) =>
    imported("wasi_snapshot_preview1", name, name, types),
  );
  const text = `(module
    ${imports.join("\n")} ${wasi.join("\n")} ${options.imports ?? ""}
    (memory (export "memory") 4 ${options.maxPages ?? 256})
    (func (export "proxy_abi_version_${(options.abi ?? "0.2.1").replaceAll(".", "_")}"))
    ${data} ${WORDS} ${options.allocator === false ? "" : ALLOCATOR}
    ${callbacks(body, options.abi ?? "0.2.1")})`;
  const whole = text.replaceAll("#out", `#${OUT} #${OUT + 4}`).replace(/#(-?\w+)/g, "(i32.const $1)");
  const known = made.get(whole);
  if (known !== undefined) return known;
  const parsed = (assembler as Assembler).parseText(whole);
  parsed.setFeatures((assembler as Assembler).Features.All);
  if (parsed.validate() === 0) throw new Error(`not a valid guest:\n${whole}`);
  const bytes = parsed.emitBinary();
  parsed.dispose();
  const compiled: CompiledModule = {
    module: new WebAssembly.Module(Uint8Array.from(bytes)),
    abi: options.abi ?? "0.2.1",
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
  made.set(whole, compiled);
  binaries.set(compiled, Uint8Array.from(bytes));
  return compiled;
}

const binaries = new WeakMap<CompiledModule, Uint8Array>();

/** A guest as it would be in a file. */
export function binaryOf(made: CompiledModule): Uint8Array {
  return binaries.get(made) as Uint8Array;
}

function imported(module: string, name: string, as: string, types: string): string {
  const params = [...types].map((type) => (type === "l" ? "i64" : "i32")).join(" ");
  return `(import "${module}" "${name}" (func $${as} (param ${params}) (result i32)))`;
}

/** Replaces `(on name` by the head of that callback. */
function callbacks(body: string, abi: AbiVersion): string {
  return body.replace(/\(on (\w+)/g, (_, name: string) => {
    const callback = CALLBACKS[name];
    if (callback === undefined) throw new Error(`no such callback: ${name}`);
    const older = abi === "0.1.0" && name.endsWith("_headers");
    const params = ["$a", "$b", "$c", "$d"].slice(0, older ? 1 : callback[0]);
    const list = ["$id", ...params].map((param) => `(param ${param} i32)`).join(" ");
    return `(func $on_${name} (export "proxy_on_${name}") ${list} ${callback[1] ? "(result i32)" : ""} (local $i i32)`;
  });
}

function escaped(text: string): string {
  return Array.from(text, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, "0")}`).join("");
}

/** Header pairs as the ABI passes them. */
export function pairs(...list: readonly (readonly [string, string])[]): string {
  const u32 = (n: number): string =>
    String.fromCharCode(n & 255, (n >>> 8) & 255, (n >>> 16) & 255, (n >>> 24) & 255);
  const lengths = list.map(([name, value]) => u32(name.length) + u32(value.length));
  return u32(list.length) + lengths.join("") + list.map(([name, value]) => `${name}\0${value}\0`).join("");
}

/** A line of a guest that calls a host function with these arguments and tells its status as `label`. */
export function tried(label: string, call: string, ...args: readonly (string | number)[]): Line {
  return { label, call, args };
}

/** See `tried`. */
export interface Line {
  readonly label: string;
  readonly call: string;
  readonly args: readonly (string | number)[];
}

/** A guest that does `lines` when that callback comes, and answers 0. */
export function onCallback(
  callback: string,
  lines: readonly Line[],
  more = "",
  options: GuestOptions = {},
): CompiledModule {
  const texts: string[] = [];
  const parts: string[] = [];
  let text = `${more} (on ${callback} `;
  for (const { label, call, args } of lines) {
    texts.push(`${text} (call $tell `);
    parts.push(label);
    text = ` (call ${call}`;
    for (const arg of args) {
      if (typeof arg === "number") text += ` #${arg}`;
      else {
        texts.push(`${text} `);
        parts.push(arg);
        text = "";
      }
    }
    text += "))";
  }
  const result = CALLBACKS[callback]?.[1] === true ? "#0" : "";
  texts.push(`${text} ${result})`);
  return guestWith(options)(texts as unknown as TemplateStringsArray, ...parts);
}

/** The same guest as the proxy would run it: judged, and stopped when it has used up its fuel. */
export function fuelled(guest: CompiledModule): CompiledModule {
  const prepared = prepareModule(binaries.get(guest) as Uint8Array, {
    providedImports: providedImports(),
    maxPages: 256,
    fuel: true,
  });
  if ("faults" in prepared) throw new Error(JSON.stringify(prepared.faults));
  return { ...guest, module: new WebAssembly.Module(prepared.bytes) };
}
