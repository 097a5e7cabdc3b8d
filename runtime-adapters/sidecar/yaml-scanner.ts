/**
 * Text of YAML, read from left to right: where we are, blank space, comments, and the text of every kind of
 * scalar. Knows no collections, anchors or tags; `YamlReader` builds on it.
 */
import { blockText, foldLines, unescapeText, YamlError } from "./yaml-scalar.ts";

const BLANK = /[^ \t]/g;
const NOT_PLAIN = ",[]{}#&*!|>'\"%@`";
/** What ends a plain scalar inside brackets. */
export const FLOW_END = ",[]{}";

/** A place in a text that moves forward. */
export class YamlScanner {
  protected readonly text: string;
  protected at = 0;
  /** Where the line of `at` begins. */
  protected lineStart = 0;

  /** `text` has "\n" as its only line end. */
  constructor(text: string) {
    this.text = text;
  }

  // ── Scalars ───────────────────────────────────────────────────────────────────────────────────────────────

  protected quoted(): string {
    const start = this.at;
    const quote = this.text[start];
    let end = start + 1;
    for (;;) {
      end = this.text.indexOf(quote, end);
      if (end < 0) throw new YamlError(start, "the quote is not closed");
      if (quote === "'" && this.text[end + 1] === "'") end += 2;
      else if (quote === '"' && this.isEscaped(end)) end++;
      else break;
    }
    const raw = this.text.slice(start + 1, end);
    this.at = end + 1;
    const lastBreak = raw.lastIndexOf("\n");
    if (lastBreak >= 0) this.lineStart = start + 2 + lastBreak;
    return quote === '"' ? unescapeText(raw, start + 1) : foldLines(raw.replaceAll("''", "'"));
  }

  protected isEscaped(at: number): boolean {
    let slashes = 0;
    while (this.text[at - 1 - slashes] === "\\") slashes++;
    return slashes % 2 === 1;
  }

  /** Where a plain scalar that begins here ends on this line (before trailing spaces are taken off). */
  protected endOfPlain(inFlow: boolean): number {
    const { text } = this;
    for (let i = this.at; ; i++) {
      const ch = text[i];
      if (ch === undefined || ch === "\n") return i;
      if (ch === ":" && (this.isSpace(i + 1) || (inFlow && FLOW_END.includes(text[i + 1])))) return i;
      if (ch === "#" && i > this.at && (text[i - 1] === " " || text[i - 1] === "\t")) return i;
      if (inFlow && FLOW_END.includes(ch)) return i;
    }
  }

  protected checkPlainStart(inFlow: boolean): void {
    const first = this.text[this.at];
    const next = this.text[this.at + 1];
    const indicator =
      "-?:".includes(first ?? "x") && (this.isSpace(this.at + 1) || (inFlow && FLOW_END.includes(next)));
    if (first === undefined || NOT_PLAIN.includes(first) || indicator) {
      throw this.error(
        first === undefined ? "ends too early" : `a text cannot begin with "${first}"; quote it`,
      );
    }
  }

  /** A plain scalar, which may go on on lines that are indented by at least `indent`. */
  protected plain(indent: number): string {
    this.checkPlainStart(false);
    const start = this.at;
    let end = this.endOfPlain(false);
    let raw = this.text.slice(start, end).trimEnd();
    for (;;) {
      this.at = end;
      if (this.text[end] === ":") throw this.error('":" inside a text; quote it');
      if (this.text[end] !== "\n") break;
      const { lineStart } = this;
      this.skipBlankLines();
      const column = this.at - this.lineStart;
      if (this.atEnd() || column < indent || this.text[this.at] === "#") {
        this.at = end;
        this.lineStart = lineStart;
        break;
      }
      const from = this.at;
      const gap = this.text.slice(end, from);
      end = this.endOfPlain(false);
      raw += gap + this.text.slice(from, end).trimEnd();
    }
    return foldLines(raw);
  }

  protected flowPlain(): string {
    this.checkPlainStart(true);
    let raw = "";
    for (;;) {
      const end = this.endOfPlain(true);
      raw += this.text.slice(this.at, end).trimEnd();
      this.at = end;
      if (this.text[end] !== "\n") break;
      const gap = this.at;
      this.skipBlankLines();
      const next = this.text[this.at];
      if (next === undefined || next === "#" || next === ":" || FLOW_END.includes(next)) break;
      raw += this.text.slice(gap, this.at);
    }
    return foldLines(raw);
  }

