/**
 * Decodes Base64 that comes in pieces. Padding ends a group, not the stream: whoever sends message by message pads each
 * of them.
 */
import { fromBase64 } from "../../core/bytes/base64.ts";
import type { Body } from "../../core/filter/body.ts";

/** Of one stream. */
export class Base64Stream {
  /** Characters of a group that is not complete. */
  private rest = "";

  /** No group is begun. */
  get complete(): boolean {
    return this.rest === "";
  }

  /** The bytes of all groups that are complete with this piece; null if it is no Base64. */
  decode(body: Body): Uint8Array | null {
    const bytes = new Uint8Array(body.size);
    body.copy(0, body.size, bytes, 0);
    let text = this.rest;
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    const whole = text.length & ~3;
    this.rest = text.slice(whole);
    const out = new Uint8Array((whole >> 2) * 3);
    let length = 0;
    for (let at = 0; at < whole; ) {
      const padding = text.indexOf("=", at);
      const end = padding < 0 || padding >= whole ? whole : (padding & ~3) + 4;
      const run = text.slice(at, end);
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(run)) return null;
      const decoded = fromBase64(run);
      if (decoded === null) return null;
      out.set(decoded, length);
      length += decoded.length;
      at = end;
    }
    return out.subarray(0, length);
  }
}
