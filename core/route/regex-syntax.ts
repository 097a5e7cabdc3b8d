/**
 * RE2's syntax (the Perl-like flavour that Envoy uses) as a tree. What RE2 refuses is refused: back-references,
 * look-around, possessive and stacked repetition. What RE2 has and we do not (`\p{…}`, `\C`) is refused by name.
 * Letters ignore case in ASCII only.
 */
import { type CharSet, charSet, complement, foldCase, INVALID, PERL, POSIX } from "./regex-charset.ts";
import {
  BEGIN_LINE,
  BEGIN_TEXT,
  END_LINE,
  END_TEXT,
  NOT_WORD_BOUNDARY,
  type RegexNode,
  type RegexTree,
  repeatSize,
  WORD_BOUNDARY,
} from "./regex-node.ts";
import { unitAt } from "./utf8-units.ts";

/** RE2's limit for one repetition and for the product of nested ones. */
const MAX_REPEAT = 1000;
const MAX_DEPTH = 200;
const ANY: CharSet = [0, INVALID];
const NOT_NEWLINE: CharSet = complement([0x0a, 0x0a]);
// The flags of "(?imsU)".
const IGNORE_CASE = 1;
const MULTI_LINE = 2;
const DOT_NEWLINE = 4;
const SWAP_GREED = 8;
const FLAGS: { readonly [letter: string]: number | undefined } = {
  i: IGNORE_CASE,
  m: MULTI_LINE,
  s: DOT_NEWLINE,
  U: SWAP_GREED,
};
const EMPTY: RegexNode = { kind: "empty" };

/** Parses a pattern (a byte string, read as UTF-8); `tree` is null if `error` is not "". */
export function parseRegex(pattern: string): { readonly tree: RegexTree | null; readonly error: string } {
  const parser = new Parser(pattern);
  const root = parser.parse();
  return parser.error === ""
    ? { tree: { root, groups: parser.groups }, error: "" }
    : { tree: null, error: parser.error };
}

class Parser {
  error = "";
  groups = 0;
  private readonly text: string;
  private at = 0;
  private depth = 0;
  private readonly names = new Set<string>();
  private flags = 0;

  constructor(text: string) {
    this.text = text;
  }

  parse(): RegexNode {
    const root = this.alternate();
    if (this.error === "" && this.at < this.text.length) this.fail("unexpected )");
    return root;
  }

  private fail(message: string): RegexNode {
    if (this.error === "") this.error = message;
    this.at = this.text.length;
    return EMPTY;
  }

  private has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  private looking(text: string): boolean {
    return this.text.startsWith(text, this.at);
  }

  private alternate(): RegexNode {
    const parts = [this.concat()];
    while (this.text[this.at] === "|") {
      this.at++;
      parts.push(this.concat());
    }
    return parts.length === 1 ? parts[0] : { kind: "alternate", parts };
  }

  private concat(): RegexNode {
    const parts: RegexNode[] = [];
    while (this.at < this.text.length) {
      const ch = this.text[this.at];
      if (ch === "|" || ch === ")") break;
      if (this.looking("\\Q")) {
        this.quoted(parts);
        continue;
      }
      if (this.looking("\\E")) {
        this.at += 2;
        continue;
      }
      const atom = this.atom();
      // A flag group such as (?i) is not a thing that could be repeated.
      if (atom !== null) parts.push(this.repetition(atom));
      else if (this.at < this.text.length && "*+?".includes(this.text[this.at]))
        return this.fail(`no argument for repetition operator: ${this.text[this.at]}`);
    }
    return parts.length === 0 ? EMPTY : parts.length === 1 ? parts[0] : { kind: "concat", parts };
  }

  /** `\Q…\E`: literal text; a repetition after it is about its last character. */
  private quoted(parts: RegexNode[]): void {
    this.at += 2;
    const stop = this.text.indexOf("\\E", this.at);
    const end = stop < 0 ? this.text.length : stop;
    while (this.at < end) parts.push(this.literal(this.character()));
    this.at = stop < 0 ? end : stop + 2;
    const last = parts.pop();
    if (last !== undefined) parts.push(this.repetition(last));
  }

  private atom(): RegexNode | null {
    const ch = this.text[this.at];
    switch (ch) {
      case "(":
        return this.group();
      case "[":
        return this.bracket();
      case ".":
        this.at++;
        return { kind: "chars", set: this.has(DOT_NEWLINE) ? ANY : NOT_NEWLINE };
      case "^":
        this.at++;
        return { kind: "assert", what: this.has(MULTI_LINE) ? BEGIN_LINE : BEGIN_TEXT };
      case "$":
        this.at++;
        return { kind: "assert", what: this.has(MULTI_LINE) ? END_LINE : END_TEXT };
      case "*":
      case "+":
      case "?":
        return this.fail(`no argument for repetition operator: ${ch}`);
      case "\\":
        return this.escape();
      case "{":
        COUNTS.lastIndex = this.at;
        if (COUNTS.test(this.text)) return this.fail("no argument for repetition operator: {");
        return this.literal(this.character());
      default:
        return this.literal(this.character());
    }
  }

