/**
 * llhttp, the parser of Node, in strict mode: the WebAssembly build inside undici, called in this process. It is
 * somebody else's reading of the same bytes.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface OracleMessage {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
  readonly complete: boolean;
}

export interface OracleResult {
  readonly messages: readonly OracleMessage[];
  /** "" or llhttp's reason. */
  readonly error: string;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  malloc(size: number): number;
  free(at: number): void;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_execute(parser: number, at: number, length: number): number;
  llhttp_finish(parser: number): number;
  llhttp_get_error_reason(parser: number): number;
  llhttp_get_method(parser: number): number;
  _initialize?(): void;
}

interface Draft {
  method: string;
  target: string;
  fields: [string, string][];
  body: string;
  complete: boolean;
}

const require = createRequire(import.meta.url);
// By path: under Bun "undici" names a module of Bun's own.
const folder = fileURLToPath(new URL("../../../node_modules/undici/lib/llhttp", import.meta.url));
const { METHODS } = require(join(folder, "constants.js")) as { METHODS: { [name: string]: number } };
const METHOD_NAMES = new Map(Object.entries(METHODS).map(([name, id]) => [id, name]));

const REQUEST = 1;

let messages: Draft[] = [];
let afterValue = true;

function text(at: number, length: number): string {
  return Buffer.from(exports.memory.buffer, at, length).toString("latin1");
}

const current = () => messages[messages.length - 1];

function load(): Exports {
  const source = readFileSync(join(folder, "llhttp-wasm.js"), "latin1");
  const base64 = /'([A-Za-z0-9+/=]{1000,})'/.exec(source)?.[1] ?? "";
  const module = new WebAssembly.Module(Buffer.from(base64, "base64"));
  const instance = new WebAssembly.Instance(module, {
    env: {
      wasm_on_message_begin: () => {
        messages.push({ method: "", target: "", fields: [], body: "", complete: false });
        afterValue = true;
        return 0;
      },
      wasm_on_url: (_: number, at: number, length: number) => {
        current().target += text(at, length);
        return 0;
      },
      wasm_on_status: () => 0,
      wasm_on_header_field: (_: number, at: number, length: number) => {
        const { fields } = current();
        if (afterValue) fields.push(["", ""]);
        afterValue = false;
        fields[fields.length - 1][0] += text(at, length);
        return 0;
      },
      wasm_on_header_value: (_: number, at: number, length: number) => {
        const { fields } = current();
        afterValue = true;
        fields[fields.length - 1][1] += text(at, length);
        return 0;
      },
      wasm_on_headers_complete: (parser: number) => {
        current().method = METHOD_NAMES.get(exports.llhttp_get_method(parser)) ?? "";
        return 0;
      },
      wasm_on_body: (_: number, at: number, length: number) => {
        current().body += text(at, length);
        return 0;
      },
      wasm_on_message_complete: () => {
        current().complete = true;
        return 0;
      },
    },
  });
  const loaded = instance.exports as unknown as Exports;
  loaded._initialize?.();
  return loaded;
}

const exports: Exports = load();

/** Reads a stream of requests that ends with FIN. */
export function llhttpRequests(bytes: string): OracleResult {
  messages = [];
  const parser = exports.llhttp_alloc(REQUEST);
  const at = exports.malloc(Math.max(1, bytes.length));
  new Uint8Array(exports.memory.buffer).set(Buffer.from(bytes, "latin1"), at);
  let code = exports.llhttp_execute(parser, at, bytes.length);
  if (code === 0) code = exports.llhttp_finish(parser);
  let error = "";
  if (code !== 0) {
    const reason = exports.llhttp_get_error_reason(parser);
    const memory = new Uint8Array(exports.memory.buffer);
    error =
      reason === 0 ? `error ${code}` : text(reason, memory.indexOf(0, reason) - reason) || `error ${code}`;
  }
  exports.free(at);
  exports.llhttp_free(parser);
  return { messages, error };
}
