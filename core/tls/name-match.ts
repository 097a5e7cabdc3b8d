/**
 * Whether one of a peer's alternative names is one that is expected (`match_typed_subject_alt_names`). As in Envoy, an
 * exact DNS name is compared as a host name, wildcards of the certificate included; everything else is text.
 */
import { latin1, lowerCase } from "../bytes/ascii.ts";
import type { ConfigFault } from "../config/config-fault.ts";
import type { NameMatch } from "../config/tls.ts";
import { compileStringMatcher, type StringMatcher } from "../route/string-matcher.ts";
import type { AlternativeNames } from "./certificate.ts";
import { DerReader, readDer } from "./der.ts";

export class NameMatcher {
  private readonly config: NameMatch;
  private readonly matcher: StringMatcher;
  /** The host name that is expected, lower case, or "". */
  private readonly host: string;

  constructor(config: NameMatch, path: string, faults: ConfigFault[]) {
    this.config = config;
    this.matcher = compileStringMatcher(config.match, path, faults);
    const { type, match } = config;
    this.host = type === "DNS" && match.kind === "exact" ? lowerCase(match.text) : "";
  }

  /** True if one of the names fits. */
  matches(names: AlternativeNames): boolean {
    const { matcher, host } = this;
    switch (this.config.type) {
      case "DNS":
        return names.dns.some((name) => (host === "" ? matcher.matches(name) : matchesHost(host, name)));
      case "URI":
        return names.uri.some((name) => matcher.matches(name));
      case "IP_ADDRESS":
        return names.ip.some((name) => matcher.matches(name));
      case "EMAIL":
        return names.email.some((name) => matcher.matches(name));
      case "OTHER_NAME":
        return names.other.some(
          ({ type, value }) => type === this.config.oid && matcher.matches(otherText(value)),
        );
    }
  }
}

/** RFC 6125 6.4.3: "*" in the first label stands for one label, or a part of it. Both lower case. */
export function matchesHost(host: string, pattern: string): boolean {
  if (host === pattern) return true;
  const dot = pattern.indexOf(".");
  const hostDot = host.indexOf(".");
  if (dot < 0 || hostDot < 0 || host.slice(hostDot) !== pattern.slice(dot)) return false;
  const label = pattern.slice(0, dot);
  const star = label.indexOf("*");
  if (star < 0 || star !== label.lastIndexOf("*") || label.startsWith("xn--")) return false;
  if (pattern.indexOf("*", dot) >= 0) return false;
  const hostLabel = host.slice(0, hostDot);
  return (
    hostLabel.length >= Math.max(1, label.length - 1) &&
    hostLabel.startsWith(label.slice(0, star)) &&
    hostLabel.endsWith(label.slice(star + 1))
  );
}

/** Kinds of strings in another name that are read: UTF8String, Printable, IA5, Visible. */
const TEXT_TAGS = [0x0c, 0x13, 0x16, 0x1a];

/** The text of another name that is a string, or "". */
function otherText(value: Uint8Array): string {
  const content = readDer(() => {
    const reader = new DerReader(value);
    return TEXT_TAGS.includes(reader.tag) ? reader.content(reader.tag) : null;
  });
  return content instanceof Uint8Array ? latin1(content, 0, content.length) : "";
}
