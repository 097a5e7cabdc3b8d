/** Which requests are gRPC: they are routed by it, and answered in gRPC's own terms. */
import type { Fields } from "./fields.ts";
import { known } from "./names.ts";

const CONTENT_TYPE = known("content-type");

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
