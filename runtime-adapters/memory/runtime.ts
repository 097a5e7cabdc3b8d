/** The virtual runtime as a `Runtime`: drivers on one network of their own. */
import type { Driver, Runtime, Services } from "../runtime.ts";
import { Network, type NetworkOptions } from "./network.ts";

export class MemoryRuntime implements Runtime {
  readonly name = "memory";
  readonly version = "1";
  readonly network: Network;

  constructor(options: NetworkOptions = {}) {
    this.network = new Network(options);
  }

  createDriver(services: Services): Driver {
    return this.network.createDriver(services);
  }

  trim(): void {}
}
