/**
 * When an operation applies: a tree of all, any and not over tests of a header, the path, the method, the status.
 *
 * A test of a header that is there more than once holds if one of its values passes. Operations come one after the
 * other, and a condition sees what those before it did; only the tests of the request in a condition of the response
 * are answered when the request comes, before its own operations, and noted.
 */
import { Bytes, HeaderMap, JsonNode, requestHeaders, responseHeaders, Slice } from "../sdk/sdk";
import { readName } from "./header-name";
import { linesWith } from "./lines";
import { Plan } from "./plan";
import { RequestNotes } from "./request-notes";

enum Test {
  All = 0,
  Any = 1,
  Not = 2,
  /** One of the `Match`es on a header. */
  Header = 3,
  /** On the path without its query. */
  Path = 4,
  Method = 5,
  Status = 6,
  /** A test of the request that was answered when it came. */
  Noted = 7,
}

enum Match {
  Present = 0,
  Equals = 1,
  Prefix = 2,
  Suffix = 3,
  Contains = 4,
}

const MATCHES: string[] = ["equals", "prefix", "suffix", "contains"];
const METHOD = Slice.of(":method");
const PATH = Slice.of(":path");
const STATUS = Slice.of(":status");
const NO_CONDITIONS = new StaticArray<Condition>(0);
const NO_WORDS = new StaticArray<Bytes>(0);
/** Bits in the notes. */
const MAX_NOTED: i32 = 64;

/** Conditions of the response that ask for the request; a place in this list is a bit in the notes. */
@final
export class NotedConditions {
  readonly list: Condition[] = [];

  /** Answers all of them for the request as it is now. */
  answer(): u64 {
    let answers: u64 = 0;
    for (let i = 0; i < this.list.length; i++) {
      if (unchecked(this.list[i]).holds(NO_NOTES)) answers |= (<u64>1) << i;
    }
    return answers;
  }
}

const NO_NOTES = new RequestNotes();

@final
export class Condition {
  private children: StaticArray<Condition> = NO_CONDITIONS;
  private map: HeaderMap = requestHeaders;
  private name: Bytes | null = null;
  /** An operation before the one of this condition writes the header. */
  private isStale: bool = false;
  private match: Match = Match.Present;
  private ignoresCase: bool = false;
  /** What is compared with; methods; statuses ("404") and classes of them ("5"). */
  private words: StaticArray<Bytes> = NO_WORDS;
  private bit: i32 = 0;

  constructor(private readonly test: Test) {}

  /** True if it holds for the messages as they are now. */
  holds(notes: RequestNotes): bool {
    switch (this.test) {
      case Test.All: {
        const children = this.children;
        for (let i = 0; i < children.length; i++) if (!unchecked(children[i]).holds(notes)) return false;
        return true;
      }
      case Test.Any: {
        const children = this.children;
        for (let i = 0; i < children.length; i++) if (unchecked(children[i]).holds(notes)) return true;
        return false;
      }
      case Test.Not:
        return !unchecked(this.children[0]).holds(notes);
      case Test.Header:
        return this.headerPasses();
      case Test.Path: {
        const path = requestHeaders.get(PATH);
        if (path === null) return false;
        const query = path.indexOfByte(0x3f);
        return this.passes(query < 0 ? path : path.slice(0, query));
      }
      case Test.Method: {
        const method = requestHeaders.get(METHOD);
        return method !== null && this.startsWithWord(method, true);
      }
      case Test.Status: {
        const status = responseHeaders.get(STATUS);
        return status !== null && this.startsWithWord(status, false);
      }
      default:
        return (notes.answers & ((<u64>1) << this.bit)) !== 0;
    }
  }

  private headerPasses(): bool {
    const name = this.name!.view;
    const first = this.map.get(name);
    if (first === null) return false;
    if (this.passes(first)) return true;
    // The first value is not it; there may be others.
    const all = linesWith(this.map, name, this.isStale);
    if (all !== null) while (all.nextOf(name)) if (this.passes(all.value)) return true;
    return false;
  }

  private passes(value: Slice): bool {
    if (this.match === Match.Present) return true;
    const word = unchecked(this.words[0]).view;
    if (this.ignoresCase) {
      if (this.match === Match.Equals) return value.equalsIgnoreCase(word);
      if (this.match === Match.Prefix) return value.startsWithIgnoreCase(word);
      if (this.match === Match.Suffix) return value.endsWithIgnoreCase(word);
      return value.indexOfIgnoreCase(word) >= 0;
    }
    if (this.match === Match.Equals) return value.equals(word);
    if (this.match === Match.Prefix) return value.startsWith(word);
    if (this.match === Match.Suffix) return value.endsWith(word);
    return value.contains(word);
  }

  private startsWithWord(value: Slice, isWhole: bool): bool {
    const words = this.words;
    for (let i = 0; i < words.length; i++) {
      const word = unchecked(words[i]).view;
      if (isWhole ? value.equals(word) : value.startsWith(word)) return true;
    }
    return false;
  }

