/** A folder with a filter in it: filter.ts, stories about it (*.story.ts, *.story.json), perhaps a config.json. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";

/** What a project's folder holds. */
export interface FilterProject {
  /** The folder's name, which is the filter's. */
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
  /** Of the entry file, in the folder. */
  readonly entry: string;
  /** Absolute paths, in order. */
  readonly stories: readonly string[];
  /** Where the configuration is that is used when none is named; absolute, "" if there is none. */
  readonly config: string;
}

export const ENTRY = "filter.ts";
const CONFIG = "config.json";

/** The project in `folder`, or why that is none. */
export function findProject(folder: string): FilterProject | { readonly complaint: string } {
  const path = resolve(folder);
  if (!existsSync(path)) return { complaint: `${folder}: there is no such folder` };
  if (!existsSync(join(path, ENTRY))) {
    return { complaint: `${folder}: there is no ${ENTRY} here; "tulle filter new NAME" begins a filter` };
  }
  const config = join(path, CONFIG);
  return {
    name: basename(path),
    folder: path,
    entry: ENTRY,
    stories: readdirSync(path)
      .filter((name) => /\.story\.(ts|json)$/.test(name))
      .sort()
      .map((name) => join(path, name)),
    config: existsSync(config) ? config : "",
  };
}

/** Every file that the module is made from; absolute paths. */
export function sourcesOf({ folder }: FilterProject): readonly string[] {
  const found: string[] = [];
  const walk = (path: string): void => {
    for (const name of readdirSync(path).sort()) {
      if (name === "node_modules" || name === "build" || name.startsWith(".")) continue;
      const each = join(path, name);
      if (statSync(each).isDirectory()) walk(each);
      else if (name.endsWith(".ts") && !name.endsWith(".story.ts")) found.push(each);
    }
  };
  walk(folder);
  return found;
}
