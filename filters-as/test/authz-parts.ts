/** The pure parts of the authz filter, exported one by one for tests. Bytes are strings of one character per byte. */
import { Address, Block, blockHolds, parseAddress, parseBlock, parsePeer } from "../authz/ip-block";
import { compileTemplate, isTemplate, templateFault, templateMatches } from "../authz/path-template";
import { compilePattern, hasTwinStars, patternAt, patternMatches, takePatterns } from "../authz/pattern";
import { Region } from "../authz/region";
import { SpiffeId, splitSpiffeId } from "../authz/spiffe-id";
import { beginCallback } from "../sdk/arena";
import "../sdk/compiler-hooks";
import { Slice } from "../sdk/slice";

export function begin(): void {
  beginCallback();
}

export function matches(pattern: string, value: string): bool {
  const region = Region.create();
  const text = Slice.fromLatin1(pattern);
  const bytes = Slice.fromLatin1(value);
  const compiled = patternAt(takePatterns(region, 1), 0);
  compilePattern(compiled, region.copy(text.ptr, text.length), text.length);
  const answer = patternMatches(compiled, bytes.ptr, bytes.length);
  region.release();
  return answer;
}

export function twinStars(pattern: string): bool {
  const text = Slice.fromLatin1(pattern);
  return hasTwinStars(text.ptr, text.length);
}

/** "no template", what is wrong with it, or "". */
export function faultOfTemplate(template: string): string {
  const text = Slice.fromLatin1(template);
  return isTemplate(text.ptr, text.length) ? templateFault(text.ptr, text.length) : "no template";
}

export function matchTemplate(template: string, path: string): string {
  const region = Region.create();
  const text = Slice.fromLatin1(template);
  const bytes = Slice.fromLatin1(path);
  const found = templateMatches(compileTemplate(region, text.ptr, text.length), bytes.ptr, bytes.length);
  region.release();
  return found === 0 ? "no" : found === 1 ? "yes" : "unsure";
}

/** Family, both halves and port in hexadecimal; "" if it is no address. */
export function readAddress(text: string, withPort: bool): string {
  const bytes = Slice.fromLatin1(text);
  const address = changetype<Address>(Slice.allocate(offsetof<Address>()).ptr);
  const isAddress = withPort
    ? parsePeer(bytes.ptr, bytes.length, address)
    : parseAddress(bytes.ptr, bytes.length, address);
  if (!isAddress) return "";
  return `${address.family} ${address.high.toString(16)} ${address.low.toString(16)} ${address.port}`;
}

/** 1 or 0, or -1 if one of them is ill-formed. */
export function holds(block: string, address: string): i32 {
  const text = Slice.fromLatin1(block);
  const bytes = Slice.fromLatin1(address);
  const one = changetype<Block>(Slice.allocate(offsetof<Block>()).ptr);
  const other = changetype<Address>(Slice.allocate(offsetof<Address>()).ptr);
  if (!parseBlock(text.ptr, text.length, one)) return -1;
  if (!parseAddress(bytes.ptr, bytes.length, other)) return -1;
  return blockHolds(one, other) ? 1 : 0;
}

/** Trust domain, namespace, namespace with account. */
export function splitId(text: string): string[] {
  const bytes = Slice.fromLatin1(text);
  const id = changetype<SpiffeId>(Slice.allocate(offsetof<SpiffeId>()).ptr);
  splitSpiffeId(bytes.ptr, bytes.length, id);
  const at = <i32>id.namespaceAt;
  return [
    bytes.slice(9, 9 + <i32>id.trustDomainLength).toLatin1(),
    bytes.slice(at, at + <i32>id.namespaceLength).toLatin1(),
    bytes.slice(at, at + <i32>id.accountLength).toLatin1(),
  ];
}
