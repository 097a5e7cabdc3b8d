/**
 * The grammar of JSON, on bytes. Stops at the first fault and says where it is, by path and by line. Depth is
 * limited, so the recursion is; strings are checked to be UTF-8 and their escapes are decoded.
 */
import { JsonFaults } from "./json-faults";
import { JsonKind, JsonNode } from "./json-node";
import { Bytes, Slice } from "./slice";
import { utf8Length } from "./utf8";

/** The powers of ten that floating point represents exactly. */
const POWERS: StaticArray<f64> = [
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
  1e20, 1e21, 1e22,
];
/** A mantissa below this one has room for one more digit. */
const MAX_MANTISSA: u64 = 1_000_000_000_000_000_000;
/** A power of ten beyond all others: the result is 0 or no number. */
const MAX_POWER: i32 = 100_000_000;

@final
export class JsonParser {
  private at: i32 = 0;
  private depth: i32 = 0;
  private values: i32 = 0;
  private hasFailed: bool = false;
  /** Of the number at hand: its digits, and the power of ten that they are to be multiplied by. */
  private mantissa: u64 = 0;
  private exponent: i32 = 0;

  constructor(
    private readonly faults: JsonFaults,
    private readonly text: Slice,
    private readonly maxDepth: i32,
    private readonly maxValues: i32,
  ) {}

  /** The tree; null after a fault. */
  parse(): JsonNode | null {
    this.skipBlanks();
    const node = this.value(null, null, 0);
    if (this.hasFailed || node === null) return null;
    this.skipBlanks();
    if (this.at < this.text.length) {
      this.fail(node, "nothing may follow the value");
      return null;
    }
    return node;
  }

  private value(parent: JsonNode | null, key: Bytes | null, index: i32): JsonNode | null {
    const kind = this.kindAhead();
    // Made before it is read, so that a fault in it can say its path.
    const node = new JsonNode(this.faults, parent, max(kind, 0));
    node.key = key;
    node.index = index;
    if (key !== null) node.keyHash = key.view.hash();
    if (++this.values > this.maxValues) return this.fail(node, "too many values");
    if (kind < 0) return this.fail(node, this.at < this.text.length ? "not a JSON value" : "ends too early");
    switch (kind) {
      case JsonKind.Object:
        return this.members(node);
      case JsonKind.Array:
        return this.elements(node);
      case JsonKind.String:
        node.text = this.string(node);
        return node;
      case JsonKind.Number:
        return this.number(node);
      default:
        return this.word(node);
    }
  }

  /** What the next byte begins; -1 if nothing that JSON knows. */
  private kindAhead(): JsonKind {
    const byte = this.peek();
    if (byte === 0x7b) return JsonKind.Object;
    if (byte === 0x5b) return JsonKind.Array;
    if (byte === 0x22) return JsonKind.String;
    if (byte === 0x2d || isDigit(byte)) return JsonKind.Number;
    if (byte === 0x74 || byte === 0x66) return JsonKind.Bool;
    return byte === 0x6e ? JsonKind.Null : -1;
  }

  private members(node: JsonNode): JsonNode | null {
    if (!this.open(node)) return null;
    const children = node.children;
    if (this.closes(0x7d)) return node;
    while (true) {
      if (this.peek() !== 0x22) return this.fail(node, "a field must begin with its name in quotes");
      const key = this.string(node);
      if (key === null) return null;
      this.skipBlanks();
      if (!this.accept(0x3a)) return this.fail(node, 'a field\'s name must be followed by ":"');
      this.skipBlanks();
      const child = this.value(node, key, 0);
      if (child === null || this.hasFailed) return null;
      for (let i = 0; i < children.length; i++) {
        const other = unchecked(children[i]);
        if (other.keyHash === child.keyHash && other.key!.view.equals(key.view)) {
          return this.fail(child, "this field is there twice");
        }
      }
      children.push(child);
      this.skipBlanks();
      if (this.accept(0x2c)) this.skipBlanks();
      else if (this.closes(0x7d)) return node;
      else return this.fail(node, 'expected "," or "}"');
    }
  }

  private elements(node: JsonNode): JsonNode | null {
    if (!this.open(node)) return null;
    const children = node.children;
    if (this.closes(0x5d)) return node;
    while (true) {
      const child = this.value(node, null, children.length);
      if (child === null || this.hasFailed) return null;
      children.push(child);
      this.skipBlanks();
      if (this.accept(0x2c)) this.skipBlanks();
      else if (this.closes(0x5d)) return node;
      else return this.fail(node, 'expected "," or "]"');
    }
  }

