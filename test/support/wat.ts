/** WebAssembly text → bytes by Binaryen, which comes with the AssemblyScript compiler; null where it is missing. */

interface Binaryen {
  readonly Features: { readonly All: number };
  parseText(text: string): { setFeatures(features: number): void; emitBinary(): Uint8Array; dispose(): void };
}

async function load(): Promise<Binaryen | null> {
  // Not a literal: the compiler must not look for it.
  const name: string = "binaryen";
  try {
    return ((await import(name)) as { readonly default: Binaryen }).default;
  } catch {
    console.log("tests of WebAssembly text: skipped, not installed: binaryen (it comes with assemblyscript)");
    return null;
  }
}

const binaryen = await load();

/** Assembles a module, or null if there is no assembler here. */
export const assemble: ((wat: string) => Uint8Array<ArrayBuffer>) | null =
  binaryen === null
    ? null
    : (wat) => {
        const module = binaryen.parseText(wat);
        module.setFeatures(binaryen.Features.All);
        const bytes = Uint8Array.from(module.emitBinary());
        module.dispose();
        return bytes;
      };
