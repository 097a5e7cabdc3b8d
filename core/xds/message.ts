/**
 * Messages as protoc-gen-es shapes them, without its runtime: plain objects with `$typeName`, alternatives as
 * `{case, value}`, wrappers unwrapped
 * (but not where they are an alternative), 64-bit integers as bigint, `Struct` as JSON. A packed `Any` that came
 * from JSON carries its content unpacked, because encoding it only to decode it again would be waste.
 */
import type { Json } from "../config/model.ts";
import type { FieldType, MessageType } from "./schema.ts";

/** Any message, seen by reflection. */
export interface AnyMessage {
  readonly $typeName: string;
  [property: string]: unknown;
}

/** A group of alternatives. */
export interface Oneof {
  readonly case: string | undefined;
  readonly value?: unknown;
}

/** A `google.protobuf.Any`. */
export interface PackedAny extends AnyMessage {
  readonly $typeName: "google.protobuf.Any";
  readonly typeUrl: string;
  /** The encoded message; empty if one of the others is set. */
  readonly value: Uint8Array;
  /** The content, if its type is known here. */
  readonly message: AnyMessage | null;
  /** The content as it was written (without `@type`), if its type is not known here. */
  readonly json: Json | null;
}

/** "type.googleapis.com/a.b.C" → "a.b.C". */
export function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
}

const templates = new Map<MessageType, AnyMessage>();
const NOT_SET: Oneof = Object.freeze({ case: undefined });
const NO_ITEMS = Object.freeze([]);
const NO_ENTRIES = Object.freeze({});
const NO_BYTES = new Uint8Array(0);

/** An empty message of that type. Its fields may be replaced; what they hold is shared and must not change. */
export function emptyMessage(type: MessageType): AnyMessage {
  let template = templates.get(type);
  if (template === undefined) {
    template = { $typeName: type.name };
    for (const field of type.fields) {
      if (field.oneof === "") template[field.jsonName] = defaultOf(field);
      else template[field.oneof] = NOT_SET;
    }
    templates.set(type, template);
  }
  return { ...template };
}

/** What an unset field holds. */
export function defaultOf(field: FieldType): unknown {
  if (field.repeated) return NO_ITEMS;
  if (field.mapKey !== "") return NO_ENTRIES;
  if (field.kind === "message" || field.optional) return undefined;
  if (field.kind === "enum") return 0;
  switch (field.type) {
    case "string":
      return "";
    case "bool":
      return false;
    case "bytes":
      return NO_BYTES;
    case "int64":
    case "uint64":
    case "sint64":
    case "fixed64":
    case "sfixed64":
      return 0n;
    default:
      return 0;
  }
}

/** The value of a field, or undefined if it is not set. Wrappers that are set but false, 0 or "" count as set. */
export function fieldValue(message: AnyMessage, field: FieldType): unknown {
  if (field.oneof !== "") {
    const chosen = message[field.oneof] as Oneof;
    if (chosen.case !== field.jsonName) return undefined;
    return wrappedScalar(field.type) === "" ? chosen.value : (chosen.value as { value: unknown }).value;
  }
  const value = message[field.jsonName];
  if (value === undefined) return undefined;
  if (field.repeated) return (value as unknown[]).length === 0 ? undefined : value;
  if (field.mapKey !== "") return Object.keys(value as object).length === 0 ? undefined : value;
  if (field.kind === "message" || field.optional) return value;
  if (field.type === "bytes") return (value as Uint8Array).length === 0 ? undefined : value;
  return value === 0 || value === 0n || value === "" || value === false ? undefined : value;
}

/** The wrapped scalar of `google.protobuf.UInt32Value` and its kind, or "". */
export function wrappedScalar(type: string): string {
  switch (type) {
    case "google.protobuf.BoolValue":
      return "bool";
    case "google.protobuf.UInt32Value":
      return "uint32";
    case "google.protobuf.UInt64Value":
      return "uint64";
    case "google.protobuf.Int32Value":
      return "int32";
    case "google.protobuf.Int64Value":
      return "int64";
    case "google.protobuf.DoubleValue":
      return "double";
    case "google.protobuf.FloatValue":
      return "float";
    case "google.protobuf.StringValue":
      return "string";
    case "google.protobuf.BytesValue":
      return "bytes";
    default:
      return "";
  }
}