  /**
   * The condition that `node` describes; several tests in one object must all hold. In an operation on
   * the response, its tests of the request go to `noted`.
   */
  static read(node: JsonNode, plan: Plan, noted: NotedConditions): Condition {
    const children: Condition[] = [];
    readGroup(node, "all", Test.All, plan, noted, children);
    readGroup(node, "any", Test.Any, plan, noted, children);
    const not = node.get("not");
    if (not !== null) children.push(Condition.group(Test.Not, [Condition.read(not, plan, noted)]));

    const header = node.get("header");
    if (header !== null) {
      const condition = Condition.readHeader(header, plan.isResponse ? responseHeaders : requestHeaders);
      condition.isStale = plan.written.has(condition.name!);
      children.push(condition);
    }
    const asked = node.get("requestHeader");
    if (asked !== null) {
      if (!plan.isResponse) asked.fault('use "header" in an operation on the request');
      children.push(note(Condition.readHeader(asked, requestHeaders), asked, plan, noted));
    }
    const path = node.get("path");
    if (path !== null) {
      const condition = new Condition(Test.Path);
      condition.readMatch(path, false);
      children.push(note(condition, path, plan, noted));
    }
    const method = node.get("method");
    if (method !== null) children.push(note(Condition.readWords(method, Test.Method), method, plan, noted));
    const status = node.get("status");
    if (status !== null) {
      if (!plan.isResponse) status.fault("a request has no status");
      children.push(Condition.readWords(status, Test.Status));
    }
    if (children.length === 0 && node.isObject) node.fault("must say a condition");
    return children.length === 1 ? children[0] : Condition.group(Test.All, children);
  }

  static group(test: Test, children: Condition[]): Condition {
    const condition = new Condition(test);
    condition.children = StaticArray.fromArray(children);
    return condition;
  }

  private static readHeader(node: JsonNode, map: HeaderMap): Condition {
    const condition = new Condition(Test.Header);
    condition.map = map;
    const name = node.require("name");
    condition.name = name === null ? Bytes.of("") : readName(name);
    condition.readMatch(node, true);
    return condition;
  }

  /** At most one of the ways to match; none means that being there is enough, where `mayBePresence`. */
  private readMatch(node: JsonNode, mayBePresence: bool): void {
    let count = 0;
    for (let i = 0; i < MATCHES.length; i++) {
      const word = node.get(MATCHES[i]);
      if (word === null) continue;
      count++;
      this.match = i + 1;
      this.words = StaticArray.fromArray([word.asBytes()]);
    }
    this.ignoresCase = node.getBool("ignoreCase");
    if (count === 1 || (count === 0 && mayBePresence) || !node.isObject) return;
    node.fault(`must have ${mayBePresence ? "at most " : ""}one of "${MATCHES.join('", "')}"`);
  }

  /** One word or an array of words. */
  private static readWords(node: JsonNode, test: Test): Condition {
    const condition = new Condition(test);
    const nodes = node.isArray ? node.asArray() : [node];
    const words: Bytes[] = [];
    for (let i = 0; i < nodes.length; i++) {
      words.push(test === Test.Status ? readStatus(nodes[i]) : nodes[i].asBytes());
    }
    if (words.length === 0) node.fault("must not be empty");
    condition.words = StaticArray.fromArray(words);
    return condition;
  }

  /** The stand-in for a condition that is answered when the request comes. */
  static noted(bit: i32): Condition {
    const condition = new Condition(Test.Noted);
    condition.bit = bit;
    return condition;
  }
}

function readGroup(
  node: JsonNode,
  name: string,
  test: Test,
  plan: Plan,
  noted: NotedConditions,
  into: Condition[],
): void {
  const group = node.get(name);
  if (group === null) return;
  const nodes = group.asArray();
  const children: Condition[] = [];
  for (let i = 0; i < nodes.length; i++) children.push(Condition.read(nodes[i], plan, noted));
  if (children.length === 0 && group.isArray) group.fault("must not be empty");
  into.push(Condition.group(test, children));
}

/** In a condition of the response, a test of the request becomes a bit in the notes. */
function note(condition: Condition, node: JsonNode, plan: Plan, noted: NotedConditions): Condition {
  if (!plan.isResponse) return condition;
  const bit = noted.list.push(condition) - 1;
  if (bit === MAX_NOTED)
    node.fault(`more than ${MAX_NOTED} tests of the request in the response's operations`);
  return Condition.noted(bit);
}

/** 404 or "404" → "404", "5xx" → "5". */
function readStatus(node: JsonNode): Bytes {
  const code = node.isString ? node.asBytes().view.toDecimal() : -1;
  if (node.isString && code < 0) {
    const text = node.asString();
    const isClass = text.length === 3 && text.endsWith("xx") && text >= "1xx" && text <= "5xx";
    if (!isClass) node.fault('must be a status, or a class of them such as "5xx"');
    return Bytes.of(text.charAt(0));
  }
  if (node.isString) {
    if (code < 100 || code > 599) node.fault('must be a status, or a class of them such as "5xx"');
    return node.asBytes();
  }
  return Bytes.of(node.asInteger(100, 599).toString());
}
