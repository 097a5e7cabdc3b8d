/**
 * Scalars and durations of protobuf's JSON mapping. Numbers may be quoted; an integer may be written with a
 * fraction of zero or an exponent. Bytes are Base64.
 */
import { fromBase64 } from "../bytes/base64.ts";
import type { Json } from "../config/model.ts";
import type { Faults } from "./faults.ts";

/** Says that a value was reported as a fault. */
export const WRONG = Symbol("wrong");

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const DURATION = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;
/** Protobuf's bound: about ten thousand years. */
const MAX_SECONDS = 315_576_000_000n;

/** "a list", "a string", … for messages. */
export function nameOfKind(json: Json): string {
  if (json === null) return "null";
  if (Array.isArray(json)) return "a list";
  if (typeof json === "object") return "an object";
  return `${typeof json === "boolean" ? "the boolean" : `the ${typeof json}`} ${JSON.stringify(json)}`;
}

/** The JSON `json` as a scalar of protobuf type `type`. */
export function readScalar(type: string, json: Json, path: string, faults: Faults): unknown {
  switch (type) {
    case "string":
      if (typeof json === "string") return json;
      break;
    case "bool":
      if (typeof json === "boolean") return json;
      if (json === "true") return true;
      if (json === "false") return false;
      break;
    case "bytes": {
      const bytes = typeof json === "string" ? fromBase64(json) : null;
      if (bytes !== null) return bytes;
      faults.close(path, "must be Base64 text");
      return WRONG;
    }
    case "double":
    case "float": {
      const value = readNumber(json);
      if (Number.isFinite(value)) return value;
      break;
    }
    case "int32":
    case "sint32":
    case "sfixed32":
      return readInteger(json, -0x80000000, 0x7fffffff, path, faults);
    case "uint32":
    case "fixed32":
      return readInteger(json, 0, 0xffffffff, path, faults);
    case "int64":
    case "sint64":
    case "sfixed64":
      return readLong(json, -(1n << 63n), (1n << 63n) - 1n, path, faults);
    case "uint64":
    case "fixed64":
      return readLong(json, 0n, (1n << 64n) - 1n, path, faults);
  }
  faults.close(
    path,
    `must be ${type === "bool" ? "a boolean" : type === "string" ? "a string" : "a number"}, not ${nameOfKind(json)}`,
  );
  return WRONG;
}

/** "1.5s" as `google.protobuf.Duration`. */
export function readDuration(json: Json, path: string, faults: Faults): unknown {
  const parts = typeof json === "string" ? DURATION.exec(json) : null;
  if (parts !== null) {
    const sign = parts[1] === "-" ? -1 : 1;
    const seconds = BigInt(parts[2]) * BigInt(sign);
    // No "-0": it would not equal the 0 of another reader.
    const nanos = Number((parts[3] ?? "").padEnd(9, "0")) * sign + 0;
    if (seconds <= MAX_SECONDS && seconds >= -MAX_SECONDS) {
      return { $typeName: "google.protobuf.Duration", seconds, nanos };
    }
  }
  faults.close(path, `must be a duration such as "1.5s", not ${nameOfKind(json)}`);
  return WRONG;
}

function readNumber(json: Json): number {
  if (typeof json === "number") return json;
  return typeof json === "string" && NUMBER.test(json) ? Number(json) : Number.NaN;
}

function readInteger(json: Json, min: number, max: number, path: string, faults: Faults): unknown {
  const value = readNumber(json);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  faults.close(path, `must be an integer from ${min} to ${max}, not ${nameOfKind(json)}`);
  return WRONG;
}

function readLong(json: Json, min: bigint, max: bigint, path: string, faults: Faults): unknown {
  let value: bigint | null = null;
  if (typeof json === "string" && /^-?\d{1,20}$/.test(json)) value = BigInt(json);
  else if (Number.isInteger(readNumber(json))) value = BigInt(readNumber(json));
  if (value !== null && value >= min && value <= max) return value;
  faults.close(path, `must be an integer from ${min} to ${max}, not ${nameOfKind(json)}`);
  return WRONG;
}
