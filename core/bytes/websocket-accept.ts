/** The one use of SHA-1 in the proxy: proving that an upstream understood a WebSocket handshake (RFC 6455 4.2.2). */
import { toBase64 } from "./base64.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** What `Sec-WebSocket-Accept` must be for a `Sec-WebSocket-Key`. */
export function webSocketAccept(key: string): string {
  return toBase64(sha1(key + GUID));
}

/** SHA-1 (FIPS 180-4) of a byte string: 20 bytes. Not for anything that needs collision resistance. */
export function sha1(text: string): Uint8Array {
  const blocks = ((text.length + 8) >> 6) + 1;
  const words = new Uint32Array(blocks * 16);
  for (let i = 0; i < text.length; i++) words[i >> 2] |= text.charCodeAt(i) << (24 - (i & 3) * 8);
  words[text.length >> 2] |= 0x80 << (24 - (text.length & 3) * 8);
  words[words.length - 1] = text.length * 8;
  let h0 = 0x67452301;
  let h1 = 0xefcdab89 | 0;
  let h2 = 0x98badcfe | 0;
  let h3 = 0x10325476;
  let h4 = 0xc3d2e1f0 | 0;
  const w = new Int32Array(80);
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < 16; i++) w[i] = words[block * 16 + i];
    for (let i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    let a = h0;
    let b = h1;
    let c = h2;
    let d = h3;
    let e = h4;
    for (let i = 0; i < 80; i++) {
      let f: number;
      if (i < 20) f = ((b & c) | (~b & d)) + 0x5a827999;
      else if (i < 40) f = (b ^ c ^ d) + 0x6ed9eba1;
      else if (i < 60) f = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
      else f = (b ^ c ^ d) + 0xca62c1d6;
      const next = (rotate(a, 5) + f + e + w[i]) | 0;
      e = d;
      d = c;
      c = rotate(b, 30);
      b = a;
      a = next;
    }
    h0 = (h0 + a) | 0;
    h1 = (h1 + b) | 0;
    h2 = (h2 + c) | 0;
    h3 = (h3 + d) | 0;
    h4 = (h4 + e) | 0;
  }
  const out = new Uint8Array(20);
  const hash = [h0, h1, h2, h3, h4];
  for (let i = 0; i < 20; i++) out[i] = hash[i >> 2] >>> (24 - (i & 3) * 8);
  return out;
}

function rotate(x: number, n: number): number {
  return (x << n) | (x >>> (32 - n));
}
