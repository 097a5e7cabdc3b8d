/** The configuration that a filter is run or measured with: a file's text, which need not be JSON. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { FilterProject } from "./filter-project.ts";

/** The text, and where it comes from ("" = there is none); or why it cannot be had. */
export type FilterConfig = { readonly text: string; readonly path: string } | { readonly complaint: string };

/** Reads the file that was named, or else the project's config.json, if there is one. */
export function configOf(project: FilterProject, named: string): FilterConfig {
  const path = named === "" ? project.config : resolve(named);
  if (path === "") return { text: "", path };
  if (!existsSync(path)) return { complaint: `${path}: there is no such file` };
  try {
    const text = readFileSync(path, "utf8");
    // A syntax error is told here, with its place: a filter says no more than that it is none.
    if (path.endsWith(".json")) JSON.parse(text);
    return { text, path };
  } catch (error) {
    return { complaint: `${path}: ${(error as Error).message}` };
  }
}
