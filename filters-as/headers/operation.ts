/** One change to the headers of a message, and how it is done. */
import { Bytes, HeaderMap, JsonNode, Slice, Writer } from "../sdk/sdk";
import { Condition, NotedConditions } from "./condition";
import { readName, readTarget } from "./header-name";
import { linesWith } from "./lines";
import { Plan } from "./plan";
import { RequestNotes } from "./request-notes";
import { Value } from "./value";

enum Kind {
  Add = 0,
  Set = 1,
  Append = 2,
  Remove = 3,
  Rename = 4,
  Copy = 5,
}

const KINDS: string[] = ["add", "set", "append", "remove", "rename", "copy"];
const SEPARATOR: Bytes = Bytes.of(", ");
const SET_COOKIE = Slice.of("set-cookie");

@final
export class Operation {
  private value: Value | null = null;
  /** Of `rename` and `copy`. */
  private to: Bytes | null = null;
  private separator: Bytes = SEPARATOR;
  private when: Condition | null = null;
  /** An operation before this one writes the same header. */
  private isStale: bool = false;

  private constructor(
    private readonly kind: Kind,
    private readonly name: Bytes,
  ) {}

  apply(headers: HeaderMap, notes: RequestNotes): void {
    const when = this.when;
    if (when !== null && !when.holds(notes)) return;
    const name = this.name.view;
    switch (this.kind) {
      case Kind.Add: {
        const value = this.value!.format(notes);
        if (value !== null) headers.add(name, value);
        return;
      }
      case Kind.Set: {
        const value = this.value!.format(notes);
        if (value !== null) headers.set(name, value);
        return;
      }
      case Kind.Append: {
        const value = this.value!.format(notes);
        if (value !== null) this.append(headers, value);
        return;
      }
      case Kind.Remove:
        headers.remove(name);
        return;
      default:
        if (this.copy(headers) && this.kind === Kind.Rename) headers.remove(name);
    }
  }

  /** The operation that `node` describes; null if it describes none, which is a fault then. */
  static read(node: JsonNode, plan: Plan, noted: NotedConditions): Operation | null {
    let kind = -1;
    let named: JsonNode | null = null;
    for (let i = 0; i < KINDS.length; i++) {
      const child = node.get(KINDS[i]);
      if (child === null) continue;
      if (kind >= 0) child.fault(`stands beside "${KINDS[kind]}": one operation at a time`);
      kind = i;
      named = child;
    }
    if (!node.isObject) return null;
    if (named === null) {
      node.fault(`must have one of "${KINDS.join('", "')}"`);
      return null;
    }
    const operation = new Operation(kind, kind === Kind.Copy ? readName(named) : readTarget(named));
    if (kind <= Kind.Append) {
      const value = node.require("value");
      if (value !== null) operation.value = Value.read(value, plan);
    }
    if (kind === Kind.Append) {
      const separator = node.getBytes("separator");
      if (separator !== null) operation.separator = separator;
      if (operation.name.view.equals(SET_COOKIE))
        named.fault('values of set-cookie cannot be joined: use "add"');
    }
    if (kind >= Kind.Rename) {
      const to = node.require("to");
      if (to !== null) operation.to = readTarget(to);
    }
    const when = node.get("when");
    if (when !== null) operation.when = Condition.read(when, plan, noted);
    operation.isStale = plan.written.has(operation.name);
    const to = operation.to;
    if (kind !== Kind.Copy) plan.written.add(operation.name);
    if (to !== null) plan.written.add(to);
    return operation;
  }

  /** Joins all values that are there, and the new one, into one. */
  private append(headers: HeaderMap, value: Slice): void {
    const name = this.name.view;
    const separator = this.separator.view;
    const joined = Writer.create();
    const all = linesWith(headers, name, this.isStale);
    let count = 0;
    if (all !== null) for (; all.nextOf(name); count++) joined.write(all.value).write(separator);
    if (count === 0) headers.add(name, value);
    else headers.set(name, joined.write(value).bytes);
  }

  /** Gives the other name all the values of this one, in place of its own. False if there are none. */
  private copy(headers: HeaderMap): bool {
    const name = this.name.view;
    const to = this.to!.view;
    if (name.equals(to)) return false;
    const all = linesWith(headers, name, this.isStale);
    if (all === null) return false;
    let count = 0;
    for (; all.nextOf(name); count++) {
      if (count === 0) headers.set(to, all.value);
      else headers.add(to, all.value);
    }
    return count > 0;
  }
}
