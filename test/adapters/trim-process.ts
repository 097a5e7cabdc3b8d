/**
 * A process that trims its memory and says, in one line of JSON, what that did. Arguments: runtime.
 * It makes garbage first, more than a quiet V8 is left alone with: objects that a collector has no reason to look at,
 * because nobody allocates any more.
 */
import { readFileSync } from "node:fs";

const [name] = process.argv.slice(2);
const { runtime } = await import(`../../runtime-adapters/${name}/runtime.ts`);

/** kB of this process, as the kernel counts. */
function memory(): { program: number; own: number } {
  const text = readFileSync("/proc/self/smaps_rollup", "latin1");
  const field = (key: string) => Number(new RegExp(`^${key}: +(\\d+) kB`, "m").exec(text)?.[1]);
  return { program: field("Pss_File"), own: field("Pss_Anon") };
}

function makeGarbage(): object[] {
  return Array.from({ length: 800_000 }, (_, i) => ({ number: i, list: [i], text: `number ${i}` }));
}

const count = makeGarbage().length;
const before = memory();
runtime.trim(0);
await new Promise((resolve) => setTimeout(resolve, 1000)); // Bun's allocator hands back what is free a little later
runtime.trim(0);
const after = memory();
// It lives: code that was let go is there again when it is called.
const sorted = makeGarbage().reverse().length === count && JSON.parse(JSON.stringify({ a: [1] })).a[0] === 1;
console.log(JSON.stringify({ before, after, sorted }));
process.exit(0);
