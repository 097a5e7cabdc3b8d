/** Where a module comes from. */
export type CodeSource =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | { readonly kind: "file"; readonly path: string }
  | {
      readonly kind: "remote";
      readonly uri: string;
      /** Cluster that serves it. */
      readonly cluster: string;
      /** ms. */
      readonly timeout: number;
      /** Lower-case hexadecimal. */
      readonly sha256: string;
    };

/** A configured plugin. */
export interface PluginConfig {
  readonly name: string;
  readonly rootId: string;
  readonly vmId: string;
  readonly configuration: Uint8Array;
  readonly vmConfiguration: Uint8Array;
  readonly environment: readonly (readonly [string, string])[];
  readonly allowedCapabilities: ReadonlySet<string> | null;
  readonly failurePolicy: "FAIL_CLOSED" | "FAIL_OPEN" | "FAIL_RELOAD";
  /** ms. */
  readonly reloadBackOff: number;
  readonly allowOnHeadersStopIteration: boolean;
  readonly code: CodeSource;
  readonly codeKey: string;
  readonly limits: {
    /** Units of fuel for one call, 0 = unlimited. */
    readonly fuel: number;
    readonly highWaterBytes: number;
    readonly maxMemoryPages: number;
  };
}
