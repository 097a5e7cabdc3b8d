/**
 * As much of JSON Schema 2020-12 as the schemas of our filters use, for tests that hold a schema against what a filter
 * really takes. A keyword that is not here throws: it would be ignored otherwise.
 */
type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Schema = { [keyword: string]: Json };

const isObject = (value: Json): value is { [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
function isA(type: Json, value: Json): boolean {
  if (type === "object") return isObject(value);
  if (type === "array") return Array.isArray(value);
  return type === "integer" ? Number.isInteger(value) : typeof value === type;
}

/** Each keyword: does it let the value pass? Those that speak of another type than the value's do. */
const KEYWORDS: { [name: string]: (operand: Json, value: Json, schema: Schema, root: Schema) => boolean } = {
  type: (type, value) => (Array.isArray(type) ? type.some((one) => isA(one, value)) : isA(type, value)),
  enum: (choices, value) => (choices as Json[]).includes(value),
  const: (only, value) => only === value,
  minimum: (least, value) => typeof value !== "number" || value >= (least as number),
  maximum: (most, value) => typeof value !== "number" || value <= (most as number),
  minLength: (least, value) => typeof value !== "string" || value.length >= (least as number),
  maxLength: (most, value) => typeof value !== "string" || value.length <= (most as number),
  pattern: (pattern, value) => typeof value !== "string" || new RegExp(pattern as string, "u").test(value),
  minItems: (least, value) => !Array.isArray(value) || value.length >= (least as number),
  maxItems: (most, value) => !Array.isArray(value) || value.length <= (most as number),
  items: (item, value, _schema, root) =>
    !Array.isArray(value) || value.every((one) => matches(item as Schema, one, root)),
  minProperties: (least, value) => !isObject(value) || Object.keys(value).length >= (least as number),
  maxProperties: (most, value) => !isObject(value) || Object.keys(value).length <= (most as number),
  required: (names, value) =>
    !isObject(value) || (names as string[]).every((name) => Object.hasOwn(value, name)),
  properties: (properties, value, _schema, root) =>
    !isObject(value) ||
    Object.entries(properties as { [name: string]: Schema }).every(
      ([name, schema]) => !Object.hasOwn(value, name) || matches(schema, value[name], root),
    ),
  propertyNames: (names, value, _schema, root) =>
    !isObject(value) || Object.keys(value).every((name) => matches(names as Schema, name, root)),
  additionalProperties: (others, value, schema, root) =>
    !isObject(value) ||
    Object.keys(value)
      .filter((name) => !Object.hasOwn((schema.properties ?? {}) as object, name))
      .every((name) => (typeof others === "boolean" ? others : matches(others as Schema, value[name], root))),
  anyOf: (schemas, value, _schema, root) => (schemas as Schema[]).some((one) => matches(one, value, root)),
  oneOf: (schemas, value, _schema, root) =>
    (schemas as Schema[]).filter((one) => matches(one, value, root)).length === 1,
  allOf: (schemas, value, _schema, root) => (schemas as Schema[]).every((one) => matches(one, value, root)),
  not: (schema, value, _schema, root) => !matches(schema as Schema, value, root),
  $ref: (path, value, _schema, root) => {
    let target: Json = root;
    for (const name of (path as string).replace(/^#\//, "").split("/")) target = (target as Schema)[name];
    return matches(target as Schema, value, root);
  },
  $defs: () => true,
  $schema: () => true,
  $id: () => true,
  title: () => true,
  description: () => true,
  default: () => true,
  examples: () => true,
};

/** True if the value is what the schema describes. */
export function matches(schema: Schema, value: Json, root: Schema = schema): boolean {
  return Object.entries(schema).every(([keyword, operand]) => {
    const check = KEYWORDS[keyword];
    if (check === undefined) throw new Error(`the keyword ${keyword} is not supported here`);
    return check(operand, value, schema, root);
  });
}
