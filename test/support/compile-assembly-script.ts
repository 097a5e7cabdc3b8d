/** Compiles AssemblyScript of this repository for tests that call its functions directly. */
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));

/** The module of these entry files, optimised, without garbage collection; throws what the compiler says. */
export async function compileAssemblyScript(files: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
  const { default: asc } = await import("assemblyscript/asc");
  let binary: Uint8Array | null = null;
  const { error, stderr } = await asc.main(
    [...files, "--outFile", "module.wasm", "-O3", "--runtime", "stub", "--baseDir", repository],
    {
      writeFile(name: string, contents: Uint8Array | string) {
        if (name === "module.wasm") binary = contents as Uint8Array;
      },
    },
  );
  if (error !== null || binary === null) throw new Error(`asc: ${stderr.toString()}`);
  return new Uint8Array(binary);
}
