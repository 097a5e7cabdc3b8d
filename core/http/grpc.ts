/** What the proxy knows of gRPC: which requests speak it, its statuses, and how it writes times down. */
import type { Fields } from "./fields.ts";
import { known } from "./names.ts";

const CONTENT_TYPE = known("content-type");

/** The status of what took too long. */
export const DEADLINE_EXCEEDED = 4;

/** Envoy's gRPC status for an answer that says none. */
export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** True for the content type "application/grpc" or "application/grpc+proto" (gRPC over HTTP/2); not grpc-web. */
export function isGrpc(fields: Fields): boolean {
  const type = fields.getId(CONTENT_TYPE);
  if (type === null || !type.startsWith("application/grpc")) return false;
  return type.length === 16 || type.charCodeAt(16) === 0x2b;
}

const STATUS = /^(?:[0-9]|1[0-6])$/;

/** True for the statuses that there are, as they are written. */
export function isGrpcStatus(text: string): boolean {
  return STATUS.test(text);
}

/** Whether an answer with that `grpc-status` (null: none) counts as a success of its endpoint: Envoy's statuses below 500. */
export function isGrpcSuccess(status: string | null): boolean {
  switch (status) {
    case "0":
    case "1":
    case "3":
    case "5":
    case "6":
    case "7":
    case "8":
    case "9":
    case "10":
    case "11":
    case "16":
      return true;
    default:
      return false;
  }
}

/** ms of each unit. */
const UNITS: { readonly [unit: string]: number } = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** The time that a `grpc-timeout` says, ms, rounded up; -1 if it is none (1 to 8 digits and a unit). */
export function parseGrpcTimeout(text: string): number {
  if (!/^[0-9]{1,8}[HMSmun]$/.test(text)) return -1;
  return Math.ceil(Number(text.slice(0, -1)) * UNITS[text[text.length - 1]]);
}

/** Most that eight digits say. */
const MOST = 99_999_999;

/** `ms`, a whole number, as a `grpc-timeout`, rounded down to a unit in which it has at most eight digits. */
export function formatGrpcTimeout(ms: number): string {
  if (ms <= MOST) return `${ms}m`;
  let time = Math.floor(ms / 1000);
  if (time <= MOST) return `${time}S`;
  time = Math.floor(time / 60);
  return time <= MOST ? `${time}M` : `${Math.min(Math.floor(time / 60), MOST)}H`;
}
