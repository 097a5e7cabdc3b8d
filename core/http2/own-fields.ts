/** Fields that belong to one hop of HTTP/1 and are never sent in HTTP/2 (RFC 9113 8.2.2), by known id. */
import { known } from "../http/names.ts";

/** 1 for each of them, and for a hole. `host` is there as `:authority`, and `te` is written by who knows its value. */
export const OWN_FIELDS: Uint8Array = new Uint8Array(256);
for (const name of [
  "host",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "upgrade",
  "http2-settings",
  "content-length",
] as const) {
  OWN_FIELDS[known(name)] = 1;
}
OWN_FIELDS[255] = 1;
