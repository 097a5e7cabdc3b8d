/**
 * RANDOM: an independent draw each time, in proportion to the weights. Envoy's own RANDOM ignores weights;
 * with equal weights the two are the same.
 *
 * Different weights use an alias table (Walker, Vose): one column per endpoint, each holding a share of its
 * own endpoint and the rest of one other, so that one random number picks column and side in O(1).
 */
import { type Balancer, type Random, weightsDiffer } from "./balancer.ts";
import type { EndpointState } from "./endpoint.ts";

export class RandomChoice implements Balancer {
  private readonly random: Random;
  private endpoints: readonly EndpointState[] = [];
  /** Per column: the part of it that is its own, in [0, 1]; null while weights are equal. */
  private own: Float64Array | null = null;
  /** Per column: whose the rest is. */
  private other = new Int32Array(0);

  constructor(random: Random) {
    this.random = random;
  }

  update(endpoints: readonly EndpointState[]): void {
    this.endpoints = endpoints;
    this.own = null;
    if (weightsDiffer(endpoints)) this.buildTable(endpoints);
  }

  pick(): EndpointState | null {
    const count = this.endpoints.length;
    if (count === 0) return null;
    const point = this.random() * count;
    const column = Math.floor(point);
    const own = this.own;
    if (own === null || point - column < own[column]) return this.endpoints[column];
    return this.endpoints[this.other[column]];
  }

  private buildTable(endpoints: readonly EndpointState[]): void {
    const count = endpoints.length;
    const own = new Float64Array(count).fill(1);
    const other = new Int32Array(count);
    let total = 0;
    for (const endpoint of endpoints) total += endpoint.weight;
    const poor: number[] = [];
    const rich: number[] = [];
    for (let i = 0; i < count; i++) {
      own[i] = (endpoints[i].weight * count) / total;
      other[i] = i;
      (own[i] < 1 ? poor : rich).push(i);
    }
    // Each step fills one poor column from one rich endpoint, which may become poor itself.
    while (poor.length > 0 && rich.length > 0) {
      const column = poor.pop() as number;
      const giver = rich[rich.length - 1];
      other[column] = giver;
      own[giver] -= 1 - own[column];
      if (own[giver] < 1) poor.push(rich.pop() as number);
    }
    // What is left over differs from 1 by rounding only; `other` of such a column is itself.
    this.own = own;
    this.other = other;
  }
}
