/** Who asks an endpoint whether it is well, and what it is told: what health checks need of the engine. */
import type { EndpointState } from "./endpoint.ts";
import type { HealthFailure } from "./health-monitor.ts";

/** Hears once of each question, never before `ask` returned. */
export interface ProbeSink {
  /** `degraded`: it asks for less load. */
  onWell(degraded: boolean): void;
  /**
   * Also without a question, if a connection that is kept for the next one breaks. `retriable`: the answer counts to the
   * threshold; `atOnce`: it says that nothing must go there; `status` of the answer, 0 if there is none; `why` for logs.
   */
  onUnwell(
    failure: Exclude<HealthFailure, "PASSIVE" | "NETWORK_TIMEOUT">,
    retriable: boolean,
    atOnce: boolean,
    status: number,
    why: string,
  ): void;
}

/** Asks one endpoint. Nothing is heard of it after `giveUp`, until it is asked again, and after `close`. */
export interface Probe {
  /** The last question was answered or given up. */
  ask(): void;
  /** The time is over. */
  giveUp(): void;
  close(): void;
}

/** Makes the probes of one cluster. */
export interface Prober {
  probe(endpoint: EndpointState, sink: ProbeSink): Probe;
  /** Its probes are closed. */
  close(): void;
}
