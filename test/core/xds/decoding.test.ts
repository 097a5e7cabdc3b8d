/**
 * Our decoder against protobuf's own for the same schema: whatever the one accepts the other accepts, with the
 * same content; and on documents broken at random nothing ever throws.
 */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  create,
  createRegistry,
  type DescFile,
  type DescMessage,
  fromJson,
  isMessage,
  type Message,
  type Registry,
  toJson,
} from "@bufbuild/protobuf";
import {
  type Any,
  anyUnpack,
  file_google_protobuf_struct,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import type { Json } from "../../../core/config/model.ts";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import { Faults } from "../../../core/xds/faults.ts";
import { messageFromJson } from "../../../core/xds/from-json.ts";
import { BootstrapSchema } from "../../../core/xds/generated/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import { ENUMS, MESSAGES } from "../../../core/xds/generated/schema.ts";
import { emptyMessage } from "../../../core/xds/message.ts";
import { type MessageType, messageType } from "../../../core/xds/schema.ts";
import { messageToJson } from "../../../core/xds/to-json.ts";
import { yaml } from "../../support/config-document.ts";

const GENERATED = join(import.meta.dir, "../../../core/xds/generated");
const GOLDEN = join(import.meta.dir, "golden");
const BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap";

const registry: Registry = createRegistry(
  file_google_protobuf_struct,
  file_google_protobuf_wrappers,
  ...(await Promise.all(
    readdirSync(GENERATED, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith("_pb.ts"))
      .map(async (path) => {
        const module = (await import(join(GENERATED, path))) as { [name: string]: unknown };
        return Object.entries(module).find(([name]) => name.startsWith("file_"))?.[1] as DescFile;
      }),
  )),
);

const documents = readdirSync(GOLDEN)
  .filter((name) => /\.(yaml|json)$/.test(name) && !name.endsWith(".golden.json"))
  .map((name) => [name, yaml(readFileSync(join(GOLDEN, name), "utf8"))] as const);

/** What both decoders' messages have in common: fields, and what is packed in an Any. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint" || value instanceof Uint8Array) return String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if ((value as { $typeName?: string }).$typeName === "google.protobuf.Any") {
    const any = value as Any & { message?: unknown; json?: { readonly value: unknown } };
    // Those that JSON has a form of its own for are not unpacked by ours.
    if (any.typeUrl.includes("/google.protobuf."))
      return { typeUrl: any.typeUrl, packed: any.json?.value ?? jsonOf(any) };
    return { typeUrl: any.typeUrl, packed: plain(any.message ?? anyUnpack(any, registry)) };
  }
  const entries = Object.entries(value).filter(([name, entry]) => name !== "$unknown" && entry !== undefined);
  return Object.fromEntries(entries.map(([name, entry]) => [name, plain(entry)]));
}

function jsonOf(any: Any): unknown {
  const message = anyUnpack(any, registry) as Message;
  return toJson(registry.getMessage(message.$typeName) as DescMessage, message);
}

function reference(json: Json): Message | null {
  try {
    return fromJson(BootstrapSchema, json as never, { registry });
  } catch {
    return null;
  }
}

describe("the schema text says what the descriptors say", () => {
  test.each(Object.keys(MESSAGES).map((name) => [name]))("%s", (name) => {
    const ours = messageType(name) as MessageType;
    const theirs = registry.getMessage(name);
    if (theirs === undefined) throw new Error("not generated");
    expect(ours.fields.map(({ name, number, jsonName }) => ({ name, number, jsonName }))).toEqual(
      theirs.fields.map(({ name, number, localName }) => ({ name, number, jsonName: localName })),
    );
    expect(plain(emptyMessage(ours))).toEqual(plain({ ...create(theirs) }));
  });

  test("every enum is there", () => {
    for (const name of Object.keys(ENUMS)) {
      if (!name.startsWith("google.protobuf.")) expect(registry.getEnum(name)).toBeDefined();
    }
  });
});

describe("sound documents decode alike", () => {
  test.each(documents)("%s", (_, json) => {
    const faults = new Faults();
    const ours = messageFromJson(BOOTSTRAP, json, "", faults);
    expect(faults.list()).toEqual([]);
    expect(isMessage(ours)).toBe(true);
    expect(plain(ours)).toEqual(plain(reference(json)));
  });

  test.each(documents)("%s, dumped and read again by protobuf", (_, json) => {
    const dump = messageToJson(messageFromJson(BOOTSTRAP, json, "", new Faults()));
    expect(plain(reference(dump))).toEqual(plain(reference(json)));
  });
});

describe("broken documents", () => {
  const STRICTER = /^must name its type in "@type"$|^must be one of .* not -?\d+$/;
  type Mutable = { [key: string]: unknown };

  /** Every place in a document, as the object or list that holds it and the key. */
  function places(json: unknown, into: [Mutable, string][] = []): [Mutable, string][] {
    if (typeof json === "object" && json !== null) {
      for (const key of Object.keys(json)) {
        into.push([json as Mutable, key]);
        places((json as Mutable)[key], into);
      }
    }
    return into;
  }

  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(
      "",
      "0",
      "-1s",
      "1.5s",
      1e300,
      -0,
      "*",
      "%",
      "\u0000",
      "é",
      "__proto__",
      [],
      {},
      null,
      true,
    ),
  );
  const mutation = fc.record({
    document: fc.nat(documents.length - 1),
    edits: fc.array(
      fc.record({
        place: fc.nat(),
        what: fc.constantFrom("replace", "delete", "rename", "nest", "copy"),
        value: odd,
        other: fc.nat(),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  });

  function mutate({
    document,
    edits,
  }: {
    document: number;
    edits: readonly { place: number; what: string; value: unknown; other: number }[];
  }): Json {
    const json = structuredClone(documents[document][1]) as Mutable;
    for (const { place, what, value, other } of edits) {
      const all = places(json);
      if (all.length === 0) break;
      const [holder, key] = all[place % all.length];
      const [elsewhere, name] = all[other % all.length];
      if (what === "replace") holder[key] = value;
      else if (what === "delete") delete holder[key];
      else if (what === "nest") holder[key] = { [key]: holder[key] };
      else if (what === "copy") holder[key] = structuredClone(elsewhere[name]);
      else {
        holder[`${key}x`] = holder[key];
        delete holder[key];
      }
    }
    return JSON.parse(JSON.stringify(json)) as Json;
  }

  test("never throw; a fault has a place and a message; no fault means a bootstrap", () => {
    fc.assert(
      fc.property(mutation, (edits) => {
        const { bootstrap, faults } = readBootstrap(mutate(edits));
        expect(bootstrap === null).toBe(faults.length > 0);
        for (const { message } of faults) expect(message).not.toBe("");
      }),
      { numRuns: 200 },
    );
  }, 30_000);

  test("what protobuf decodes we decode, alike", () => {
    let compared = 0;
    fc.assert(
      fc.property(mutation, (edits) => {
        const json = mutate(edits);
        const expected = reference(json);
        if (expected === null) return;
        compared++;
        const faults = new Faults();
        const ours = messageFromJson(BOOTSTRAP, json, "", faults);
        // We are stricter in two things, which no document needs: an empty Any, and enum values without a name.
        if (faults.list().some(({ message }) => STRICTER.test(message))) return;
        expect(faults.list()).toEqual([]);
        expect(plain(ours)).toEqual(plain(expected));
      }),
      { numRuns: 300 },
    );
    expect(compared).toBeGreaterThan(10);
  }, 30_000);

  test("nested without end", () => {
    let json: Json = {};
    for (let i = 0; i < 5000; i++) json = { and_filter: { filters: [json] } };
    const log = { name: "x", filter: json };
    const { faults } = readBootstrap({ admin: { access_log: [log] } });
    expect(faults.map(({ message }) => message)).toContain("is nested too deeply");
  });
});