  protected blockScalar(indent: number): string {
    const folded = this.text[this.at] === ">";
    const end = this.endOfLine();
    const header = /^[|>](?:([1-9])([+-]?)|([+-])([1-9])?)?[ \t]*(?:[ \t]#.*)?$/.exec(
      this.text.slice(this.at, end),
    );
    if (header === null) throw this.error("bad header of a block of text");
    const explicit = header[1] ?? header[4];
    let width = explicit === undefined ? -1 : Number(explicit) + Math.max(0, indent - 1);
    const lines: string[] = [];
    this.at = end;
    while (this.at < this.text.length) {
      const from = this.at + 1; // past the line end
      if (from >= this.text.length) break;
      let content = from;
      while (this.text[content] === " " && (width < 0 || content - from < width)) content++;
      const lineEnd = this.endOfLine(from);
      const blank = content === lineEnd;
      if (!blank) {
        const column = content - from;
        if (width < 0 && column >= indent) width = column;
        if (width < 0 || column < width || (column === 0 && this.isMarkerAt(from))) break;
      }
      lines.push(this.text.slice(content, lineEnd));
      this.at = lineEnd;
      this.lineStart = from;
    }
    return blockText(lines, folded, header[2] || header[3] || "");
  }

  // ── Blank space ───────────────────────────────────────────────────────────────────────────────────────────

  /** To the next content: over spaces, comments and line ends. */
  protected skip(): void {
    for (;;) {
      const atStart = this.at === this.lineStart;
      let tab = -1;
      while (this.text[this.at] === " " || this.text[this.at] === "\t") {
        if (this.text[this.at] === "\t" && tab < 0) tab = this.at;
        this.at++;
      }
      const ch = this.text[this.at];
      if (ch === "#" && (this.at === this.lineStart || this.isSpace(this.at - 1))) this.at = this.endOfLine();
      else if (ch !== "\n") {
        if (atStart && tab >= 0 && ch !== undefined) throw new YamlError(tab, "a tab cannot indent");
        return;
      }
      if (this.at >= this.text.length) return;
      this.at++;
      this.lineStart = this.at;
    }
  }

  /** `skip` inside brackets, where indentation means nothing. */
  protected skipFlow(): void {
    for (;;) {
      this.skipSpaces();
      const ch = this.text[this.at];
      if (ch === "#" && this.isSpace(this.at - 1)) this.at = this.endOfLine();
      else if (ch !== "\n") return;
      if (this.at >= this.text.length) return;
      this.at++;
      this.lineStart = this.at;
    }
  }

  protected skipBlankLines(): void {
    for (;;) {
      this.skipSpaces();
      if (this.text[this.at] !== "\n") return;
      this.at++;
      this.lineStart = this.at;
    }
  }

  protected skipSpaces(): void {
    while (this.text[this.at] === " " || this.text[this.at] === "\t") this.at++;
  }

  /** True if nothing but spaces and a comment is left on this line. */
  protected isBlankToEnd(): boolean {
    BLANK.lastIndex = this.at;
    const found = BLANK.exec(this.text);
    const at = found === null ? this.text.length : found.index;
    if (at >= this.text.length || this.text[at] === "\n") return true;
    return this.text[at] === "#" && (at > this.at || this.isSpace(at - 1));
  }

  protected expectEndOfLine(): void {
    if (!this.isBlankToEnd()) {
      this.skipSpaces();
      throw this.error("unexpected text after a value");
    }
    this.at = this.endOfLine();
  }

  protected endOfLine(from = this.at): number {
    const end = this.text.indexOf("\n", from);
    return end < 0 ? this.text.length : end;
  }

  protected isDash(): boolean {
    return this.text[this.at] === "-" && this.isSpace(this.at + 1);
  }

  protected isSpace(at: number): boolean {
    const ch = this.text[at];
    return ch === undefined || ch === " " || ch === "\n" || ch === "\t";
  }

  protected atEnd(): boolean {
    return this.at >= this.text.length || this.isMarker("---") || this.isMarker("...");
  }

  protected isMarker(marker: string): boolean {
    return this.at === this.lineStart && this.text.startsWith(marker, this.at) && this.isSpace(this.at + 3);
  }

  protected isMarkerAt(at: number): boolean {
    return (this.text.startsWith("---", at) || this.text.startsWith("...", at)) && this.isSpace(at + 3);
  }

  protected error(message: string): YamlError {
    return new YamlError(this.at, message);
  }
}
