/**
 * What nodes of YAML have in common: anchors and aliases, tags, merge keys, the count of values, and the marks
 * that say where each is. Knows no syntax of collections.
 */
import type { Json } from "../../core/config/model.ts";
import { YamlError } from "./yaml-scalar.ts";
import { FLOW_END, YamlScanner } from "./yaml-scanner.ts";

/** Where a value is: offset of its key, or of itself in a list. */
export interface Mark {
  readonly at: number;
  readonly entries: ReadonlyMap<string, Mark>;
  readonly items: readonly Mark[];
}

interface Anchored {
  readonly value: Json;
  readonly mark: Mark | null;
  /** Values in it, with those that its own aliases name. */
  readonly size: number;
}

/** An object under construction. */
export interface Mapping {
  readonly object: { [key: string]: Json };
  readonly entries: Map<string, Mark>;
  /** What "<<" names, in order, with its marks if they are made. */
  readonly merges: { readonly [key: string]: Json }[];
  readonly mergedMarks: Mark[];
}

/** What aliases may add to a document, in values; more is an attack or a mistake. */
const MAX_ALIASED_VALUES = 100_000;
const MAX_DEPTH = 200;
/** Of a value that is no object. */
export const NO_ENTRIES: ReadonlyMap<string, Mark> = new Map();

/** Bookkeeping of nodes, on top of the text. */
export class YamlNodes extends YamlScanner {
  /** True if marks are made. */
  protected readonly marking: boolean;
  /** Of the value read last. */
  protected mark: Mark | null = null;
  private depth = 0;
  /** Values so far, and those of them that came by an alias. */
  private values = 0;
  private aliased = 0;
  private readonly anchors = new Map<string, Anchored>();
  private pendingAnchor = "";
  private pendingText = false;

  /** See `YamlScanner`. */
  constructor(text: string, marking: boolean) {
    super(text);
    this.marking = marking;
  }

  /** Reads `&anchor` and `!tag` in front of a node; true if there was one. */
  protected properties(): boolean {
    let found = false;
    for (;;) {
      const first = this.text[this.at];
      if (first !== "&" && first !== "!") return found;
      const name = this.name();
      if (first === "&") {
        if (name === "&") throw this.error("an anchor needs a name");
        this.pendingAnchor = name.slice(1);
      } else if (name === "!!str" || name === "!") {
        this.pendingText = true;
      } else {
        throw this.error(`unknown tag: ${name}`);
      }
      this.at += name.length;
      this.skipSpaces();
      found = true;
    }
  }

  protected takeProperties(): [anchor: string, text: boolean] {
    const taken: [string, boolean] = [this.pendingAnchor, this.pendingText];
    this.pendingAnchor = "";
    this.pendingText = false;
    return taken;
  }

  protected name(): string {
    let end = this.at + 1;
    while (end < this.text.length && !this.isSpace(end) && !FLOW_END.includes(this.text[end])) end++;
    return this.text.slice(this.at, end);
  }

  protected anchor(name: string, read: () => Json): Json {
    if (name === "") return read();
    const before = this.values + this.aliased;
    const value = read();
    this.anchors.set(name, { value, mark: this.mark, size: this.values + this.aliased - before });
    return value;
  }

  protected alias(): Json {
    const name = this.name();
    const target = this.anchors.get(name.slice(1));
    if (target === undefined) throw this.error(`unknown anchor: ${name.slice(1)}`);
    this.aliased += target.size;
    if (this.aliased > MAX_ALIASED_VALUES) throw this.error("expands aliases too often");
    this.mark = this.marking ? { entries: NO_ENTRIES, items: [], ...target.mark, at: this.at } : null;
    this.at += name.length;
    return target.value;
  }

  protected scalar(value: Json, at: number): Json {
    this.values++;
    if (this.marking) this.mark = { at, entries: NO_ENTRIES, items: [] };
    return value;
  }

  protected asText(value: Json, text: boolean): Json {
    return text && value === null ? "" : value;
  }

  protected enter(): void {
    if (++this.depth > MAX_DEPTH) throw this.error("is nested too deeply");
  }

  protected leave(value: Json, at: number, entries: ReadonlyMap<string, Mark>, items: readonly Mark[]): Json {
    this.depth--;
    this.values++;
    if (this.marking) this.mark = { at, entries, items };
    return value;
  }

  /** Names a value for aliases, without its marks: keys have none. */
  protected nameKey(anchor: string, key: string): void {
    if (anchor !== "") this.anchors.set(anchor, { value: key, mark: null, size: 1 });
  }

  protected newMapping(): Mapping {
    return { object: {}, entries: new Map(), merges: [], mergedMarks: [] };
  }

  /** Adds an entry; `isMerge` says that the key was written as a plain "<<". */
  protected put(into: Mapping, key: string, value: Json, keyAt: number, isMerge: boolean): void {
    const { mark } = this;
    if (isMerge && key === "<<") {
      const sources = Array.isArray(value) ? value : [value];
      sources.forEach((source, i) => {
        if (typeof source !== "object" || source === null || Array.isArray(source)) {
          throw new YamlError(keyAt, "only an object can be merged");
        }
        into.merges.push(source as { [key: string]: Json });
        if (mark !== null) into.mergedMarks.push(Array.isArray(value) ? mark.items[i] : mark);
      });
      return;
    }
    if (Object.hasOwn(into.object, key)) throw new YamlError(keyAt, `the key is given twice: ${key}`);
    assign(into.object, key, value);
    if (mark !== null) into.entries.set(key, { ...mark, at: keyAt });
  }

  /** The finished object: its own keys win over merged ones, and earlier sources over later. */
  protected finish({ object, entries, merges, mergedMarks }: Mapping, start: number): Json {
    for (const source of merges) {
      for (const key of Object.keys(source))
        if (!Object.hasOwn(object, key)) assign(object, key, source[key]);
    }
    for (const mark of mergedMarks) {
      for (const [key, entry] of mark.entries) if (!entries.has(key)) entries.set(key, entry);
    }
    return this.leave(object, start, entries, []);
  }
}

/** Not a plain assignment: that would take "__proto__" for more than a name. */
function assign(object: { [key: string]: Json }, key: string, value: Json): void {
  if (key !== "__proto__") object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}
