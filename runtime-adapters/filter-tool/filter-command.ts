/**
 * `tulle filter …`: the author's side of a filter. Loaded when the command is used and by nothing else, so that a
 * sidecar does not carry it.
 */
import type { Entry } from "../sidecar/entry.ts";
import { findProject } from "./filter-project.ts";
import { type FilterOptions, parseFilterCommand } from "./tool-command-line.ts";

/** Runs `tulle filter` with what follows it. Sets the exit code of the process. */
export async function runFilterCommand(entry: Entry, args: readonly string[]): Promise<void> {
  const parsed = parseFilterCommand(args);
  switch (parsed.kind) {
    case "help":
      process.stdout.write(parsed.text);
      return;
    case "error":
      complain(parsed.message);
      return;
    case "options": {
      const complaint = await run(entry, parsed.options);
      if (complaint !== "") complain(complaint);
    }
  }
}

function complain(message: string): void {
  process.stderr.write(`tulle: ${message}\n`);
  process.exitCode = 1;
}

/** "" or why it could not be done. */
async function run(entry: Entry, options: FilterOptions): Promise<string> {
  if (options.command === "new") return (await import("./new-filter.ts")).newFilter(options);
  const project = findProject(options.target);
  if ("complaint" in project) return project.complaint;
  switch (options.command) {
    case "build":
      return (await import("./build-filter.ts")).buildFilter(project, options);
    case "test":
      return (await import("./test-filter.ts")).testFilter(project, options);
    case "bench":
      return (await import("./bench-filter.ts")).benchFilter(project, options, entry.runtime);
    case "run":
      return (await import("./run-filter.ts")).runFilter(project, options, entry);
  }
}
