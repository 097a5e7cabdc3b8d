/**
 * LEAST_REQUEST. With equal weights: of `choiceCount` endpoints drawn at random (with replacement, as Envoy
 * draws them) the one with the fewest requests in flight, the earlier drawn if equal. With different weights:
 * an EDF schedule in which an endpoint counts `weight / (active + 1) ^ bias` at the moment of its turn.
 */
import { type Balancer, type Random, weightsDiffer } from "./balancer.ts";
import { Edf } from "./edf.ts";
import type { EndpointState } from "./endpoint.ts";

export class LeastRequest implements Balancer {
  private readonly random: Random;
  private readonly choiceCount: number;
  private readonly bias: number;
  private endpoints: readonly EndpointState[] = [];
  private schedule: Edf | null = null;

  /** `bias` 0 makes the weighted schedule blind to load; 1 is Envoy's default. */
  constructor(random: Random, choiceCount: number, bias: number) {
    this.random = random;
    this.choiceCount = choiceCount;
    this.bias = bias;
  }

  update(endpoints: readonly EndpointState[]): void {
    this.endpoints = endpoints;
    if (weightsDiffer(endpoints)) {
      this.schedule ??= new Edf();
      this.schedule.build(
        endpoints.map((endpoint) => this.share(endpoint)),
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
      schedule.advance(this.share(endpoint));
      return endpoint;
    }
    const count = endpoints.length;
    if (count === 0) return null;
    if (count === 1) return endpoints[0];
    let best = endpoints[Math.floor(this.random() * count)];
    for (let i = 1; i < this.choiceCount; i++) {
      const drawn = endpoints[Math.floor(this.random() * count)];
      if (drawn.rqActive < best.rqActive) best = drawn;
    }
    return best;
  }

  private share(endpoint: EndpointState): number {
    const load = endpoint.rqActive + 1;
    return endpoint.weight / (this.bias === 1 ? load : load ** this.bias);
  }
}
