/**
 * Which requests an access log writes: Envoy's filters, compiled into one predicate. Header matchers are the
 * router's business and floors above this one, so they come in as a ready function.
 */
import { HEX } from "../bytes/ascii.ts";
import type { AccessLogFilter, Comparison, HeaderMatcher, RuntimeFraction } from "../config/model.ts";
import type { RequestHead } from "../http/head.ts";
import type { StreamInfo } from "../http/stream-info.ts";

/** What the filters need from elsewhere. */
export interface AccessLogContext {
  /** Compiles a matcher of request headers. It is never called for a stream without a request. */
  compileHeader(matcher: HeaderMatcher): (head: RequestHead) => boolean;
  /** Value of a runtime key in force now, or null if it is not set to a number. */
  runtimeNumber(key: string): number | null;
  /** A whole number in [0, 2^32). */
  random(): number;
}

export type AccessLogPredicate = (info: StreamInfo) => boolean;

/** Compiles a filter; the model has been checked already. */
export function compileAccessLogFilter(
  filter: AccessLogFilter,
  context: AccessLogContext,
): AccessLogPredicate {
  switch (filter.kind) {
    case "status_code":
      return compileComparison(filter.comparison, context, (info) => info.responseCode);
    case "duration":
      return compileComparison(filter.comparison, context, (info) => Math.floor(info.duration));
    case "not_health_check":
      // There is no health-check filter yet that could mark a request as one.
      return () => true;
    case "traceable":
      // Tracing decides this; without it no request is traced.
      return () => false;
    case "runtime":
      return compileFraction(filter.fraction, context);
    case "and": {
      const all = filter.filters.map((one) => compileAccessLogFilter(one, context));
      return (info) => all.every((one) => one(info));
    }
    case "or": {
      const any = filter.filters.map((one) => compileAccessLogFilter(one, context));
      return (info) => any.some((one) => one(info));
    }
    case "header": {
      const matches = context.compileHeader(filter.header);
      return ({ request }) => request !== null && matches(request);
    }
    case "response_flag": {
      const wanted = new Set<string>(filter.flags);
      if (wanted.size === 0) return (info) => info.flags.length > 0;
      return (info) => info.flags.some((flag) => wanted.has(flag));
    }
  }
}

function compileComparison(
  { op, value, runtimeKey }: Comparison,
  context: AccessLogContext,
  read: (info: StreamInfo) => number,
): AccessLogPredicate {
  // The key is asked each time: runtime may change while the log lives.
  const limit = runtimeKey === "" ? () => value : () => context.runtimeNumber(runtimeKey) ?? value;
  switch (op) {
    case "EQ":
      return (info) => read(info) === limit();
    case "NE":
      return (info) => read(info) !== limit();
    case "GE":
      return (info) => read(info) >= limit();
    case "LE":
      return (info) => read(info) <= limit();
  }
}

/**
 * A share of the requests. The request id decides where there is one, so that every proxy on the way logs the
 * same requests. A runtime key that is set overrides the share as a percentage.
 */
function compileFraction(
  { runtimeKey, numerator, denominator }: RuntimeFraction,
  context: AccessLogContext,
): AccessLogPredicate {
  return (info) => {
    const share = runtimeKey === "" ? null : context.runtimeNumber(runtimeKey);
    const of = share === null ? denominator : 100;
    return (numberOfId(info.streamId) ?? context.random()) % of < (share ?? numerator);
  };
}

/** The first eight digits of a UUID as a number, or null if the id is something else. */
function numberOfId(id: string): number | null {
  if (id.length !== 36) return null;
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const digit = HEX[id.charCodeAt(i) & 0xff];
    if (digit === 255) return null;
    value = value * 16 + digit;
  }
  return value;
}
