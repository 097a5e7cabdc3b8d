/**
 * What may stand in a trailer section (RFC 9110 6.5.1, row C6): nothing that frames, routes, authorises or
 * describes the message, and nothing that belongs to one hop. The rest stays in the trailers; it is never merged
 * into the header section.
 */
import type { Fields } from "./fields.ts";
import { removeNominated } from "./hop-by-hop.ts";

const FORBIDDEN = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
  "http2-settings",
  "expect",
  "max-forwards",
  "authorization",
  "proxy-authorization",
  "proxy-authenticate",
  "www-authenticate",
  "cookie",
  "set-cookie",
  "cache-control",
  "age",
  "date",
  "expires",
  "location",
  "retry-after",
  "vary",
  "range",
  "x-request-id",
  "forwarded",
  "via",
]);
const FORBIDDEN_PREFIX = ["content-", "x-forwarded-", "x-envoy-", "if-"];

/**
 * Removes what must not be there, what the `Connection` of the same message's head nominates included; returns
 * `trailers`, or null if nothing is left.
 */
export function allowedTrailers(trailers: Fields, head: Fields): Fields | null {
  removeNominated(head, trailers);
  for (let i = 0; i < trailers.slots; i++) {
    if (!trailers.live(i)) continue;
    const name = trailers.nameAt(i);
    if (FORBIDDEN.has(name) || FORBIDDEN_PREFIX.some((prefix) => name.startsWith(prefix))) trailers.drop(i);
  }
  return trailers.count === 0 ? null : trailers;
}
