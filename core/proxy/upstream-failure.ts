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

const NO_ENDPOINT: UpstreamFailure = {
  status: 503,
  body: "no healthy upstream",
  details: "no_healthy_upstream",
  flag: "UH",
  headers: NO_HEADERS,
};

/** `detail` is an errno or a codec code, "" if there is none; `retried` that there were tries before. */
export function describeFailure(
  reason: ResetReason,
  detail: string,
  fault: Fault | null,
  retried: boolean,
): UpstreamFailure {
  if (reason === "pool overflow") return NO_ENDPOINT;
  const again = retried ? "retried and the latest " : "";
  const body = `upstream connect error or disconnect/reset before headers. ${again}reset reason: ${reason}`;
  const more = detail === "" ? "" : `|${underscored(detail)}`;
  const details = `upstream_reset_before_response_started{${underscored(reason)}${more}}`;
  if (fault !== null || reason === "protocol error") {
    return { status: 502, body, details, flag: "UPE", headers: NO_HEADERS };
  }
  if (reason === "overflow") return { status: 503, body, details, flag: "UO", headers: OVERLOADED };
  return { status: 503, body, details, flag: flagOf(reason), headers: NO_HEADERS };
}

/** Envoy's flag for a try that ended so. */
export function flagOf(reason: ResetReason): ResponseFlag {
  switch (reason) {
    case "remote reset":
    case "remote refused stream reset":
      return "UR";
    case "local reset":
      return "LR";
    case "protocol error":
      return "UPE";
    default:
      return isConnectFailure(reason) ? "UF" : "UC";
  }
}

const ERRNO_TEXT: { readonly [errno: string]: string } = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  ETIMEDOUT: "Connection timed out",
  ENOENT: "No such file or directory",
  EACCES: "Permission denied",
  EADDRNOTAVAIL: "Cannot assign requested address",
};

/** Envoy's `%UPSTREAM_TRANSPORT_FAILURE_REASON%` for a connection that could not be made; "" for a timeout of ours. */
export function connectFailureText(errno: string): string {
  return errno === "" ? "" : `delayed connect error: ${ERRNO_TEXT[errno] ?? errno}`;
}

/** Details hold no spaces. */
export function underscored(text: string): string {
  return text.replaceAll(" ", "_");
}
