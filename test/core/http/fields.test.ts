/** A header section: wire fields and our own side by side, order kept, holes skipped; against a plain list. */
import { describe, expect, test } from "bun:test";
import { toBytes } from "../../../core/bytes/ascii.ts";
import { equalNames, Fields, isFieldName, isFieldValue } from "../../../core/http/fields.ts";
import { known } from "../../../core/http/names.ts";
import { Random } from "../../../runtime-adapters/memory/random.ts";

/** Fields as a codec leaves them: offsets into one chunk. */
function wire(...lines: readonly (readonly [string, string])[]): Fields {
  const fields = new Fields();
  fields.bytes = toBytes(lines.map(([name, value]) => name + value).join(""));
  let at = 0;
  for (const [name, value] of lines) {
    fields.push(at, at + name.length, at + name.length, at + name.length + value.length);
    at += name.length + value.length;
  }
  return fields;
}

function list(fields: Fields): string[] {
  const out: string[] = [];
  fields.forEach((name, value) => void out.push(`${name}: ${value}`));
  return out;
}

test("a section that is used again knows nothing of what was there, not even a name that somebody asked for", () => {
  const fields = new Fields();
  const fill = (text: string) => {
    fields.clear();
    fields.bytes = toBytes(text);
    for (const part of text.split(" ")) {
      const start = text.indexOf(part);
      const colon = part.indexOf(":");
      fields.push(start, start + colon, start + colon + 1, start + part.length);
    }
    const list: string[] = [];
    fields.forEach((name, value) => void list.push(`${name}=${value}`));
    return list;
  };
  expect(fill("x-one:1 host:a x-two:2")).toEqual(["x-one=1", "host=a", "x-two=2"]);
  expect(fill("host:b x-uno:3")).toEqual(["host=b", "x-uno=3"]);
  expect([fields.has("x-one"), fields.has("x-two"), fields.get("x-uno"), fields.count]).toEqual([
    false,
    false,
    "3",
    2,
  ]);
  fields.add("x-own", "4");
  fields.drop(1);
  expect(fill("x-due:5 x-tre:6 x-quattro:7")).toEqual(["x-due=5", "x-tre=6", "x-quattro=7"]);
});

describe("what came from the wire", () => {
  test("names are found without case, values are as they were, several are joined", () => {
    const fields = wire(["Host", "a"], ["X-One", "1"], ["x-ONE", "\xff2"], ["Accept", ""]);
    expect(list(fields)).toEqual(["host: a", "x-one: 1", "x-one: \xff2", "accept: "]);
    expect(fields.get("x-one")).toBe("1,\xff2");
    expect(fields.get("accept")).toBe("");
    expect(fields.get("absent")).toBeNull();
    expect(fields.getId(known("host"))).toBe("a");
    expect(fields.has("host") && fields.has("x-one") && !fields.has("x-two")).toBe(true);
  });

  test("U+212A is no k, and names of objects are names like others", () => {
    const fields = wire(["__proto__", "1"], ["constructor", "2"], ["hasOwnProperty", "3"]);
    expect(fields.get("__proto__")).toBe("1");
    expect(fields.get("tostring")).toBeNull();
    expect(fields.get("hasownproperty")).toBe("3");
    expect(equalNames(toBytes("\x4bx"), 0, 2, "kx")).toBe(true);
  });
});

describe("changes", () => {
  test("set keeps the place of the first and removes the rest; add appends", () => {
    const fields = wire(["a", "1"], ["b", "2"], ["A", "3"]);
    fields.set("a", "new");
    fields.add("c", "4");
    fields.set("d", "5");
    expect(list(fields)).toEqual(["a: new", "b: 2", "c: 4", "d: 5"]);
    expect(fields.count).toBe(4);
  });

  test("remove says whether there was one; a removed known name is gone for every question", () => {
    const fields = wire(["host", "a"], ["x", "1"], ["Host", "b"]);
    expect(fields.remove("host")).toBe(true);
    expect(fields.remove("host")).toBe(false);
    expect(fields.hasId(known("host"))).toBe(false);
    expect(fields.getId(known("host"))).toBeNull();
    expect(fields.slotOf("host", 0)).toBe(-1);
    expect(list(fields)).toEqual(["x: 1"]);
    fields.setId(known("host"), "c");
    expect(fields.get("host")).toBe("c");
  });

  test("a dropped slot leaves no trace, also of a known name", () => {
    const fields = wire(["te", "x"]);
    fields.drop(0);
    expect(fields.hasId(known("te"))).toBe(false);
    expect(fields.has("te")).toBe(false);
    expect([fields.count, list(fields)]).toEqual([0, []]);
  });

  test("clear forgets the message, not the room", () => {
    const fields = wire(...Array.from({ length: 40 }, (_, i) => [`n${i}`, `${i}`] as const));
    const room = fields.ids.length;
    fields.clear();
    expect([fields.count, fields.slots, fields.get("n1"), fields.bytes.length]).toEqual([0, 0, null, 0]);
    expect(fields.ids.length).toBe(room);
    fields.add("host", "x");
    expect(list(fields)).toEqual(["host: x"]);
  });
});

test.each([1, 2, 3, 4])("against a plain list, seed %i", (seed) => {
  const random = new Random(seed);
  const names = ["host", "te", "grpc-status", "alt-svc", "x-own", "y-own", "connection"];
  const lines = Array.from({ length: random.between(0, 30) }, () => {
    const name = names[random.between(0, names.length - 1)];
    return [random.between(0, 1) === 0 ? name : name.toUpperCase(), String(random.between(0, 99))] as const;
  });
  const fields = wire(...lines);
  let model = lines.map(([name, value]): [string, string] => [name.toLowerCase(), value]);
  for (let step = 0; step < 500; step++) {
    const name = names[random.between(0, names.length - 1)];
    const value = String(step);
    const what = random.between(0, 3);
    if (what === 0 && model.length < 60) {
      fields.add(name, value);
      model.push([name, value]);
    } else if (what === 1) {
      fields.set(name, value);
      const first = model.findIndex(([n]) => n === name);
      if (first < 0) model.push([name, value]);
      else
        model = model
          .map((f, i): [string, string] => (i === first ? [name, value] : f))
          .filter(([n], i) => n !== name || i === first);
    } else {
      expect(fields.remove(name)).toBe(model.some(([n]) => n === name));
      model = model.filter(([n]) => n !== name);
    }
    expect(list(fields)).toEqual(model.map(([n, v]) => `${n}: ${v}`));
    expect(fields.count).toBe(model.length);
    for (const n of names) {
      const values = model.filter(([m]) => m === n).map(([, v]) => v);
      expect(fields.get(n)).toBe(values.length === 0 ? null : values.join(","));
    }
  }
});

test("what may be a name or a value", () => {
  for (const name of ["a", "X-1", "!#$%&'*+-.^_`|~"]) expect(isFieldName(name)).toBe(true);
  for (const name of ["", "a b", "a:", "a\r", "é", "\u212a"]) expect(isFieldName(name)).toBe(false);
  for (const value of ["", "a b\tc", "\xff"]) expect(isFieldValue(value)).toBe(true);
  for (const value of ["a\r\nb", "\0", "\x7f", "\u0100", "\x1b"]) expect(isFieldValue(value)).toBe(false);
});
