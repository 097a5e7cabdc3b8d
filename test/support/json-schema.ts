/**
 * As much of JSON Schema (2020-12) as the schemas of our filters use, to test them. A keyword that is not known here
 * throws, so that no rule of a schema goes untested.
 */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

const ANNOTATIONS = ["$schema", "$id", "$defs", "title", "description", "default", "examples"];

/** A line for each rule of the schema that `value` breaks: "/request/0: lacks value". */
export function schemaFaults(schema: JsonSchema, value: unknown): string[] {
  return faultsOf(schema, schema, value, "");
}

function faultsOf(root: JsonSchema, schema: JsonSchema, value: unknown, at: string): string[] {
  return Object.entries(schema).flatMap(([keyword, rule]) => {
    if (ANNOTATIONS.includes(keyword)) return [];
    if (keyword === "additionalProperties" && rule === false) return unknownFields(schema, value, at);
    const check = KEYWORDS[keyword];
    if (check === undefined) throw new Error(`unknown keyword ${keyword}`);
    return check(rule, value, (sub, child, step) =>
      faultsOf(root, resolve(root, sub as JsonSchema), child, at + step),
    ).map((line) => (line.startsWith("/") ? line : `${at || "/"}: ${line}`));
  });
}

function unknownFields(schema: JsonSchema, value: unknown, at: string): string[] {
  if (!isObject(value)) return [];
  const known = Object.keys((schema.properties ?? {}) as JsonSchema);
  return Object.keys(value).flatMap((name) => fault(!known.includes(name), `${at}/${name}: unknown field`));
}

function resolve(root: JsonSchema, schema: JsonSchema): JsonSchema {
  const target = schema.$ref as string | undefined;
  if (target === undefined) return schema;
  const found = target
    .slice(2)
    .split("/")
    .reduce((node, step) => node[step] as JsonSchema, root);
  const { $ref: _, ...rest } = schema;
  return { ...rest, allOf: [found] };
}

type Descend = (schema: unknown, value: unknown, step: string) => string[];
type Check = (rule: unknown, value: unknown, descend: Descend) => string[];

const fault = (isFault: boolean, line: string) => (isFault ? [line] : []);
const isObject = (value: unknown): value is { [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

const KEYWORDS: { readonly [keyword: string]: Check } = {
  $ref: (rule, value, descend) => descend({ $ref: rule }, value, ""),
  type: (rule, value) => {
    const type = typeOf(value);
    const matches = [rule].flat().some((one) => one === type || (one === "number" && type === "integer"));
    return fault(!matches, `must be ${rule}`);
  },
  enum: (rule, value) => fault(!(rule as unknown[]).includes(value), "is none of the choices"),
  const: (rule, value) => fault(rule !== value, `must be ${rule}`),
  pattern: (rule, value) =>
    fault(typeof value === "string" && !new RegExp(rule as string, "u").test(value), `must match ${rule}`),
  minLength: (rule, value) =>
    fault(typeof value === "string" && value.length < (rule as number), "is too short"),
  minimum: (rule, value) => fault(typeof value === "number" && value < (rule as number), `is below ${rule}`),
  maximum: (rule, value) => fault(typeof value === "number" && value > (rule as number), `is above ${rule}`),
  minItems: (rule, value) => fault(Array.isArray(value) && value.length < (rule as number), "has too few"),
  maxItems: (rule, value) => fault(Array.isArray(value) && value.length > (rule as number), "has too many"),
  items: (rule, value, descend) =>
    Array.isArray(value) ? value.flatMap((item, i) => descend(rule, item, `/${i}`)) : [],
  required: (rule, value) =>
    isObject(value) ? (rule as string[]).flatMap((name) => fault(!(name in value), `lacks ${name}`)) : [],
  properties: (rule, value, descend) =>
    isObject(value)
      ? Object.entries(rule as JsonSchema).flatMap(([name, sub]) =>
          name in value ? descend(sub, value[name], `/${name}`) : [],
        )
      : [],
  /** Of an object whose field names are free. */
  additionalProperties: (rule, value, descend) =>
    isObject(value) ? Object.keys(value).flatMap((name) => descend(rule, value[name], `/${name}`)) : [],
  propertyNames: (rule, value, descend) =>
    isObject(value) ? Object.keys(value).flatMap((name) => descend(rule, name, `/${name}`)) : [],
  maxProperties: (rule, value) =>
    fault(isObject(value) && Object.keys(value).length > (rule as number), "has too many fields"),
  minProperties: (rule, value) =>
    fault(isObject(value) && Object.keys(value).length < (rule as number), "has too few fields"),
  allOf: (rule, value, descend) => (rule as unknown[]).flatMap((sub) => descend(sub, value, "")),
  anyOf: (rule, value, descend) =>
    fault(!(rule as unknown[]).some((sub) => descend(sub, value, "").length === 0), "fits none"),
  oneOf: (rule, value, descend) => {
    const hits = (rule as unknown[]).filter((sub) => descend(sub, value, "").length === 0);
    return fault(hits.length !== 1, hits.length === 0 ? "fits none" : "fits several");
  },
  not: (rule, value, descend) => fault(descend(rule, value, "").length === 0, "is what it must not be"),
};
