/**
 * Serving a `fetch`-style handler (the admin app) with what a runtime brings along: `Bun.serve`, `node:http`,
 * `Deno.serve`. Each runtime has one file for it, loaded only if the bootstrap has an `admin` block. This is
 * not on the data path.
 */
import type { Address } from "../core/io/socket.ts";
import { MAX_MODULE_BYTES } from "../filters/wasm/vm-limits.ts";

/** Bytes of a request's body, at most: a WASM module (`/wasm_modules`). */
export const MAX_REQUEST_BODY = MAX_MODULE_BYTES;

/** Answers one request; never rejects. */
export type FetchHandler = (request: Request) => Promise<Response>;

export interface FetchServer {
  /** With the real port where 0 was asked for. */
  readonly address: Address;
  /** Stops accepting and closes idle connections. */
  stop(): void;
}

/** Resolves when the server accepts connections; rejects with `ListenError`. */
export type ServeFetch = (address: Address, handler: FetchHandler) => Promise<FetchServer>;
