/**
 * ROUND_ROBIN: each endpoint in turn, from a random start so that workers and restarted processes do not all
 * begin with the same one. With different weights the turns come from an EDF schedule, as in Envoy.
 */
import { type Balancer, type Random, weightsDiffer } from "./balancer.ts";
import { Edf } from "./edf.ts";
import type { EndpointState } from "./endpoint.ts";

export class RoundRobin implements Balancer {
  private readonly random: Random;
  private endpoints: readonly EndpointState[] = [];
  /** Next turn of the plain rotation; survives updates, -1 until there is a list. */
  private turn = -1;
  private schedule: Edf | null = null;

  constructor(random: Random) {
    this.random = random;
  }

  update(endpoints: readonly EndpointState[]): void {
    this.endpoints = endpoints;
    if (this.turn < 0 && endpoints.length > 0) this.turn = Math.floor(this.random() * endpoints.length);
    if (weightsDiffer(endpoints)) {
      this.schedule ??= new Edf();
      this.schedule.build(
        endpoints.map((endpoint) => endpoint.weight),
        this.random(),
      );
    } else {
      this.schedule = null;
    }
  }

  pick(): EndpointState | null {
    const endpoints = this.endpoints;
    const schedule = this.schedule;
    if (schedule !== null) {
      const endpoint = endpoints[schedule.next()];
      schedule.advance(endpoint.weight);
      return endpoint;
    }
    const count = endpoints.length;
    if (count === 0) return null;
    const turn = this.turn % count;
    this.turn = turn + 1;
    return endpoints[turn];
  }
}
