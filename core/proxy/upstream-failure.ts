/** How a failed try is told to the client and to the operator: status, body, details and flag in Envoy's words. */
import { isConnectFailure, type ResetReason } from "../cluster/reset-reason.ts";
import type { Fault, ResponseFlag } from "../errors.ts";

export interface UpstreamFailure {
  readonly status: number;
  readonly body: string;
  readonly details: string;
  readonly flag: ResponseFlag;
  readonly headers: readonly (readonly [string, string])[];
}

const NO_HEADERS: UpstreamFailure["headers"] = [];
const OVERLOADED: UpstreamFailure["headers"] = [["x-envoy-overloaded", "true"]];

/** `detail` is an errno or a codec code, "" if there is none; `retried` that there were tries before. */
export function describeFailure(
  reason: ResetReason,
  detail: string,
  fault: Fault | null,
  retried: boolean,
): UpstreamFailure {
  const again = retried ? "retried and the latest " : "";
  const transport = detail === "" || !isConnectFailure(reason) ? "" : `, transport failure reason: ${detail}`;
  const body = `upstream connect error or disconnect/reset before headers. ${again}reset reason: ${reason}${transport}`;
  const more = detail === "" ? "" : `|${underscored(detail)}`;
  const details = `upstream_reset_before_response_started{${underscored(reason)}${more}}`;
  if (fault !== null || reason === "protocol error") {
    return { status: 502, body, details, flag: "UPE", headers: NO_HEADERS };
  }
  if (reason === "overflow") return { status: 503, body, details, flag: "UO", headers: OVERLOADED };
  return { status: 503, body, details, flag: isConnectFailure(reason) ? "UF" : "UC", headers: NO_HEADERS };
}

/** Details hold no spaces. */
export function underscored(text: string): string {
  return text.replaceAll(" ", "_");
}
