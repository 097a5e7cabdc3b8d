/**
 * YAML text → JSON value, in one pass over the text and without a tree in between: a large configuration costs
 * little more than its values. Covers what configuration is written in: block and flow collections, all five
 * kinds of scalars, anchors, aliases, merge keys, comments. Refused by name: several documents, keys that are not
 * text, tags other than `!!str`.
 *
 * Laws: the first error ends the reading; aliases share the value that they name; marks (where every value is)
 * are made only on request, because they are needed only to report a fault.
 */
import type { Json } from "../../core/config/model.ts";
import { type Mark, NO_ENTRIES, YamlNodes } from "./yaml-nodes.ts";
import { plainValue, YamlError } from "./yaml-scalar.ts";
import { FLOW_END } from "./yaml-scanner.ts";

/** Reads one document. */
export class YamlReader extends YamlNodes {
  /** Reads the only document. Throws `YamlError`. */
  read(): { readonly value: Json; readonly mark: Mark | null } {
    this.skip();
    while (this.text[this.at] === "%" && this.at === this.lineStart) {
      this.at = this.endOfLine();
      this.skip();
    }
    if (this.isMarker("---")) {
      this.at += 3;
      this.skip();
    }
    const value = this.block(0);
    const { mark } = this;
    this.skip();
    while (this.isMarker("...")) {
      this.at += 3;
      this.skip();
    }
    if (this.isMarker("---")) throw this.error("has more than one document");
    if (this.at < this.text.length) throw this.error("unexpected text after the document");
    return { value, mark };
  }

  // ── Block collections ─────────────────────────────────────────────────────────────────────────────────────

  /** The node that begins at or after this place and is indented by at least `indent`; null if there is none. */
  protected block(indent: number): Json {
    this.skip();
    const column = this.at - this.lineStart;
    if (this.atEnd() || column < indent) return this.scalar(null, this.at);
    if (this.isDash()) return this.sequence(column);
    const line = this.lineStart;
    const start = this.at;
    const hadProperties = this.properties();
    if (hadProperties && this.isBlankToEnd()) {
      const [anchor, text] = this.takeProperties();
      return this.anchor(anchor, () => this.asText(this.block(indent), text));
    }
    // Properties before a key on the same line are the key's, not the mapping's.
    if (this.lineStart === line && this.isKey()) {
      this.takeProperties();
      this.at = start;
      return this.mapping(column, start);
    }
    const [anchor, text] = this.takeProperties();
    return this.anchor(anchor, () => this.inline(indent, text));
  }

  /** A value that begins here, on the line of its key or dash. */
  protected inline(indent: number, text: boolean): Json {
    const start = this.at;
    switch (this.text[this.at]) {
      case "[":
      case "{": {
        const value = this.flow();
        this.expectEndOfLine();
        return value;
      }
      case '"':
      case "'": {
        const value = this.quoted();
        this.expectEndOfLine();
        return this.scalar(value, start);
      }
      case "|":
      case ">":
        return this.scalar(this.blockScalar(indent), start);
      case "*": {
        const value = this.alias();
        this.expectEndOfLine();
        return value;
      }
      default: {
        const plain = this.plain(indent);
        return this.scalar(text ? plain : plainValue(plain), start);
      }
    }
  }

  protected sequence(column: number): Json {
    this.enter();
    const start = this.at;
    const list: Json[] = [];
    const items: Mark[] = [];
    while (!this.atEnd() && this.at - this.lineStart === column && this.isDash()) {
      this.at++;
      this.skipSpaces();
      list.push(this.isBlankToEnd() ? this.below(column, false) : this.block(column + 1));
      if (this.marking) items.push(this.mark as Mark);
      this.skip();
    }
    if (!this.atEnd() && this.at - this.lineStart > column) throw this.error("is indented too far");
    return this.leave(list, start, NO_ENTRIES, items);
  }

  protected mapping(column: number, start: number): Json {
    this.enter();
    const mapping = this.newMapping();
    while (!this.atEnd() && this.at - this.lineStart === column) {
      if (this.isDash()) throw this.error("a list entry where a key is expected");
      const keyAt = this.at;
      this.properties();
      const isMerge = this.text.startsWith("<<", this.at);
      const key = this.key();
      this.skipSpaces();
      const value = this.isBlankToEnd() ? this.below(column, true) : this.valueAfterKey(column);
      this.put(mapping, key, value, keyAt, isMerge);
      this.skip();
    }
    if (!this.atEnd() && this.at - this.lineStart > column) throw this.error("is indented too far");
    return this.finish(mapping, start);
  }

  /** A value on the lines below its key or dash; a list may stand at the key's own column. */
  protected below(column: number, ofKey: boolean): Json {
    this.skip();
    const here = this.at - this.lineStart;
    if (ofKey && !this.atEnd() && here === column && this.isDash()) return this.sequence(column);
    return this.block(column + 1);
  }

  protected valueAfterKey(column: number): Json {
    if (this.isDash()) throw this.error("a list must begin on a line of its own");
    this.properties();
    const [anchor, text] = this.takeProperties();
    return this.anchor(anchor, () => {
      if (this.isBlankToEnd()) return this.asText(this.below(column, true), text);
      if (this.isKey()) throw this.error("a key inside a value; quote the text, or begin a new line");
      return this.inline(column + 1, text);
    });
  }

  // ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** True if a key and its colon stand here, on this line. */
  protected isKey(): boolean {
    const first = this.text[this.at];
    if (first === "?" && this.isSpace(this.at + 1)) throw this.error("a key must be a text");
    if (first === "[" || first === "{" || first === "|" || first === ">") return false;
    const { at, lineStart } = this;
    let end = -1;
    if (first === '"' || first === "'") {
      this.quoted();
      if (this.lineStart === lineStart) {
        this.skipSpaces();
        end = this.at;
      }
    } else {
      end = this.endOfPlain(false);
    }
    this.at = at;
    this.lineStart = lineStart;
    return end >= 0 && this.text[end] === ":" && this.isSpace(end + 1);
  }

  /** Reads a key of a block mapping with its colon. */
  protected key(): string {
    if (!this.isKey()) throw this.error('expected a key followed by ":"');
    const [anchor] = this.takeProperties();
    const first = this.text[this.at];
    let key: string;
    if (first === "*") key = String(this.alias());
    else if (first === '"' || first === "'") key = this.quoted();
    else {
      this.checkPlainStart(false);
      const end = this.endOfPlain(false);
      key = this.text.slice(this.at, end).trimEnd();
      this.at = end;
    }
    this.nameKey(anchor, key);
    this.skipSpaces();
    this.at++; // the colon that `isKey` has seen
    return key;
  }

  // ── Flow collections ──────────────────────────────────────────────────────────────────────────────────────

  /** A node inside brackets, or the brackets themselves. */
  protected flow(): Json {
    this.properties();
    this.skipFlow();
    const [anchor, text] = this.takeProperties();
    return this.anchor(anchor, () => {
      const start = this.at;
      switch (this.text[this.at]) {
        case "[":
          return this.flowSequence();
        case "{":
          return this.flowMapping();
        case '"':
        case "'":
          return this.scalar(this.quoted(), start);
        case "*":
          return this.alias();
        default: {
          const plain = this.flowPlain();
          return this.scalar(text ? plain : plainValue(plain), start);
        }
      }
    });
  }

  protected flowSequence(): Json {
    this.enter();
    const start = this.at++;
    const list: Json[] = [];
    const items: Mark[] = [];
    for (;;) {
      this.skipFlow();
      if (this.text[this.at] === "]") break;
      const entryAt = this.at;
      let value = this.flow();
      if (this.isFlowColon(entryAt)) value = this.singlePair(value, entryAt);
      list.push(value);
      if (this.marking) items.push(this.mark as Mark);
      this.expectComma("]", start);
    }
    this.at++;
    return this.leave(list, start, NO_ENTRIES, items);
  }

  /** `[a: b]` is a list of one object. */
  protected singlePair(key: Json, keyAt: number): Json {
    this.skipFlow();
    this.at++;
    this.skipFlow();
    const value = this.flow();
    const name = this.nameOf(key, keyAt);
    if (this.mark !== null) {
      this.mark = { at: keyAt, entries: new Map([[name, { ...this.mark, at: keyAt }]]), items: [] };
    }
    return { [name]: value };
  }

  protected flowMapping(): Json {
    this.enter();
    const start = this.at++;
    const mapping = this.newMapping();
    for (;;) {
      this.skipFlow();
      if (this.text[this.at] === "}") break;
      const keyAt = this.at;
      const isMerge = this.text.startsWith("<<", keyAt);
      const key = this.flowKey();
      let value: Json = null;
      if (this.isFlowColon(keyAt)) {
        this.skipFlow();
        this.at++;
        this.skipFlow();
        value =
          FLOW_END.includes(this.text[this.at] ?? "") && !"[{".includes(this.text[this.at] ?? "x")
            ? this.scalar(null, this.at)
            : this.flow();
      } else {
        this.scalar(null, keyAt);
      }
      this.put(mapping, key, value, keyAt, isMerge);
      this.expectComma("}", start);
    }
    this.at++;
    return this.finish(mapping, start);
  }

  protected flowKey(): string {
    const keyAt = this.at;
    const first = this.text[this.at];
    if (first === "?" && this.isSpace(this.at + 1)) throw this.error("a key must be a text");
    if (first === '"' || first === "'") return this.quoted();
    if (first === "*" || first === "&" || first === "!") return this.nameOf(this.flow(), keyAt);
    if (first === "[" || first === "{") throw this.error("a key must be a text");
    return this.flowPlain();
  }

  protected nameOf(key: Json, at: number): string {
    if (typeof key === "object" && key !== null) throw new YamlError(at, "a key must be a text");
    return key === null ? "" : String(key);
  }

  /** True if a colon comes next: after a quoted key it need not be followed by a space. */
  protected isFlowColon(keyAt: number): boolean {
    const { at, lineStart } = this;
    this.skipFlow();
    const next = this.text[this.at + 1];
    const quoted = this.text[keyAt] === '"' || this.text[keyAt] === "'";
    const found =
      this.text[this.at] === ":" && (quoted || this.isSpace(this.at + 1) || FLOW_END.includes(next));
    this.at = at;
    this.lineStart = lineStart;
    return found;
  }

  protected expectComma(end: string, start: number): void {
    this.skipFlow();
    const next = this.text[this.at];
    if (next === ",") this.at++;
    else if (next === undefined) throw new YamlError(start, `has no closing "${end}"`);
    else if (next !== end) throw this.error(`expected "," or "${end}"`);
  }
}
