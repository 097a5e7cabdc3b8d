/**
 * A regular expression as a program for a non-deterministic machine (Thompson's construction), over classes of
 * characters that no instruction tells apart. Both machines run it: `regex-automaton` to decide, `regex-threads`
 * to find groups. The size of a program is limited, and with it the work per character.
 */
import { type CharSet, INVALID, WORD } from "./regex-charset.ts";
import type { RegexNode, RegexTree } from "./regex-node.ts";
import { BEGIN_LINE, BEGIN_TEXT, END_LINE, NOT_WORD_BOUNDARY, WORD_BOUNDARY } from "./regex-node.ts";

/** Consumes a character of set `x`, goes on with the next instruction. */
export const OP_CHARS = 0;
/** Goes on at `x`, or with lower priority at `y`. */
export const OP_SPLIT = 1;
export const OP_JUMP = 2;
/** Notes the position in slot `x`. */
export const OP_SAVE = 3;
/** Goes on if assertion `x` holds. */
export const OP_ASSERT = 4;
export const OP_MATCH = 5;

/** What is known about the character on one side of a position. */
export const EDGE = 1;
export const IS_WORD = 2;
export const IS_NEWLINE = 4;

/** Instructions that a program may have. With 60 KiB of hostile header this bounds one match to some 10^8 steps at worst. */
export const MAX_PROGRAM = 3000;

export class RegexProgram {
  readonly ops: Uint8Array;
  readonly x: Int32Array;
  readonly y: Int32Array;
  /** Capture slots: two per group and two for the whole match. */
  readonly slots: number;
  /** Number of character classes. */
  readonly classes: number;
  /** Class of each ASCII character. */
  readonly ascii: Uint8Array | Uint16Array;
  /** `accepts[set * classes + class]`: 1 if the set of an `OP_CHARS` contains the class. */
  readonly accepts: Uint8Array;
  /** `IS_WORD` and `IS_NEWLINE` of each class, as far as the program asks for them. */
  readonly classFlags: Uint8Array;
  /** The flags that some assertion asks for. */
  readonly flagsUsed: number;
  /** First character of each class above ASCII, ascending, and its class. */
  private readonly starts: readonly number[];
  private readonly startClasses: readonly number[];

  constructor(tree: RegexTree) {
    const builder = new Builder();
    builder.push(OP_SAVE, 0, 0);
    builder.emit(tree.root);
    builder.push(OP_SAVE, 1, 0);
    builder.push(OP_MATCH, 0, 0);
    this.ops = Uint8Array.from(builder.ops);
    this.x = Int32Array.from(builder.x);
    this.y = Int32Array.from(builder.y);
    this.slots = 2 * (tree.groups + 1);
    this.flagsUsed = builder.flagsUsed;

    // Cut the characters where any set begins or ends (and where "word" and "newline" do, if asked for).
    const cuts = new Set<number>([0, 0x80]);
    const sets = builder.sets;
    const cut = (set: CharSet): void => {
      for (let i = 0; i < set.length; i += 2) cuts.add(set[i]).add(set[i + 1] + 1);
    };
    for (const set of sets) cut(set);
    if ((this.flagsUsed & IS_WORD) !== 0) cut(WORD);
    if ((this.flagsUsed & IS_NEWLINE) !== 0) cut([0x0a, 0x0a]);
    const starts = [...cuts].filter((start) => start <= INVALID).sort((a, b) => a - b);

    // Pieces that every set treats alike are one class.
    const byBehaviour = new Map<string, number>();
    const representatives: number[] = [];
    const classOfPiece = starts.map((start) => {
      let behaviour = "";
      for (const set of sets) behaviour += contains(set, start) ? "1" : "0";
      behaviour += this.flagsOf(start);
      let id = byBehaviour.get(behaviour);
      if (id === undefined) {
        id = byBehaviour.size;
        byBehaviour.set(behaviour, id);
        representatives.push(start);
      }
      return id;
    });
    this.classes = byBehaviour.size;
    const ascii = this.classes > 256 ? new Uint16Array(128) : new Uint8Array(128);
    for (let i = 0; i < starts.length && starts[i] < 0x80; i++) ascii.fill(classOfPiece[i], starts[i]);
    this.ascii = ascii;
    const high = starts.indexOf(0x80);
    this.starts = starts.slice(high);
    this.startClasses = classOfPiece.slice(high);
    this.classFlags = Uint8Array.from(representatives, (start) => this.flagsOf(start));
    this.accepts = new Uint8Array(sets.length * this.classes);
    for (const [i, set] of sets.entries())
      for (const [k, start] of representatives.entries())
        this.accepts[i * this.classes + k] = contains(set, start) ? 1 : 0;
  }

  get size(): number {
    return this.ops.length;
  }

  /** The class of a character at or above 0x80, or of `INVALID`. */
  highClass(code: number): number {
    const starts = this.starts;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= code) low = middle;
      else high = middle - 1;
    }
    return this.startClasses[low];
  }

  private flagsOf(code: number): number {
    const flags = (contains(WORD, code) ? IS_WORD : 0) | (code === 0x0a ? IS_NEWLINE : 0);
    return flags & this.flagsUsed;
  }
}

