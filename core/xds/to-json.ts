/**
 * Message → Envoy's JSON shape: proto field names, defaults left out, enums by name, durations as text, `@type`
 * inside a packed `Any`. This is what `/config_dump` shows and what a resource's version is the hash of. As in Envoy,
 * whatever the API marks as sensitive is "[redacted]", or its Base64 for bytes; nobody here can see a key.
 */
import { toBase64 } from "../bytes/base64.ts";
import type { Json } from "../config/model.ts";
import { type AnyMessage, fieldValue, type PackedAny, wrappedScalar } from "./message.ts";
import { enumType, type FieldType, messageType } from "./schema.ts";

const REDACTED = "[redacted]";
const REDACTED_BYTES = "W3JlZGFjdGVkXQ==";

/** `message` as JSON. Messages of unknown type become `{}`. `hidden`: all of it is a secret. */
export function messageToJson(message: AnyMessage, hidden = false): { [name: string]: Json } {
  const out: { [name: string]: Json } = {};
  const type = messageType(message.$typeName);
  if (type === null) return out;
  for (const field of type.fields) {
    const value = fieldValue(message, field);
    if (value === undefined) continue;
    const hide = hidden || field.sensitive;
    if (field.repeated) {
      out[field.name] = (value as unknown[]).map((entry) => valueToJson(field, entry, hide));
    } else if (field.mapKey !== "") {
      const entries = Object.entries(value as object).map(([key, entry]) => [
        key,
        valueToJson(field, entry, hide),
      ]);
      out[field.name] = Object.fromEntries(entries) as Json;
    } else {
      out[field.name] = valueToJson(field, value, hide);
    }
  }
  return out;
}

function valueToJson(field: FieldType, value: unknown, hidden: boolean): Json {
  if (field.kind === "enum") return enumType(field.type).names.get(value as number) ?? (value as number);
  if (field.kind === "scalar" || wrappedScalar(field.type) !== "")
    return hidden ? redacted(value) : scalarToJson(value);
  switch (field.type) {
    case "google.protobuf.Any": {
      const any = value as PackedAny;
      const type = any.typeUrl === "" ? {} : { "@type": any.typeUrl };
      if (any.message === null && hidden) return type;
      const content = any.message === null ? any.json : messageToJson(any.message, hidden);
      return { ...type, ...(content as { [name: string]: Json }) };
    }
    case "google.protobuf.Duration":
      return durationToJson(value as { seconds: bigint; nanos: number });
    case "google.protobuf.Struct":
    case "google.protobuf.Value":
    case "google.protobuf.ListValue":
    case "google.protobuf.Timestamp":
      return hidden ? REDACTED : (value as Json);
    default:
      return messageToJson(value as AnyMessage, hidden);
  }
}

function redacted(value: unknown): Json {
  return value instanceof Uint8Array ? REDACTED_BYTES : typeof value === "boolean" ? false : REDACTED;
}

function scalarToJson(value: unknown): Json {
  if (typeof value === "bigint") return String(value); // protobuf's JSON quotes 64-bit integers
  if (value instanceof Uint8Array) return toBase64(value);
  return value as Json;
}

/** "1.500s": as many decimals as protobuf prints (0, 3, 6 or 9). */
function durationToJson(duration: { seconds: bigint; nanos: number }): string {
  const nanos = Math.abs(duration.nanos);
  const sign = duration.seconds < 0n || duration.nanos < 0 ? "-" : "";
  const whole = `${sign}${duration.seconds < 0n ? -duration.seconds : duration.seconds}`;
  if (nanos === 0) return `${whole}s`;
  const digits = String(nanos).padStart(9, "0");
  return `${whole}.${digits.replace(/(000){1,2}$/, "")}s`;
}
