/**
 * Decides whether a whole text matches: a deterministic automaton whose states are made when a text first needs
 * them. A state is the set of instructions that the program may stand at after a character, and what that
 * character was as far as assertions care. The number of states kept is bounded; when it is reached all are
 * forgotten and the run goes on from where it stands, so the work per character never exceeds one pass over the
 * program and memory never exceeds the cache.
 */
import {
  EDGE,
  holds,
  OP_ASSERT,
  OP_CHARS,
  OP_JUMP,
  OP_MATCH,
  OP_SAVE,
  OP_SPLIT,
  type RegexProgram,
} from "./regex-program.ts";
import { unitAt } from "./utf8-units.ts";

const UNKNOWN = -1;
const DEAD = 0;
const START = 1;
/** Transitions kept per expression (4 bytes each), unless a single state has more. */
const MAX_TRANSITIONS = 32_768;

export class RegexAutomaton {
  /** Steps over instructions done to build states: a test proves linearity with it. */
  work = 0;
  private readonly program: RegexProgram;
  private readonly maxStates: number;
  private transitions: Int32Array;
  private states = 0;
  /** Instructions of each state, ascending. */
  private kernels: Int32Array[] = [];
  /** Flags of the character before, per state. */
  private befores: number[] = [];
  /** -1 not known, else whether the text may end here. */
  private accepting: number[] = [];
  private readonly ids = new Map<string, number>();
  private readonly marks: Uint32Array;
  private generation = 0;
  private readonly stack: Int32Array;
  private readonly reached: Int32Array;

  constructor(program: RegexProgram) {
    this.program = program;
    this.maxStates = Math.max(8, Math.floor(MAX_TRANSITIONS / program.classes));
    this.marks = new Uint32Array(program.size);
    this.stack = new Int32Array(program.size * 2 + 2);
    this.reached = new Int32Array(program.size);
    this.transitions = new Int32Array(0);
    this.reset();
  }

  /** True if the whole text matches. */
  matches(text: string): boolean {
    const { ascii, classes } = this.program;
    const length = text.length;
    let state = START;
    for (let i = 0; i < length; ) {
      const code = text.charCodeAt(i);
      let cls: number;
      if (code < 0x80) {
        cls = ascii[code];
        i++;
      } else {
        const unit = unitAt(text, i);
        cls = this.program.highClass(Math.floor(unit / 8));
        i += unit & 7;
      }
      const next = this.transitions[state * classes + cls];
      state = next === UNKNOWN ? this.step(state, cls) : next;
      if (state === DEAD) return false;
    }
    return this.accepts(state);
  }

  /** States kept now. */
  get size(): number {
    return this.states;
  }

  private reset(): void {
    this.states = 0;
    this.kernels = [];
    this.befores = [];
    this.accepting = [];
    this.ids.clear();
    this.intern(new Int32Array(0), 0); // DEAD
    this.intern(Int32Array.of(0), EDGE); // START
  }

  /** The state with that kernel, made if need be. */
  private intern(kernel: Int32Array, before: number): number {
    let key = String.fromCharCode(before);
    for (let i = 0; i < kernel.length; i++) key += String.fromCharCode(kernel[i]);
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    const id = this.states++;
    const { classes } = this.program;
    if (this.states * classes > this.transitions.length) {
      const grown = new Int32Array(Math.max(4, this.states * 2) * classes);
      grown.set(this.transitions);
      this.transitions = grown;
    }
    this.transitions.fill(id === DEAD ? DEAD : UNKNOWN, id * classes, (id + 1) * classes);
    this.kernels.push(kernel);
    this.befores.push(before);
    this.accepting.push(-1);
    this.ids.set(key, id);
    return id;
  }

  /** Makes the transition of `state` over a class and returns where it leads. */
  private step(state: number, cls: number): number {
    const { ops, x, accepts, classes, classFlags } = this.program;
    const count = this.close(this.kernels[state], this.befores[state], classFlags[cls]);
    const next: number[] = [];
    for (let i = 0; i < count; i++) {
      const pc = this.reached[i];
      if (ops[pc] === OP_CHARS && accepts[x[pc] * classes + cls] === 1) next.push(pc + 1);
    }
    const before = classFlags[cls];
    if (next.length === 0) {
      this.transitions[state * classes + cls] = DEAD;
      return DEAD;
    }
    const kernel = Int32Array.from(next).sort();
    if (this.states >= this.maxStates) {
      this.reset();
      return this.intern(kernel, before);
    }
    const id = this.intern(kernel, before);
    this.transitions[state * classes + cls] = id;
    return id;
  }

  private accepts(state: number): boolean {
    if (this.accepting[state] < 0) {
      const count = this.close(this.kernels[state], this.befores[state], EDGE);
      let found = 0;
      for (let i = 0; i < count; i++) if (this.program.ops[this.reached[i]] === OP_MATCH) found = 1;
      this.accepting[state] = found;
    }
    return this.accepting[state] === 1;
  }

  /** Follows everything that consumes nothing; what consumes or matches is left in `reached`. Returns how many. */
  private close(kernel: Int32Array, before: number, after: number): number {
    const { ops, x, y } = this.program;
    const { marks, stack, reached } = this;
    const generation = ++this.generation;
    let count = 0;
    for (let k = 0; k < kernel.length; k++) {
      let top = 0;
      stack[top++] = kernel[k];
      while (top > 0) {
        const pc = stack[--top];
        if (marks[pc] === generation) continue;
        marks[pc] = generation;
        this.work++;
        switch (ops[pc]) {
          case OP_SPLIT:
            stack[top++] = y[pc];
            stack[top++] = x[pc];
            break;
          case OP_JUMP:
            stack[top++] = x[pc];
            break;
          case OP_SAVE:
            stack[top++] = pc + 1;
            break;
          case OP_ASSERT:
            if (holds(x[pc], before, after)) stack[top++] = pc + 1;
            break;
          default:
            reached[count++] = pc;
        }
      }
    }
    return count;
  }
}
