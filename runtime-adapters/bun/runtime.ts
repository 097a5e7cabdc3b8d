/** Bun as a `Runtime`. Load this file only on Bun. */
import type { Driver, Runtime, Services } from "../runtime.ts";
import { BunDriver } from "./driver.ts";

class BunRuntime implements Runtime {
  readonly name = "bun";
  readonly version: string = Bun.version;

  createDriver(services: Services): Driver {
    return new BunDriver(services);
  }
}

export const runtime: Runtime = new BunRuntime();
