/** Which requests are gRPC: they are routed by it, and answered in gRPC's own terms. */
import type { Fields } from "./fields.ts";
import { known } from "./names.ts";

const CONTENT_TYPE = known("content-type");

/** True for the content type "application/grpc" or "application/grpc+proto" (gRPC over HTTP/2); not grpc-web. */
export function isGrpc(fields: Fields): boolean {
  const type = fields.getId(CONTENT_TYPE);
  if (type === null || !type.startsWith("application/grpc")) return false;
  return type.length === 16 || type.charCodeAt(16) === 0x2b;
}