/** Whether an assertion holds between a character with flags `before` and one with flags `after`. */
export function holds(assertion: number, before: number, after: number): boolean {
  switch (assertion) {
    case BEGIN_TEXT:
      return (before & EDGE) !== 0;
    case BEGIN_LINE:
      return (before & (EDGE | IS_NEWLINE)) !== 0;
    case END_LINE:
      return (after & (EDGE | IS_NEWLINE)) !== 0;
    case WORD_BOUNDARY:
      return ((before ^ after) & IS_WORD) !== 0;
    case NOT_WORD_BOUNDARY:
      return ((before ^ after) & IS_WORD) === 0;
    default:
      return (after & EDGE) !== 0;
  }
}

function contains(set: CharSet, code: number): boolean {
  for (let i = 0; i < set.length; i += 2) if (code >= set[i] && code <= set[i + 1]) return true;
  return false;
}

class Builder {
  readonly ops: number[] = [];
  readonly x: number[] = [];
  readonly y: number[] = [];
  readonly sets: CharSet[] = [];
  flagsUsed = 0;
  private readonly setIds = new Map<string, number>();

  push(op: number, x: number, y: number): number {
    this.x.push(x);
    this.y.push(y);
    return this.ops.push(op) - 1;
  }

  emit(node: RegexNode): void {
    switch (node.kind) {
      case "empty":
        return;
      case "chars":
        this.push(OP_CHARS, this.setId(node.set), 0);
        return;
      case "assert":
        if (node.what === BEGIN_LINE || node.what === END_LINE) this.flagsUsed |= IS_NEWLINE;
        else if (node.what === WORD_BOUNDARY || node.what === NOT_WORD_BOUNDARY) this.flagsUsed |= IS_WORD;
        this.push(OP_ASSERT, node.what, 0);
        return;
      case "concat":
        for (const part of node.parts) this.emit(part);
        return;
      case "alternate":
        this.alternate(node.parts);
        return;
      case "group":
        if (node.index > 0) this.push(OP_SAVE, node.index * 2, 0);
        this.emit(node.child);
        if (node.index > 0) this.push(OP_SAVE, node.index * 2 + 1, 0);
        return;
      case "repeat":
        this.repeat(node.child, node.min, node.max, node.greedy);
    }
  }

  private setId(set: CharSet): number {
    const key = set.join();
    let id = this.setIds.get(key);
    if (id === undefined) {
      id = this.sets.push(set) - 1;
      this.setIds.set(key, id);
    }
    return id;
  }

  private alternate(parts: readonly RegexNode[]): void {
    const jumps: number[] = [];
    for (const [i, part] of parts.entries()) {
      if (i === parts.length - 1) {
        this.emit(part);
        break;
      }
      const split = this.push(OP_SPLIT, 0, 0);
      this.x[split] = this.ops.length;
      this.emit(part);
      jumps.push(this.push(OP_JUMP, 0, 0));
      this.y[split] = this.ops.length;
    }
    for (const jump of jumps) this.x[jump] = this.ops.length;
  }

  private repeat(child: RegexNode, min: number, max: number, greedy: boolean): void {
    if (max === Number.POSITIVE_INFINITY) {
      for (let i = 1; i < min; i++) this.emit(child);
      if (min > 0) this.plus(child, greedy);
      else {
        // x* as (x+)?: the same, and right for an x that can match nothing.
        const split = this.push(OP_SPLIT, 0, 0);
        const body = this.ops.length;
        this.plus(child, greedy);
        this.target(split, body, this.ops.length, greedy);
      }
      return;
    }
    for (let i = 0; i < min; i++) this.emit(child);
    const splits: number[] = [];
    for (let i = min; i < max; i++) {
      splits.push(this.push(OP_SPLIT, 0, 0));
      this.emit(child);
    }
    for (const split of splits) this.target(split, split + 1, this.ops.length, greedy);
  }

  private plus(child: RegexNode, greedy: boolean): void {
    const body = this.ops.length;
    this.emit(child);
    const split = this.push(OP_SPLIT, 0, 0);
    this.target(split, body, this.ops.length, greedy);
  }

  private target(split: number, more: number, done: number, greedy: boolean): void {
    this.x[split] = greedy ? more : done;
    this.y[split] = greedy ? done : more;
  }
}

/** How many instructions a tree takes (without the three of the whole match); may be far above `MAX_PROGRAM`, so ask before building. */
export function programSize(node: RegexNode): number {
  switch (node.kind) {
    case "empty":
      return 0;
    case "chars":
    case "assert":
      return 1;
    case "group":
      return programSize(node.child) + (node.index > 0 ? 2 : 0);
    case "concat":
    case "alternate": {
      let size = node.kind === "alternate" ? 2 * (node.parts.length - 1) : 0;
      for (const part of node.parts) size += programSize(part);
      return size;
    }
    case "repeat": {
      const child = programSize(node.child);
      if (node.max === Number.POSITIVE_INFINITY)
        return Math.max(node.min, 1) * child + (node.min === 0 ? 2 : 1);
      return node.max * child + (node.max - node.min);
    }
  }
}
