/**
 * Applies the validation rules that Envoy's API declares beside its fields (protoc-gen-validate) to a message,
 * however it came here. The rules come with the schema; nothing here knows a field by name.
 *
 * Not applied: `well_known_regex` on header text, because our own rule for header names and values is stricter
 * and is applied where they are read.
 */
import { entryPath, type Faults, fieldPath } from "./faults.ts";
import { type AnyMessage, fieldValue, type Oneof, type PackedAny, wrappedScalar } from "./message.ts";
import { type FieldType, type MessageType, messageType, type Rules } from "./schema.ts";

/** Reports every rule that `message`, or a message inside it, breaks. */
export function validate(message: AnyMessage, path: string, faults: Faults): void {
  const type = messageType(message.$typeName);
  if (type === null) return;
  for (const field of type.fields) {
    const value = fieldValue(message, field);
    if (field.rules === null && (value === undefined || field.kind !== "message")) continue;
    const at = fieldPath(path, field.name);
    if (field.rules !== null) checkField(message, field, value, field.rules, at, faults);
    if (value !== undefined && field.kind === "message") descend(field, value, at, faults);
  }
  for (const oneof of type.requiredOneofs) requireOneof(type, message, oneof, path, faults);
}

function descend(field: FieldType, value: unknown, path: string, faults: Faults): void {
  if (field.repeated) {
    (value as unknown[]).forEach((entry, i) => {
      validateValue(entry, `${path}[${i}]`, faults);
    });
  } else if (field.mapKey !== "") {
    for (const [key, entry] of Object.entries(value as object)) {
      validateValue(entry, entryPath(path, key), faults);
    }
  } else {
    validateValue(value, path, faults);
  }
}

function validateValue(value: unknown, path: string, faults: Faults): void {
  if (typeof value !== "object" || value === null || !("$typeName" in value)) return;
  const message = value as AnyMessage;
  const content = message.$typeName === "google.protobuf.Any" ? (message as PackedAny).message : message;
  if (content !== null) validate(content, path, faults);
}

function requireOneof(
  type: MessageType,
  message: AnyMessage,
  oneof: string,
  path: string,
  faults: Faults,
): void {
  if ((message[oneof] as Oneof).case !== undefined) return;
  const members = type.fields.filter((field) => field.oneof === oneof);
  if (members.some((field) => faults.isClosed(fieldPath(path, field.name)))) return;
  faults.add(path, `one of ${members.map((field) => field.name).join(", ")} must be set`);
}

function checkField(
  message: AnyMessage,
  field: FieldType,
  value: unknown,
  rules: Rules,
  path: string,
  faults: Faults,
): void {
  if (field.repeated) {
    checkList((value ?? []) as unknown[], field, rules, path, faults);
  } else if (field.mapKey !== "") {
    for (const [key, entry] of Object.entries((value ?? {}) as object)) {
      if (rules.keys !== undefined) checkValue(key, "string", rules.keys, entryPath(path, key), faults);
      if (rules.values !== undefined)
        checkValue(entry, field.type, rules.values, entryPath(path, key), faults);
    }
  } else if (field.kind === "message") {
    if (value !== undefined) checkValue(value, field.type, rules, path, faults);
    else if (rules.required === true && field.oneof === "") faults.add(path, "must be set");
  } else if (field.oneof === "") {
    // An unset scalar is its default, and that has to pass too.
    checkValue(value ?? message[field.jsonName], field.type, rules, path, faults);
  } else if (value !== undefined) {
    checkValue(value, field.type, rules, path, faults);
  }
}

function checkList(list: unknown[], field: FieldType, rules: Rules, path: string, faults: Faults): void {
  if (rules.min_items !== undefined && list.length < rules.min_items) {
    faults.add(
      path,
      rules.min_items === 1 ? "must not be empty" : `must have at least ${rules.min_items} entries`,
    );
  }
  if (rules.max_items !== undefined && list.length > rules.max_items) {
    faults.add(path, `must have at most ${rules.max_items} entries`);
  }
  if (rules.unique === true && new Set(list).size < list.length) faults.add(path, "must not repeat a value");
  const { items } = rules;
  if (items === undefined) return;
  list.forEach((entry, i) => {
    checkValue(entry, field.type, items, `${path}[${i}]`, faults);
  });
}

function checkValue(value: unknown, type: string, rules: Rules, path: string, faults: Faults): void {
  if (type === "google.protobuf.Duration") {
    const { seconds, nanos } = value as { seconds: bigint; nanos: number };
    checkNumber(Number(seconds) * 1000 + nanos / 1e6, rules, " ms", path, faults);
  } else if (typeof value === "string") {
    checkText(value, rules, path, faults);
  } else if (typeof value === "number" || typeof value === "bigint") {
    checkNumber(Number(value), rules, "", path, faults);
  } else if (value instanceof Uint8Array) {
    if (rules.min_len !== undefined && value.length < rules.min_len) faults.add(path, "must not be empty");
    if (rules.max_len !== undefined && value.length > rules.max_len) {
      faults.add(path, `must be at most ${rules.max_len} bytes`);
    }
  } else if (typeof value === "boolean" && rules.const !== undefined && value !== rules.const) {
    faults.add(path, `must be ${rules.const}`);
  } else if (wrappedScalar(type) === "" && rules.in !== undefined) {
    throw new Error(`rule "in" on ${type}`);
  }
}

function checkText(text: string, rules: Rules, path: string, faults: Faults): void {
  if (text === "" && rules.ignore_empty === true) return;
  if (rules.min_len !== undefined && [...text].length < rules.min_len) {
    faults.add(
      path,
      rules.min_len === 1 ? "must not be empty" : `must have at least ${rules.min_len} characters`,
    );
    return;
  }
  if (rules.max_len !== undefined && [...text].length > rules.max_len) {
    faults.add(path, `must have at most ${rules.max_len} characters`);
  }
  if (rules.max_bytes !== undefined && bytesOf(text) > rules.max_bytes) {
    faults.add(path, `must be at most ${rules.max_bytes} bytes`);
  }
  if (rules.pattern !== undefined && !new RegExp(rules.pattern, "u").test(text)) {
    faults.add(path, `must match ${rules.pattern}`);
  }
  if (rules.prefix !== undefined && !text.startsWith(rules.prefix)) {
    faults.add(path, `must begin with ${JSON.stringify(rules.prefix)}`);
  }
  if (rules.in !== undefined && !rules.in.includes(text)) {
    faults.add(path, `must be one of ${rules.in.join(", ")}`);
  }
  if (rules.not_in?.includes(text)) faults.add(path, `must not be ${JSON.stringify(text)}`);
}

function checkNumber(value: number, rules: Rules, unit: string, path: string, faults: Faults): void {
  if (rules.gt !== undefined && !(value > rules.gt)) faults.add(path, `must be above ${rules.gt}${unit}`);
  if (rules.gte !== undefined && !(value >= rules.gte))
    faults.add(path, `must be at least ${rules.gte}${unit}`);
  if (rules.lt !== undefined && !(value < rules.lt)) faults.add(path, `must be below ${rules.lt}${unit}`);
  if (rules.lte !== undefined && !(value <= rules.lte))
    faults.add(path, `must be at most ${rules.lte}${unit}`);
  if (rules.in !== undefined && !rules.in.includes(value)) {
    faults.add(path, `must be one of ${rules.in.join(", ")}`);
  }
  if (rules.not_in?.includes(value)) faults.add(path, `must not be ${value}`);
}

function bytesOf(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
