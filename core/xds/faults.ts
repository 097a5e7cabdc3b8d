/**
 * Gathers the faults of one document. A value that could not even be decoded is *broken*: it is reported once,
 * and what later stages find wrong at the same place (it is missing, it is empty) is not said as well.
 */
import type { ConfigFault } from "../config/config-fault.ts";

export class Faults {
  private readonly found: ConfigFault[] = [];
  private readonly said = new Set<string>();
  private readonly broken = new Set<string>();

  /** Reports that the value at `path` makes no sense, or breaks a rule. */
  add(path: string, message: string): void {
    if (this.broken.has(path)) return;
    const key = `${path}\n${message}`;
    if (this.said.has(key)) return;
    this.said.add(key);
    this.found.push({ path, message });
  }

  /** Reports that the value at `path` cannot be decoded. */
  breakAt(path: string, message: string): void {
    this.add(path, message);
    this.broken.add(path);
  }

  /** Says that something at `path` was reported elsewhere. */
  markBroken(path: string): void {
    this.broken.add(path);
  }

  /** True if the value at `path` could not be decoded. */
  isBroken(path: string): boolean {
    return this.broken.has(path);
  }

  get count(): number {
    return this.found.length;
  }

  /** What was found, in the order of the document where stages allow. */
  list(): readonly ConfigFault[] {
    return this.found;
  }
}

/** `path.name`, or `name` at the top. */
export function fieldPath(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** `path["key"]` for the entry of a map. */
export function entryPath(path: string, key: string): string {
  return `${path}[${JSON.stringify(key)}]`;
}