  private open(node: JsonNode): bool {
    this.at++;
    if (++this.depth > this.maxDepth) {
      this.fail(node, `nested deeper than ${this.maxDepth}`);
      return false;
    }
    node.children = [];
    this.skipBlanks();
    return true;
  }

  private closes(bracket: u8): bool {
    if (!this.accept(bracket)) return false;
    this.depth--;
    return true;
  }

  private word(node: JsonNode): JsonNode | null {
    const isTrue = this.peek() === 0x74;
    const word = node.kind === JsonKind.Null ? "null" : isTrue ? "true" : "false";
    node.integer = isTrue ? 1 : 0;
    for (let i = 0; i < word.length; i++) {
      if (!this.accept(<u8>word.charCodeAt(i))) return this.fail(node, "not a JSON value");
    }
    return node;
  }

  private number(node: JsonNode): JsonNode | null {
    const isNegative = this.accept(0x2d);
    const first = this.at;
    this.mantissa = 0;
    this.exponent = 0;
    const digits = this.takeDigits(0, 1);
    if (digits === 0 || (digits > 1 && this.text.at(first) === 0x30)) return this.fail(node, "not a number");
    let isWhole = true;
    if (this.accept(0x2e)) {
      isWhole = false;
      if (this.takeDigits(-1, 0) === 0) return this.fail(node, "not a number");
    }
    if (this.accept(0x65) || this.accept(0x45)) {
      isWhole = false;
      const isSmall = this.accept(0x2d);
      if (!isSmall) this.accept(0x2b);
      const from = this.at;
      let power = 0;
      for (; isDigit(this.peek()); this.at++) power = min(power * 10 + (this.peek() - 0x30), MAX_POWER);
      if (this.at === from) return this.fail(node, "not a number");
      this.exponent += isSmall ? -power : power;
    }
    const size = scale(<f64>this.mantissa, this.exponent);
    node.number = isNegative ? -size : size;
    if (isWhole && digits <= 18) {
      node.isInteger = true;
      node.integer = isNegative ? -(<i64>this.mantissa) : <i64>this.mantissa;
    }
    return isFinite(size) ? node : this.fail(node, "a number beyond what can be represented");
  }

  /**
   * Appends the digits here to the mantissa, as long as they fit; returns how many there are. Each that is appended
   * changes the exponent by `taken`, each that is not by `dropped`.
   */
  private takeDigits(taken: i32, dropped: i32): i32 {
    const from = this.at;
    for (; isDigit(this.peek()); this.at++) {
      if (this.mantissa < MAX_MANTISSA) {
        this.mantissa = this.mantissa * 10 + (this.peek() - 0x30);
        this.exponent += taken;
      } else {
        this.exponent += dropped;
      }
    }
    return this.at - from;
  }

  /** The string that begins here, decoded. A fault is one of `node`. */
  private string(node: JsonNode): Bytes | null {
    const start = ++this.at;
    let hasEscapes = false;
    while (true) {
      if (this.at >= this.text.length) return this.failBytes(node, "a string does not end");
      const byte = this.peek();
      if (byte === 0x22) break;
      if (byte < 0x20) return this.failBytes(node, "a control character in a string");
      if (byte === 0x5c) {
        hasEscapes = true;
        this.at += 2;
        continue;
      }
      const length = utf8Length(this.text, this.at);
      if (length === 0) return this.failBytes(node, "a string is not UTF-8");
      this.at += length;
    }
    const raw = this.text.slice(start, this.at);
    if (!hasEscapes) {
      this.at++;
      return raw.keep();
    }
    const decoded = this.decode(raw, start, node);
    if (decoded !== null) this.at++;
    return decoded;
  }

  /** Resolves escapes. What comes out is never longer than what goes in. */
  private decode(raw: Slice, start: i32, node: JsonNode): Bytes | null {
    const room = Slice.allocate(raw.length);
    let to = room.ptr;
    let i = 0;
    while (i < raw.length) {
      const byte = raw.at(i++);
      if (byte !== 0x5c) {
        store<u8>(to++, byte);
        continue;
      }
      this.at = start + i - 1;
      const letter = raw.at(i++);
      if (letter !== 0x75) {
        const plain = simpleEscape(letter);
        if (plain === 0) return this.failBytes(node, "an unknown escape in a string");
        store<u8>(to++, plain);
        continue;
      }
      let point = hexadecimal(raw, i);
      i += 4;
      if (point >= 0xd800 && point < 0xdc00) {
        const isPair = i + 6 <= raw.length && raw.at(i) === 0x5c && raw.at(i + 1) === 0x75;
        const second = isPair ? hexadecimal(raw, i + 2) : -1;
        if (second < 0xdc00 || second > 0xdfff) return this.failBytes(node, "half a surrogate pair");
        point = 0x10000 + ((point - 0xd800) << 10) + (second - 0xdc00);
        i += 6;
      } else if (point >= 0xdc00 && point < 0xe000) {
        return this.failBytes(node, "half a surrogate pair");
      }
      if (point < 0) return this.failBytes(node, "four hexadecimal digits must follow \\u");
      to = putUtf8(to, point);
    }
    this.at = start + raw.length;
    return Slice.at(room.ptr, <i32>(to - room.ptr)).keep();
  }

