/**
 * Random guests that come to an end and say how much they did: blocks in blocks, loops left and continued from
 * within, br_table, several values, calls direct and through a table, tail calls, exceptions, bulk memory, vectors.
 *
 * Global 0 counts what was done: every straight piece adds the number of its instructions. Loops end when it gets
 * too high or their turns are over. The same seed gives the same guest.
 */
import { body, guest, I32, leb, sleb, type, V128 } from "../../../support/wasm-bytes.ts";

const LOCALS = 4;
/** Locals behind the parameters and the plain ones: the turns of loops, by how deep they are nested, and a vector. */
const FIRST_TURNS = 2 + LOCALS;
const DEEPEST_LOOP = 3;
const VECTOR = FIRST_TURNS + DEEPEST_LOOP;
const MOST_WORK = 20_000;
const FUNCTIONS = 4;
/** `guest` begins with marker and allocator. */
const FIRST_FUNCTION = 2;
const BINARY = [0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73, 0x74, 0x76];

/** Types that `guest` has in front of `(i32 i32) -> i32`, which all of these functions have, and of one more. */
const OWN_TYPE = 3;
const PAIR_TYPE = OWN_TYPE + FUNCTIONS;

export interface RandomProgramOptions {
  /** Exceptions need an engine that knows them. */
  readonly exceptions: boolean;
}

export function randomProgram(seed: number, { exceptions }: RandomProgramOptions): Uint8Array<ArrayBuffer> {
  let state = Math.imul(seed + 1, 2_654_435_761) >>> 0;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };

  function makeFunction(index: number) {
    const code: number[] = [];
    /** Labels around the place, innermost last: true for those that a branch brings nothing to. */
    const labels: boolean[] = [];
    let loops = 0;
    let left = 10 + random(40);

    const variable = () => random(2 + LOCALS);
    const value = (): number[] => {
      const how = random(5);
      if (how === 0) return [0x41, ...sleb(random(1 << 20) - (1 << 19))];
      if (how < 3) return [0x20, variable()];
      return [...value(), ...value(), BINARY[random(BINARY.length)]];
    };
    /** A piece without branches, which counts itself. */
    const straight = () => {
      const pieces: number[][] = [];
      for (let i = random(3); i >= 0; i--) pieces.push([...value(), 0x21, variable()]);
      const count = 4 + pieces.length * 2;
      code.push(...pieces.flat(), 0x23, 0, 0x41, ...sleb(count), 0x6a, 0x24, 0);
    };
    const statements = (most: number) => {
      for (let i = random(most); i >= 0 && left > 0; i--) statement();
    };
    const inBlock = (opening: number[], inside: () => void, plain = true) => {
      code.push(...opening);
      labels.push(plain);
      inside();
      labels.pop();
      code.push(0x0b);
    };
    /** Any label that takes nothing, as a branch names it; there must be one. */
    const label = (): number => {
      const at = random(labels.length);
      return labels[at] ? labels.length - 1 - at : label();
    };
    const statement = () => {
      left--;
      const kind = random(16);
      if (kind < 4) return straight();
      if (kind === 4) return inBlock([0x02, 0x40], () => statements(4));
      if (kind === 5) {
        code.push(...value());
        return inBlock([0x04, 0x40], () => {
          statements(3);
          if (random(2) === 0) return;
          code.push(0x05);
          statements(3);
        });
      }
      if (kind < 9 && loops < DEEPEST_LOOP) {
        const turns = FIRST_TURNS + loops;
        code.push(0x41, ...sleb(random(6)), 0x21, turns);
        return inBlock([0x02, 0x40], () =>
          inBlock([0x03, 0x40], () => {
            code.push(0x20, turns, 0x41, 1, 0x6b, 0x22, turns, 0x41, 0, 0x48, 0x0d, 1);
            code.push(0x23, 0, 0x41, ...sleb(MOST_WORK), 0x4a, 0x0d, 1);
            loops++;
            statements(5);
            loops--;
            if (random(4) > 0) code.push(0x0c, 0);
          }),
        );
      }
      if (kind < 11 && kind > 8) {
        if (!labels.includes(true)) return straight();
        if (kind === 9) code.push(...value(), 0x41, 1, 0x71, 0x0d, label());
        else if (random(3) === 0) code.push(0x0c, label());
        else code.push(...value(), 0x41, 3, 0x71, 0x0e, 2, label(), label(), label());
        return;
      }
      if (kind === 11 && random(3) === 0) {
        code.push(...value(), 0x0f);
        return;
      }
      if (kind === 12 && index > 0) {
        const callee = random(index);
        const how = random(8);
        code.push(...value(), ...value());
        if (how < 4) code.push(0x10, FIRST_FUNCTION + callee);
        else if (how < 7) code.push(0x41, callee, 0x11, ...leb(OWN_TYPE), 0);
        else {
          code.push(0x12, FIRST_FUNCTION + callee);
          return;
        }
        code.push(0x21, variable());
        return;
      }
      if (kind === 13) {
        // Two values go into a block and come out of it.
        code.push(...value(), ...value());
        const turnPair = () => {
          statements(2);
          code.push(0x6a, ...value());
        };
        inBlock([0x02, ...leb(PAIR_TYPE)], turnPair, false);
        code.push(0x73, 0x21, variable());
        return;
      }
      if (kind === 14) {
        code.push(...value(), 0x41, ...sleb(0xfff), 0x71, ...value());
        const length = [0x41, ...sleb(random(3) === 0 ? 2000 : 20)];
        if (random(2) === 0) code.push(...length, 0xfc, 11, 0);
        else code.push(0x41, ...sleb(0xfff), 0x71, ...length, 0xfc, 10, 0, 0);
        return;
      }
      if (kind === 15 && exceptions) {
        const guarded = () => {
          statements(3);
          code.push(...value(), 0x41, 1, 0x71, 0x04, 0x40, 0x08, 0, 0x0b);
        };
        return inBlock([0x02, 0x40], () => inBlock([0x1f, 0x40, 1, 2, 0], guarded));
      }
      code.push(
        ...value(),
        0xfd,
        0x11,
        0x20,
        VECTOR,
        0xfd,
        0xae,
        0x01,
        0x22,
        VECTOR,
        0xfd,
        0x1b,
        2,
        0x21,
        variable(),
      );
    };

    while (left > 0) statements(6);
    code.push(...value());
    return {
      name: `f${index}`,
      type: type([I32, I32], [I32]),
      body: body(code, [
        [LOCALS + DEEPEST_LOOP, I32],
        [1, V128],
      ]),
    };
  }

  const functions = Array.from({ length: FUNCTIONS }, (_, i) => makeFunction(i));
  return guest({
    functions: [...functions, { type: type([I32, I32], [I32, I32]), body: body([0x20, 0, 0x20, 1]) }],
    memories: [[1, 1, 1]],
    tables: [[0x70, 0, FUNCTIONS]],
    tags: exceptions ? [[0, 0]] : [],
    globals: [[I32, 1, 0x41, 0, 0x0b]],
    exports: [[4, ...[..."work"].map((c) => c.charCodeAt(0)), 3, 0]],
    elements: [[0, 0x41, 0, 0x0b, FUNCTIONS, ...functions.map((_, i) => FIRST_FUNCTION + i)]],
  });
}
