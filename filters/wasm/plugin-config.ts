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
  readonly codeKey: string;
  readonly limits: { readonly fuel: number; readonly highWaterBytes: number };
}
