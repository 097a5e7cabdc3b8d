/** A configuration that was found good, ready for use. */
import { Bytes } from "../sdk/sdk";
import { Limiter } from "./limiter";
import { Share } from "./random";

/** A header to be added. */
@final
export class Addition {
  constructor(
    readonly name: Bytes,
    readonly value: Bytes,
  ) {}
}

@final
export class Settings {
  readonly limiter: Limiter = new Limiter();
  /** Of requests, those that are counted at all; and of refusals, those that are carried out. */
  enabled: Share = new Share(100);
  enforced: Share = new Share(100);
  status: u32 = 429;
  /** Of a refused gRPC request; -1: what the host makes of `status`. */
  grpcStatus: i32 = -1;
  /** Answers say how many tokens are left. */
  tellsLimits: bool = false;
  /** To answers that refuse, and to requests that would have been refused. */
  readonly responseHeaders: Addition[] = [];
  readonly requestHeaders: Addition[] = [];
  statPrefix: string = "ratelimit";
}