  /** The next byte, 0 at the end. */
  private peek(): u8 {
    return this.at < this.text.length ? this.text.at(this.at) : 0;
  }

  private accept(byte: u8): bool {
    if (this.peek() !== byte) return false;
    this.at++;
    return true;
  }

  private skipBlanks(): void {
    while (true) {
      const byte = this.peek();
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.at++;
    }
  }

  private fail(node: JsonNode, message: string): JsonNode | null {
    if (this.hasFailed) return null;
    this.hasFailed = true;
    let line = 1;
    let lineStart = 0;
    const end = min(this.at, this.text.length);
    for (let i = 0; i < end; i++) {
      if (this.text.at(i) !== 0x0a) continue;
      line++;
      lineStart = i + 1;
    }
    this.faults.add(node.path(), `${message} (line ${line}, column ${end - lineStart + 1})`);
    return null;
  }

  private failBytes(node: JsonNode, message: string): Bytes | null {
    this.fail(node, message);
    return null;
  }
}

function isDigit(byte: u8): bool {
  return <u32>byte - 0x30 < 10;
}

/**
 * `value` times ten to the power of `exponent`: the nearest there is for up to 15 digits and powers up to 22, else
 * right in about 14 digits. (AssemblyScript's own parseFloat is wrong by powers of ten for some long numbers.)
 */
function scale(value: f64, exponent: i32): f64 {
  if (value === 0 || exponent < -400) return 0;
  if (exponent > 400) return Infinity;
  let scaled = value;
  let left = abs(exponent);
  for (; left > 22; left -= 22) scaled = exponent < 0 ? scaled / 1e22 : scaled * 1e22;
  const power = unchecked(POWERS[left]);
  return exponent < 0 ? scaled / power : scaled * power;
}

/** What a letter after "\" means; 0 if nothing. */
function simpleEscape(letter: u8): u8 {
  if (letter === 0x22 || letter === 0x5c || letter === 0x2f) return letter;
  if (letter === 0x6e) return 0x0a;
  if (letter === 0x74) return 0x09;
  if (letter === 0x72) return 0x0d;
  if (letter === 0x62) return 0x08;
  return letter === 0x66 ? 0x0c : 0;
}

/** The value of four hexadecimal digits; -1 if they are not there. */
function hexadecimal(text: Slice, at: i32): i32 {
  if (at + 4 > text.length) return -1;
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = <u32>text.at(i);
    const isDigit = byte - 0x30 < 10;
    const letter = (byte | 0x20) - 0x61;
    if (!isDigit && letter > 5) return -1;
    value = (value << 4) | (isDigit ? byte - 0x30 : letter + 10);
  }
  return value;
}

/** Writes a code point; returns the place behind it. */
function putUtf8(to: usize, point: i32): usize {
  if (point < 0x80) {
    store<u8>(to, <u8>point);
    return to + 1;
  }
  if (point < 0x800) {
    store<u8>(to, <u8>(0xc0 | (point >> 6)));
    store<u8>(to + 1, <u8>(0x80 | (point & 0x3f)));
    return to + 2;
  }
  if (point < 0x10000) {
    store<u8>(to, <u8>(0xe0 | (point >> 12)));
    store<u8>(to + 1, <u8>(0x80 | ((point >> 6) & 0x3f)));
    store<u8>(to + 2, <u8>(0x80 | (point & 0x3f)));
    return to + 3;
  }
  store<u8>(to, <u8>(0xf0 | (point >> 18)));
  store<u8>(to + 1, <u8>(0x80 | ((point >> 12) & 0x3f)));
  store<u8>(to + 2, <u8>(0x80 | ((point >> 6) & 0x3f)));
  store<u8>(to + 3, <u8>(0x80 | (point & 0x3f)));
  return to + 4;
}
