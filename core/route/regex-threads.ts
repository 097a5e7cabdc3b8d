/**
 * Finds where a pattern matches inside a text and what its groups are: all alternatives are followed side by side
 * (Pike's machine), in order of preference, so that the result is Perl's and the work is bounded by the length of
 * the text times the size of the program.
 */
import {
  EDGE,
  holds,
  OP_ASSERT,
  OP_JUMP,
  OP_MATCH,
  OP_SAVE,
  OP_SPLIT,
  type RegexProgram,
} from "./regex-program.ts";
import { unitAt } from "./utf8-units.ts";

/** Threads at one position, most preferred first, each with its captures. */
class ThreadList {
  readonly pcs: Int32Array;
  readonly captures: Int32Array;
  count = 0;

  constructor(size: number, slots: number) {
    this.pcs = new Int32Array(size);
    this.captures = new Int32Array(size * slots);
  }
}

export class RegexThreads {
  /** Start and end of the match and of each group after `find`; -1 where a group did not take part. */
  readonly found: Int32Array;
  /** Steps over instructions: a test proves linearity with it. */
  work = 0;
  private readonly program: RegexProgram;
  /** True if a match can begin at the start of the text only. */
  private readonly anchored: boolean;
  /** Threads that have consumed everything before the position. */
  private readonly waiting: ThreadList;
  /** The same after everything that needs no character: each stands at a set or at the end. */
  private readonly ready: ThreadList;
  private readonly marks: Uint32Array;
  private generation = 0;
  /** Captures of the thread that is being added. */
  private readonly slots: Int32Array;
  /** Work list of `add`: an instruction, or -(slot + 1) with the value to restore beside it. */
  private readonly stack: Int32Array;

  constructor(program: RegexProgram, anchored: boolean) {
    this.program = program;
    this.anchored = anchored;
    this.found = new Int32Array(program.slots);
    this.slots = new Int32Array(program.slots);
    this.waiting = new ThreadList(program.size, program.slots);
    this.ready = new ThreadList(program.size, program.slots);
    this.marks = new Uint32Array(program.size);
    this.stack = new Int32Array(program.size * 4 + 4);
  }

  /** Finds the leftmost match at or after `from`; true if there is one. */
  find(text: string, from: number): boolean {
    const { ops, x, accepts, classes, ascii, classFlags, slots } = this.program;
    const length = text.length;
    let matched = false;
    let before = from === 0 ? EDGE : this.flagsBefore(text, from);
    const { waiting, ready } = this;
    waiting.count = 0;
    for (let at = from; ; ) {
      let cls = -1;
      let after = EDGE;
      let width = 0;
      if (at < length) {
        const code = text.charCodeAt(at);
        if (code < 0x80) {
          cls = ascii[code];
          width = 1;
        } else {
          const unit = unitAt(text, at);
          cls = this.program.highClass(Math.floor(unit / 8));
          width = unit & 7;
        }
        after = classFlags[cls];
      }
      this.close(at, before, after, !matched && (at === 0 || !this.anchored));
      if (ready.count === 0 && (matched || this.anchored)) return matched;
      waiting.count = 0;
      for (let i = 0; i < ready.count; i++) {
        const pc = ready.pcs[i];
        if (ops[pc] === OP_MATCH) {
          copy(ready.captures, i * slots, this.found, 0, slots);
          matched = true;
          break; // every later thread is less preferred
        }
        if (cls >= 0 && accepts[x[pc] * classes + cls] === 1) {
          const slot = waiting.count++;
          waiting.pcs[slot] = pc + 1;
          copy(ready.captures, i * slots, waiting.captures, slot * slots, slots);
        }
      }
      if (at >= length) return matched;
      before = after;
      at += width;
    }
  }

  private flagsBefore(text: string, at: number): number {
    // Characters above ASCII are neither word characters nor newlines.
    const code = text.charCodeAt(at - 1);
    return code < 0x80 ? this.program.classFlags[this.program.ascii[code]] : 0;
  }

  /** Moves `waiting` to `ready` by what consumes nothing, in order of preference; then, if `start`, a new thread. */
  private close(at: number, before: number, after: number, start: boolean): void {
    const { waiting, slots } = this;
    this.ready.count = 0;
    this.generation++;
    for (let i = 0; i < waiting.count; i++) {
      copy(waiting.captures, i * slots.length, slots, 0, slots.length);
      this.add(waiting.pcs[i], at, before, after);
    }
    if (start) {
      slots.fill(-1);
      this.add(0, at, before, after);
    }
  }

  private add(from: number, at: number, before: number, after: number): void {
    const { ops, x, y } = this.program;
    const target = this.ready;
    const { marks, stack, slots, generation } = this;
    const width = slots.length;
    let top = 0;
    stack[top++] = from;
    while (top > 0) {
      let pc = stack[--top];
      if (pc < 0) {
        slots[-pc - 1] = stack[--top];
        continue;
      }
      for (;;) {
        if (marks[pc] === generation) break;
        marks[pc] = generation;
        this.work++;
        const op = ops[pc];
        if (op === OP_SPLIT) {
          stack[top++] = y[pc];
          pc = x[pc];
        } else if (op === OP_JUMP) pc = x[pc];
        else if (op === OP_SAVE) {
          stack[top++] = slots[x[pc]];
          stack[top++] = -x[pc] - 1;
          slots[x[pc]] = at;
          pc++;
        } else if (op === OP_ASSERT) {
          if (!holds(x[pc], before, after)) break;
          pc++;
        } else {
          const slot = target.count++;
          target.pcs[slot] = pc;
          copy(slots, 0, target.captures, slot * width, width);
          break;
        }
      }
    }
  }
}

/** `TypedArray.set` of a subarray without making the subarray. */
function copy(from: Int32Array, fromAt: number, to: Int32Array, toAt: number, count: number): void {
  for (let i = 0; i < count; i++) to[toAt + i] = from[fromAt + i];
}