  private literal(code: number): RegexNode {
    return { kind: "chars", set: this.folded([code, code]) };
  }

  private folded(set: CharSet): CharSet {
    return this.has(IGNORE_CASE) ? foldCase(set) : set;
  }

  /** The next character, consumed. */
  private character(): number {
    const unit = unitAt(this.text, this.at);
    const code = Math.floor(unit / 8);
    if (code === INVALID) {
      this.fail("the pattern is not UTF-8");
      return 0;
    }
    this.at += unit & 7;
    return code;
  }

  private group(): RegexNode | null {
    if (++this.depth > MAX_DEPTH) return this.fail("groups are nested too deeply");
    const { flags } = this;
    this.at++;
    let index = 0;
    if (this.text[this.at] === "?") {
      if (this.looking("?P<") || this.looking("?<")) {
        if (!this.groupName()) return EMPTY;
        index = ++this.groups;
      } else {
        const colon = this.groupFlags();
        if (this.error !== "") return EMPTY;
        if (!colon) {
          this.depth--;
          return null; // (?i): in force until the end of the enclosing group
        }
      }
    } else index = ++this.groups;
    const child = this.alternate();
    if (this.error !== "") return EMPTY;
    if (this.text[this.at] !== ")") return this.fail("missing )");
    this.at++;
    this.depth--;
    this.flags = flags;
    // Even a group that captures nothing stays a node: (?:a*)* is not a stacked repetition.
    return { kind: "group", index, child };
  }

  /** `?P<name>` or `?<name>`, consumed; false if it is wrong. */
  private groupName(): boolean {
    GROUP_NAME.lastIndex = this.at;
    const found = GROUP_NAME.exec(this.text);
    if (found === null) this.fail("invalid name of a group, or look-behind, which is not supported");
    else if (this.names.has(found[1])) this.fail(`duplicate group name: ${found[1]}`);
    else {
      this.names.add(found[1]);
      this.at = GROUP_NAME.lastIndex;
      return true;
    }
    return false;
  }

  /** After "(": `?flags:` (true) or `?flags)` (false), consumed. */
  private groupFlags(): boolean {
    GROUP_FLAGS.lastIndex = this.at;
    const found = GROUP_FLAGS.exec(this.text);
    if (found === null) {
      this.fail("invalid group flags, or look-ahead, which is not supported");
      return false;
    }
    for (const letter of found[1]) this.flags |= FLAGS[letter] ?? 0;
    for (const letter of found[2] ?? "") this.flags &= ~(FLAGS[letter] ?? 0);
    this.at = GROUP_FLAGS.lastIndex;
    return found[3] === ":";
  }

  private repetition(child: RegexNode): RegexNode {
    let node = child;
    for (let stacked = false; ; stacked = true) {
      const from = this.at;
      const ch = this.text[this.at];
      let min = 0;
      let max = Number.POSITIVE_INFINITY;
      if (ch === "*") this.at++;
      else if (ch === "+") {
        min = 1;
        this.at++;
      } else if (ch === "?") {
        max = 1;
        this.at++;
      } else if (ch === "{") {
        COUNTS.lastIndex = this.at;
        const counts = COUNTS.exec(this.text);
        if (counts === null) return node;
        this.at = COUNTS.lastIndex;
        min = counts[1].length > 4 ? MAX_REPEAT + 1 : Number(counts[1]);
        if (counts[2] === undefined) max = min;
        else if (counts[3] !== "") max = counts[3].length > 4 ? MAX_REPEAT + 1 : Number(counts[3]);
        if (min > MAX_REPEAT || (max !== Number.POSITIVE_INFINITY && (max > MAX_REPEAT || min > max)))
          return this.fail(`invalid repetition size: ${this.text.slice(from, this.at)}`);
      } else return node;
      const lazy = this.text[this.at] === "?";
      if (lazy) this.at++;
      if (stacked) return this.fail(`bad repetition operator: ${this.text.slice(from - 1, this.at)}`);
      node = { kind: "repeat", min, max, greedy: lazy === this.has(SWAP_GREED), child: node };
      if (repeatSize(node) > MAX_REPEAT)
        return this.fail("invalid repetition size: nested repetitions multiply");
    }
  }

