/**
 * `istio.stats`: Istio's standard metrics of HTTP and gRPC, with the identities of both sides. `istio-labels.ts` says
 * what is told of a request, `istio-series.ts` where it is counted.
 *
 * Law: it changes nothing, and counts each request once, when it is over.
 */
import type { ConfigFault } from "../../core/config/config-fault.ts";
import type { Json } from "../../core/config/model.ts";
import type { Body } from "../../core/filter/body.ts";
import type { Filter, FilterCallbacks, FilterFactory, FilterKind } from "../../core/filter/filter.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";
import { Continue, type Verdict } from "../../core/filter/verdict.ts";
import { isGrpc } from "../../core/http/grpc.ts";
import type { StatsStore } from "../../core/telemetry/stats.ts";
import { MessageCounter } from "../grpc/message-counter.ts";
import { JsonSection } from "../json-section.ts";
import { RequestFacts, workloadOf } from "./istio-labels.ts";
import { IstioScopes, IstioSeries, METRICS, type Metric } from "./istio-series.ts";

/** The configuration message. */
export const ISTIO_STATS = "stats.PluginConfig";

interface IstioStatsConfig {
  readonly byHost: boolean;
  readonly metrics: Map<Metric, ReadonlySet<string> | null>;
}

function read(json: Json, faults: ConfigFault[]): IstioStatsConfig {
  const section = new JsonSection(json, "", faults);
  section.refuse("definitions", "reporter", "rotation_interval", "graceful_deletion_interval");
  // Of the exchange of metadata, of TCP, and of an older filter: there is nothing here that they could change.
  section.inert("debug", "max_peer_cache_size", "stat_prefix", "field_separator", "value_separator");
  section.inert("tcp_reporting_duration");
  const metrics: IstioStatsConfig["metrics"] = new Map();
  const list = section.take("metrics") ?? [];
  if (!Array.isArray(list)) section.fault("metrics", "must be a list");
  else {
    for (const [i, entry] of list.entries())
      readMetric(new JsonSection(entry, `metrics[${i}]`, faults), metrics);
  }
  const config = { byHost: !section.flag("disable_host_header_fallback"), metrics };
  section.finish();
  return config;
}

/** Without a name it speaks of all. */
function readMetric(section: JsonSection, metrics: IstioStatsConfig["metrics"]): void {
  const name = section.text("name");
  const without = new Set(section.texts("tags_to_remove"));
  const drop = section.flag("drop");
  section.refuse("dimensions", "match");
  section.finish();
  const named = METRICS.find((metric) => metric === name);
  if (name !== "" && named === undefined) section.fault("name", `must be one of ${METRICS.join(", ")}`);
  for (const metric of named === undefined ? METRICS : [named]) {
    const before = metrics.get(metric);
    if (drop) metrics.set(metric, null);
    else if (before !== null) metrics.set(metric, new Set([...(before ?? []), ...without]));
  }
}

/** What is wrong with a configuration. */
export function checkIstioStats(json: Json): readonly ConfigFault[] {
  const faults: ConfigFault[] = [];
  read(json, faults);
  return faults;
}

/** The kind of the filter. */
export class IstioStats implements FilterKind {
  private readonly scopes = new WeakMap<StatsStore, IstioScopes>();

  factory(json: Json, _name: string, context: FilterContext): FilterFactory {
    const { byHost, metrics } = read(json, []);
    const scopes = this.scopesOf(context.stats);
    const counts: Counts = {
      series: new IstioSeries(scopes, metrics),
      facts: new RequestFacts(workloadOf(context.node), byHost, scopes),
    };
    return {
      create: (callbacks) =>
        isGrpc(callbacks.request.fields)
          ? new CountedCall(callbacks, counts)
          : new CountedRequest(callbacks, counts),
      release: () => undefined,
    };
  }

  private scopesOf(stats: StatsStore): IstioScopes {
    let scopes = this.scopes.get(stats);
    if (scopes === undefined) {
      scopes = new IstioScopes(stats);
      this.scopes.set(stats, scopes);
    }
    return scopes;
  }
}

/** What the filters of one place in a chain share. */
interface Counts {
  readonly series: IstioSeries;
  readonly facts: RequestFacts;
}

class CountedRequest implements Filter {
  protected sent = 0;
  protected received = 0;
  private readonly callbacks: FilterCallbacks;
  private readonly counts: Counts;

  constructor(callbacks: FilterCallbacks, counts: Counts) {
    this.callbacks = callbacks;
    this.counts = counts;
  }

  onLog(): void {
    const { info } = this.callbacks;
    const { series, facts } = this.counts;
    const { requests, duration, requestBytes, responseBytes, requestMessages, responseMessages } = series.of(
      facts.read(info),
      facts,
    );
    if (requests !== null) requests.value++;
    duration?.record(info.duration);
    requestBytes?.record(info.headerBytesReceived + info.bytesReceived);
    responseBytes?.record(info.headerBytesSent + info.bytesSent);
    if (requestMessages !== null) requestMessages.value += this.sent;
    if (responseMessages !== null) responseMessages.value += this.received;
  }
}

/** A call of gRPC, whose messages are counted as well. */
class CountedCall extends CountedRequest {
  private readonly requests = new MessageCounter();
  private readonly responses = new MessageCounter();

  onRequestBody(body: Body): Verdict {
    this.sent += this.requests.count(body);
    return Continue;
  }

  onResponseBody(body: Body): Verdict {
    this.received += this.responses.count(body);
    return Continue;
  }
}
