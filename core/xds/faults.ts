/**
 * Gathers the faults of one document. A value that could not be decoded, or that is refused as a whole, is
 * *closed*: it is reported once, and what is wrong inside it, or follows from its absence, is not said as well.
 */
import type { ConfigFault } from "../config/config-fault.ts";

/** The faults of one document. */
export class Faults {
  private readonly found: ConfigFault[] = [];
  private readonly said = new Set<string>();
  private readonly closed = new Set<string>();

  /** Reports that the value at `path` makes no sense, or breaks a rule. */
  add(path: string, message: string): void {
    const key = `${path}\n${message}`;
    if (this.closed.has(path) || this.said.has(key)) return;
    this.said.add(key);
    this.found.push({ path, message });
  }

  /** Reports that the value at `path` cannot be decoded, or is refused whatever is in it. */
  close(path: string, message: string): void {
    this.add(path, message);
    this.closed.add(path);
  }

  /** Says that something at `path` was reported elsewhere. */
  markClosed(path: string): void {
    this.closed.add(path);
  }

  /** Reports a field that is known and not implemented. */
  refuse(path: string, what: string): void {
    this.close(path, `not implemented yet: ${what}`);
  }

  /** True if the value at `path` was reported as a whole. */
  isClosed(path: string): boolean {
    return this.closed.has(path);
  }

  /** True if something at `path`, or inside of it, was reported. */
  hasBelow(path: string): boolean {
    return this.found.some(
      (fault) => fault.path.startsWith(path) && /^($|[.[])/.test(fault.path.slice(path.length)),
    );
  }

  /** 0 if and only if nothing is wrong. */
  get count(): number {
    return this.found.length;
  }

  /** What was found, in the order in which the stages found it. */
  list(): readonly ConfigFault[] {
    return this.found.filter(({ path }) => !this.isInsideClosed(path));
  }

  private isInsideClosed(path: string): boolean {
    for (let i = 1; i < path.length; i++) {
      if ((path[i] === "." || path[i] === "[") && this.closed.has(path.slice(0, i))) return true;
    }
    return false;
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
