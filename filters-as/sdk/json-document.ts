/**
 * A configuration in JSON (RFC 8259, strictly: no comments, no trailing commas, no duplicate fields, UTF-8 without
 * BOM), read whole into a tree. All that is wrong with it, in its syntax or in its meaning, is collected in
 * `faults`, each with the path of the place: `rules[3].when.path: must be a string`.
 *
 * The way to use it: `parse`, take what is needed from `root` (see `JsonNode`), then `finish()`, which also refuses
 * every field that nobody asked for, so that a misspelt one is never silently ignored. Limits: size, depth, number
 * of values; beyond them the text is refused.
 */
import { JsonFaults } from "./json-faults";
import { JsonNode } from "./json-node";
import { JsonParser } from "./json-parser";
import { Slice } from "./slice";

/** A text larger than this is refused. */
export const MAX_JSON_BYTES: i32 = 4 * 1024 * 1024;
/** Objects and arrays inside one another, at most. */
export const MAX_JSON_DEPTH: i32 = 32;
/** Values in one text, at most. */
export const MAX_JSON_VALUES: i32 = 500_000;

@final
export class JsonDocument {
  /** Null if the text is not JSON; then `faults` says why. */
  root: JsonNode | null = null;
  private readonly collected: JsonFaults = new JsonFaults();

  /** Reads a text. The slice is not needed afterwards: everything is copied. */
  static parse(text: Slice, maxBytes: i32 = MAX_JSON_BYTES, maxDepth: i32 = MAX_JSON_DEPTH): JsonDocument {
    const document = new JsonDocument();
    if (text.length > maxBytes) {
      document.fault("configuration", `longer than ${maxBytes} bytes`);
    } else {
      const parser = new JsonParser(document.collected, text, maxDepth, MAX_JSON_VALUES);
      document.root = parser.parse();
    }
    return document;
  }

  /** All that was found wrong so far, at most some twenty: "path: what". */
  get faults(): string[] {
    return this.collected.list;
  }

  /** Notes something wrong that has no value to be noted at (else: `JsonNode.fault`). */
  fault(path: string, message: string): void {
    this.collected.add(path, message);
  }

  /** Refuses all fields that were never asked for. True if nothing at all was found wrong. */
  finish(): bool {
    const root = this.root;
    if (root !== null) root.refuseUnread();
    this.collected.close();
    return this.collected.isEmpty;
  }
}
