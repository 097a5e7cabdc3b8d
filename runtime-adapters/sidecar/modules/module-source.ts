/**
 * Where the bytes of a WASM module come from: the configuration itself, a file, or an HTTP server. What is downloaded
 * is what its sha256 says, or it is refused.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import type { CodeSource, RemoteCode } from "../../../filters/wasm/plugin-config.ts";
import { MAX_MODULE_BYTES } from "../../../filters/wasm/vm-limits.ts";
import { readWithin } from "../../read-within.ts";
import { withoutSecrets } from "./shown-address.ts";

/** Longest time for one attempt, and for one that is given none, ms. */
const TIMEOUT = 60_000;
/** Attempts after the first, at most. */
const MAX_RETRIES = 10;
/** Longest wait between two, ms. */
const MAX_WAIT = 10_000;

/** The bytes, or why there are none. */
export type Fetched = { readonly bytes: Uint8Array } | { readonly fault: string };

/** Reads or downloads a module; a download ends when `signal` says so. Never rejects. */
export async function fetchModule(source: CodeSource, signal?: AbortSignal): Promise<Fetched> {
  switch (source.kind) {
    case "inline":
      return { bytes: source.bytes };
    case "file":
      return readModule(source.path);
    case "remote":
      return downloadModule(source, signal ?? new AbortController().signal);
  }
}

/** Lower-case hexadecimal. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function readModule(path: string): Promise<Fetched> {
  try {
    const found = await stat(path);
    // A pipe or a device might give bytes for ever, or none.
    if (!found.isFile()) return { fault: `${path}: is not a file` };
    const { size } = found;
    if (size > MAX_MODULE_BYTES)
      return { fault: `${path}: has ${size} bytes, more than ${MAX_MODULE_BYTES}` };
    return { bytes: new Uint8Array(await readFile(path)) };
  } catch (error) {
    return { fault: `${path}: ${errorText(error)}` };
  }
}

async function downloadModule(code: RemoteCode, cancelled: AbortSignal): Promise<Fetched> {
  const { uri, timeout, sha256, retries, backoff } = code;
  const shown = withoutSecrets(uri);
  let fault = "";
  for (let attempt = 0; attempt <= Math.min(retries, MAX_RETRIES); attempt++) {
    if (attempt > 0) {
      const wait = Math.min(backoff.base * 2 ** (attempt - 1), backoff.max, MAX_WAIT);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    if (cancelled.aborted) break;
    try {
      const late = AbortSignal.timeout(timeout > 0 ? Math.min(timeout, TIMEOUT) : TIMEOUT);
      const signal = AbortSignal.any([late, cancelled]);
      const { url, headers } = requestFor(uri);
      const answer = await fetch(url, { signal, headers, redirect: "manual" });
      if (!answer.ok) {
        fault = `${shown}: answered ${answer.status}${answer.status < 400 ? ", and is not followed elsewhere" : ""}`;
        await answer.body?.cancel();
        continue;
      }
      const bytes = await readWithin(answer.body, MAX_MODULE_BYTES);
      if (bytes === null) return { fault: `${shown}: has more than ${MAX_MODULE_BYTES} bytes` };
      const actual = sha256Of(bytes);
      if (actual !== sha256) return { fault: `${shown}: has sha256 ${actual}, and should have ${sha256}` };
      return { bytes };
    } catch (error) {
      fault = `${shown}: ${errorText(error).replace(/https?:\/\/\S+/g, withoutSecrets)}`;
    }
  }
  return { fault };
}

/** Where to ask, and as whom: not every `fetch` takes an address with credentials. Throws if it is none. */
function requestFor(uri: string): { readonly url: string; readonly headers: Record<string, string> } {
  const url = new URL(uri);
  const { username, password } = url;
  if (username === "" && password === "") return { url: url.href, headers: {} };
  url.username = "";
  url.password = "";
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authorization = `Basic ${Buffer.from(credentials).toString("base64")}`;
  return { url: url.href, headers: { authorization } };
}

function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return `${error.message}${cause}`;
}
