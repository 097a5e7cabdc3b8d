/** The part of Deno's API that the adapter uses: the repository type-checks without Deno's own types. */

export interface NativeAddress {
  /** For TCP. */
  readonly hostname?: string;
  readonly port?: number;
  /** For a Unix socket; null for an unnamed one. */
  readonly path?: string | null;
}

export interface NativeConnection {
  readonly localAddr: NativeAddress;
  readonly remoteAddr: NativeAddress;
  /** Bytes read, or null after FIN. */
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  /** TCP only. */
  setNoDelay?(on: boolean): void;
  setKeepAlive?(on: boolean): void;
}

export interface NativeListener {
  readonly addr: NativeAddress;
  accept(): Promise<NativeConnection>;
  close(): void;
}

interface DenoNamespace {
  readonly version: { readonly deno: string };
  readonly build: { readonly os: string };
  /** Exists only with `--unstable-net`. */
  readonly listenDatagram?: unknown;
  connect(options: object): Promise<NativeConnection>;
  listen(options: object): NativeListener;
  /** Throws without `--allow-ffi`. */
  dlopen(library: string, symbols: object): { readonly symbols: { readonly [name: string]: unknown } };
}

export const deno: DenoNamespace = (globalThis as unknown as { Deno: DenoNamespace }).Deno;

/** Errno names of errors that Deno gives without a code. */
const CODES: { readonly [name: string]: string } = {
  AddrInUse: "EADDRINUSE",
  AddrNotAvailable: "EADDRNOTAVAIL",
  BrokenPipe: "EPIPE",
  ConnectionAborted: "ECONNABORTED",
  ConnectionRefused: "ECONNREFUSED",
  ConnectionReset: "ECONNRESET",
  NotCapable: "EACCES",
  NotConnected: "ENOTCONN",
  NotFound: "ENOENT",
  PermissionDenied: "EACCES",
  TimedOut: "ETIMEDOUT",
};

/** The errno name of an error of Deno's. */
export function errorCode(error: unknown): string {
  const { code, name } = error as { code?: string; name?: string };
  return code ?? CODES[name ?? ""] ?? "EIO";
}
