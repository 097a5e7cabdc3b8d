/**
 * Base64 (RFC 4648) without a runtime's help. Reading is lenient where protobuf's JSON is: both alphabets, padding
 * optional. Writing is the standard alphabet, padded.
 */

/** Bytes of Base64 text, standard or URL-safe, padded or not; null if it is none. */
export function fromBase64(text: string): Uint8Array | null {
  const digits = text.replace(/=+$/, "");
  if (!/^[A-Za-z0-9+/_-]*$/.test(digits) || digits.length % 4 === 1) return null;
  const bytes = new Uint8Array((digits.length * 3) >> 2);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const digit of digits) {
    held = ((held << 6) | valueOfDigit(digit.charCodeAt(0))) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 0xff;
    }
  }
  return bytes;
}

/** Base64 (standard, padded) of bytes. */
export function toBase64(bytes: Uint8Array): string {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const held = (bytes[i] << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += digits[held >> 18] + digits[(held >> 12) & 63];
    text += i + 1 < bytes.length ? digits[(held >> 6) & 63] : "=";
    text += i + 2 < bytes.length ? digits[held & 63] : "=";
  }
  return text;
}

function valueOfDigit(code: number): number {
  if (code >= 0x61) return code === 0x5f ? 63 : code - 0x61 + 26;
  if (code === 0x5f) return 63;
  if (code >= 0x41) return code - 0x41;
  if (code >= 0x30) return code - 0x30 + 52;
  return code === 0x2b || code === 0x2d ? 62 : 63;
}
