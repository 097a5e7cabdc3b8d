/** How a cluster picks an endpoint: `lb_policy` with its options, or `load_balancing_policy`. */
import type { Cluster } from "../config/model.ts";
import type { Cluster as ClusterMessage } from "./generated/envoy/config/cluster/v3/cluster_pb.ts";
import type { RuntimeDouble } from "./generated/envoy/config/core/v3/base_pb.ts";
import type { LeastRequest } from "./generated/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.ts";
import { openUnpacked, type Reader } from "./reader.ts";

type LoadBalancing = Pick<Cluster, "lbPolicy" | "leastRequestChoiceCount" | "leastRequestActiveRequestBias">;

const POLICIES = "envoy.extensions.load_balancing_policies";
const ROUND_ROBIN = `${POLICIES}.round_robin.v3.RoundRobin`;
const LEAST_REQUEST = `${POLICIES}.least_request.v3.LeastRequest`;
const RANDOM = `${POLICIES}.random.v3.Random`;

/** Reads the load balancing of a cluster. */
export function readLoadBalancing(reader: Reader<ClusterMessage>): LoadBalancing {
  const policy = reader.child("loadBalancingPolicy");
  if (policy !== null) {
    // `lb_policy` does not count beside it; its usual value there says so.
    reader.inert("lbPolicy");
    const entries = policy.children("policies");
    if (entries.length === 0) policy.fault("policies", "must not be empty");
    return readPolicies(policy, entries);
  }
  const lbPolicy = reader.choice("lbPolicy", ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"]);
  const chosen = reader.oneof("lbConfig");
  switch (chosen.case) {
    case "leastRequestLbConfig":
      return {
        lbPolicy,
        leastRequestChoiceCount: chosen.value.number("choiceCount", 2),
        leastRequestActiveRequestBias: readBias(chosen.value.child("activeRequestBias")),
      };
    case "roundRobinLbConfig":
    case undefined:
      break;
    default:
      reader.refuseOneof(chosen);
  }
  return { lbPolicy, leastRequestChoiceCount: 2, leastRequestActiveRequestBias: 1 };
}

/** The first policy that is implemented, as the API asks of a client. */
function readPolicies(
  owner: Reader<NonNullable<ClusterMessage["loadBalancingPolicy"]>>,
  entries: ReturnType<typeof owner.children<"policies">>,
): LoadBalancing {
  const none = { leastRequestChoiceCount: 2, leastRequestActiveRequestBias: 1 };
  const refused: string[] = [];
  for (const entry of entries) {
    const extension = entry.child("typedExtensionConfig");
    if (extension === null) {
      entry.fault("typedExtensionConfig", "must be set");
      continue;
    }
    extension.inert("name");
    const packed = extension.packed();
    if (packed.typeName === ROUND_ROBIN || packed.typeName === RANDOM) {
      // Their options are read by nobody, so they are refused.
      if (packed.any?.message != null) extension.context.open(packed.any.message, packed.path);
      return { lbPolicy: packed.typeName === RANDOM ? "RANDOM" : "ROUND_ROBIN", ...none };
    }
    const least = openUnpacked<LeastRequest>(extension.context, packed, LEAST_REQUEST);
    if (least !== null) {
      least.choice("selectionMethod", ["N_CHOICES"]);
      return {
        lbPolicy: "LEAST_REQUEST",
        leastRequestChoiceCount: least.number("choiceCount", 2),
        leastRequestActiveRequestBias: readBias(least.child("activeRequestBias")),
      };
    }
    refused.push(packed.typeName);
  }
  if (refused.length > 0) owner.refuse("policies", refused.join(", "));
  return { lbPolicy: "ROUND_ROBIN", ...none };
}

function readBias(reader: Reader<RuntimeDouble> | null): number {
  if (reader === null) return 1;
  // The API demands a key; the runtime cannot change the bias here, so the default is what holds.
  reader.inert("runtimeKey");
  const bias = reader.take("defaultValue");
  if (bias < 0) reader.fault("defaultValue", "must not be negative");
  return bias;
}
