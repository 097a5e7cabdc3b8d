/** Bun as a `Runtime`. Load this file only on Bun. */
import type { Driver, Runtime, Services } from "../runtime.ts";
import { BunDriver } from "./driver.ts";
import { trimMemory } from "./memory-trim.ts";

class BunRuntime implements Runtime {
  readonly name = "bun";
  readonly version: string = Bun.version;

  createDriver(services: Services): Driver {
    return new BunDriver(services);
  }

  trim(connections: number): void {
    trimMemory(connections);
  }
}

export const runtime: Runtime = new BunRuntime();
