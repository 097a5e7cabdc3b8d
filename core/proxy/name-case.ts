/** Envoy's `header_key_format` as the head writer knows it. */
import type { Http1ProtocolOptions } from "../config/model.ts";
import { LowerCase, type NameCase, PreserveCase, ProperCase } from "../http1/head-writer.ts";

export function nameCaseOf(format: Http1ProtocolOptions["headerKeyFormat"]): NameCase {
  return format === "PROPER_CASE" ? ProperCase : format === "PRESERVE_CASE" ? PreserveCase : LowerCase;
}
