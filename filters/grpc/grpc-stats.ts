/**
 * `envoy.filters.http.grpc_stats`: counts requests of gRPC by their outcome, and messages, at the cluster that they go
 * to: `cluster.<name>.grpc.<service>.<method>.…`, or `cluster.<name>.grpc.…` for methods that are not to have numbers of
 * their own.
 *
 * Laws: it changes nothing. Names come from clients, so there are at most so many of them (`MOST_METHODS`); the requests
 * beyond are counted without.
 */
import type { ConfigFault } from "../../core/config/config-fault.ts";
import type { Json } from "../../core/config/model.ts";
import type { Body } from "../../core/filter/body.ts";
import type { Filter, FilterCallbacks, FilterFactory, FilterKind } from "../../core/filter/filter.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";
import { Continue, type Verdict } from "../../core/filter/verdict.ts";
import type { Fields } from "../../core/http/fields.ts";
import { isGrpc } from "../../core/http/grpc.ts";
import type { RequestHead, ResponseHead } from "../../core/http/head.ts";
import { known } from "../../core/http/names.ts";
import { clusterScope } from "../../core/telemetry/cluster-stats.ts";
import { JsonSection } from "../wasm/json-section.ts";
import { MessageCounter } from "./message-counter.ts";

/** The configuration message. */
export const GRPC_STATS = "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig";

const GRPC_STATUS = known("grpc-status");

/** Methods with numbers of their own, per filter of a chain and worker. */
const MOST_METHODS = 1000;
/** A status is a small number; anything else a peer says has no counter. */
const STATUS = /^(?:[0-9]|1[0-6])$/;

interface GrpcStatsConfig {
  /** Every method has numbers of its own. */
  readonly all: boolean;
  /** Methods that have, as "service/method". */
  readonly listed: ReadonlySet<string>;
  readonly upstream: boolean;
  readonly replaceDots: boolean;
}

function read(json: Json, faults: ConfigFault[]): GrpcStatsConfig {
  const section = new JsonSection(json, "", faults);
  section.refuse("emit_filter_state");
  const listed = new Set<string>();
  const list = section.section("individual_method_stats_allowlist");
  const services = list?.take("services") ?? [];
  if (!Array.isArray(services)) list?.fault("services", "must be a list");
  else {
    services.forEach((entry, i) => {
      const service = new JsonSection(entry as Json, `${list?.path}.services[${i}]`, faults);
      const name = service.text("name");
      for (const method of service.texts("method_names")) listed.add(`${name}/${method}`);
      service.finish();
    });
  }
  list?.finish();
  const config = {
    all: section.flag("stats_for_all_methods"),
    listed,
    upstream: section.flag("enable_upstream_stats"),
    replaceDots: section.flag("replace_dots_in_grpc_service_name"),
  };
  if (config.all && list !== null)
    section.fault("stats_for_all_methods", "must not be set beside individual_method_stats_allowlist");
  section.finish();
  return config;
}

/** What is wrong with a configuration. */
export function checkGrpcStats(json: Json): readonly ConfigFault[] {
  const faults: ConfigFault[] = [];
  read(json, faults);
  return faults;
}

/** The kind of the filter. */
export class GrpcStats implements FilterKind {
  factory(json: Json, _name: string, context: FilterContext): FilterFactory {
    return new GrpcStatsFactory(read(json, []), context);
  }
}

class GrpcStatsFactory implements FilterFactory {
  readonly config: GrpcStatsConfig;
  readonly context: FilterContext;
  /** The part of the name that each method has, "" for those that have none. */
  private readonly places = new Map<string, string>();

  constructor(config: GrpcStatsConfig, context: FilterContext) {
    this.config = config;
    this.context = context;
  }

  create(callbacks: FilterCallbacks): Filter | null {
    return isGrpc(callbacks.request.fields) ? new GrpcStatsFilter(this, callbacks) : null;
  }

  release(): void {}

  /** Where a request is counted below `grpc.`; null if its path names no method and that matters. */
  placeOf(path: string): string | null {
    const { all, listed, replaceDots } = this.config;
    const end = path.indexOf("?");
    const parts = (end < 0 ? path : path.slice(0, end)).split("/").filter((part) => part !== "");
    if (parts.length !== 2) return all ? null : "";
    const method = `${parts[0]}/${parts[1]}`;
    if (!all && !listed.has(method)) return "";
    const place = this.places.get(method);
    if (place !== undefined) return place;
    if (this.places.size >= MOST_METHODS) return "";
    const made = `${replaceDots ? parts[0].replaceAll(".", "_") : parts[0]}.${parts[1]}.`;
    this.places.set(method, made);
    return made;
  }
}

class GrpcStatsFilter implements Filter {
  private readonly factory: GrpcStatsFactory;
  private readonly callbacks: FilterCallbacks;
  private readonly requests = new MessageCounter();
  private readonly responses = new MessageCounter();
  private place: string | null = null;
  private grpcAnswer = false;
  /** Messages that are not counted yet: which cluster they are for is known a little later. */
  private sent = 0;
  private received = 0;

  constructor(factory: GrpcStatsFactory, callbacks: FilterCallbacks) {
    this.factory = factory;
    this.callbacks = callbacks;
  }

  onRequestHeaders(head: RequestHead): Verdict {
    this.place = this.factory.placeOf(head.path);
    return Continue;
  }

  onRequestBody(body: Body): Verdict {
    this.sent += this.requests.count(body);
    return Continue;
  }

  onResponseHeaders(head: ResponseHead, endOfStream: boolean): Verdict {
    this.grpcAnswer = endOfStream
      ? head.fields.hasId(GRPC_STATUS)
      : head.status === 200 && isGrpc(head.fields);
    this.chargeOutcome(head.fields);
    return Continue;
  }

  onResponseBody(body: Body): Verdict {
    if (this.grpcAnswer) this.received += this.responses.count(body);
    return Continue;
  }

  onResponseTrailers(trailers: Fields): Verdict {
    this.chargeOutcome(trailers);
    return Continue;
  }

  onLog(): void {
    const { place } = this;
    const { info } = this.callbacks;
    if (place === null || info.clusterStatName === "") return;
    const scope = clusterScope(this.factory.context.stats, info.clusterStatName);
    if (this.sent > 0) scope.counter(`grpc.${place}request_message_count`).value += this.sent;
    if (this.received > 0) scope.counter(`grpc.${place}response_message_count`).value += this.received;
    if (this.factory.config.upstream && info.upstreamRequestSent >= 0 && info.upstreamResponseEnded >= 0) {
      const ms = info.upstreamResponseEnded - info.upstreamRequestSent;
      scope.histogram(`grpc.${place}upstream_rq_time`).record(Math.max(0, ms));
    }
    scope.release();
  }

  /** The head or the trailers of the answer say how it went, or nothing. */
  private chargeOutcome(fields: Fields): void {
    const { place } = this;
    const { clusterStatName } = this.callbacks.info;
    const status = fields.getId(GRPC_STATUS);
    if (status === null || place === null || clusterStatName === "") return;
    const scope = clusterScope(this.factory.context.stats, clusterStatName);
    if (STATUS.test(status)) scope.counter(`grpc.${place}${status}`).value++;
    scope.counter(`grpc.${place}${status === "0" ? "success" : "failure"}`).value++;
    scope.counter(`grpc.${place}total`).value++;
    scope.release();
  }
}
