/**
 * The filter `ratelimit`: token buckets, shared by all workers, for everybody and for descriptors of requests. See
 * docs/filters/ratelimit.md. It decides when the request's headers are there and looks at no body.
 */
import {
  Action,
  error,
  getProperty,
  HttpContext,
  JsonDocument,
  now,
  PairsWriter,
  RootContext,
  register,
  requestHeaders,
  responseHeaders,
  Slice,
  sendResponse,
  setTickPeriod,
  Writer,
} from "../sdk/sdk";
import { readSettings } from "./configuration";
import { ALLOWED, BROKEN } from "./limiter";
import { seedLots } from "./random";
import { Rule } from "./rule";
import { Settings } from "./settings";
import { Statistics } from "./statistics";

export { proxy_on_request_headers, proxy_on_response_headers } from "../sdk/exports/http";
export * from "../sdk/exports/plugin";
export { proxy_on_tick } from "../sdk/exports/root";

const PLUGIN_NAME = Slice.of("plugin_name");
/** Envoy's words: the body, and the details for access logs. */
const LIMITED_TEXT = Slice.of("local_rate_limited");
const FAILED_TEXT = Slice.of("rate_limiter_error");
const FAILED_STATUS: u32 = 500;
const LIMIT_HEADER = Slice.of("x-ratelimit-limit");
const REMAINING_HEADER = Slice.of("x-ratelimit-remaining");
const RESET_HEADER = Slice.of("x-ratelimit-reset");
const SECOND: i64 = 1_000_000_000;
/** How often the counters are told, ms. */
const TELLING_PERIOD: u32 = 1000;

class RateLimit extends RootContext {
  settings: Settings | null = null;
  statistics: Statistics | null = null;

  onConfigure(configuration: Slice): bool {
    const document = JsonDocument.parse(configuration);
    const plugin = getProperty(PLUGIN_NAME);
    const settings = readSettings(document, plugin === null ? Slice.empty : plugin);
    if (settings === null) {
      for (let i = 0; i < document.faults.length; i++) error(`ratelimit: ${document.faults[i]}`);
      return false;
    }
    seedLots(now());
    this.settings = settings;
    this.statistics = new Statistics(settings.statPrefix);
    setTickPeriod(TELLING_PERIOD);
    return true;
  }

  onTick(): void {
    const settings = this.settings;
    const statistics = this.statistics;
    if (settings !== null && statistics !== null) statistics.tell(settings.limiter);
  }

  onDelete(): void {
    this.onTick();
  }

  createHttpContext(): HttpContext {
    return new RateLimitedStream(this);
  }
}

@final
class RateLimitedStream extends HttpContext {
  /** What the answer tells of the limit, if it does; the request was let through. */
  private tells: bool = false;
  private limit: i64 = 0;
  private remaining: i64 = 0;
  private reset: i64 = 0;

  constructor(private readonly root: RateLimit) {
    super();
  }

  onRequestHeaders(_count: u32, _endOfStream: bool): Action {
    const settings = this.root.settings!;
    const statistics = this.root.statistics!;
    if (!settings.enabled.draw()) return Action.Continue;
    const limiter = settings.limiter;
    const verdict = limiter.check(now());
    statistics.note(verdict);
    if (settings.tellsLimits) this.remember(limiter.decisive);
    if (verdict === ALLOWED) return Action.Continue;
    if (verdict === BROKEN) {
      this.tells = false;
      sendResponse(FAILED_STATUS, Slice.empty, FAILED_TEXT);
      return Action.Pause;
    }
    if (!settings.enforced.draw()) {
      const headers = settings.requestHeaders;
      for (let i = 0; i < headers.length; i++)
        requestHeaders.add(headers[i].name.view, headers[i].value.view);
      return Action.Continue;
    }
    statistics.enforced.count++;
    this.refuse(settings);
    return Action.Pause;
  }

  onResponseHeaders(_count: u32, _endOfStream: bool): Action {
    if (!this.tells) return Action.Continue;
    this.tells = false;
    const text = Writer.create();
    responseHeaders.add(LIMIT_HEADER, text.writeInteger(this.limit).bytes);
    responseHeaders.add(REMAINING_HEADER, text.clear().writeInteger(this.remaining).bytes);
    responseHeaders.add(RESET_HEADER, text.clear().writeInteger(this.reset).bytes);
    return Action.Continue;
  }

  recycle(): bool {
    this.tells = false;
    return true;
  }

  private remember(rule: Rule | null): void {
    if (rule === null) return;
    this.tells = true;
    this.limit = rule.maxTokens;
    this.remaining = rule.remaining;
    this.reset = (rule.wait + SECOND - 1) / SECOND;
  }

  private refuse(settings: Settings): void {
    const headers = PairsWriter.create();
    const additions = settings.responseHeaders;
    for (let i = 0; i < additions.length; i++) headers.add(additions[i].name.view, additions[i].value.view);
    sendResponse(settings.status, LIMITED_TEXT, LIMITED_TEXT, headers.finish(), settings.grpcStatus);
  }
}

register(() => new RateLimit());
