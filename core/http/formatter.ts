/**
 * Envoy's substitution format language: `%OPERATOR(argument):length%` inside text or inside the strings of a
 * JSON document. Compiled once, rendered per stream. Used by access logs, header values and local replies.
 *
 * It does not know where the text goes; a caller that sends it as a header checks it with `isFieldValue`, for
 * some values (a path, a peer's header) come from the outside.
 */
import { type FormatEnvironment, type FormatValue, makeOperator, type Operator } from "./format-operators.ts";
import { jsonText } from "./json-text.ts";
import type { StreamInfo } from "./stream-info.ts";

export type { FormatEnvironment } from "./format-operators.ts";

/** Envoy's access log line when none is configured. */
export const DEFAULT_LOG_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% ' +
  "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% " +
  '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Literal text and operators, in order; two literals never touch. */
type Parts = readonly (string | Operator)[];

/** A compiled text format. */
export class TextFormatter {
  /** The text if it is the same for every stream, else null. */
  readonly constant: string | null;
  private readonly parts: Parts;
  private readonly missing: string;

  /** Use `compileFormat`. */
  constructor(parts: Parts, missing: string) {
    this.parts = parts;
    this.missing = missing;
    this.constant =
      parts.length === 0 ? "" : parts.length === 1 && typeof parts[0] === "string" ? parts[0] : null;
  }

  /** The text for a log line or a body: a missing value is "-", or "" if empty values are omitted. */
  format(info: StreamInfo): string {
    return this.render(info, this.missing);
  }

  /** The text for a header value: null if the format is one operator without a value; in a mix it is "". */
  formatHeader(info: StreamInfo): string | null {
    if (this.constant !== null) return this.constant;
    if (this.parts.length === 1) {
      const value = (this.parts[0] as Operator)(info);
      return value === null ? null : String(value);
    }
    return this.render(info, "");
  }

  private render(info: StreamInfo, missing: string): string {
    let out = "";
    for (const part of this.parts) {
      if (typeof part === "string") out += part;
      else out += part(info) ?? missing;
    }
    return out;
  }

  /** The value if the whole format is one operator: what JSON keeps the type of. */
  value(info: StreamInfo): FormatValue {
    if (this.constant !== null) return this.constant;
    return this.parts.length === 1 ? (this.parts[0] as Operator)(info) : this.format(info);
  }
}

/** Compiles a text format, collecting every error. `formatter` is null if there is one. */
export function compileFormat(
  format: string,
  environment: FormatEnvironment,
  omitEmptyValues = false,
): { readonly formatter: TextFormatter | null; readonly errors: readonly string[] } {
  const parts: (string | Operator)[] = [];
  const errors: string[] = [];
  let literal = "";
  let i = 0;
  while (i < format.length) {
    const percent = format.indexOf("%", i);
    if (percent < 0) break;
    literal += format.slice(i, percent);
    if (format[percent + 1] === "%") {
      literal += "%";
      i = percent + 2;
      continue;
    }
    OPERATOR.lastIndex = percent;
    const match = OPERATOR.exec(format);
    if (match === null) {
      errors.push(
        `"${format.slice(percent, percent + 40)}" at ${percent} is not an operator; write %% for a percent sign`,
      );
      return { formatter: null, errors };
    }
    const limit = match[3] === undefined ? -1 : match[3].length > 9 ? 999_999_999 : Number(match[3]);
    const operator = makeOperator(match[1], match[2] ?? null, limit, environment);
    if (typeof operator === "string") errors.push(operator);
    else {
      if (literal !== "") parts.push(literal);
      literal = "";
      parts.push(operator);
    }
    i = percent + match[0].length;
  }
  literal += format.slice(i);
  if (literal !== "") parts.push(literal);
  if (errors.length > 0) return { formatter: null, errors };
  return { formatter: new TextFormatter(parts, omitEmptyValues ? "" : "-"), errors };
}

const OPERATOR = /%([A-Z0-9_]+)(?:\(([^)]*)\))?(?::([0-9]+))?%/y;

/** A compiled JSON format. */
export class JsonFormatter {
  private readonly root: Node;
  private readonly omitEmpty: boolean;

  /** Use `compileJsonFormat`. */
  constructor(root: Node, omitEmpty: boolean) {
    this.root = root;
    this.omitEmpty = omitEmpty;
  }

  /** One JSON document on one line, without a line end. */
  format(info: StreamInfo): string {
    return this.render(this.root, info) ?? "{}";
  }

  /** Null if the node is to be left out. */
  private render(node: Node, info: StreamInfo): string | null {
    if (node instanceof TextFormatter) {
      const value = node.value(info);
      if (value === null) return this.omitEmpty ? null : "null";
      return typeof value === "number" ? String(value) : jsonText(value);
    }
    if (typeof node === "string") return this.omitEmpty && node === "null" ? null : node;
    let out = "";
    if (node.keys === null) {
      for (const item of node.items) {
        const text = this.render(item, info);
        if (text !== null) out += (out === "" ? "" : ",") + text;
      }
      return `[${out}]`;
    }
    for (let i = 0; i < node.items.length; i++) {
      const text = this.render(node.items[i], info);
      if (text !== null) out += (out === "" ? "" : ",") + node.keys[i] + text;
    }
    return `{${out}}`;
  }
}

/** Ready JSON text, a format, an object (`keys` hold `"name":`) or a list (`keys` is null). */
type Node =
  | string
  | TextFormatter
  | { readonly keys: readonly string[] | null; readonly items: readonly Node[] };

/** Compiles a `json_format`, collecting every error. `formatter` is null if there is one. */
export function compileJsonFormat(
  format: JsonValue,
  environment: FormatEnvironment,
  omitEmptyValues = false,
): { readonly formatter: JsonFormatter | null; readonly errors: readonly string[] } {
  const errors: string[] = [];
  const node = (value: JsonValue, path: string): Node => {
    if (value === null || typeof value === "boolean" || typeof value === "number") return String(value);
    if (typeof value === "string") {
      const compiled = compileFormat(value, environment, omitEmptyValues);
      for (const error of compiled.errors) errors.push(path === "" ? error : `${path}: ${error}`);
      return compiled.formatter ?? "null";
    }
    if (Array.isArray(value)) {
      return { keys: null, items: value.map((item, i) => node(item, `${path}[${i}]`)) };
    }
    const map = value as { readonly [key: string]: JsonValue };
    const names = Object.keys(map).sort();
    return {
      keys: names.map((name) => `${jsonText(name)}:`),
      items: names.map((name) => node(map[name], path === "" ? name : `${path}.${name}`)),
    };
  };
  const root = node(format, "");
  return { formatter: errors.length > 0 ? null : new JsonFormatter(root, omitEmptyValues), errors };
}
