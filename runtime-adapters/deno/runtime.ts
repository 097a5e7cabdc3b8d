/** Deno as a `Runtime`. Load this file only on Deno. */
import type { Driver, Runtime, Services } from "../runtime.ts";
import { DenoDriver } from "./driver.ts";
import { trimMemory } from "./memory-trim.ts";
import { deno } from "./native.ts";

class DenoRuntime implements Runtime {
  readonly name = "deno";
  readonly version: string = deno.version.deno;

  createDriver(services: Services): Driver {
    return new DenoDriver(services);
  }

  trim(connections: number): void {
    trimMemory(connections);
  }
}

export const runtime: Runtime = new DenoRuntime();
