/** Node as a `Runtime`. */
import type { Driver, Runtime, Services } from "../runtime.ts";
import { NodeDriver } from "./driver.ts";

class NodeRuntime implements Runtime {
  readonly name = "node";
  readonly version: string = process.versions.node;

  createDriver(services: Services): Driver {
    return new NodeDriver(services);
  }
}

export const runtime: Runtime = new NodeRuntime();
