/**
 * The Huffman code of HPACK (RFC 7541 5.2 and appendix B), both ways. The code is canonical, so that the lengths below
 * say all of it. Text is read four bits at a time by a table of states, one per inner node of the code's tree: the
 * shortest code has five bits, so that no step completes more than one symbol.
 *
 * Laws: what is read is exactly what could have been written: no EOS, and padding of at most seven bits, all ones.
 */

/** Bits of the code for each byte; the code for EOS has 30. */
// biome-ignore format: as the appendix has it, 32 to a row
const BITS = new Uint8Array([
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
]);

/** The code of each byte, in the low `BITS` bits. */
const CODES = new Uint32Array(256);

/** A step of reading: the next state, and what it completed. */
const STEP_STATE = 0xff;
const STEP_EMITS = 0x100;
const STEP_FAILS = 0x200;
const SYMBOL_SHIFT = 16;

const STATES = 256;
/** By state and the next four bits. */
const STEPS = new Uint32Array(STATES * 16);
/** States in which a text may end. */
const IS_END = new Uint8Array(STATES);

let built = false;

/** Makes the tables, once; to be called before the first text is written or read. Most proxies never need them. */
export function prepareHuffman(): void {
  if (built) return;
  built = true;
  // Children of inner node n at 2n and 2n + 1: an inner node's number, or ~symbol. EOS is 256.
  const tree = plantCodes();
  for (let state = 0; state < STATES; state++) {
    for (let nibble = 0; nibble < 16; nibble++) STEPS[state * 16 + nibble] = stepOf(tree, state, nibble);
  }
  // Padding is the beginning of EOS.
  let node = 0;
  for (let length = 0; length < 8; length++) {
    IS_END[node] = 1;
    node = tree[2 * node + 1];
  }
}

/** Gives each symbol its code and a place in the tree. */
function plantCodes(): number[] {
  const tree: number[] = [0, 0];
  const plant = (code: number, bits: number, symbol: number) => {
    let node = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const at = 2 * node + ((code >>> bit) & 1);
      if (tree[at] === 0) {
        tree[at] = tree.length >> 1;
        tree.push(0, 0);
      }
      node = tree[at];
    }
    tree[2 * node + (code & 1)] = ~symbol;
  };
  const order = Array.from(BITS.keys()).sort((a, b) => BITS[a] - BITS[b] || a - b);
  let code = 0;
  let bits = BITS[order[0]];
  for (const symbol of order) {
    code <<= BITS[symbol] - bits;
    bits = BITS[symbol];
    CODES[symbol] = code;
    plant(code++, bits, symbol);
  }
  plant(code, 30, 256);
  return tree;
}

function stepOf(tree: readonly number[], state: number, nibble: number): number {
  let node = state;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = tree[2 * node + ((nibble >> bit) & 1)];
    if (next >= 0) node = next;
    else if (next === ~256) return STEP_FAILS;
    else {
      emitted = STEP_EMITS | (~next << SYMBOL_SHIFT);
      node = 0;
    }
  }
  return emitted | node;
}

/** How many bytes `text`, a byte string, has when it is coded. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += BITS[text.charCodeAt(i)];
  return (bits + 7) >> 3;
}

/** Writes `text`, a byte string, to `into` at `at`, where `huffmanLength` bytes are free; where it ends. */
export function writeHuffman(text: string, into: Uint8Array, at: number): number {
  let end = at;
  let held = 0;
  /** Bits in `held`, below 8 between symbols. */
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i);
    let bits = BITS[symbol];
    const code = CODES[symbol];
    while (count + bits >= 8) {
      const taken = 8 - count;
      bits -= taken;
      into[end++] = (held << taken) | ((code >>> bits) & ((1 << taken) - 1));
      held = 0;
      count = 0;
    }
    held = (held << bits) | (code & ((1 << bits) - 1));
    count += bits;
  }
  if (count > 0) into[end++] = (held << (8 - count)) | (0xff >> count);
  return end;
}

/** Most bytes that `length` coded ones can stand for: the shortest code has five bits. */
export function mostDecoded(length: number): number {
  return Math.floor((length * 8) / 5);
}

/**
 * Reads `bytes[start, end)` into `into` at `at`, where `mostDecoded` bytes are free; where it ends, or -1 if it is
 * not well coded.
 */
export function readHuffman(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: Uint8Array,
  at: number,
): number {
  let to = at;
  let state = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    let step = STEPS[(state << 4) | (byte >> 4)];
    if ((step & STEP_EMITS) !== 0) into[to++] = step >>> SYMBOL_SHIFT;
    if ((step & STEP_FAILS) !== 0) return -1;
    step = STEPS[((step & STEP_STATE) << 4) | (byte & 15)];
    if ((step & STEP_EMITS) !== 0) into[to++] = step >>> SYMBOL_SHIFT;
    if ((step & STEP_FAILS) !== 0) return -1;
    state = step & STEP_STATE;
  }
  return IS_END[state] === 1 ? to : -1;
}
