/**
 * One value of a JSON text, with the way to say where it is. Getters never fail: a value of the wrong kind is noted
 * as a fault of the document, and the getter answers what it was told to answer otherwise; so a configuration is
 * read straight through and shows all its faults at once.
 *
 * Law: a value that was asked for counts as known. `JsonDocument.finish` refuses the others.
 */
import { JsonFaults } from "./json-faults";
import { Bytes, Slice } from "./slice";

/** What a value is. */
export enum JsonKind {
  Null = 0,
  Bool = 1,
  Number = 2,
  String = 3,
  Array = 4,
  Object = 5,
}

const NONE: JsonNode[] = [];
/** Integers up to here survive their way through a JSON number: 2^53. */
const MAX_SAFE: f64 = 9007199254740992;

@final
export class JsonNode {
  /** The name of this field, if it is one of an object. */
  key: Bytes | null = null;
  keyHash: u32 = 0;
  /** The place in the array, if it is in one. */
  index: i32 = 0;
  /** Of an array or object, in order. */
  children: JsonNode[] = NONE;
  text: Bytes | null = null;
  number: f64 = 0;
  integer: i64 = 0;
  isInteger: bool = false;
  private isRead: bool = false;

  constructor(
    private readonly faults: JsonFaults,
    private readonly parent: JsonNode | null,
    readonly kind: JsonKind,
  ) {}

  get isString(): bool {
    return this.kind === JsonKind.String;
  }

  get isObject(): bool {
    return this.kind === JsonKind.Object;
  }

  get isArray(): bool {
    return this.kind === JsonKind.Array;
  }

  /** How many elements or fields. */
  get length(): i32 {
    return this.children.length;
  }

  /** The field, or null; this node is noted as faulty if it is no object. */
  get(name: string): JsonNode | null {
    if (!this.mustBe(JsonKind.Object, "an object")) return null;
    const key = Slice.from(name);
    const hash = key.hash();
    for (let i = 0; i < this.children.length; i++) {
      const child = unchecked(this.children[i]);
      if (child.keyHash === hash && child.key!.view.equals(key)) {
        child.isRead = true;
        return child;
      }
    }
    return null;
  }

  /** As `get`, and a fault if it is not there. */
  require(name: string): JsonNode | null {
    const child = this.get(name);
    if (child === null && this.kind === JsonKind.Object) {
      this.faults.add(pathOf(this, Bytes.of(name), 0), "is missing");
    }
    return child;
  }

  /** The element or, of an object whose field names are free, the field at `i`; its name is `key`. */
  at(i: i32): JsonNode {
    const child = this.children[i];
    child.isRead = true;
    return child;
  }

  /** The string's bytes (UTF-8); empty if it is none. */
  asBytes(): Bytes {
    return this.mustBe(JsonKind.String, "a string") ? this.text! : Bytes.of("");
  }

  asString(): string {
    return this.mustBe(JsonKind.String, "a string") ? this.text!.toString() : "";
  }

  asBool(): bool {
    return this.mustBe(JsonKind.Bool, "true or false") && this.integer !== 0;
  }

  asNumber(): f64 {
    return this.mustBe(JsonKind.Number, "a number") ? this.number : 0;
  }

  /** A whole number from `least` to `most`; `least` if it is not one. */
  asInteger(least: i64 = i64.MIN_VALUE, most: i64 = i64.MAX_VALUE): i64 {
    if (!this.mustBe(JsonKind.Number, "a whole number")) return least;
    // 1e3 and 5.0 are whole numbers too: what comes out of a protobuf Struct looks like that.
    let value = this.integer;
    if (!this.isInteger) {
      if (floor(this.number) !== this.number || abs(this.number) > MAX_SAFE) {
        this.fault("must be a whole number");
        return least;
      }
      value = <i64>this.number;
    }
    if (value >= least && value <= most) return value;
    this.fault(most === i64.MAX_VALUE ? `must be ${least} or more` : `must be between ${least} and ${most}`);
    return least;
  }

  /** The place of the string in `choices`; -1 if it is none of them. */
  asChoice(choices: string[]): i32 {
    if (!this.mustBe(JsonKind.String, "a string")) return -1;
    const at = choices.indexOf(this.text!.toString());
    if (at < 0) this.fault(`must be one of "${choices.join('", "')}"`);
    return at;
  }

  /** A duration as protobuf writes it, "1.5s", in ms; 0 if it is none. A fraction of a ms is cut off. */
  asDuration(): i64 {
    const text = this.asBytes().view;
    const ms = this.isString ? parseDuration(text) : 0;
    if (ms < 0) this.fault('must be a duration such as "1.5s"');
    return max(ms, 0);
  }

