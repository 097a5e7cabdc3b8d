/** What a question to an endpoint is for the `%…%` operators in its headers: a request that no client has sent. */

import type { Address } from "../io/socket.ts";
import { ConnectionInfo } from "./connection-info.ts";

/** As in Envoy. */
const NOBODY: Address = { ip: "127.0.0.1", port: 0, path: "" };

export class ProbeInfo extends ConnectionInfo {
  constructor(endpoint: Address, now: number) {
    super(null, "", now);
    this.upstreamHost = endpoint;
  }

  get downstreamLocal(): Address {
    return NOBODY;
  }

  get downstreamDirectRemote(): Address {
    return NOBODY;
  }
}
