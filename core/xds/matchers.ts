/** Matchers on text, headers and query parameters, and fractions that the runtime may change. */
import { lowerCase, utf8ByteString } from "../bytes/ascii.ts";
import type {
  HeaderMatcher,
  QueryParameterMatcher,
  RegexRewrite,
  RuntimeFraction,
  StringMatch,
} from "../config/model.ts";
import type { RuntimeFractionalPercent } from "./generated/envoy/config/core/v3/base_pb.ts";
import type {
  HeaderMatcher as HeaderMatcherMessage,
  QueryParameterMatcher as QueryParameterMatcherMessage,
} from "./generated/envoy/config/route/v3/route_components_pb.ts";
import type { RegexMatchAndSubstitute } from "./generated/envoy/type/matcher/v3/regex_pb.ts";
import type { StringMatcher } from "./generated/envoy/type/matcher/v3/string_pb.ts";
import type { FractionalPercent } from "./generated/envoy/type/v3/percent_pb.ts";
import type { Reader } from "./reader.ts";
import { checkSubstitution, headerName, headerValue, regexPattern } from "./text-rules.ts";

const NEVER: StringMatch = { kind: "exact", text: "", ignoreCase: false };

/** Reads a `StringMatcher`. With `ignoreCase` the text is given in ASCII lower case. */
export function readStringMatcher(reader: Reader<StringMatcher>): StringMatch {
  const ignoreCase = reader.take("ignoreCase");
  const chosen = reader.oneof("matchPattern");
  switch (chosen.case) {
    case undefined:
      return NEVER;
    case "safeRegex":
      return { kind: "regex", regex: regexPattern(chosen.value) };
    case "custom":
      reader.refuseOneof(chosen);
      return NEVER;
    default: {
      const text = utf8ByteString(chosen.value);
      return { kind: chosen.case, text: ignoreCase ? lowerCase(text) : text, ignoreCase };
    }
  }
}

/** Reads a `HeaderMatcher`; one that says nothing but the name asks whether the header is there. */
export function readHeaderMatcher(reader: Reader<HeaderMatcherMessage>): HeaderMatcher {
  return {
    name: headerName(reader.context, reader.take("name"), reader.at("name"), true),
    test: readHeaderTest(reader),
    invert: reader.take("invertMatch"),
    treatMissingAsEmpty: reader.take("treatMissingHeaderAsEmpty"),
  };
}

function readHeaderTest(reader: Reader<HeaderMatcherMessage>): HeaderMatcher["test"] {
  const chosen = reader.oneof("headerMatchSpecifier");
  switch (chosen.case) {
    case undefined:
      return { kind: "present", present: true };
    case "presentMatch":
      return { kind: "present", present: chosen.value };
    case "rangeMatch":
      return {
        kind: "range",
        start: safeNumber(chosen.value.take("start")),
        end: safeNumber(chosen.value.take("end")),
      };
    case "stringMatch":
      return { kind: "string", match: readStringMatcher(chosen.value) };
    case "safeRegexMatch":
      return { kind: "string", match: { kind: "regex", regex: regexPattern(chosen.value) } };
    case "exactMatch":
      return { kind: "string", match: plain("exact", chosen.value) };
    case "prefixMatch":
      return { kind: "string", match: plain("prefix", chosen.value) };
    case "suffixMatch":
      return { kind: "string", match: plain("suffix", chosen.value) };
    case "containsMatch":
      return { kind: "string", match: plain("contains", chosen.value) };
  }
}

function plain(kind: "exact" | "prefix" | "suffix" | "contains", text: string): StringMatch {
  return { kind, text: utf8ByteString(text), ignoreCase: false };
}

/** Header values are compared as doubles; beyond 2^53 a bound would be a different number. */
function safeNumber(value: bigint): number {
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > limit ? limit : value < -limit ? -limit : value);
}

/** Reads a `QueryParameterMatcher`; one that says nothing but the name asks whether the parameter is there. */
export function readQueryParameterMatcher(
  reader: Reader<QueryParameterMatcherMessage>,
): QueryParameterMatcher {
  const name = reader.text("name");
  const chosen = reader.oneof("queryParameterMatchSpecifier");
  if (chosen.case === "stringMatch") {
    return { name, test: { kind: "string", match: readStringMatcher(chosen.value) } };
  }
  return { name, test: { kind: "present", present: chosen.value ?? true } };
}

/** Reads a regular expression and what replaces its matches. */
export function readRegexRewrite(reader: Reader<RegexMatchAndSubstitute> | null): RegexRewrite | null {
  if (reader === null) return null;
  const pattern = reader.child("pattern");
  const written = reader.take("substitution");
  const substitution = headerValue(reader.context, written, reader.at("substitution"));
  checkSubstitution(reader.context, written, reader.at("substitution"));
  return { regex: pattern === null ? "" : regexPattern(pattern), substitution };
}

/** Reads a fraction with its runtime key. */
export function readRuntimeFraction(reader: Reader<RuntimeFractionalPercent> | null): RuntimeFraction | null {
  if (reader === null) return null;
  return readFraction(reader.child("defaultValue"), reader.text("runtimeKey"));
}

/** Reads a fraction; unset is 0. */
export function readFraction(reader: Reader<FractionalPercent> | null, runtimeKey: string): RuntimeFraction {
  if (reader === null) return { runtimeKey, numerator: 0, denominator: 100 };
  const unit = reader.choice("denominator", ["HUNDRED", "TEN_THOUSAND", "MILLION"]);
  const denominator = unit === "HUNDRED" ? 100 : unit === "TEN_THOUSAND" ? 10_000 : 1_000_000;
  return { runtimeKey, numerator: reader.take("numerator"), denominator };
}
