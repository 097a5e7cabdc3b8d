/**
 * JSON value → message, by the schema. Follows protobuf's JSON mapping as Envoy reads it: proto and camelCase
 * names, quoted numbers, enums by name or number, `null` as "not set", `Any` with `@type` beside its fields.
 *
 * Laws: never throws, never stops at the first fault; an unknown field is a fault; a field that is wrong is
 * left unset. Knows no meaning of any field.
 */
import type { Json } from "../config/model.ts";
import { entryPath, Faults, fieldPath } from "./faults.ts";
import {
  type AnyMessage,
  defaultOf,
  emptyMessage,
  type Oneof,
  type PackedAny,
  typeNameOf,
  wrappedScalar,
} from "./message.ts";
import { nameOfKind, readDuration, readScalar, WRONG } from "./scalars.ts";
import { enumType, type FieldType, type MessageType, messageType } from "./schema.ts";

/** Deeper documents are refused, as protobuf's own readers do. */
const MAX_DEPTH = 100;

type JsonObject = { readonly [key: string]: Json };

/** Reads a message of type `typeName`. What is wrong is reported at paths below `path`. */
export function messageFromJson(typeName: string, json: Json, path: string, faults: Faults): AnyMessage {
  const type = messageType(typeName);
  if (type === null) throw new Error(`no such message: ${typeName}`);
  return readMessage(type, json, path, faults, 0);
}

function readMessage(type: MessageType, json: Json, path: string, faults: Faults, depth: number): AnyMessage {
  const message = emptyMessage(type);
  if (!isObject(json)) {
    faults.close(path, `must be an object, not ${nameOfKind(json)}`);
  } else if (depth > MAX_DEPTH) {
    faults.close(path, "is nested too deeply");
  } else {
    readFields(type, message, json, path, faults, depth);
  }
  return message;
}

function readFields(
  type: MessageType,
  message: AnyMessage,
  json: JsonObject,
  path: string,
  faults: Faults,
  depth: number,
): void {
  const seen = new Set<FieldType>();
  for (const key of Object.keys(json)) {
    const field = type.byName.get(key);
    const at = fieldPath(path, key);
    if (field === undefined) {
      faults.close(at, `unknown field${suggestion(key, type)}`);
      continue;
    }
    if (json[key] === null) continue;
    if (seen.has(field)) {
      faults.add(at, `is given twice (as ${field.name} and ${field.jsonName})`);
      continue;
    }
    seen.add(field);
    const value = field.sensitive
      ? readSecret(field, json[key], at, faults, depth)
      : readField(field, json[key], at, faults, depth);
    if (field.oneof === "") {
      if (value !== WRONG) message[field.jsonName] = value;
    } else if ((message[field.oneof] as Oneof).case !== undefined) {
      const other = type.byName.get((message[field.oneof] as Oneof).case as string) as FieldType;
      faults.add(at, `only one of ${other.name} and ${field.name} may be set`);
    } else if (value === WRONG) {
      faults.markClosed(fieldPath(path, field.oneof));
    } else {
      const boxed = wrappedScalar(field.type) === "" ? value : { $typeName: field.type, value };
      message[field.oneof] = { case: field.jsonName, value: boxed };
    }
  }
}

/** Says of what is wrong with a secret only what it should have been. */
function readSecret(field: FieldType, json: Json, path: string, faults: Faults, depth: number): unknown {
  const inside = new Faults();
  const value = readField(field, json, path, inside, depth);
  for (const fault of inside.list()) faults.close(fault.path, fault.message.split(", not ")[0]);
  return value;
}

function readField(field: FieldType, json: Json, path: string, faults: Faults, depth: number): unknown {
  if (field.repeated) {
    // Protobuf's readers take one value for a list of one, and so does Envoy.
    if (!Array.isArray(json)) {
      const value = readValue(field, json, path, faults, depth);
      return value === WRONG ? WRONG : [value];
    }
    const list: unknown[] = [];
    for (let i = 0; i < json.length; i++) {
      const value = readValue(field, json[i], `${path}[${i}]`, faults, depth);
      // No hole: it would shift the numbers of what follows.
      list.push(value === WRONG ? placeholder(field) : value);
    }
    return list;
  }
  if (field.mapKey !== "") {
    if (!isObject(json)) return wrong(faults, path, `must be an object, not ${nameOfKind(json)}`);
    const entries: [string, unknown][] = [];
    for (const key of Object.keys(json)) {
      const value = readValue(field, json[key], entryPath(path, key), faults, depth);
      if (value !== WRONG) entries.push([key, value]);
    }
    return Object.fromEntries(entries);
  }
  return readValue(field, json, path, faults, depth);
}

