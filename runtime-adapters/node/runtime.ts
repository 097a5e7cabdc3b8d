/** Node as a `Runtime`. */
import type { Driver, Runtime, Services } from "../runtime.ts";
import { NodeDriver } from "./driver.ts";
import { trimMemory } from "./memory-trim.ts";

class NodeRuntime implements Runtime {
  readonly name = "node";
  readonly version: string = process.versions.node;

  createDriver(services: Services): Driver {
    return new NodeDriver(services);
  }

  trim(connections: number): void {
    trimMemory(connections);
  }
}

export const runtime: Runtime = new NodeRuntime();
