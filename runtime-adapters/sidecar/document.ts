/**
 * Text of a configuration file → JSON value with positions. JSON is read by the runtime's own parser, in a
 * hundredth of the time and without loading the YAML package; whatever is not JSON, or is JSON that this parser
 * would read differently, is YAML. Knows nothing of Envoy's messages.
 */
import { createRequire } from "node:module";
import type { ConfigFault } from "../../core/config/config-fault.ts";
import type { Json } from "../../core/config/model.ts";
import { readJson } from "./json-document.ts";

/** Loaded with the first text that needs it: the YAML package is 70 files, and most configuration is JSON. */
function readYaml(text: string): Document {
  return (require("./yaml-document.ts") as typeof import("./yaml-document.ts")).readYaml(text);
}

const require = createRequire(import.meta.url);

/** A place in a text file, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A document, or why it cannot be read. */
export interface Document {
  /** Undefined if the text is not well-formed. */
  readonly value: Json | undefined;
  /** Syntax errors, in order. */
  readonly errors: readonly { readonly position: Position; readonly message: string }[];
  /** Where the value at `path` (as in `ConfigFault.path`) is, or its nearest ancestor that is there. */
  locate(path: string): Position;
}

/** Reads YAML, of which JSON is a part, as Envoy's reader would. Never throws. */
export function readDocument(text: string): Document {
  const value = readJson(text);
  return value === undefined ? readYaml(text) : new JsonDocument(text, value);
}

/** A file that was JSON. Only a fault has a position, so it is read again, as YAML, when there is one. */
class JsonDocument implements Document {
  readonly value: Json;
  readonly errors = [];
  private readonly text: string;
  private located: Document | null = null;

  constructor(text: string, value: Json) {
    this.text = text;
    this.value = value;
  }

  locate(path: string): Position {
    this.located ??= readYaml(this.text);
    return this.located.locate(path);
  }
}

/** "envoy.yaml:12:7: static_resources.listeners[0].name: must not be empty". */
export function formatFault(file: string, document: Document, fault: ConfigFault): string {
  const at = document.locate(fault.path);
  const place = fault.path === "" ? "" : `${fault.path}: `;
  return `${file}:${at.line}:${at.column}: ${place}${fault.message}`;
}

/** `formatFault` of each, in the order of the file. */
export function formatFaults(file: string, document: Document, faults: readonly ConfigFault[]): string[] {
  return faults
    .map((fault) => ({ at: document.locate(fault.path), line: formatFault(file, document, fault) }))
    .sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
    .map(({ line }) => line);
}
