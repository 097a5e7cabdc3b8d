/**
 * JSON text → value, where `JSON.parse` and the YAML reader are of one mind. They are not about two things, and
 * then YAML decides: a key that is given twice (an error there, silently the last one here), and numbers beyond
 * 2^53 (kept digit by digit there, rounded here).
 */
import type { Json } from "../../core/config/model.ts";

/** Fewer digits than this are exact in a double. */
const LONG_NUMBER = /\d{16}/;
/** Deeper documents are for the YAML reader to refuse. */
const MAX_DEPTH = 200;

/** The value, or undefined if the text is not JSON or needs the YAML reader. Never throws. */
export function readJson(text: string): Json | undefined {
  if (!/^\s*[[{]/.test(text) || LONG_NUMBER.test(text)) return undefined;
  try {
    const value = JSON.parse(text) as Json;
    return keysIn(value, 0) === keysWritten(text) ? value : undefined;
  } catch {
    return undefined; // not JSON, or too deep
  }
}

/** How many keys the objects in `value` have. */
function keysIn(value: Json, depth: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (depth > MAX_DEPTH) throw new RangeError("too deep");
  let keys = Array.isArray(value) ? 0 : Object.keys(value).length;
  for (const inner of Object.values(value)) keys += keysIn(inner, depth + 1);
  return keys;
}

/** How many keys are written in `text`, which is sound JSON: strings before a colon. */
function keysWritten(text: string): number {
  let keys = 0;
  for (const [, colon] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"\s*(:?)/g)) if (colon === ":") keys++;
  return keys;
}
