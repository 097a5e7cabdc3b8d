/**
 * Where the bytes of a WASM module come from: the configuration itself, a file, or an HTTP server. What is downloaded
 * is what its sha256 says, or it is refused.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import type { CodeSource } from "../../../filters/wasm/plugin-config.ts";

/** Larger modules are refused, bytes. */
export const MAX_MODULE_BYTES = 64 * 1024 * 1024;
/** How often a download is tried, and the first wait in between, ms; each wait doubles. */
const TRIES = 3;
const FIRST_WAIT = 500;

/** The bytes, or why there are none. */
export type Fetched = { readonly bytes: Uint8Array } | { readonly fault: string };

/** Reads or downloads a module. Never rejects. */
export async function fetchModule(source: CodeSource): Promise<Fetched> {
  switch (source.kind) {
    case "inline":
      return { bytes: source.bytes };
    case "file":
      return readModule(source.path);
    case "remote":
      return downloadModule(source.uri, source.timeout, source.sha256);
  }
}

/** Lower-case hexadecimal. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function readModule(path: string): Promise<Fetched> {
  try {
    const { size } = await stat(path);
    if (size > MAX_MODULE_BYTES)
      return { fault: `${path}: has ${size} bytes, more than ${MAX_MODULE_BYTES}` };
    return { bytes: new Uint8Array(await readFile(path)) };
  } catch (error) {
    return { fault: `${path}: ${errorText(error)}` };
  }
}

async function downloadModule(uri: string, timeout: number, sha256: string): Promise<Fetched> {
  let fault = "";
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, FIRST_WAIT * 2 ** (attempt - 1)));
    try {
      const answer = await fetch(uri, { signal: AbortSignal.timeout(timeout), redirect: "error" });
      if (!answer.ok) {
        fault = `${uri}: answered ${answer.status}`;
        await answer.body?.cancel();
        continue;
      }
      const bytes = await readBounded(answer.body, MAX_MODULE_BYTES);
      if (bytes === null) return { fault: `${uri}: has more than ${MAX_MODULE_BYTES} bytes` };
      const actual = sha256Of(bytes);
      if (actual !== sha256) return { fault: `${uri}: has sha256 ${actual}, and should have ${sha256}` };
      return { bytes };
    } catch (error) {
      fault = `${uri}: ${errorText(error)}`;
    }
  }
  return { fault };
}

/** All bytes of a body (none if it is null), or null if there are more than `max`. */
export async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  max: number,
): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  if (body === null) return new Uint8Array(0);
  for await (const piece of body as unknown as AsyncIterable<Uint8Array>) {
    size += piece.length;
    if (size > max) return null;
    pieces.push(piece);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return `${error.message}${cause}`;
}