  private escape(): RegexNode {
    const ch = this.text[this.at + 1];
    switch (ch) {
      case "A":
        this.at += 2;
        return { kind: "assert", what: BEGIN_TEXT };
      case "z":
        this.at += 2;
        return { kind: "assert", what: END_TEXT };
      case "b":
        this.at += 2;
        return { kind: "assert", what: WORD_BOUNDARY };
      case "B":
        this.at += 2;
        return { kind: "assert", what: NOT_WORD_BOUNDARY };
    }
    const named = this.perlClass();
    if (named !== null) return { kind: "chars", set: named };
    return this.literal(this.escapedCharacter());
  }

  /** `\d` and its kin, consumed; null if something else follows. */
  private perlClass(): CharSet | null {
    const ch = this.text[this.at + 1];
    const set = PERL[ch];
    if (set !== undefined) this.at += 2;
    else if (ch === "p" || ch === "P") {
      this.fail(`\\${ch}{…} is not supported`);
      return ANY;
    }
    return set ?? null;
  }

  /** `\n`, `\x41`, `\x{263a}`, `\101`, `\.`: the character, consumed. */
  private escapedCharacter(): number {
    const from = this.at;
    const ch = this.text[this.at + 1];
    if (ch === undefined) {
      this.fail("trailing \\");
      return 0;
    }
    this.at += 2;
    const simple = SIMPLE_ESCAPES[ch];
    if (simple !== undefined) return simple;
    if (ch === "x") {
      HEX_ESCAPE.lastIndex = this.at;
      const hex = HEX_ESCAPE.exec(this.text);
      const code = hex === null ? INVALID : Number(`0x${hex[1] ?? hex[2]}`);
      if (hex !== null && code < INVALID) {
        this.at = HEX_ESCAPE.lastIndex;
        return code;
      }
    } else if (ch === "0" || (ch >= "1" && ch <= "7" && /[0-7]/.test(this.text[this.at] ?? ""))) {
      let code = Number(ch);
      for (let i = 0; i < 2 && /[0-7]/.test(this.text[this.at] ?? ""); i++) {
        code = code * 8 + Number(this.text[this.at++]);
      }
      return code;
    } else if (/[^A-Za-z0-9\u0080-\uffff]/.test(ch)) return ch.charCodeAt(0);
    this.fail(`invalid escape sequence: ${this.text.slice(from, from + 2)}`);
    return 0;
  }

  private bracket(): RegexNode {
    const from = this.at++;
    const negated = this.text[this.at] === "^";
    if (negated) this.at++;
    const ranges: number[] = [];
    for (let first = true; ; first = false) {
      if (this.at >= this.text.length) return this.fail(`missing ]: ${this.text.slice(from, from + 20)}`);
      if (this.text[this.at] === "]" && !first) break;
      const named = this.looking("[:")
        ? this.posixClass()
        : this.text[this.at] === "\\"
          ? this.perlClass()
          : null;
      if (this.error !== "") return EMPTY;
      if (named !== null) {
        for (const bound of named) ranges.push(bound);
        continue;
      }
      const low = this.classCharacter();
      let high = low;
      if (this.text[this.at] === "-" && this.at + 1 < this.text.length && this.text[this.at + 1] !== "]") {
        this.at++;
        high = this.classCharacter();
      }
      if (this.error !== "") return EMPTY;
      if (high < low) return this.fail("invalid character class range");
      ranges.push(low, high);
    }
    this.at++;
    const set = this.folded(charSet(ranges));
    return { kind: "chars", set: negated ? complement(set) : set };
  }

  private classCharacter(): number {
    return this.text[this.at] === "\\" ? this.escapedCharacter() : this.character();
  }

  /** `[:alpha:]` inside a bracket, consumed; null if it is none. */
  private posixClass(): CharSet | null {
    const close = this.text.indexOf(":]", this.at + 2);
    if (close < 0) return null;
    let name = this.text.slice(this.at + 2, close);
    const negated = name.startsWith("^");
    if (negated) name = name.slice(1);
    if (!Object.hasOwn(POSIX, name)) {
      this.fail(`invalid character class range: [:${name}:]`);
      return null;
    }
    this.at = close + 2;
    return negated ? complement(POSIX[name]) : POSIX[name];
  }
}

const COUNTS = /\{([0-9]+)(,([0-9]*))?\}/y;
const GROUP_NAME = /\?P?<([A-Za-z0-9_]+)>/y;
const GROUP_FLAGS = /\?([imsU]*)(?:-([imsU]+))?([:)])/y;
const HEX_ESCAPE = /([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\}/y;

const SIMPLE_ESCAPES: { readonly [ch: string]: number | undefined } = {
  a: 7,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
};
