/** Prints what the host tells of a trap three calls deep, and what became of the hook, on the runtime that runs it. */
import { guestFrames } from "../../filters/wasm/guest-frames.ts";
import { prepareModule } from "../../filters/wasm/module/prepare-module.ts";
import { body, guest, leb, name, type, vector } from "./wasm-bytes.ts";

const NAMES = ["outer", "middle", "inner"];

/** Functions 2, 3 and 4; each calls the next, the last one traps. */
function module(isNamed: boolean): WebAssembly.Module {
  const names = vector(NAMES.map((each, i) => [2 + i, ...name(each)]));
  const result = prepareModule(
    guest({
      functions: [
        { name: "run", type: type([], []), body: body([0x10, 3]) },
        { type: type([], []), body: body([0x10, 4]) },
        { type: type([], []), body: body([0x00]) },
      ],
      custom: isNamed ? [["name", [1, ...leb(names.length), ...names]]] : [],
    }),
    { providedImports: new Set(), maxPages: 16, fuel: true },
  );
  if ("faults" in result) throw new Error(result.faults[0].message);
  return new WebAssembly.Module(result.bytes);
}

function trap(isNamed: boolean): string {
  try {
    (new WebAssembly.Instance(module(isNamed), {}).exports.run as () => void)();
  } catch (error) {
    return guestFrames(error);
  }
  return "no trap";
}

const maker = Error as { prepareStackTrace?: unknown };
const before = maker.prepareStackTrace;
const told = {
  named: trap(true),
  nameless: trap(false),
  own: guestFrames(new Error("of the host")),
  none: guestFrames("no error"),
  isHookBack: maker.prepareStackTrace === before,
};
console.log(JSON.stringify(told));
