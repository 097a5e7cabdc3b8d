/**
 * Text of a configuration file (YAML, of which JSON is a part) → JSON value with positions, and faults as lines
 * that name them. Positions are worked out only when somebody asks: a sound file costs nothing for them.
 */
import type { ConfigFault } from "../../core/config/config-fault.ts";
import type { Json } from "../../core/config/model.ts";
import type { Mark } from "./yaml-nodes.ts";
import { YamlReader } from "./yaml-reader.ts";
import { YamlError } from "./yaml-scalar.ts";

/** A place in a text file, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A document, or why it cannot be read. */
export interface Document {
  /** Undefined if the text is not well-formed. */
  readonly value: Json | undefined;
  /** Why it is not; empty if it is. */
  readonly errors: readonly { readonly position: Position; readonly message: string }[];
  /** Where the value at `path` (as in `ConfigFault.path`) is, or its nearest ancestor that is there. */
  locate(path: string): Position;
}

/** Reads a document. Never throws. */
export function readDocument(text: string): Document {
  return new YamlDocument(text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n"));
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

class YamlDocument implements Document {
  readonly value: Json | undefined;
  readonly errors: readonly { readonly position: Position; readonly message: string }[];
  private readonly text: string;
  private root: Mark | null = null;
  private lineStarts: readonly number[] | null = null;

  constructor(text: string) {
    this.text = text;
    try {
      const bad = controlCharacter(text);
      if (bad >= 0) throw new YamlError(bad, "has a control character");
      this.value = new YamlReader(text, false).read().value;
      this.errors = [];
    } catch (error) {
      if (!(error instanceof YamlError)) throw error; // a defect of the reader
      this.errors = [{ position: this.position(error.offset), message: error.message }];
    }
  }

  locate(path: string): Position {
    if (this.value === undefined) return { line: 1, column: 1 };
    this.root ??= new YamlReader(this.text, true).read().mark;
    let mark = this.root;
    let at = mark?.at ?? 0;
    for (const step of stepsOf(path)) {
      const next: Mark | undefined =
        mark?.items[Number(step)] ?? mark?.entries.get(step) ?? mark?.entries.get(camelCase(step));
      if (next === undefined) break;
      mark = next;
      at = next.at;
    }
    return this.position(at);
  }

  private position(offset: number): Position {
    this.lineStarts ??= lineStartsOf(this.text);
    let low = 0;
    let high = this.lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.lineStarts[middle] <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - this.lineStarts[low] + 1 };
  }
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Offset of a character that YAML does not allow anywhere, or -1. */
function controlCharacter(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 ? code !== 9 && code !== 10 : code === 0x7f) return i;
  }
  return -1;
}

/** `a.b[0]["c.d"]` → a, b, 0, c.d. */
function stepsOf(path: string): string[] {
  const steps: string[] = [];
  const step = /\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g;
  for (const [, index, quoted, name] of path.matchAll(step)) {
    steps.push(index ?? (quoted === undefined ? name : (JSON.parse(quoted) as string)));
  }
  return steps;
}

function camelCase(name: string): string {
  return name.replace(/_+([^_])/g, (_, letter: string) => letter.toUpperCase());
}
