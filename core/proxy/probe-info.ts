/** What a question to an endpoint is for the `%…%` operators in its headers: a request that no client has sent. */
import { type HttpVersion, RequestHead } from "../http/head.ts";
import type { Address } from "../io/socket.ts";
import { ConnectionInfo } from "./connection-info.ts";

/** As in Envoy. */
const NOBODY: Address = { ip: "127.0.0.1", port: 0, path: "" };

export class ProbeInfo extends ConnectionInfo {
  /** Nothing is known of the request but its version (Envoy). */
  override readonly request = new RequestHead();

  /** `version`: of HTTP, as `RequestHead.version`. */
  constructor(endpoint: Address, version: HttpVersion, now: number) {
    super(null, "", now);
    this.request.version = version;
    this.upstreamHost = endpoint;
  }

  get downstreamLocal(): Address {
    return NOBODY;
  }

  get downstreamDirectRemote(): Address {
    return NOBODY;
  }
}
