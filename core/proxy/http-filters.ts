/**
 * The HTTP filters of one connection manager, except for the router: what is configured at each place of the chain,
 * kept up to date as configurations arrive that are delivered apart from the listener, and handed to streams.
 */
import type { ExtensionConfig, FilterConfig, HttpFilter, PerFilterConfig } from "../config/model.ts";
import type { FilterFactory, FilterKinds } from "../filter/filter.ts";
import type { FilterContext } from "../filter/filter-context.ts";
import { FilterSlot } from "../filter/filter-slot.ts";
import type { NetworkFilterKinds } from "../filter/network-filter.ts";
import type { RouteTable } from "../route/route-table.ts";
import type { Stream } from "./stream.ts";
import { StreamFilters } from "./stream-filters.ts";

const ROUTER = "envoy.extensions.filters.http.router.v3.Router";

/** What filters are made from; one object per worker. */
export interface FilterEnvironment {
  readonly kinds: FilterKinds;
  readonly networkKinds: NetworkFilterKinds;
  readonly context: FilterContext;
}

/** Configurations that are delivered by themselves, by name. */
export type Extensions = ReadonlyMap<string, ExtensionConfig>;

interface Place {
  readonly config: HttpFilter;
  readonly slot: FilterSlot;
  /** Of the extension that fills it; "" while none does. */
  version: string;
}

export class HttpFilters {
  private readonly environment: FilterEnvironment;
  private readonly places: readonly Place[];
  private readonly slots: readonly FilterSlot[];
  /** Those whose stream is over. */
  private readonly idle: StreamFilters[] = [];
  private table: RouteTable | null = null;
  private released = false;

  constructor(filters: readonly HttpFilter[], environment: FilterEnvironment) {
    this.environment = environment;
    this.places = filters
      .filter((config) => config.typeName !== ROUTER)
      .map((config) => ({ config, slot: new FilterSlot(config.name, config.disabled), version: "" }));
    this.slots = this.places.map(({ slot }) => slot);
    for (const { config, slot } of this.places) if (config.discovery === null) this.fill(slot, config);
  }

  /** False while a filter's configuration has not arrived that the listener must wait for. */
  get ready(): boolean {
    return this.slots.every((slot) => slot.filled);
  }

  /** Takes what was delivered apart from the listener. */
  updateExtensions(extensions: Extensions): void {
    for (const place of this.places) {
      const { discovery } = place.config;
      if (discovery === null) continue;
      const extension = extensions.get(discovery.resource);
      if (extension === undefined || !discovery.typeNames.includes(extension.typeName)) {
        // Who had to wait for it has done so.
        if (!place.slot.filled && discovery.fallback !== null) this.fill(place.slot, discovery.fallback);
      } else if (extension.version !== place.version) {
        place.version = extension.version;
        this.fill(place.slot, extension);
      }
    }
  }

  /** Takes the configurations that the routes of a table have for filters of this chain. */
  updateRoutes(table: RouteTable | null): void {
    if (table === this.table) return;
    this.table = table;
    for (const slot of this.slots) {
      const routed = new Map<PerFilterConfig, FilterFactory>();
      for (const config of table?.perFilter ?? []) {
        if (config.name !== slot.name || config.own === null || routed.has(config)) continue;
        const factory = slot.routeFactory(config) ?? this.make(config.own, slot.name);
        if (factory !== null) routed.set(config, factory);
      }
      slot.fillRoutes(routed.size === 0 ? null : routed);
    }
  }

  private fill(slot: FilterSlot, config: FilterConfig): void {
    const factory = this.make(config, slot.name);
    if (factory !== null) slot.fill(factory);
  }

  /** Null only for a type that slipped through validation. */
  private make({ typeName, config }: FilterConfig, name: string): FilterFactory | null {
    const { kinds, context } = this.environment;
    const kind = kinds.get(typeName);
    if (kind === undefined) {
      context.log("error", "config", `filter ${name}: ${typeName} is not known`);
      return null;
    }
    return kind.factory(config, name, context);
  }

  // ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────

  /** True if there is a place for a filter. */
  get any(): boolean {
    return this.slots.length > 0;
  }

  /** The filters of a stream whose request was admitted; null if there are none (or one failed: it is over then). */
  open(stream: Stream): StreamFilters | null {
    if (this.slots.length === 0) return null;
    const filters = this.idle.pop() ?? new StreamFilters(this.environment.context, this.idle);
    return filters.open(stream, this.slots) ? filters : null;
  }

  /** No stream comes any more. */
  release(): void {
    if (this.released) return;
    this.released = true;
    for (const slot of this.slots) slot.release();
  }
}
