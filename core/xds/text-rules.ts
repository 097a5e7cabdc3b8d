/**
 * Texts with a grammar: header names and values, regular expressions, `%…%` formats, data that may be inline or
 * in a file. One place for the rules, so that every field is held to the same.
 */
import { latin1, lowerCase, utf8ByteString } from "../bytes/ascii.ts";
import type { Json } from "../config/model.ts";
import { isFieldName, isFieldValue } from "../http/fields.ts";
import type { DataSource } from "./generated/envoy/config/core/v3/base_pb.ts";
import type { RegexMatcher } from "./generated/envoy/type/matcher/v3/regex_pb.ts";
import type { Context, Reader } from "./reader.ts";

/** A header name in lower case; `pseudo` allows a leading ":". */
export function headerName(context: Context, text: string, path: string, pseudo: boolean): string {
  const name = lowerCase(utf8ByteString(text));
  const token = pseudo && name.startsWith(":") ? name.slice(1) : name;
  if (text !== "" && !isFieldName(token)) {
    context.faults.add(path, `is no header name: ${JSON.stringify(text)}`);
  }
  return name;
}

/** Text that goes into a header value. */
export function headerValue(context: Context, text: string, path: string): string {
  const value = utf8ByteString(text);
  if (!isFieldValue(value)) context.faults.add(path, "has characters that a header value must not have");
  return value;
}

/**
 * Text that becomes part of a request target: visible ASCII without "#". A space in it would end the target, and
 * what comes behind would be read as the version (or as another request).
 */
export function checkTarget(context: Context, text: string, path: string): void {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x20 && code < 0x7f && code !== 0x23) continue;
    context.faults.add(path, "has characters that a request target must not have");
    return;
  }
}

/** A text with `%…%` operators. */
export function formatText(context: Context, text: string, path: string): string {
  const format = utf8ByteString(text);
  const why = format.includes("%") ? (context.checks.checkFormat?.(format) ?? "") : "";
  if (why !== "") context.faults.add(path, why);
  return format;
}

/** A JSON structure whose texts have `%…%` operators. */
export function formatJson(context: Context, json: Json, path: string): Json {
  if (typeof json === "string") return formatText(context, json, path);
  if (Array.isArray(json)) return json.map((entry, i) => formatJson(context, entry, `${path}[${i}]`));
  if (typeof json === "object" && json !== null) {
    const entries = Object.entries(json as { readonly [key: string]: Json });
    return Object.fromEntries(
      entries.map(([key, entry]) => [utf8ByteString(key), formatJson(context, entry, `${path}.${key}`)]),
    );
  }
  return json;
}

/** The pattern of a `RegexMatcher`. */
export function regexPattern(reader: Reader<RegexMatcher>): string {
  // The only engine there is; its one option was a limit on the program that RE2 no longer has.
  reader.inert("engineType");
  const pattern = reader.text("regex");
  const why = pattern === "" ? "" : (reader.context.checks.checkRegex?.(pattern) ?? "");
  if (why !== "") reader.fault("regex", why);
  return pattern;
}

/** The substitution of a regex rewrite: RE2's `\0` … `\9` and `\\`. */
export function checkSubstitution(context: Context, text: string, path: string): void {
  const bad = /\\(?![0-9\\])/.exec(text);
  if (bad !== null)
    context.faults.add(path, "has a backslash that is followed by neither a digit nor a backslash");
}

/** Content as a byte string; "" after a fault. */
export function readDataSource(reader: Reader<DataSource> | null): string {
  if (reader === null) return "";
  const chosen = reader.oneof("specifier");
  switch (chosen.case) {
    case undefined:
      return "";
    case "inlineString":
      return utf8ByteString(chosen.value);
    case "inlineBytes":
      return latin1(chosen.value, 0, chosen.value.length);
    case "filename": {
      const { readFile } = reader.context.checks;
      if (readFile === undefined) {
        reader.refuseOneof(chosen);
        return "";
      }
      const content = readFile(chosen.value);
      if (content === null) reader.context.faults.add(chosen.path, `cannot be read: ${chosen.value}`);
      return content ?? "";
    }
    case "environmentVariable": {
      const { readEnvironment } = reader.context.checks;
      if (readEnvironment === undefined) {
        reader.refuseOneof(chosen);
        return "";
      }
      const content = readEnvironment(chosen.value);
      if (content === null) reader.context.faults.add(chosen.path, `is not set: ${chosen.value}`);
      return content ?? "";
    }
  }
}
