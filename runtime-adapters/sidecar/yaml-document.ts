/**
 * YAML text → JSON value with positions, read as Envoy's reader takes plain scalars: `y`, `yes`, `on` are true,
 * `0x10` and `010` are numbers, quoted text is text. Anchors, aliases and merge keys are followed, within a limit.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseAllDocuments } from "yaml";
import type { Json } from "../../core/config/model.ts";
import type { Document, Position } from "./document.ts";

/** Aliases may multiply a document by that many values in all; more is an attack or a mistake. */
const MAX_ALIASED_VALUES = 100_000;
const MAX_DEPTH = 200;

/** Reads YAML as Envoy's reader would. Never throws. */
export function readYaml(text: string): Document {
  return new YamlDocument(text);
}

class YamlDocument implements Document {
  readonly value: Json | undefined;
  readonly errors: { readonly position: Position; readonly message: string }[] = [];
  private readonly lines = new LineCounter();
  private root: Node | null = null;
  private readonly anchors = new Map<string, Node>();
  private aliased = 0;

  constructor(text: string) {
    this.value = this.read(text);
  }

  locate(path: string): Position {
    let node: Node | null = this.root;
    let at = node?.range?.[0] ?? 0;
    for (const step of stepsOf(path)) {
      node = this.resolve(node);
      if (isMap(node)) {
        const pair = this.find(node.items as Pair<Node, Node | null>[], step);
        if (pair === null) break;
        at = pair.key.range?.[0] ?? at;
        node = pair.value;
      } else if (isSeq(node)) {
        node = (node.items[Number(step)] as Node | undefined) ?? null;
        if (node === null) break;
        at = node.range?.[0] ?? at;
      } else {
        break;
      }
    }
    return this.position(at);
  }

  private read(text: string): Json | undefined {
    try {
      const documents = parseAllDocuments(text, {
        schema: "failsafe", // every scalar as text: which of them is a number is decided below
        lineCounter: this.lines,
        prettyErrors: false,
        uniqueKeys: true,
      });
      const all = Array.isArray(documents) ? documents : [];
      for (const document of all) {
        for (const error of document.errors) this.fail(error.pos[0], firstLine(error.message));
      }
      if (all.length > 1) this.fail(all[1].range[0], "has more than one document");
      if (this.errors.length > 0) return undefined;
      this.root = (all[0]?.contents as Node | undefined) ?? null;
      const value = this.toJson(this.root, 0, false);
      return this.errors.length > 0 ? undefined : value;
    } catch (error) {
      // Deep nesting exhausts the stack of any recursive reader.
      this.fail(0, `cannot be read: ${error instanceof Error ? firstLine(error.message) : String(error)}`);
      return undefined;
    }
  }

  private toJson(node: Node | null, depth: number, aliased: boolean): Json {
    if (node === null) return null;
    const at = node.range?.[0] ?? 0;
    if (depth > MAX_DEPTH) return this.fail(at, "is nested too deeply");
    if (aliased && ++this.aliased > MAX_ALIASED_VALUES) {
      // Said once; what follows is not expanded any more.
      return this.aliased === MAX_ALIASED_VALUES + 1 ? this.fail(at, "expands aliases too often") : null;
    }
    if (isAlias(node)) {
      const target = this.anchors.get(node.source);
      if (target === undefined) return this.fail(at, `unknown anchor: ${node.source}`);
      return this.toJson(target, depth + 1, true);
    }
    if (!aliased && "anchor" in node && node.anchor !== undefined) this.anchors.set(node.anchor, node);
    if (isScalar(node)) return scalarToJson(node.value, node.type === "PLAIN", node.tag);
    if (isSeq(node)) return node.items.map((item) => this.toJson(item as Node | null, depth + 1, aliased));
    if (isMap(node)) return this.mapToJson(node.items as Pair<Node, Node | null>[], depth, aliased);
    return null;
  }

  private mapToJson(pairs: Pair<Node, Node | null>[], depth: number, aliased: boolean): Json {
    const own: [string, Json][] = [];
    const merged: [string, Json][] = [];
    for (const { key, value } of pairs) {
      if (!isScalar(key)) {
        this.fail(key?.range?.[0] ?? 0, "a key must be a text");
        continue;
      }
      const read = this.toJson(value, depth + 1, aliased);
      if (key.value === "<<" && key.type === "PLAIN") {
        for (const source of Array.isArray(read) ? read : [read]) {
          if (typeof source === "object" && source !== null && !Array.isArray(source)) {
            merged.push(...Object.entries(source as { readonly [name: string]: Json }));
          } else {
            this.fail(key.range?.[0] ?? 0, "only an object can be merged");
          }
        }
      } else {
        own.push([String(key.value), read]);
      }
    }
    // Keys of the object itself win over merged ones, and earlier merged ones over later.
    return Object.fromEntries([...merged.reverse(), ...own]);
  }

  private find(pairs: Pair<Node, Node | null>[], step: string): Pair<Node, Node | null> | null {
    const named = (name: string): Pair<Node, Node | null> | undefined =>
      pairs.find(({ key }) => isScalar(key) && String(key.value) === name);
    const direct = named(step) ?? named(camelCase(step));
    if (direct !== undefined) return direct;
    for (const pair of pairs) {
      if (!isScalar(pair.key) || pair.key.value !== "<<") continue;
      const value = this.resolve(pair.value);
      for (const source of isSeq(value) ? value.items : [value]) {
        const target = this.resolve(source as Node | null);
        const inner = isMap(target) ? this.find(target.items as Pair<Node, Node | null>[], step) : null;
        if (inner !== null) return inner;
      }
    }
    return null;
  }

  private resolve(node: Node | null): Node | null {
    let target = node;
    for (let i = 0; isAlias(target) && i < MAX_DEPTH; i++) target = this.anchors.get(target.source) ?? null;
    return target;
  }

  private fail(offset: number, message: string): null {
    this.errors.push({ position: this.position(offset), message });
    return null;
  }

  private position(offset: number): Position {
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
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

function firstLine(message: string): string {
  return message.split("\n", 1)[0].replace(/ at line \d+, column \d+:?$/, "");
}

/** A scalar as Envoy's reader resolves it: only plain ones can be anything but text. */
function scalarToJson(value: unknown, plain: boolean, tag: string | undefined): Json {
  const text = value === null || value === undefined ? "" : String(value);
  if (!plain || tag === "tag:yaml.org,2002:str" || tag === "!") return text;
  if (/^(~|null|Null|NULL)?$/.test(text)) return null;
  if (/^(y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/.test(text)) return true;
  if (/^(n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/.test(text)) return false;
  if (/^[+-]?0[xX][0-9a-fA-F]+$/.test(text)) return integer(text, 16);
  if (/^[+-]?0[0-7]+$/.test(text)) return integer(text, 8);
  if (/^[+-]?(0|[1-9]\d*)$/.test(text)) return integer(text, 10);
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return Number(text);
  return text;
}

/** Beyond 2^53 the digits are kept as text, which protobuf's JSON mapping takes for a 64-bit number. */
function integer(text: string, base: 8 | 10 | 16): Json {
  const negative = text.startsWith("-");
  const digits = text.replace(/^[+-]/, "").replace(/^0[xX]/, "");
  const prefix = base === 16 ? "0x" : base === 8 ? "0o" : "";
  const value = BigInt(prefix + digits) * (negative ? -1n : 1n);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}
