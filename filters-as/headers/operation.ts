/** One change to the headers of a message, and how it is done. */
import { Bytes, HeaderMap, JsonNode, Slice, Writer } from "../sdk/sdk";
import { Condition, NotedConditions } from "./condition";
import { readName, readTarget } from "./header-name";
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
        if (value !== null) append(headers, name, value, this.separator.view);
        return;
      }
      case Kind.Remove:
        headers.remove(name);
        return;
      default:
        if (copy(headers, name, this.to!.view) && this.kind === Kind.Rename) headers.remove(name);
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
    if (when !== null) operation.when = Condition.read(when, plan.isResponse ? noted : null);
    return operation;
  }
}

/** Joins all values that are there, and the new one, into one. */
function append(headers: HeaderMap, name: Slice, value: Slice, separator: Slice): void {
  if (!headers.has(name)) {
    headers.add(name, value);
    return;
  }
  const joined = Writer.create();
  const all = headers.pairs();
  while (all.nextOf(name)) joined.write(all.value).write(separator);
  headers.set(name, joined.write(value).bytes);
}

/** Gives `to` all the values of `name`, in place of its own. False if there are none. */
function copy(headers: HeaderMap, name: Slice, to: Slice): bool {
  if (!headers.has(name) || name.equals(to)) return false;
  const all = headers.pairs();
  let isFirst = true;
  while (all.nextOf(name)) {
    if (isFirst) headers.set(to, all.value);
    else headers.add(to, all.value);
    isFirst = false;
  }
  return true;
}