  /** The elements, all of them counted as read; none if it is not an array. */
  asArray(): JsonNode[] {
    if (!this.mustBe(JsonKind.Array, "an array")) return NONE;
    for (let i = 0; i < this.children.length; i++) unchecked(this.children[i]).isRead = true;
    return this.children;
  }

  // Fields by name. Each answers `otherwise` (or none) if there is no such field.

  getBytes(name: string): Bytes | null {
    const child = this.get(name);
    return child === null ? null : child.asBytes();
  }

  getString(name: string, otherwise: string = ""): string {
    const child = this.get(name);
    return child === null ? otherwise : child.asString();
  }

  getBool(name: string, otherwise: bool = false): bool {
    const child = this.get(name);
    return child === null ? otherwise : child.asBool();
  }

  getNumber(name: string, otherwise: f64 = 0): f64 {
    const child = this.get(name);
    return child === null ? otherwise : child.asNumber();
  }

  getInteger(name: string, otherwise: i64 = 0, least: i64 = i64.MIN_VALUE, most: i64 = i64.MAX_VALUE): i64 {
    const child = this.get(name);
    return child === null ? otherwise : child.asInteger(least, most);
  }

  getChoice(name: string, choices: string[], otherwise: i32 = -1): i32 {
    const child = this.get(name);
    return child === null ? otherwise : child.asChoice(choices);
  }

  getDuration(name: string, otherwise: i64 = 0): i64 {
    const child = this.get(name);
    return child === null ? otherwise : child.asDuration();
  }

  getArray(name: string): JsonNode[] {
    const child = this.get(name);
    return child === null ? NONE : child.asArray();
  }

  /** An array of strings. */
  getStrings(name: string): Bytes[] {
    const nodes = this.getArray(name);
    const strings: Bytes[] = [];
    for (let i = 0; i < nodes.length; i++) strings.push(nodes[i].asBytes());
    return strings;
  }

  /** The field if it is an object. */
  getObject(name: string): JsonNode | null {
    const child = this.get(name);
    return child !== null && child.mustBe(JsonKind.Object, "an object") ? child : null;
  }

  /** Notes that something is wrong with this value. */
  fault(message: string): void {
    this.faults.add(this.path(), message);
  }

  /** Where it is: `rules[3].when.path`; "configuration" for the whole. */
  path(): string {
    const parent = this.parent;
    return parent === null ? "configuration" : pathOf(parent, this.key, this.index);
  }

  /** Notes every field below that was not asked for. */
  refuseUnread(): void {
    for (let i = 0; i < this.children.length; i++) {
      const child = unchecked(this.children[i]);
      if (child.isRead) child.refuseUnread();
      else child.fault(this.kind === JsonKind.Object ? "unknown field" : "unknown element");
    }
  }

  private mustBe(kind: JsonKind, what: string): bool {
    if (this.kind === kind) return true;
    this.fault(`must be ${what}`);
    return false;
  }
}

/** The path of a field (or, without a key, of an element) of `parent`. */
function pathOf(parent: JsonNode, key: Bytes | null, index: i32): string {
  const above = parent.path();
  const isTop = above === "configuration";
  if (key === null) return `${isTop ? "" : above}[${index}]`;
  const name = key.toString();
  if (!isPlain(key.view)) return `${isTop ? "" : above}["${name}"]`;
  return isTop ? name : `${above}.${name}`;
}

/** A name that needs no quotes in a path: letters, digits, "_" and "-". */
function isPlain(name: Slice): bool {
  for (let i = 0; i < name.length; i++) {
    const byte = <u32>name.at(i);
    const isLetter = (byte | 0x20) - 0x61 < 26;
    if (!isLetter && byte - 0x30 > 9 && byte !== 0x5f && byte !== 0x2d) return false;
  }
  return name.length > 0;
}

/** In ms; -1 if it is not digits, perhaps a point and up to nine digits, and an "s". */
function parseDuration(text: Slice): i64 {
  const length = text.length - 1;
  if (length < 1 || text.at(length) !== 0x73) return -1;
  const point = text.indexOfByte(0x2e);
  const seconds = text.slice(0, point < 0 ? length : point).toDecimal();
  // What protobuf allows: ten thousand years.
  if (seconds < 0 || seconds > 315_576_000_000) return -1;
  if (point < 0) return seconds * 1000;
  const fraction = text.slice(point + 1, length);
  if (fraction.length < 1 || fraction.length > 9 || fraction.toDecimal() < 0) return -1;
  let ms: i64 = 0;
  for (let i = 0; i < 3; i++) ms = ms * 10 + (i < fraction.length ? <i64>fraction.at(i) - 0x30 : 0);
  return seconds * 1000 + ms;
}
