/** HTTP filters that tests write down: each hook a function, and a list of what was called. */
import type { HttpFilter } from "../../core/config/model.ts";
import type { Body } from "../../core/filter/body.ts";
import type {
  Filter,
  FilterCallbacks,
  FilterKind,
  FilterKinds,
  FilterReply,
} from "../../core/filter/filter.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";

/** A filter of the chain; `create` makes one for each stream. */
export interface ScriptedFilter {
  readonly name: string;
  readonly create: (callbacks: FilterCallbacks, context: FilterContext) => Filter | null;
}

const TYPE = "test.Scripted.";

/** As the configuration would have it. */
export function configured({ name }: ScriptedFilter): HttpFilter {
  return { name, typeName: TYPE + name, disabled: false, config: {}, discovery: null };
}

/** The kinds behind `configured`. */
export function scriptedKinds(filters: readonly ScriptedFilter[]): FilterKinds {
  return new Map(
    filters.map(({ name, create }): [string, FilterKind] => [
      TYPE + name,
      {
        factory: (_config, _name, context) => ({
          create: (callbacks) => create(callbacks, context),
          release: () => undefined,
        }),
      },
    ]),
  );
}

/** The bytes of a body as a byte string. */
export function textOf(body: Body): string {
  const bytes = new Uint8Array(body.size);
  body.copy(0, body.size, bytes, 0);
  return String.fromCharCode(...bytes);
}

/** A byte string as bytes. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** A reply with nothing special. */
export function reply(status: number, body: string, change: Partial<FilterReply> = {}): FilterReply {
  return { status, body, details: "scripted", headers: [], grpcStatus: -1, ...change };
}

/**
 * A filter that does what `hooks` say and writes down each call as "name.hook(what)"; a hook that is not there lets
 * go on.
 */
export function recorded(
  name: string,
  calls: string[],
  hooks: (callbacks: FilterCallbacks, context: FilterContext) => Filter = () => ({}),
): ScriptedFilter {
  return {
    name,
    create: (callbacks, context) => {
      const own = hooks(callbacks, context);
      const note = (hook: string, what: string) => calls.push(`${name}.${hook}(${what})`);
      const end = (ends: boolean) => (ends ? " end" : "");
      return {
        onRequestHeaders(head, ends) {
          note("requestHeaders", `${head.method} ${head.path}${end(ends)}`);
          return own.onRequestHeaders?.(head, ends) ?? 0;
        },
        onRequestBody(body, ends) {
          note("requestBody", `${textOf(body)}${end(ends)}`);
          return own.onRequestBody?.(body, ends) ?? 0;
        },
        onRequestTrailers(trailers) {
          note("requestTrailers", String(trailers.count));
          return own.onRequestTrailers?.(trailers) ?? 0;
        },
        onResponseHeaders(head, ends) {
          note("responseHeaders", `${head.status}${end(ends)}`);
          return own.onResponseHeaders?.(head, ends) ?? 0;
        },
        onResponseBody(body, ends) {
          note("responseBody", `${textOf(body)}${end(ends)}`);
          return own.onResponseBody?.(body, ends) ?? 0;
        },
        onResponseTrailers(trailers) {
          note("responseTrailers", String(trailers.count));
          return own.onResponseTrailers?.(trailers) ?? 0;
        },
        onLog() {
          note("log", "");
          own.onLog?.();
        },
      };
    },
  };
}
