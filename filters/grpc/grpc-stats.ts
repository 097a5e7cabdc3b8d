/**
 * `envoy.filters.http.grpc_stats`: counts requests of gRPC by their outcome, and messages, at the cluster that they go
 * to: `cluster.<name>.grpc.<service>.<method>.…`, or `cluster.<name>.grpc.…` for methods that are not to have numbers of
 * their own.
 *
 * Law: it changes nothing.
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
import { JsonSection } from "../json-section.ts";
import { CallOutcomes, methodOf } from "./call-outcomes.ts";
import { MessageCounter } from "./message-counter.ts";

/** The configuration message. */
export const GRPC_STATS = "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig";

const CONTENT_TYPE = known("content-type");
const GRPC_STATUS = known("grpc-status");

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
  readonly outcomes: CallOutcomes;

  constructor(config: GrpcStatsConfig, context: FilterContext) {
    this.config = config;
    this.outcomes = new CallOutcomes(context, "grpc.", config.replaceDots);
  }

  /** A filter before this one may yet make gRPC of gRPC-Web. */
  create(callbacks: FilterCallbacks): Filter | null {
    const type = callbacks.request.fields.getId(CONTENT_TYPE);
    return type?.startsWith("application/grpc") ? new GrpcStatsFilter(this, callbacks) : null;
  }

  release(): void {}

  /** Where a request is counted; null if its path names no method and that matters. */
  placeOf(path: string): string | null {
    const { all, listed } = this.config;
    const method = methodOf(path);
    if (method === null) return all ? null : "";
    return all || listed.has(method) ? this.outcomes.placeOf(method) : "";
  }
}

class GrpcStatsFilter implements Filter {
  private readonly factory: GrpcStatsFactory;
  private readonly callbacks: FilterCallbacks;
  private readonly requests = new MessageCounter();
  private readonly responses = new MessageCounter();
  /** Null for what is no call. */
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
    this.place = isGrpc(head.fields) ? this.factory.placeOf(head.path) : null;
    return Continue;
  }

  onRequestBody(body: Body): Verdict {
    if (this.place !== null) this.sent += this.requests.count(body);
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
    if (this.grpcAnswer && this.place !== null) this.received += this.responses.count(body);
    return Continue;
  }

  onResponseTrailers(trailers: Fields): Verdict {
    this.chargeOutcome(trailers);
    return Continue;
  }

  onLog(): void {
    const { place } = this;
    const { info } = this.callbacks;
    const { outcomes, config } = this.factory;
    if (place === null || info.clusterStatName === "") return;
    outcomes.add(info.clusterStatName, `${place}request_message_count`, this.sent);
    outcomes.add(info.clusterStatName, `${place}response_message_count`, this.received);
    if (!config.upstream || info.upstreamRequestSent < 0 || info.upstreamResponseEnded < 0) return;
    const ms = info.upstreamResponseEnded - info.upstreamRequestSent;
    outcomes.record(info.clusterStatName, `${place}upstream_rq_time`, Math.max(0, ms));
  }

  private chargeOutcome(fields: Fields): void {
    if (this.place !== null)
      this.factory.outcomes.charge(this.callbacks.info.clusterStatName, this.place, fields);
  }
}
