/**
 * A place in the HTTP filter chain of a connection manager, and what fills it now. What fills it may be exchanged at
 * any time; a stream keeps the filters that it began with.
 */
import type { PerFilterConfig } from "../config/model.ts";
import type { FilterFactory } from "./filter.ts";

export class FilterSlot {
  /** As in the configuration; routes refer to it. */
  readonly name: string;
  /** Off unless a route switches it on. */
  private readonly disabled: boolean;
  /** Null while nothing has arrived that could fill it. */
  private factory: FilterFactory | null = null;
  /** For routes that have a configuration of their own. */
  private routed: Map<PerFilterConfig, FilterFactory> | null = null;

  constructor(name: string, disabled: boolean) {
    this.name = name;
    this.disabled = disabled;
  }

  get filled(): boolean {
    return this.factory !== null;
  }

  /** Takes another factory; new streams are served by it, and the one before is released. */
  fill(factory: FilterFactory): void {
    const before = this.factory;
    this.factory = factory;
    before?.release();
  }

  /** Takes the factories for the configurations that routes have now, those that stay included. */
  fillRoutes(routed: Map<PerFilterConfig, FilterFactory> | null): void {
    const before = this.routed;
    this.routed = routed;
    if (before === null) return;
    for (const [config, factory] of before) if (routed?.get(config) !== factory) factory.release();
  }

  /** The factory for a configuration that a route had before, too. */
  routeFactory(config: PerFilterConfig): FilterFactory | undefined {
    return this.routed?.get(config);
  }

  /** Who makes the filter of one stream, or null; `override` is what the stream's route says about it. */
  factoryFor(override: PerFilterConfig | null): FilterFactory | null {
    if (override === null) return this.disabled ? null : this.factory;
    return override.disabled ? null : (this.routed?.get(override) ?? this.factory);
  }

  release(): void {
    this.factory?.release();
    this.factory = null;
    this.fillRoutes(null);
  }
}
