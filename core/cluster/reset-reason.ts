/**
 * Why a try ended without a complete answer, in Envoy's words: they end the body of the local reply
 * (`reset reason: …`) and decide which retry conditions apply.
 */
export type ResetReason =
  | "local connection failure"
  | "remote connection failure"
  | "connection timeout"
  | "connection termination"
  | "local reset"
  | "remote reset"
  | "remote refused stream reset"
  | "overflow"
  /** There may be no pool for this endpoint: to Envoy as good as no endpoint. */
  | "pool overflow"
  | "protocol error";

/** True if there never was a connection, so not a byte was sent. */
export function isConnectFailure(reason: ResetReason): boolean {
  return (
    reason === "local connection failure" ||
    reason === "remote connection failure" ||
    reason === "connection timeout"
  );
}
