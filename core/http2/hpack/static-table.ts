/** The fields that every HPACK peer knows from the beginning, by index (RFC 7541 appendix A). */
import { idOf } from "../../http/names.ts";

// biome-ignore format: one table
const FIELDS: readonly (readonly [name: string, value: string])[] = [
  [":authority", ""], [":method", "GET"], [":method", "POST"], [":path", "/"], [":path", "/index.html"],
  [":scheme", "http"], [":scheme", "https"], [":status", "200"], [":status", "204"], [":status", "206"],
  [":status", "304"], [":status", "400"], [":status", "404"], [":status", "500"], ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"], ["accept-language", ""], ["accept-ranges", ""], ["accept", ""],
  ["access-control-allow-origin", ""], ["age", ""], ["allow", ""], ["authorization", ""], ["cache-control", ""],
  ["content-disposition", ""], ["content-encoding", ""], ["content-language", ""], ["content-length", ""],
  ["content-location", ""], ["content-range", ""], ["content-type", ""], ["cookie", ""], ["date", ""], ["etag", ""],
  ["expect", ""], ["expires", ""], ["from", ""], ["host", ""], ["if-match", ""], ["if-modified-since", ""],
  ["if-none-match", ""], ["if-range", ""], ["if-unmodified-since", ""], ["last-modified", ""], ["link", ""],
  ["location", ""], ["max-forwards", ""], ["proxy-authenticate", ""], ["proxy-authorization", ""], ["range", ""],
  ["referer", ""], ["refresh", ""], ["retry-after", ""], ["server", ""], ["set-cookie", ""],
  ["strict-transport-security", ""], ["transfer-encoding", ""], ["user-agent", ""], ["vary", ""], ["via", ""],
  ["www-authenticate", ""],
];

/** Indices 1 to 61 are static; dynamic ones follow. */
export const STATIC_COUNT = FIELDS.length;

/** Name, value and known id (core/http/names.ts) by index; nothing stands at 0. */
export const STATIC_NAMES: readonly string[] = ["", ...FIELDS.map(([name]) => name)];
export const STATIC_VALUES: readonly string[] = ["", ...FIELDS.map(([, value]) => value)];
export const STATIC_IDS: readonly number[] = STATIC_NAMES.map(idOf);

/** The lowest index of a name. */
export const STATIC_INDEX: ReadonlyMap<string, number> = new Map(
  FIELDS.map(([name], i): [string, number] => [name, i + 1]).reverse(),
);
