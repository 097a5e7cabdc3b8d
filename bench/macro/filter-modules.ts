/**
 * The WASM modules that the bench puts into chains: the filters that ship, a minimal one, and a large one of which each
 * version is a module of its own. Built from source when they are not up to date.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildFilter, compile } from "../../scripts/build-filters.ts";

const sources = join(import.meta.dirname, "../../filters-as");

/** The path of a filter that ships. */
export function shippedModule(name: "authz" | "ratelimit" | "headers"): string {
  return buildFilter(name);
}

/** The path of filters-as/test/minimal-filter.ts, compiled. */
export function minimalModule(): string {
  const wasm = join(sources, "build/test/minimal-filter.wasm");
  return compile(join(sources, "test/minimal-filter.ts"), wasm);
}

/** Bytes that the large module has at least. */
export const LARGE_BYTES = 200 * 1024;
const FUNCTIONS = 640;
const MARK = "version-";
const DIGITS = 6;

/** The header of answers in which the large filter says which version it is. */
export const VERSION_HEADER = "x-filter-version";

/**
 * A filter of more than 200 KiB: it adds one header to answers, and the rest is functions with loops and branches that
 * nothing calls but that have to be judged, fuelled and compiled like all others.
 */
export class LargeModule {
  readonly #bytes: Uint8Array;
  readonly #digitsAt: number;

  constructor() {
    const folder = join(sources, "build/large");
    mkdirSync(folder, { recursive: true });
    const entry = join(folder, "large-filter.ts");
    writeFileSync(entry, largeSource());
    let bytes: Buffer;
    try {
      bytes = readFileSync(compile(entry, join(folder, "large-filter.wasm")));
    } finally {
      rmSync(entry); // twelve thousand lines that nobody should find among the sources
    }
    // The compiler keeps texts as UTF-16.
    const at = bytes.indexOf(Buffer.from(MARK + "0".repeat(DIGITS), "utf16le"));
    if (at < 0) throw new Error("the large module does not hold its version");
    if (bytes.length < LARGE_BYTES) throw new Error(`the large module has only ${bytes.length} bytes`);
    this.#bytes = bytes;
    this.#digitsAt = at + 2 * MARK.length;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** What version `number` says in its header. */
  static nameOf(number: number): string {
    return MARK + String(number).padStart(DIGITS, "0");
  }

  /** The module with this number in it: no engine can take it for one that it has compiled already. */
  version(number: number): Uint8Array {
    const copy = new Uint8Array(this.#bytes);
    const digits = Buffer.from(LargeModule.nameOf(number).slice(MARK.length), "utf16le");
    copy.set(digits, this.#digitsAt);
    return copy;
  }
}

function largeSource(): string {
  const parts = [
    `import { Action, HttpContext, RootContext, register, responseHeaders, Slice } from "../../sdk/sdk";
export { proxy_on_response_headers } from "../../sdk/exports/http";
export * from "../../sdk/exports/plugin";
const NAME = Slice.of("${VERSION_HEADER}");
const VERSION = Slice.of("${MARK}${"0".repeat(DIGITS)}");
class LargePlugin extends RootContext {
  createHttpContext(): HttpContext { return new LargeStream(); }
}
class LargeStream extends HttpContext {
  onResponseHeaders(_count: u32, _endOfStream: bool): Action {
    responseHeaders.set(NAME, VERSION);
    return Action.Continue;
  }
  recycle(): bool { return true; }
}
register(() => new LargePlugin());`,
  ];
  // The constants differ, so that the compiler cannot make one function of all.
  for (let i = 0; i < FUNCTIONS; i++) {
    parts.push(`export function padding_${i}(at: usize, length: i32, seed: u32): u32 {
  let hash = seed ^ ${1000 + i * 7919};
  let words: u32 = 0;
  for (let n = 0; n < length; n++) {
    const byte = <u32>load<u8>(at + n);
    if (byte === ${33 + (i % 90)}) words++;
    else if (byte > ${100 + (i % 120)}) hash = rotl<u32>(hash, ${1 + (i % 30)}) + byte;
    else hash = (hash ^ byte) * ${16777619 + 2 * i};
    switch (hash & 7) {
      case 0: hash += ${i * 31}; break;
      case 1: hash ^= words * ${i + 3}; break;
      case 3: store<u32>(at + (n & ~3), hash ^ ${i * 65537}); break;
      case 5: if (n > ${16 + i} && words > ${i % 50}) return hash - ${i}; break;
      case 6: hash -= <u32>load<u16>(at + (n >> 1)) + ${i}; break;
    }
  }
  while (hash > ${1e6 + i}) { hash = (hash >>> 1) ^ (words + ${i}); words = words * ${i % 13} + 1; }
  return hash + words;
}`);
  }
  return `${parts.join("\n")}\n`;
}
