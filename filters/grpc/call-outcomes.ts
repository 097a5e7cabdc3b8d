/**
 * Counts how calls went, at the cluster that they went to: `cluster.<name>.<prefix><service>.<method>.…`. Law: names come
 * from clients, so there are at most so many of them; the calls beyond are counted without.
 */
import type { FilterContext } from "../../core/filter/filter-context.ts";
import type { Fields } from "../../core/http/fields.ts";
import { isGrpcStatus } from "../../core/http/grpc.ts";
import { known } from "../../core/http/names.ts";
import { clusterScope } from "../../core/telemetry/cluster-stats.ts";

const GRPC_STATUS = known("grpc-status");

/** Methods with numbers of their own, per filter of a chain and worker. */
const MOST_METHODS = 1000;

/** "service/method", or null for a path that names no method. */
export function methodOf(path: string): string | null {
  const end = path.indexOf("?");
  const parts = (end < 0 ? path : path.slice(0, end)).split("/").filter((part) => part !== "");
  return parts.length === 2 ? `${parts[0]}/${parts[1]}` : null;
}

/** The outcomes that one filter of a chain counts. */
export class CallOutcomes {
  private readonly context: FilterContext;
  private readonly prefix: string;
  private readonly replaceDots: boolean;
  private readonly places = new Map<string, string>();

  /** `prefix` has its last dot; `replaceDots`: a service has none in its name. */
  constructor(context: FilterContext, prefix: string, replaceDots: boolean) {
    this.context = context;
    this.prefix = prefix;
    this.replaceDots = replaceDots;
  }

  /** Where a method's numbers are: its part of their names, "" if it has none of its own. */
  placeOf(method: string): string {
    const place = this.places.get(method);
    if (place !== undefined) return place;
    if (this.places.size >= MOST_METHODS) return "";
    const at = method.indexOf("/");
    const service = method.slice(0, at);
    const made = `${this.replaceDots ? service.replaceAll(".", "_") : service}.${method.slice(at + 1)}.`;
    this.places.set(method, made);
    return made;
  }

  /** A head or trailers say how a call went, or nothing. */
  charge(cluster: string, place: string, fields: Fields): void {
    const status = fields.getId(GRPC_STATUS);
    if (status === null || cluster === "") return;
    // Anything else that a peer says has no counter of its own.
    if (isGrpcStatus(status)) this.add(cluster, `${place}${status}`, 1);
    this.add(cluster, `${place}${status === "0" ? "success" : "failure"}`, 1);
    this.add(cluster, `${place}total`, 1);
  }

  /** Adds to a counter. */
  add(cluster: string, name: string, count: number): void {
    if (count === 0 || cluster === "") return;
    const scope = clusterScope(this.context.stats, cluster);
    scope.counter(this.prefix + name).value += count;
    scope.release();
  }

  /** Records a time, ms. */
  record(cluster: string, name: string, ms: number): void {
    const scope = clusterScope(this.context.stats, cluster);
    scope.histogram(this.prefix + name).record(ms);
    scope.release();
  }
}
