/**
 * What rules ask about a request, each fetched at most once and only when a rule asks. It holds places in memory, not
 * copies; where the values come from, and when, is fact-source.ts.
 *
 * A fact is PRESENT, ABSENT (the request has none: no list matches it, every not-list does) or UNKNOWN (the host could
 * not say: an ALLOW rule that asks for it does not match, a DENY or AUDIT rule does).
 */
import { Region } from "./region";

export const PRINCIPAL: u32 = 0;
export const NAMESPACE: u32 = 1;
/** `<namespace>/sa/<service account>`. */
export const ACCOUNT: u32 = 2;
export const TRUST_DOMAIN: u32 = 3;
/** The TCP peer; the place is that of an Address, as for the two others. */
export const PEER: u32 = 4;
/** The client as the host makes it out from X-Forwarded-For or the PROXY protocol. */
export const REMOTE: u32 = 5;
export const LOCAL: u32 = 6;
/** The port that was connected to, in `length`. */
export const PORT: u32 = 7;
/** In lower case, with the port if the request has it there. */
export const HOST: u32 = 8;
export const METHOD: u32 = 9;
/** Without query and fragment. */
export const PATH: u32 = 10;
export const SERVER_NAME: u32 = 11;
export const ISSUER: u32 = 12;
export const SUBJECT: u32 = 13;
/** What a certificate without a URI says of its owner: a DNS name, or its subject. */
export const OTHER_IDENTITY: u32 = 14;
/** Headers and claims that a configuration names have the numbers from here on. */
export const NAMED: u32 = 15;

/** Bytes of `request.headers.`, with NULs in place of the dots: where a header's name begins in its property. */
export const HEADERS_LENGTH: u32 = 16;

export const UNASKED: u32 = 0;
export const ABSENT: u32 = 1;
export const FOUND: u32 = 2;
export const UNKNOWN: u32 = 3;

@unmanaged
export class Fact {
  state: u32;
  length: u32;
  data: usize;
  /** Of a header in several lines: all headers, as pairs; else 0. */
  lines: usize;
  linesLength: u32;
  /** For named facts: the property's path, segments joined by NUL. */
  property: usize;
  propertyLength: u32;
  isHeader: bool;
}

/** All facts of one configuration. */
@unmanaged
export class Facts {
  count: u32;
  list: usize;
  /** Path and length of the property that tells the TCP peer; 0 for the usual one. */
  peerProperty: usize;
  peerPropertyLength: u32;

  /** Facts with room for `named` headers and claims. */
  static create(region: Region, named: u32): Facts {
    const facts = changetype<Facts>(region.take(offsetof<Facts>()));
    facts.count = NAMED + named;
    facts.list = region.take(<usize>facts.count * offsetof<Fact>());
    return facts;
  }

  at(id: u32): Fact {
    return changetype<Fact>(this.list + <usize>id * offsetof<Fact>());
  }

  /** Forgets the request. */
  clear(): void {
    for (let i: u32 = 0; i < this.count; i++) this.at(i).state = UNASKED;
  }
}
