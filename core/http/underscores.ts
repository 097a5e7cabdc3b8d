/**
 * What is done about "_" in the names of request headers: a backend that takes it for "-" sees other fields than the
 * proxy did (row L15 of the HTTP catalogue).
 */

/** Names that must not come back to life when a backend folds "_" to "-". */
// biome-ignore format: one list
const FOLDED: ReadonlySet<string> = new Set([
  "content-length", "transfer-encoding", "host", "connection", "upgrade", "expect", "authorization", "cookie",
  "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-client-cert",
  "x-request-id", "forwarded", "x-real-ip", "x-envoy-external-address", "x-envoy-internal",
]);

export type UnderscoreAction = "ALLOW" | "REJECT_REQUEST" | "DROP_HEADER";

/** Counts what the underscore action did. */
export interface UnderscoreCounter {
  droppedHeadersWithUnderscores: number;
  requestsRejectedWithUnderscoresInHeaders: number;
}

/** What becomes of a field. */
export const KeptField = 0;
export const DroppedField = 1;
export const RefusedField = 2;

/** Judges a field whose lower-case name has an underscore, and counts it. */
export function judgeUnderscores(
  name: string,
  action: UnderscoreAction,
  counter: UnderscoreCounter | null,
): typeof KeptField | typeof DroppedField | typeof RefusedField {
  if (action === "DROP_HEADER") {
    if (counter !== null) counter.droppedHeadersWithUnderscores++;
    return DroppedField;
  }
  if (action !== "REJECT_REQUEST" && !FOLDED.has(name.replaceAll("_", "-"))) return KeptField;
  if (counter !== null) counter.requestsRejectedWithUnderscoresInHeaders++;
  return RefusedField;
}
