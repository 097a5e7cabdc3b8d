/** From a cluster's `lb_policy` to the balancer that implements it: the visible list of what there is. */
import type { Cluster } from "../config/model.ts";
import type { Balancer, Random } from "./balancer.ts";
import { LeastRequest } from "./least-request.ts";
import { RandomChoice } from "./random.ts";
import { RoundRobin } from "./round-robin.ts";

/** A fresh balancer of the kind that `cluster` asks for. */
export function balancerOf(cluster: Cluster, random: Random): Balancer {
  switch (cluster.lbPolicy) {
    case "ROUND_ROBIN":
      return new RoundRobin(random);
    case "LEAST_REQUEST":
      return new LeastRequest(random, cluster.leastRequestChoiceCount, cluster.leastRequestActiveRequestBias);
    case "RANDOM":
      return new RandomChoice(random);
  }
}
