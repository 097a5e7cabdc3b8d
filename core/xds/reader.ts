/**
 * A message as the translation reads it. Every field that is read is noted; when the document is through,
 * whatever was set and read by nobody is reported as "not implemented yet". So no known field can be ignored
 * by oversight: it is either translated, named as inert, or refused.
 */
import { utf8ByteString } from "../bytes/ascii.ts";
import type { Checks } from "./checks.ts";
import { type Faults, fieldPath } from "./faults.ts";
import { type AnyMessage, fieldValue, type Oneof, type PackedAny, typeNameOf } from "./message.ts";
import { enumType, type FieldType, type MessageType, messageType } from "./schema.ts";

/** What the generated types have in common. */
type Message = { $typeName: string };
/** The fields of a message, as properties. */
export type Key<M> = Exclude<keyof M, "$typeName" | "$unknown"> & string;
/** Messages that are values, not structures. */
type Opaque = {
  $typeName: "google.protobuf.Any" | "google.protobuf.Duration" | "google.protobuf.BoolValue";
};
/** Fields of a message that hold one, or a list of them. */
type Held<T> = NonNullable<T> extends readonly (infer E)[] ? E : NonNullable<T>;
type KeyOf<M, T> = { [K in Key<M>]: NonNullable<M[K]> extends T ? K : never }[Key<M>];
type ChildKey<M> = { [K in Key<M>]: NonNullable<M[K]> extends Message ? K : never }[Key<M>];
type ChildrenKey<M> = { [K in Key<M>]: NonNullable<M[K]> extends readonly Message[] ? K : never }[Key<M>];
type OneofKey<M> = { [K in Key<M>]: M[K] extends { case: string | undefined } ? K : never }[Key<M>];

/** The alternative that is set: scalars as they are, messages as readers; `path` is where it is. */
export type Chosen<O> = O extends { case: infer C extends string; value: infer V }
  ? {
      readonly case: C;
      readonly path: string;
      readonly value: V extends Opaque ? V : V extends Message ? Reader<V> : V;
    }
  : { readonly case: undefined; readonly path: string; readonly value?: undefined };

/** The content of an `Any`. */
export interface Unpacked {
  /** Full name of the message type, "" if nothing was packed. */
  readonly typeName: string;
  readonly path: string;
  readonly any: PackedAny | null;
}

/** What the readers of one document share. */
export class Context {
  readonly faults: Faults;
  readonly checks: Checks;
  private readonly readers: Reader<Message>[] = [];

  constructor(faults: Faults, checks: Checks) {
    this.faults = faults;
    this.checks = checks;
  }

  /** A reader of `message`, which must be of type M. */
  open<M extends Message>(message: AnyMessage, path: string): Reader<M> {
    const reader = new Reader<M>(message as unknown as M, path, this);
    this.readers.push(reader as unknown as Reader<Message>);
    return reader;
  }

  /** Reports every field that is set and was not read. Call once, when everything was translated. */
  finish(): void {
    for (const reader of this.readers) reader.reportUnread();
    this.readers.length = 0;
  }
}

/** Reads one message; see the head of this file. */
export class Reader<M extends Message> {
  readonly message: M;
  readonly path: string;
  readonly context: Context;
  private readonly type: MessageType;
  /** Properties that were read; few, so a list is quicker than a set. */
  private readonly read: string[] = [];

  constructor(message: M, path: string, context: Context) {
    this.message = message;
    this.path = path;
    this.context = context;
    this.type = messageType(message.$typeName) as MessageType;
  }

  /** Where the field is in the document. */
  at(key: Key<M>): string {
    return fieldPath(this.path, this.type.byName.get(key)?.name ?? key);
  }

  /** Reports a fault of a field. */
  fault(key: Key<M>, message: string): void {
    this.context.faults.add(this.at(key), message);
  }

  /** Reports a fault of the message as a whole. */
  faultHere(message: string): void {
    this.context.faults.add(this.path, message);
  }

  /** Reports that a field, or what it says (`what`), is not implemented. */
  refuse(key: Key<M>, what: string): void {
    this.context.faults.refuse(this.at(key), what);
  }

  /** Reports that the whole message is not implemented. */
  refuseHere(what: string): void {
    this.context.faults.refuse(this.path, what);
  }

  /** The field as it is. */
  take<K extends Key<M>>(key: K): M[K] {
    this.read.push(key);
    return this.message[key];
  }

  /** Names fields that are accepted although nothing here acts on them; the caller says why. */
  inert(...keys: Key<M>[]): void {
    for (const key of keys) this.read.push(key);
  }

  /** True if the field is set to something other than its default. */
  has(key: Key<M>): boolean {
    const field = this.type.byName.get(key);
    if (field === undefined)
      return ((this.message as unknown as AnyMessage)[key] as Oneof).case !== undefined;
    return fieldValue(this.message as unknown as AnyMessage, field) !== undefined;
  }

  /** A text as a byte string. */
  text(key: KeyOf<M, string>): string {
    return utf8ByteString((this.take(key) ?? "") as string);
  }

  /** A number, or `fallback` if it is unset. */
  number<F extends number | null>(key: KeyOf<M, number>, fallback: F): number | F {
    return (this.take(key) as number | undefined) ?? fallback;
  }

