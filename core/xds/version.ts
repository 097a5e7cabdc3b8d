/**
 * Fingerprint of a resource: equal for equal content whatever the order of fields in the document. Two
 * 32-bit FNV-1a lanes with different seeds and a final mix; it tells changes apart and guards against nothing.
 */
import type { Json } from "../config/model.ts";

/** 16 hexadecimal digits. */
export function versionOf(json: Json): string {
  const text = canonical(json);
  let a = 0x811c9dc5;
  let b = 0x2f0b4a27;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code ^ (a >>> 13), 0x85ebca6b);
  }
  return hex(mix(a ^ text.length)) + hex(mix(b));
}

/** JSON text with sorted keys and no spaces. */
export function canonical(json: Json): string {
  if (Array.isArray(json)) return `[${json.map(canonical).join(",")}]`;
  if (typeof json === "object" && json !== null) {
    const object = json as { readonly [key: string]: Json };
    const keys = Object.keys(object).sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(object[key])}`).join(",")}}`;
  }
  return JSON.stringify(json);
}

function mix(lane: number): number {
  let x = lane ^ (lane >>> 16);
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
