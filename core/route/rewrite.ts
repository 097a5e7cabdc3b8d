/**
 * What a route does to the path and the host of a request before it goes upstream. The query is never touched.
 * It works on the normalised path; its own result is not normalised again.
 */
import type { RegexRewrite as RegexRewriteConfig } from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import { compileRegex, compileSubstitution, type Regex, type Substitution } from "./regex.ts";

/** A pattern and its substitution. */
export class RegexRewrite {
  private readonly regex: Regex;
  private readonly substitution: Substitution;

  constructor(regex: Regex, substitution: Substitution) {
    this.regex = regex;
    this.substitution = substitution;
  }

  /** `text` with every match replaced. */
  apply(text: string): string {
    return this.regex.replaceAll(text, this.substitution);
  }
}

/** Compiles a regex rewrite; what is wrong goes to `faults` under `path`; null if there is none. */
export function compileRegexRewrite(
  config: RegexRewriteConfig | null,
  path: string,
  faults: ConfigFault[],
): RegexRewrite | null {
  if (config === null) return null;
  const { regex, error } = compileRegex(config.regex);
  if (regex === null) {
    faults.push({ path: `${path}.pattern.regex`, message: error });
    return null;
  }
  const compiled = compileSubstitution(config.substitution, regex);
  if (compiled.substitution === null) {
    faults.push({ path: `${path}.substitution`, message: compiled.error });
    return null;
  }
  return new RegexRewrite(regex, compiled.substitution);
}

/** Rewrites a path: replaces the part that the route matched, or what a pattern matches. */
export class PathRewrite {
  private readonly prefix: string;
  private readonly regex: RegexRewrite | null;

  /** One of the two: `prefix` is "" or `regex` null. */
  constructor(prefix: string, regex: RegexRewrite | null) {
    this.prefix = prefix;
    this.regex = regex;
  }

  /**
   * The new path with the old query, or `path` itself if there is nothing to do. `matched` is how many bytes of
   * the path the route matched, -1 if the path no longer begins with what it matched.
   */
  apply(path: string, matched: number): string {
    const query = path.indexOf("?");
    const end = query < 0 ? path.length : query;
    let text: string;
    if (this.regex !== null) {
      text = this.regex.apply(query < 0 ? path : path.slice(0, end));
      if (text === "") return path;
    } else {
      if (matched < 0) return path;
      text = this.prefix + path.slice(Math.min(matched, end), end);
    }
    // A target that does not begin with "/" would be another form of target, or none (RFC 9112 3.2).
    if (text.charCodeAt(0) !== 0x2f) text = `/${text}`;
    return query < 0 ? text : text + path.slice(end);
  }
}
