/**
 * `tulle filter new`: copies filters-as/template/project. The new project uses this copy of Tulle where it is: by a
 * relative path if it lies inside of it, by an absolute one otherwise.
 *
 * Law: nothing that is there is overwritten.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join, relative, resolve, sep } from "node:path";
import { INSTALLATION } from "./asc.ts";
import type { FilterOptions } from "./tool-command-line.ts";

const TEMPLATE = join(INSTALLATION, "filters-as", "template", "project");
/** npm leaves out a .gitignore when it packs, and in this repository names have no dots. */
const RENAMED: { readonly [name: string]: string } = {
  gitignore: ".gitignore",
  "filter-story.ts": "filter.story.ts",
};

/** Writes the project; "" or why it was not written. */
export function newFilter({ target: name, dir }: FilterOptions): string {
  const folder = resolve(dir === "" ? name : dir);
  const near = relative(process.cwd(), folder) || ".";
  const shown = near.startsWith("..") ? folder : near;
  if (existsSync(folder)) {
    if (!statSync(folder).isDirectory()) return `${shown}: is a file`;
    if (readdirSync(folder).length > 0) return `${shown}: is not empty; nothing was written`;
  }
  const isInside = folder.startsWith(INSTALLATION + sep);
  const tulle = isInside ? relative(folder, INSTALLATION).replaceAll(sep, "/") : INSTALLATION;
  try {
    mkdirSync(folder, { recursive: true });
    for (const file of readdirSync(TEMPLATE)) {
      const text = readFileSync(join(TEMPLATE, file), "utf8");
      const filled = text.replaceAll("@NAME@", name).replaceAll("@TULLE@", tulle);
      writeFileSync(join(folder, RENAMED[basename(file)] ?? file), filled);
    }
  } catch (error) {
    return (error as Error).message;
  }
  process.stdout.write(`${shown}: a filter, filter.ts, with its stories, filter.story.ts

  tulle filter test ${shown}     compiles it and runs the stories
  tulle filter run ${shown}      a sidecar with it; what you save is swapped in

or, in ${shown}: npm test, npm start
`);
  return "";
}