  /** A boolean wrapper, or `fallback` if it is unset. */
  flag(key: KeyOf<M, boolean>, fallback: boolean): boolean {
    return (this.take(key) as boolean | undefined) ?? fallback;
  }

  /** A duration in ms (fractions kept to the microsecond), or `fallback` if it is unset. */
  duration<F extends number | null>(
    key: KeyOf<M, { seconds: bigint; nanos: number }>,
    fallback: F,
  ): number | F {
    const value = this.take(key) as { seconds: bigint; nanos: number } | undefined;
    if (value === undefined) return fallback;
    const ms = Number(value.seconds) * 1000 + Math.round(value.nanos / 1000) / 1000;
    if (ms < 0) this.fault(key, "must not be negative");
    return ms;
  }

  /** An enum by name; a value that is not in `implemented` is reported and gives the first of them. */
  choice<T extends string>(key: KeyOf<M, number>, implemented: readonly T[]): T {
    return this.named(key, this.take(key) as number, implemented);
  }

  /** `choice` for an enum that is an alternative: its value, and the field that it is the value of. */
  named<T extends string>(key: string, value: number, implemented: readonly T[]): T {
    const field = this.type.byName.get(key) as FieldType;
    const name = enumType(field.type).names.get(value) as T;
    if (implemented.includes(name)) return name;
    this.context.faults.refuse(fieldPath(this.path, field.name), name);
    return implemented[0];
  }

  /** A reader of a message field, or null if it is unset. */
  child<K extends ChildKey<M>>(key: K): Reader<NonNullable<M[K]> & Message> | null {
    const value = this.take(key) as AnyMessage | undefined;
    return value === undefined ? null : this.context.open(value, this.at(key));
  }

  /** Readers of a repeated message field. */
  children<K extends ChildrenKey<M>>(key: K): Reader<Held<M[K]> & Message>[] {
    const values = this.take(key) as unknown as AnyMessage[];
    if (values.length === 0) return [];
    const path = this.at(key);
    return values.map((value, i) => this.context.open(value, `${path}[${i}]`));
  }

  /** The alternative that is set. */
  oneof<K extends OneofKey<M>>(key: K): Chosen<M[K]> {
    const chosen = this.take(key) as unknown as Oneof;
    if (chosen.case === undefined) return { case: undefined, path: this.path } as Chosen<M[K]>;
    const path = this.at(chosen.case as Key<M>);
    const isMessage =
      typeof chosen.value === "object" && chosen.value !== null && "$typeName" in chosen.value;
    const readable = isMessage && messageType((chosen.value as AnyMessage).$typeName) !== null;
    const value = readable ? this.context.open(chosen.value as AnyMessage, path) : chosen.value;
    return { case: chosen.case, path, value } as unknown as Chosen<M[K]>;
  }

  /** What is packed in a `typed_config`, a field of its own or the only implemented one of a group. */
  packed(): Unpacked {
    const message = this.message as unknown as AnyMessage;
    const path = fieldPath(this.path, "typed_config");
    this.read.push("typedConfig");
    const group = this.type.byName.get("typedConfig")?.oneof ?? "";
    const any = group === "" ? message.typedConfig : this.packedChoice(message[group] as Oneof);
    return unpacked(this.context, any as PackedAny | undefined, path);
  }

  /** What is packed in a field. */
  unpacked(key: KeyOf<M, { $typeName: "google.protobuf.Any" }>): Unpacked {
    return unpacked(this.context, this.take(key) as unknown as PackedAny | undefined, this.at(key));
  }

  private packedChoice(chosen: Oneof): unknown {
    return chosen.case === "typedConfig" ? chosen.value : undefined;
  }

  /** Says that the alternative that is set is not implemented. */
  refuseOneof(chosen: { readonly case: string | undefined; readonly path: string }): void {
    const name = this.type.byName.get(chosen.case ?? "")?.name ?? "";
    this.context.faults.refuse(chosen.path, name);
  }

  /** Used by `Context.finish`. */
  reportUnread(): void {
    for (const field of this.type.fields) {
      const value = fieldValue(this.message as unknown as AnyMessage, field);
      // A wrapper that says what the default says anyhow asks for nothing.
      if (value === undefined || value === false || value === 0) continue;
      const key = field.oneof === "" ? field.jsonName : field.oneof;
      if (this.read.includes(key) || this.read.includes(field.jsonName)) continue;
      this.context.faults.refuse(fieldPath(this.path, field.name), field.name);
    }
  }
}

/** What is packed in the field at `path`; a value that names no type is reported. */
export function unpacked(context: Context, any: PackedAny | undefined, path: string): Unpacked {
  if (any === undefined) return { typeName: "", path, any: null };
  if (any.typeUrl === "") context.faults.close(path, 'must name its type in "@type"');
  return { typeName: typeNameOf(any.typeUrl), path, any };
}

/** A reader of what is packed, if it is of that type. */
export function openUnpacked<M extends Message>(
  context: Context,
  unpacked: Unpacked,
  typeName: M["$typeName"],
): Reader<M> | null {
  const message = unpacked.any?.message ?? null;
  return message !== null && message.$typeName === typeName ? context.open<M>(message, unpacked.path) : null;
}
