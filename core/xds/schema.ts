/**
 * What Envoy's messages look like, read on demand from the compact text in generated/schema.ts: only the
 * messages that a document really uses cost memory. The names and shapes agree with protoc-gen-es' types, so
 * that the translation is checked by the compiler and runs on messages from a file and from the wire alike.
 */
import { ENUMS, MESSAGES } from "./generated/schema.ts";

/** Validation rules of the API (protoc-gen-validate), by their names there; durations in milliseconds. */
export interface Rules {
  readonly required?: boolean;
  readonly min_len?: number;
  readonly max_len?: number;
  readonly max_bytes?: number;
  readonly pattern?: string;
  readonly prefix?: string;
  readonly well_known_regex?: string;
  readonly ignore_empty?: boolean;
  readonly in?: readonly (string | number)[];
  readonly not_in?: readonly (string | number)[];
  readonly const?: string | number | boolean;
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
  readonly min_items?: number;
  readonly max_items?: number;
  readonly min_pairs?: number;
  readonly unique?: boolean;
  readonly items?: Rules;
  readonly keys?: Rules;
  readonly values?: Rules;
}

/** One field of a message. */
export interface FieldType {
  readonly number: number;
  /** As in the .proto file; what paths and dumps show. */
  readonly name: string;
  /** lowerCamelCase: in JSON, and the property of the TypeScript message. */
  readonly jsonName: string;
  readonly kind: "scalar" | "enum" | "message";
  /** Scalar name ("string", "uint32", …) or full name of an enum or message. */
  readonly type: string;
  readonly repeated: boolean;
  /** Scalar name of the keys of a map, or "". */
  readonly mapKey: string;
  /** Property of the TypeScript message that holds the group of alternatives, or "". */
  readonly oneof: string;
  /** True for a proto3 `optional` scalar. */
  readonly optional: boolean;
  readonly deprecated: boolean;
  /** A secret, or a message that holds one: never shown. */
  readonly sensitive: boolean;
  readonly rules: Rules | null;
}

/** One message. */
export interface MessageType {
  readonly name: string;
  readonly fields: readonly FieldType[];
  /** By proto name and by JSON name. */
  readonly byName: ReadonlyMap<string, FieldType>;
  /** Properties of the groups of alternatives. */
  readonly oneofs: readonly string[];
  /** Those groups of which one member must be set. */
  readonly requiredOneofs: readonly string[];
}

/** One enum. */
export interface EnumType {
  readonly numbers: ReadonlyMap<string, number>;
  readonly names: ReadonlyMap<number, string>;
}

const messages = new Map<string, MessageType>();
const enums = new Map<string, EnumType>();

/** The message with that full name, or null if the API (as far as generated) has none. */
export function messageType(name: string): MessageType | null {
  const known = messages.get(name);
  if (known !== undefined) return known;
  if (!Object.hasOwn(MESSAGES, name)) return null;
  const type = parseMessage(name, MESSAGES[name]);
  messages.set(name, type);
  return type;
}

/** The enum with that full name. Throws for an unknown one: a defect of the generator, never input. */
export function enumType(name: string): EnumType {
  let type = enums.get(name);
  if (type === undefined) {
    if (!Object.hasOwn(ENUMS, name)) throw new Error(`no such enum: ${name}`);
    const numbers = new Map<string, number>();
    const names = new Map<number, string>();
    for (const entry of ENUMS[name].split(" ")) {
      const at = entry.indexOf("=");
      const value = Number(entry.slice(at + 1));
      numbers.set(entry.slice(0, at), value);
      if (!names.has(value)) names.set(value, entry.slice(0, at));
    }
    type = { numbers, names };
    enums.set(name, type);
  }
  return type;
}

/** lowerCamelCase of a proto name, as protoc spells JSON names. */
export function camelCase(name: string): string {
  return name.replace(/_+([^_])?/g, (_, letter: string | undefined) => (letter ?? "").toUpperCase());
}

function parseMessage(name: string, text: string): MessageType {
  const fields: FieldType[] = [];
  const byName = new Map<string, FieldType>();
  const oneofs: string[] = [];
  const requiredOneofs: string[] = [];
  for (const line of text.split("\n")) {
    const words = line.trim();
    if (words === "") continue;
    if (words.startsWith("required ")) {
      requiredOneofs.push(camelCase(words.slice(9)));
      continue;
    }
    const field = parseField(words);
    fields.push(field);
    byName.set(field.jsonName, field);
    byName.set(field.name, field);
    if (field.oneof !== "" && !oneofs.includes(field.oneof)) oneofs.push(field.oneof);
  }
  return { name, fields, byName, oneofs, requiredOneofs };
}

/** "3 string[] domains oneof=x deprecated {rules}". */
function parseField(line: string): FieldType {
  const brace = line.indexOf(" {");
  const rules = brace < 0 ? null : (JSON.parse(line.slice(brace + 1)) as Rules);
  const [number, declared, name, ...flags] = (brace < 0 ? line : line.slice(0, brace)).split(" ");
  let type = declared;
  let mapKey = "";
  const repeated = type.endsWith("[]");
  if (repeated) type = type.slice(0, -2);
  if (type.startsWith("map<")) {
    const comma = type.indexOf(",");
    mapKey = type.slice(4, comma);
    type = type.slice(comma + 1, -1);
  }
  const oneof = flags.find((flag) => flag.startsWith("oneof="));
  return {
    number: Number(number),
    name,
    jsonName: camelCase(name),
    kind: type.includes(".") ? (Object.hasOwn(ENUMS, type) ? "enum" : "message") : "scalar",
    type,
    repeated,
    mapKey,
    oneof: oneof === undefined ? "" : camelCase(oneof.slice(6)),
    optional: flags.includes("optional"),
    deprecated: flags.includes("deprecated"),
    sensitive: flags.includes("sensitive"),
    rules,
  };
}
