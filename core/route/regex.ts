/**
 * Regular expressions in RE2's syntax on byte strings, in time linear in the text: what a route, a header matcher
 * or a rewrite of the configuration is compiled to. (JavaScript's own `RegExp` backtracks: one bad pattern and one
 * hostile path stop a worker.)
 *
 * Characters are UTF-8; a byte that is not part of well-formed UTF-8 is a character of its own, which "." and
 * negated classes match. Differences from RE2: `(?i)` folds ASCII letters only; `\p{…}` and `\C` are refused.
 */
import { utf8ByteString } from "../bytes/ascii.ts";
import { RegexAutomaton } from "./regex-automaton.ts";
import type { RegexTree } from "./regex-node.ts";
import { literalPrefix, startsAtBegin } from "./regex-prefix.ts";
import { MAX_PROGRAM, programSize, RegexProgram } from "./regex-program.ts";
import { parseRegex } from "./regex-syntax.ts";
import { RegexThreads } from "./regex-threads.ts";
import { unitAt } from "./utf8-units.ts";

/** A compiled pattern. Its program and machines are made when a text first needs them. */
export class Regex {
  readonly source: string;
  /** Bytes that every full match begins with; "" if none are certain. */
  readonly literalPrefix: string;
  /** Capturing groups. */
  readonly groups: number;
  /** Instructions of the program. */
  readonly size: number;
  private readonly tree: RegexTree;
  private compiled: RegexProgram | null = null;
  private automaton: RegexAutomaton | null = null;
  private threads: RegexThreads | null = null;

  /** Use `compileRegex`. */
  constructor(source: string, tree: RegexTree, size: number) {
    this.source = source;
    this.literalPrefix = literalPrefix(tree.root);
    this.groups = tree.groups;
    this.size = size;
    this.tree = tree;
  }

  private get program(): RegexProgram {
    this.compiled ??= new RegexProgram(this.tree);
    return this.compiled;
  }

  /** True if the whole text matches. */
  fullMatch(text: string): boolean {
    this.automaton ??= new RegexAutomaton(this.program);
    return this.automaton.matches(text);
  }

  /**
   * `text` with every match replaced, as RE2's GlobalReplace does it: leftmost match first, no empty match right
   * after a match. Each match costs time linear in what is scanned for it.
   */
  replaceAll(text: string, substitution: Substitution): string {
    this.threads ??= new RegexThreads(this.program, startsAtBegin(this.tree.root));
    const { found } = this.threads;
    let out = "";
    let at = 0;
    let lastEnd = -1;
    while (at <= text.length && this.threads.find(text, at)) {
      const start = found[0];
      const end = found[1];
      out += text.slice(at, start);
      at = start;
      if (start === lastEnd && start === end) {
        if (at === text.length) return out;
        const width = unitAt(text, at) & 7;
        out += text.slice(at, at + width);
        at += width;
        continue;
      }
      out += substitution.expand(text, found);
      at = end;
      lastEnd = end;
    }
    return out + text.slice(at);
  }

  /** Steps over instructions so far, in both machines: for tests of linearity. */
  get work(): number {
    return (this.automaton?.work ?? 0) + (this.threads?.work ?? 0);
  }
}

/** The text that replaces a match: literals and group numbers. */
export class Substitution {
  private readonly parts: readonly (string | number)[];

  /** Use `compileSubstitution`. */
  constructor(parts: readonly (string | number)[]) {
    this.parts = parts;
  }

  /** The replacement for the match whose groups are `found` in `text`. */
  expand(text: string, found: Int32Array): string {
    let out = "";
    for (const part of this.parts) {
      if (typeof part === "string") out += part;
      else if (found[part * 2] >= 0) out += text.slice(found[part * 2], found[part * 2 + 1]);
    }
    return out;
  }
}

/** Compiles a pattern; `regex` is null if `error` is not "". */
export function compileRegex(pattern: string): { readonly regex: Regex | null; readonly error: string } {
  const { tree, error } = parseRegex(isByteString(pattern) ? pattern : utf8ByteString(pattern));
  if (tree === null) return { regex: null, error: `invalid regular expression: ${error}` };
  const size = programSize(tree.root) + 3;
  if (size > MAX_PROGRAM) {
    return {
      regex: null,
      error: `the regular expression is too large: ${size} instructions, at most ${MAX_PROGRAM} are allowed`,
    };
  }
  return { regex: new Regex(pattern, tree, size), error: "" };
}

/** Compiles RE2's rewrite syntax: `\0` … `\9` are groups, `\\` is a backslash. */
export function compileSubstitution(
  text: string,
  regex: Regex,
): { readonly substitution: Substitution | null; readonly error: string } {
  const parts: (string | number)[] = [];
  let literal = "";
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== "\\") {
      literal += text[i];
      continue;
    }
    const next = text[++i];
    if (next === "\\") literal += "\\";
    else if (next !== undefined && next >= "0" && next <= "9") {
      const group = Number(next);
      if (group > regex.groups)
        return { substitution: null, error: `\\${group}: the pattern has ${regex.groups} groups` };
      if (literal !== "") parts.push(literal);
      literal = "";
      parts.push(group);
    } else return { substitution: null, error: "a backslash must be followed by a digit or a backslash" };
  }
  if (literal !== "") parts.push(literal);
  return { substitution: new Substitution(parts), error: "" };
}

function isByteString(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false;
  return true;
}
