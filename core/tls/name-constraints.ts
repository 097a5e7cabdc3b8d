/**
 * Name constraints of a CA (RFC 5280 4.2.1.10): which names the certificates below it may have. DNS names, URIs, mail
 * and IP addresses and directory names are understood; a constraint of another kind forbids every name of its kind.
 */
import { latin1, lowerCase } from "../bytes/ascii.ts";
import { parseIp } from "../bytes/cidr.ts";
import type { Certificate, Constraint, NameConstraints } from "./certificate.ts";
import { DerReader, readDer, SEQUENCE } from "./der.ts";
import { formatPart, relativeNames } from "./distinguished-name.ts";

const EMAIL = 0x81;
const DNS = 0x82;
const DIRECTORY = 0xa4;
const URI = 0x86;
const IP = 0x87;

/** "" or the name of `certificate` that is not permitted. */
export function forbiddenName(constraints: NameConstraints, certificate: Certificate): string {
  const { names, subjectName, subject } = certificate;
  for (const name of names.dns) if (!allowed(constraints, DNS, name, dnsWithin)) return name;
  for (const name of names.email) if (!allowed(constraints, EMAIL, name, emailWithin)) return name;
  for (const name of names.uri) if (!allowed(constraints, URI, name, uriWithin)) return name;
  for (const name of names.ip) if (!allowed(constraints, IP, name, ipWithin)) return name;
  const subjectIs = (_: string, content: Uint8Array) => directoryWithin(subjectName, content);
  if (subject !== "" && !allowed(constraints, DIRECTORY, subject, subjectIs)) return subject;
  for (const tag of names.unread)
    if (!allowed(constraints, tag, "", NEVER_READ)) return "a name that is not read";
  const others = names.other.length > 0 && !allowed(constraints, 0xa0, "", NEVER_READ);
  return others ? "another name" : "";
}

/** Null = cannot be told, which is as bad as can be. */
type Within = (name: string, content: Uint8Array) => boolean | null;

const NEVER_READ: Within = () => null;

function allowed(
  { permitted, excluded }: NameConstraints,
  tag: number,
  name: string,
  within: Within,
): boolean {
  const hits = (list: readonly Constraint[]) =>
    list.filter((each) => each.tag === tag).map((each) => within(name, each.content));
  if (hits(excluded).some((hit) => hit !== false)) return false;
  const permits = hits(permitted);
  return permits.length === 0 || permits.includes(true);
}

function text(content: Uint8Array): string {
  return lowerCase(latin1(content, 0, content.length));
}

function dnsWithin(name: string, content: Uint8Array): boolean {
  const base = text(content).replace(/^\./, "");
  return base === "" || name === base || name.endsWith(`.${base}`);
}

/** A mailbox, a host, or a domain with a leading dot. */
function emailWithin(name: string, content: Uint8Array): boolean {
  const base = text(content);
  const at = name.lastIndexOf("@");
  const host = lowerCase(name.slice(at + 1));
  if (base.includes("@"))
    return (
      name.slice(0, at + 1) + host ===
      latin1(content, 0, base.lastIndexOf("@") + 1) + base.slice(base.lastIndexOf("@") + 1)
    );
  return base.startsWith(".") ? host.endsWith(base) : host === base;
}

/** A host, or a domain with a leading dot. A URI without a host, or with an IP address, fits nothing. */
function uriWithin(uri: string, content: Uint8Array): boolean | null {
  const authority = /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/([^/?#]*)/.exec(uri)?.[1];
  if (authority === undefined) return null;
  const host = lowerCase(authority.slice(authority.lastIndexOf("@") + 1).replace(/:\d*$/, ""));
  if (host === "" || host.startsWith("[") || parseIp(host) !== null) return null;
  const base = text(content);
  return base.startsWith(".") ? host.endsWith(base) && host.length > base.length : host === base;
}

/** Address and mask, one after the other. */
function ipWithin(name: string, content: Uint8Array): boolean {
  const ip = parseIp(name);
  if (ip === null || content.length !== 2 * ip.length) return false;
  for (let i = 0; i < ip.length; i++) if (((ip[i] ^ content[i]) & content[ip.length + i]) !== 0) return false;
  return true;
}

/** The first parts are the same: as text without case, for the same text may be encoded in several ways. */
function directoryWithin(name: Uint8Array, content: Uint8Array): boolean | null {
  const read = readDer(() => {
    const base: string[] = [];
    const list = new DerReader(content).open(SEQUENCE);
    while (!list.done) base.push(lowerCase(formatPart(list.whole())));
    const parts = relativeNames(name).map((part) => lowerCase(formatPart(part)));
    return base.length <= parts.length && base.every((part, i) => part === parts[i]);
  });
  return typeof read === "string" ? null : read;
}