function readValue(field: FieldType, json: Json, path: string, faults: Faults, depth: number): unknown {
  if (json === null && field.type !== "google.protobuf.Value") return wrong(faults, path, "must not be null");
  if (field.kind === "enum") return readEnum(field.type, json, path, faults);
  if (field.kind === "scalar") return readScalar(field.type, json, path, faults);
  const scalar = wrappedScalar(field.type);
  if (scalar !== "") return readScalar(scalar, json, path, faults);
  switch (field.type) {
    case "google.protobuf.Any":
      return readAny(json, path, faults, depth + 1);
    case "google.protobuf.Duration":
      return readDuration(json, path, faults);
    case "google.protobuf.Struct":
      return isObject(json) ? json : wrong(faults, path, `must be an object, not ${nameOfKind(json)}`);
    case "google.protobuf.Value":
    case "google.protobuf.ListValue":
    case "google.protobuf.Timestamp":
      return json;
    case "google.protobuf.Empty":
      if (isObject(json) && Object.keys(json).length === 0) return { $typeName: field.type };
      return wrong(faults, path, "must be an empty object");
    default:
      return readMessage(messageType(field.type) as MessageType, json, path, faults, depth + 1);
  }
}

/** Stands in for a value that was refused, where there must be one. */
function placeholder(field: FieldType): unknown {
  if (field.kind !== "message") return defaultOf({ ...field, repeated: false });
  const type = messageType(field.type);
  return type === null ? packed("", null, {}) : emptyMessage(type);
}

function readAny(json: Json, path: string, faults: Faults, depth: number): unknown {
  if (!isObject(json)) return wrong(faults, path, `must be an object, not ${nameOfKind(json)}`);
  const typeUrl = json["@type"];
  // Nothing is packed: whoever reads it says whether that will do.
  if (Object.keys(json).length === 0) return packed("", null, {});
  if (typeof typeUrl !== "string" || typeUrl === "") {
    return wrong(faults, path, 'must name its type in "@type"');
  }
  const name = typeNameOf(typeUrl);
  if (name === "xds.type.v3.TypedStruct" || name === "udpa.type.v1.TypedStruct") {
    return readTypedStruct(json, path, faults, depth);
  }
  const type = messageType(name);
  const { "@type": _, ...content } = json;
  if (type === null) return packed(typeUrl, null, content);
  return packed(typeUrl, readMessage(type, content, path, faults, depth), null);
}

/** A message written as a Struct beside the name of its type: the same content one level deeper. */
function readTypedStruct(json: JsonObject, path: string, faults: Faults, depth: number): unknown {
  const typeUrl = json.type_url ?? json.typeUrl;
  const content = json.value ?? {};
  if (typeof typeUrl !== "string") return wrong(faults, fieldPath(path, "type_url"), "must name a type");
  const at = fieldPath(path, "value");
  if (!isObject(content)) return wrong(faults, at, `must be an object, not ${nameOfKind(content)}`);
  const type = messageType(typeNameOf(typeUrl));
  if (type === null) return packed(typeUrl, null, content);
  return packed(typeUrl, readMessage(type, content, at, faults, depth), null);
}

function packed(typeUrl: string, message: AnyMessage | null, json: Json | null): PackedAny {
  return { $typeName: "google.protobuf.Any", typeUrl, value: new Uint8Array(0), message, json };
}

function readEnum(name: string, json: Json, path: string, faults: Faults): unknown {
  const type = enumType(name);
  if (typeof json === "string") {
    // Without regard to case, as protobuf's reader does for Envoy.
    const value = type.numbers.get(json) ?? type.numbers.get(json.toUpperCase());
    if (value !== undefined) return value;
  }
  if (typeof json === "number" || (typeof json === "string" && /^\d{1,9}$/.test(json))) {
    if (type.names.has(Number(json))) return Number(json);
  }
  const allowed = [...type.numbers.keys()].join(", ");
  return wrong(faults, path, `must be one of ${allowed}, not ${JSON.stringify(json)}`);
}

function wrong(faults: Faults, path: string, message: string): typeof WRONG {
  if (message === "") faults.markClosed(path);
  else faults.close(path, message);
  return WRONG;
}

function isObject(json: Json): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** ` (did you mean "name"?)` if a known field is spelt almost like it. */
function suggestion(key: string, type: MessageType): string {
  if (key.startsWith("hidden_envoy_deprecated_")) return ": removed from Envoy's API";
  let best = "";
  let least = Math.min(3, key.length >> 1);
  for (const field of type.fields) {
    const distance = editDistance(camelless(key), field.name, least);
    if (distance < least) {
      least = distance;
      best = field.name;
    }
  }
  return best === "" ? "" : ` (did you mean ${best}?)`;
}

function camelless(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Levenshtein distance, or `limit` if it is not smaller. */
function editDistance(a: string, b: string, limit: number): number {
  if (a.length > 100 || Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return Math.min(limit, row[b.length]);
}
