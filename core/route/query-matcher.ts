/** Envoy's `QueryParameterMatcher`: the first value of a parameter, undecoded. */
import type { QueryParameterMatcher as QueryMatcherConfig } from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import { queryParameter } from "../http/query-parameter.ts";
import { compileStringMatcher, type StringMatcher } from "./string-matcher.ts";

export class QueryMatcher {
  private readonly name: string;
  /** Null: only presence counts. */
  private readonly string: StringMatcher | null;
  private readonly present: boolean;

  /** Use `compileQueryMatcher`. */
  constructor(name: string, string: StringMatcher | null, present: boolean) {
    this.name = name;
    this.string = string;
    this.present = present;
  }

  /** `path` is a path with its query. */
  matches(path: string): boolean {
    const value = queryParameter(path, this.name);
    if (this.string === null) return (value !== null) === this.present;
    return value !== null && this.string.matches(value);
  }
}

/** Compiles a matcher; what is wrong goes to `faults` under `path`. */
export function compileQueryMatcher(
  config: QueryMatcherConfig,
  path: string,
  faults: ConfigFault[],
): QueryMatcher {
  if (config.test.kind === "present") return new QueryMatcher(config.name, null, config.test.present);
  return new QueryMatcher(
    config.name,
    compileStringMatcher(config.test.match, `${path}.string_match`, faults),
    true,
  );
}
