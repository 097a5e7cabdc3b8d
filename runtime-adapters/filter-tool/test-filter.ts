/** `tulle filter test`: builds a filter and tells it its stories. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { vmLimits } from "../../filters/wasm/vm-limits.ts";
import { compileModule } from "../sidecar/modules/compile-module.ts";
import { compileFilter } from "./compile-filter.ts";
import type { FilterProject } from "./filter-project.ts";
import type { Story, StoryStep } from "./story.ts";
import { checkStories } from "./story-check.ts";
import { StoryHost } from "./story-host.ts";
import { compareLists, judgeStep } from "./story-judge.ts";
import type { FilterOptions } from "./tool-command-line.ts";

/** Stories of one file. */
interface StoryFile {
  readonly name: string;
  readonly stories: readonly Story[];
}

/** Runs all stories; "" or what the last line says of those that failed. */
export async function testFilter(project: FilterProject, { debug, calls }: FilterOptions): Promise<string> {
  const files: StoryFile[] = [];
  for (const path of project.stories) {
    const read = await readStories(path);
    if ("faults" in read) return read.faults.map((fault) => `${basename(path)}: ${fault}`).join("\n");
    files.push({ name: basename(path), stories: read.stories });
  }
  if (files.length === 0) return `${project.name}: there is no *.story.ts and no *.story.json to run`;
  const built = await compileFilter(project, { debug });
  if ("complaint" in built) return built.complaint;
  // As a sidecar would run it: judged, and stopped when it loops.
  const compiled = await compileModule(built.filter.bytes, vmLimits({}, project.name));
  if ("fault" in compiled) return `${project.name}: ${compiled.fault}`;
  let failed = 0;
  let told = 0;
  for (const { name, stories } of files) {
    process.stdout.write(`${name}\n`);
    for (const story of stories) {
      const trace: string[] = [];
      const lines = tellStory(compiled.module.module, story, trace);
      told++;
      if (lines.length > 0) failed++;
      process.stdout.write(`  ${lines.length === 0 ? "✓" : "✗"} ${story.name}\n`);
      if (calls) for (const line of trace) process.stdout.write(`      ${line}\n`);
      for (const line of lines) process.stdout.write(`      ${line}\n`);
    }
  }
  if (failed > 0) return `${failed} of ${told} stories failed`;
  process.stdout.write(`${told} ${told === 1 ? "story" : "stories"}, all as expected\n`);
  return "";
}

/** What a file exports, or what is wrong with it. */
export async function readStories(
  path: string,
): Promise<{ readonly stories: readonly Story[] } | { readonly faults: readonly string[] }> {
  try {
    const stories: unknown = path.endsWith(".json")
      ? JSON.parse(readFileSync(path, "utf8"))
      : ((await import(pathToFileURL(path).href)) as { default?: unknown }).default;
    const faults = checkStories(stories);
    return faults.length > 0 ? { faults } : { stories: stories as readonly Story[] };
  } catch (error) {
    return { faults: [error instanceof Error ? error.message : String(error)] };
  }
}

/** Tells one story; what was not as expected, as lines. `trace` gets what the filter did in every step. */
export function tellStory(module: WebAssembly.Module, story: Story, trace: string[]): string[] {
  if (story.refused !== undefined) {
    try {
      return compareLists("log of the refusal", story.refused, StoryHost.refusal(module, story));
    } catch (error) {
      return reason(error);
    }
  }
  let host: StoryHost;
  try {
    host = StoryHost.start(module, story);
  } catch (error) {
    return reason(error);
  }
  const steps = story.steps ?? [];
  for (const [i, step] of steps.entries()) {
    const place = `step ${i + 1}, ${words(step)}:`;
    trace.push(place);
    try {
      const outcome = host.tell(step);
      trace.push(
        ...outcome.calls.map((call) => `    ${call}`),
        ...outcome.logs.map((line) => `    log ${line}`),
      );
      const lines = judgeStep(step.expect ?? {}, outcome);
      // What follows would be judged by what has gone wrong already.
      if (lines.length > 0) return [place, ...lines.map((line) => `  ${line}`)];
    } catch (error) {
      return [place, ...reason(error).map((line) => `  ${line}`)];
    }
  }
  try {
    host.end();
    return [];
  } catch (error) {
    return ["at the end of the stream:", ...reason(error).map((line) => `  ${line}`)];
  }
}

function reason(error: unknown): string[] {
  const text = error instanceof Error ? error.message : String(error);
  const isTrap = error instanceof WebAssembly.RuntimeError;
  return `${isTrap ? "the filter trapped: " : ""}${text}`.split("\n");
}

/** "request headers" for requestHeaders. */
function words({ on, stream }: StoryStep): string {
  const text = on.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return stream === undefined ? text : `${text} of ${stream}`;
}
