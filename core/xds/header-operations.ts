/**
 * Headers to add and to remove, which virtual hosts, routes and others share. `host` and names with ":" are
 * refused as Envoy refuses them: what a rewrite may do to them has its own fields.
 */
import type { HeaderOperations, HeaderToAdd } from "../config/model.ts";
import type { HeaderValueOption } from "./generated/envoy/config/core/v3/base_pb.ts";
import type { Context, Reader } from "./reader.ts";
import { formatText, headerName, headerValue } from "./text-rules.ts";

/** The four fields, as every message that has them declares them. */
export type WithHeaderOperations = {
  $typeName: string;
  requestHeadersToAdd: HeaderValueOption[];
  requestHeadersToRemove: string[];
  responseHeadersToAdd: HeaderValueOption[];
  responseHeadersToRemove: string[];
};

/** Nothing to add, nothing to remove. */
export const NO_HEADER_OPERATIONS: HeaderOperations = {
  requestAdd: [],
  requestRemove: [],
  responseAdd: [],
  responseRemove: [],
};

/** Reads the four fields. */
export function readHeaderOperations<M extends WithHeaderOperations>(of: Reader<M>): HeaderOperations {
  const reader = of as unknown as Reader<WithHeaderOperations>;
  const removals = (key: "requestHeadersToRemove" | "responseHeadersToRemove") =>
    readRemovals(reader.context, reader.take(key), reader.at(key));
  return {
    requestAdd: readHeadersToAdd(reader.children("requestHeadersToAdd")),
    requestRemove: removals("requestHeadersToRemove"),
    responseAdd: readHeadersToAdd(reader.children("responseHeadersToAdd")),
    responseRemove: removals("responseHeadersToRemove"),
  };
}

/** Reads a list of headers to add. */
export function readHeadersToAdd(readers: readonly Reader<HeaderValueOption>[]): HeaderToAdd[] {
  return readers.map(readHeaderToAdd);
}

function readHeaderToAdd(reader: Reader<HeaderValueOption>): HeaderToAdd {
  const header = reader.child("header");
  const append = reader.take("append");
  let action = reader.choice("appendAction", [
    "APPEND_IF_EXISTS_OR_ADD",
    "ADD_IF_ABSENT",
    "OVERWRITE_IF_EXISTS_OR_ADD",
    "OVERWRITE_IF_EXISTS",
  ]);
  if (append !== undefined) {
    if (reader.has("appendAction")) reader.fault("append", "must not be set beside append_action");
    else if (!append) action = "OVERWRITE_IF_EXISTS_OR_ADD";
  }
  const keepEmptyValue = reader.take("keepEmptyValue");
  if (header === null) return { name: "", value: "", action, keepEmptyValue };
  const { context } = reader;
  const name = headerName(context, header.take("key"), header.at("key"), true);
  refuseRouting(context, name, header.at("key"));
  const value = header.take("value");
  headerValue(context, value, header.at("value"));
  return { name, value: formatText(context, value, header.at("value")), action, keepEmptyValue };
}

/** Reads a list of headers to remove, which stands at `path`. */
export function readRemovals(context: Context, names: readonly string[], path: string): string[] {
  return names.map((text, i) => {
    const at = `${path}[${i}]`;
    const name = headerName(context, text, at, true);
    refuseRouting(context, name, at);
    return name;
  });
}

function refuseRouting(context: Context, name: string, path: string): void {
  if (name === "host" || name.startsWith(":")) {
    context.faults.add(path, 'must be neither "host" nor begin with ":"');
  }
}
