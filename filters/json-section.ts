/**
 * One object of a configuration in Envoy's JSON shape (proto field names, durations as "1.5s", bytes as Base64), read
 * field by field. Whatever is wrong becomes a fault with its path, and the reader gets a default to go on with.
 *
 * Law: a field that nobody asked for is a fault, so none is ignored by oversight. Knows no field by name.
 */
import { utf8ByteString } from "../core/bytes/ascii.ts";
import { fromBase64 } from "../core/bytes/base64.ts";
import type { ConfigFault } from "../core/config/config-fault.ts";
import type { Json } from "../core/config/model.ts";

type JsonObject = { readonly [key: string]: Json };

/** As protobuf prints and reads it; the bound is protobuf's. */
const DURATION = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;
const NO_BYTES = new Uint8Array(0);

export class JsonSection {
  /** Of this object in the document; "" is the whole. */
  readonly path: string;
  private readonly fields: JsonObject;
  private readonly faults: ConfigFault[];
  private readonly isMap: boolean;
  private readonly asked = new Set<string>();

  /** Adds to `faults` what it finds. A map's fields are entries, which have another sort of path. */
  constructor(json: Json, path: string, faults: ConfigFault[], isMap = false) {
    this.path = path;
    this.faults = faults;
    this.isMap = isMap;
    if (typeof json === "object" && json !== null && !Array.isArray(json)) {
      this.fields = json as JsonObject;
    } else {
      this.fields = {};
      faults.push({ path, message: "must be an object" });
    }
  }

  /** Where a field is. */
  at(key: string): string {
    if (this.isMap) return `${this.path}[${JSON.stringify(key)}]`;
    return this.path === "" ? key : `${this.path}.${key}`;
  }

  /** Reports a fault of a field. */
  fault(key: string, message: string): void {
    this.faults.push({ path: this.at(key), message });
  }

  /** Reports a fault of the object as a whole. */
  faultHere(message: string): void {
    this.faults.push({ path: this.path, message });
  }

  /** The field as it is, undefined if it is not there. */
  take(key: string): Json | undefined {
    this.asked.add(key);
    return Object.hasOwn(this.fields, key) ? this.fields[key] : undefined;
  }

  /** Fields that are accepted although nothing acts on them; the caller says why. */
  inert(...keys: string[]): void {
    for (const key of keys) this.asked.add(key);
  }

  /** Fields that are known and not implemented: whoever sets one is told so. */
  refuse(...keys: string[]): void {
    for (const key of keys) if (this.take(key) !== undefined) this.fault(key, `not implemented yet: ${key}`);
  }

  /** An object, or null if it is not there. */
  section(key: string): JsonSection | null {
    const json = this.take(key);
    return json === undefined ? null : new JsonSection(json, this.at(key), this.faults);
  }

  /** An object that must be there. */
  required(key: string): JsonSection | null {
    const section = this.section(key);
    if (section === null) this.fault(key, "must be set");
    return section;
  }

  /** An object whose fields are entries, or null if it is not there. */
  map(key: string): JsonSection | null {
    const json = this.take(key);
    return json === undefined ? null : new JsonSection(json, this.at(key), this.faults, true);
  }

  /** The names of the fields that are there. */
  keys(): readonly string[] {
    return Object.keys(this.fields);
  }

  /** A text as a byte string; "" by default. */
  text(key: string): string {
    const json = this.take(key);
    if (json === undefined) return "";
    if (typeof json === "string") return utf8ByteString(json);
    this.fault(key, "must be a string");
    return "";
  }

  /** A list of texts as byte strings. */
  texts(key: string): string[] {
    const json = this.take(key) ?? [];
    if (Array.isArray(json) && json.every((entry) => typeof entry === "string")) {
      return json.map(utf8ByteString);
    }
    this.fault(key, "must be a list of strings");
    return [];
  }

  /** A boolean. */
  flag(key: string): boolean {
    const json = this.take(key) ?? false;
    if (typeof json === "boolean") return json;
    this.fault(key, "must be a boolean");
    return false;
  }

  /** An integer from 0 to 2^32 - 1. */
  count(key: string, fallback: number): number {
    const json = this.take(key) ?? fallback;
    if (typeof json === "number" && Number.isInteger(json) && json >= 0 && json <= 0xffffffff) return json;
    this.fault(key, "must be an integer from 0 to 4294967295");
    return fallback;
  }

  /** Milliseconds, not below `least`; `fallback` if it is not there. */
  duration<F extends number | null>(key: string, fallback: F, least = 0): number | F {
    const json = this.take(key);
    if (json === undefined) return fallback;
    const parts = typeof json === "string" ? DURATION.exec(json) : null;
    if (parts === null) {
      this.fault(key, 'must be a duration such as "1.5s"');
      return fallback;
    }
    const size = Number(parts[2]) * 1000 + Number((parts[3] ?? "").padEnd(9, "0")) / 1e6;
    const ms = parts[1] === "-" ? -size : size;
    if (ms < least) this.fault(key, `must be at least ${least} ms`);
    return ms;
  }

  /** Bytes. */
  bytes(key: string): Uint8Array {
    const json = this.take(key);
    if (json === undefined) return NO_BYTES;
    const bytes = typeof json === "string" ? fromBase64(json) : null;
    if (bytes === null) this.fault(key, "must be Base64 text");
    return bytes ?? NO_BYTES;
  }

  /** Reports every field that was not asked for. */
  finish(): void {
    for (const key of Object.keys(this.fields)) if (!this.asked.has(key)) this.fault(key, "unknown field");
  }
}
