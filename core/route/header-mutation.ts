/**
 * Compiled header operations of one place in the configuration (a route, a virtual host, a route configuration,
 * a weighted cluster). As in Envoy: removals first; then every value is computed from what is there; then
 * replacements, then additions.
 *
 * Names that begin with ":" and "host" are refused at compile time: they have rewrite rules of their own.
 */
import type { HeaderToAdd } from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import { type Fields, isFieldName, isFieldValue } from "../http/fields.ts";
import { compileFormat, type FormatEnvironment, type TextFormatter } from "../http/formatter.ts";
import type { StreamInfo } from "../http/stream-info.ts";

const APPEND = 0;
const ADD_IF_ABSENT = 1;
const OVERWRITE_OR_ADD = 2;
const OVERWRITE = 3;
const ACTIONS = {
  APPEND_IF_EXISTS_OR_ADD: APPEND,
  ADD_IF_ABSENT,
  OVERWRITE_IF_EXISTS_OR_ADD: OVERWRITE_OR_ADD,
  OVERWRITE_IF_EXISTS: OVERWRITE,
} as const;

interface Addition {
  readonly name: string;
  readonly action: number;
  readonly keepEmpty: boolean;
  readonly value: TextFormatter;
}

export class HeaderMutation {
  private readonly removals: readonly string[];
  private readonly additions: readonly Addition[];
  /** Values of the run in progress, by addition; null = nothing to do. */
  private readonly values: (string | null)[];

  /** Use `compileHeaderMutation`. */
  constructor(removals: readonly string[], additions: readonly Addition[]) {
    this.removals = removals;
    this.additions = additions;
    this.values = additions.map(() => null);
  }

  /** True if `apply` never does anything. */
  get isEmpty(): boolean {
    return this.removals.length === 0 && this.additions.length === 0;
  }

  /** Changes `fields`; values come from `info`, whose heads may be the owners of `fields`. */
  apply(fields: Fields, info: StreamInfo): void {
    const { removals, additions, values } = this;
    for (let i = 0; i < removals.length; i++) fields.remove(removals[i]);
    for (let i = 0; i < additions.length; i++) values[i] = this.valueOf(additions[i], fields, info);
    for (let i = 0; i < additions.length; i++) {
      const value = values[i];
      if (value !== null && additions[i].action >= OVERWRITE_OR_ADD) fields.set(additions[i].name, value);
    }
    for (let i = 0; i < additions.length; i++) {
      const value = values[i];
      if (value !== null && additions[i].action < OVERWRITE_OR_ADD) fields.add(additions[i].name, value);
    }
  }

  private valueOf(addition: Addition, fields: Fields, info: StreamInfo): string | null {
    if (addition.action === ADD_IF_ABSENT && fields.has(addition.name)) return null;
    if (addition.action === OVERWRITE && !fields.has(addition.name)) return null;
    const constant = addition.value.constant;
    if (constant !== null) return constant;
    const value = addition.value.formatHeader(info) ?? "";
    if (value === "" && !addition.keepEmpty) return null;
    // Parts of it may come from a peer or from a filter.
    return isFieldValue(value) ? value : null;
  }
}

/** Does nothing. */
export const NO_MUTATION: HeaderMutation = new HeaderMutation([], []);

/** Compiles one side (request or response); what is wrong goes to `faults`. Paths are those of Envoy's fields. */
export function compileHeaderMutation(
  add: readonly HeaderToAdd[],
  remove: readonly string[],
  side: "request" | "response",
  path: string,
  environment: FormatEnvironment,
  faults: ConfigFault[],
): HeaderMutation {
  if (add.length === 0 && remove.length === 0) return NO_MUTATION;
  const additions: Addition[] = [];
  for (const [i, header] of add.entries()) {
    const at = `${path}${side}_headers_to_add[${i}]`;
    if (!isModifiable(header.name)) {
      faults.push({ path: `${at}.header.key`, message: nameFault(header.name) });
      continue;
    }
    const { formatter, errors } = compileFormat(header.value, environment);
    for (const message of errors) faults.push({ path: `${at}.header.value`, message });
    if (formatter === null) continue;
    if (formatter.constant !== null && !isFieldValue(formatter.constant)) {
      faults.push({ path: `${at}.header.value`, message: "holds bytes that a header value may not have" });
      continue;
    }
    if (formatter.constant === "" && !header.keepEmptyValue) continue;
    additions.push({
      name: header.name,
      action: ACTIONS[header.action],
      keepEmpty: header.keepEmptyValue,
      value: formatter,
    });
  }
  const removals: string[] = [];
  for (const [i, name] of remove.entries()) {
    if (isModifiable(name)) removals.push(name);
    else faults.push({ path: `${path}${side}_headers_to_remove[${i}]`, message: nameFault(name) });
  }
  if (removals.length === 0 && additions.length === 0) return NO_MUTATION;
  return new HeaderMutation(removals, additions);
}

function isModifiable(name: string): boolean {
  return name !== "host" && isFieldName(name);
}

function nameFault(name: string): string {
  if (name === "host" || name.startsWith(":")) return ":-prefixed or host headers may not be modified";
  return `"${name}" is not a header name`;
}
