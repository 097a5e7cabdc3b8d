/** The next endpoint, through priorities and health as the engine asks for it. */

import type { Balancer } from "../../../core/cluster/balancer.ts";
import { EndpointSet } from "../../../core/cluster/endpoint-set.ts";
import { LeastRequest } from "../../../core/cluster/least-request.ts";
import { RandomChoice } from "../../../core/cluster/random.ts";
import { RoundRobin } from "../../../core/cluster/round-robin.ts";
import type { MicroCase } from "../micro-case.ts";

type Make = (random: () => number) => Balancer;

const ROUND_ROBIN: Make = (random) => new RoundRobin(random);
const LEAST_REQUEST: Make = (random) => new LeastRequest(random, 2, 1);
const RANDOM: Make = (random) => new RandomChoice(random);

function picks(policy: string, make: Make, count: number, weighted: boolean): MicroCase {
  return {
    name: `balancer pick: ${policy}, ${count} endpoints${weighted ? ", weighted" : ""}`,
    prepare: () => {
      const set = new EndpointSet({
        makeBalancer: () => make(Math.random),
        random: Math.random,
        panicThreshold: 50,
        byLocality: false,
        onRemoved: () => {},
        stats: { lbHealthyPanic: 0 },
      });
      set.apply({
        clusterName: "bench",
        version: "1",
        overprovisioningFactor: 140,
        localities: [
          {
            locality: { region: "", zone: "", subZone: "" },
            priority: 0,
            weight: 0,
            endpoints: Array.from({ length: count }, (_, i) => ({
              address: { ip: `10.0.${i >> 8}.${i & 255}`, port: 80, path: "" },
              hostname: "",
              weight: weighted ? 1 + (i % 10) : 1,
              health: "HEALTHY" as const,
              metadata: {},
            })),
          },
        ],
      });
      return (times) => {
        let total = 0;
        for (let i = 0; i < times; i++) total += set.choose(null)?.weight ?? Number.NaN;
        return total;
      };
    },
  };
}

export const BALANCER_PICKS: readonly MicroCase[] = [
  picks("ROUND_ROBIN", ROUND_ROBIN, 10, false),
  picks("ROUND_ROBIN", ROUND_ROBIN, 10, true),
  picks("ROUND_ROBIN", ROUND_ROBIN, 10_000, true),
  picks("LEAST_REQUEST", LEAST_REQUEST, 10, false),
  picks("LEAST_REQUEST", LEAST_REQUEST, 10_000, true),
  picks("RANDOM", RANDOM, 10, false),
  picks("RANDOM", RANDOM, 10_000, true),
];
