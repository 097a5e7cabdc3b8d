/**
 * Where in a guest a trap happened: its functions, innermost first, by name where the module has names. Knows how the
 * three engines write stacks down, and nothing else of them.
 *
 * V8 writes `name (wasm://wasm/1a2b:wasm-function[3]:0x4d)`. JavaScriptCore writes `.wasm-function[name]`, of which Bun
 * leaves `unknown`, unless it is asked for the frames themselves: `Error.prepareStackTrace`, which V8 has, too.
 */

const MAX_FRAMES = 20;

/** V8's hook, for as long as one stack is read. */
interface StackMaker {
  prepareStackTrace?: unknown;
}

/** The guest's frames in the stack of what was thrown, "" if there are none. Never throws. */
export function guestFrames(error: unknown): string {
  return stackOf(error)
    .split("\n")
    .filter((line) => line.includes("wasm-function["))
    .slice(0, MAX_FRAMES)
    .map((line) =>
      line
        .trim()
        .replace(/^at /, "")
        .replace(/\(?wasm:\/\/wasm\/([^)]*)\)?/, "$1")
        .replace(/^(?:<\?>)?\.(wasm-function\[.*\]) \(native\)$/, "$1"),
    )
    .join(" < ");
}

/** The stack is text only once somebody reads it: until then the hook has its say. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const maker = Error as StackMaker;
  const before = maker.prepareStackTrace;
  try {
    maker.prepareStackTrace = (_: unknown, frames: readonly unknown[]) => frames.join("\n");
    return String(error.stack);
  } catch {
    return "";
  } finally {
    maker.prepareStackTrace = before;
  }
}
