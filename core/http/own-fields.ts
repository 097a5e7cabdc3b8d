/**
 * Fields that are never copied from a peer's head to the other side, by known id: they belong to one hop (RFC 9110
 * 7.6.1, RFC 9113 8.2.2), or to the framing of one message, and each codec writes its own.
 */
import { known } from "./names.ts";

/** 1 for each of them, and for a hole. `host` is a codec's to write, here or as `:authority`. */
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
