/** What is no certificate, and no list of revocations, though its frame is sound: built byte by byte, signed by nobody. */
import { describe, expect, test } from "bun:test";
import { type Certificate, type NameConstraints, readCertificate } from "../../../core/tls/certificate.ts";
import { forbiddenName } from "../../../core/tls/name-constraints.ts";
import { matchesHost } from "../../../core/tls/name-match.ts";
import { readRevocationList } from "../../../core/tls/revocation-list.ts";

type Bytes = readonly number[];

function der(tag: number, ...contents: Bytes[]): Bytes {
  const content = contents.flat();
  const { length } = content;
  if (length < 128) return [tag, length, ...content];
  return length < 256 ? [tag, 0x81, length, ...content] : [tag, 0x82, length >> 8, length & 255, ...content];
}

const text = (value: string): Bytes => Array.from(value, (c) => c.charCodeAt(0));
const sequence = (...contents: Bytes[]) => der(0x30, ...contents);
const OID = {
  ecdsa: [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
  ecdsa384: [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
  names: [0x06, 3, 0x55, 0x1d, 0x11],
  constraints: [0x06, 3, 0x55, 0x1d, 0x13],
  unknown: [0x06, 3, 0x55, 0x1d, 0x7f],
};
const CRITICAL = [0x01, 1, 0xff];
const TIME = der(0x17, text("260101000000Z"));
const NAME = sequence(der(0x31, sequence([0x06, 3, 0x55, 4, 3], der(0x0c, text("x")))));
const signed = (body: Bytes) => Uint8Array.from(sequence(body, sequence(OID.ecdsa), [3, 2, 0, 0]));

function certificate(extensions: readonly Bytes[], { version = 2, algorithm = OID.ecdsa } = {}): Uint8Array {
  return signed(
    sequence(
      der(0xa0, [2, 1, version]),
      [2, 1, 1],
      sequence(algorithm),
      NAME,
      sequence(TIME, TIME),
      NAME,
      sequence(),
      extensions.length === 0 ? [] : der(0xa3, sequence(...extensions)),
    ),
  );
}

const names = (...list: Bytes[]) => sequence(OID.names, der(4, sequence(...list)));
const dns = (name: string) => der(0x82, text(name));
const LEAF = sequence(OID.constraints, der(4, sequence()));

describe("a certificate", () => {
  test("that is sound is read", () => {
    expect(readCertificate(certificate([LEAF, names(dns("a.test"))]))).toMatchObject({
      names: { dns: ["a.test"] },
    });
    expect(readCertificate(certificate([], { version: 0 }))).toMatchObject({ isCa: false });
  });

  test.each<[title: string, certificate: Uint8Array, fault: string]>([
    ["one extension twice", certificate([names(dns("a")), names(dns("b"))]), "has extension 2.5.29.17 twice"],
    [
      "a name with NUL",
      certificate([names(dns("a.test\0.evil"))]),
      "has an alternative name that is not text",
    ],
    [
      "a name with a line break",
      certificate([names(dns("a\nb"))]),
      "has an alternative name that is not text",
    ],
    ["a name with DEL", certificate([names(dns("a\x7f"))]), "has an alternative name that is not text"],
    [
      "a URI beyond ASCII",
      certificate([names(der(0x86, text("spiffe://a/\xff")))]),
      "has an alternative name that is not text",
    ],
    [
      "an address of five bytes",
      certificate([names(der(0x87, [1, 2, 3, 4, 5]))]),
      "has an IP address that is none",
    ],
    [
      "extensions in version 1",
      certificate([LEAF], { version: 0 }),
      "has extensions and is not of version 3",
    ],
    ["version 4", certificate([LEAF], { version: 3 }), "has an unknown version"],
    [
      "too many names",
      certificate([names(...Array<Bytes>(1025).fill(dns("a")))]),
      "has too many alternative names",
    ],
    ["two algorithms", certificate([LEAF], { algorithm: OID.ecdsa384 }), "names two signature algorithms"],
  ])("with %s is none", (_title, bytes, fault) => {
    expect(readCertificate(bytes)).toBe(fault);
  });

  test("with as many names as there may be is one", () => {
    expect(readCertificate(certificate([names(...Array<Bytes>(1024).fill(dns("a")))]))).toHaveProperty(
      "names",
    );
  });

  test("with a critical extension that is not understood says which", () => {
    const strange = sequence(OID.unknown, CRITICAL, der(4, sequence()));
    expect(readCertificate(certificate([strange]))).toMatchObject({ unknownCritical: "2.5.29.127" });
    const harmless = sequence(OID.unknown, der(4, sequence()));
    expect(readCertificate(certificate([harmless]))).toMatchObject({ unknownCritical: "" });
  });
});

describe("a list of revocations", () => {
  const list = (entry: Bytes, extensions: Bytes = [], algorithm = OID.ecdsa) =>
    readRevocationList(
      signed(sequence([2, 1, 1], sequence(algorithm), NAME, TIME, TIME, sequence(entry), extensions)),
    );
  const extension = (...critical: Bytes[]) =>
    sequence(sequence(OID.unknown, ...critical, der(4, sequence())));
  const sound = sequence([2, 1, 5], TIME);
  const refusal = "has critical extension 2.5.29.127, which is not understood";

  test.each([
    ["that is sound", list(sound), null],
    ["with an extension that is not critical", list(sequence([2, 1, 5], TIME, extension())), null],
    ["with a critical one of an entry", list(sequence([2, 1, 5], TIME, extension(CRITICAL))), refusal],
    ["with a critical one of its own", list(sound, der(0xa0, extension(CRITICAL))), refusal],
    ["with two algorithms", list(sound, [], OID.ecdsa384), "names two signature algorithms"],
  ])("%s", (_title, read, fault) => {
    if (fault === null) expect(read).toMatchObject({ revoked: new Set(["05"]) });
    else expect(read as string).toBe(fault);
  });
});

describe("constraints on names", () => {
  const [URI, OTHER] = [0x86, 0xa0];
  const of = (
    uri: string,
    constraints: Partial<Record<keyof NameConstraints, [tag: number, base: string][]>>,
  ) => {
    const list = (entries: [number, string][] = []) =>
      entries.map(([tag, base]) => ({ tag, content: Uint8Array.from(text(base)) }));
    const read = readCertificate(certificate([names(der(URI, text(uri)))])) as Certificate;
    return forbiddenName(
      { permitted: list(constraints.permitted), excluded: list(constraints.excluded) },
      read,
    );
  };

  test.each<[uri: string, constraints: Parameters<typeof of>[1], allowed: boolean]>([
    ["spiffe://a.test/x", { permitted: [[URI, "a.test"]] }, true],
    ["spiffe://b.test/x", { permitted: [[URI, "a.test"]] }, false],
    ["spiffe://x.a.test/x", { permitted: [[URI, ".a.test"]] }, true],
    ["spiffe://a.test/x", { permitted: [[URI, ".a.test"]] }, false],
    ["spiffe://b.test/x", { excluded: [[URI, "a.test"]] }, true],
    ["spiffe://a.test/x", { excluded: [[URI, "a.test"]] }, false],
    ["spiffe://me@A.test:1/x", { excluded: [[URI, "a.test"]] }, false],
    // What cannot be told is as bad as can be, on either list.
    ["urn:x:y", { permitted: [[URI, "a.test"]] }, false],
    ["urn:x:y", { excluded: [[URI, "a.test"]] }, false],
    ["http://10.0.0.1/", { permitted: [[URI, "10.0.0.1"]] }, false],
    ["http://10.0.0.1/", { excluded: [[URI, "a.test"]] }, false],
    ["http://[::1]/", { excluded: [[URI, "a.test"]] }, false],
    // Names of another kind are not what it is about.
    ["urn:x:y", { excluded: [[OTHER, "a.test"]] }, true],
  ])("%s", (uri, constraints, allowed) => {
    expect(of(uri, constraints)).toBe(allowed ? "" : uri);
  });
});

test.each<[host: string, pattern: string, fits: boolean]>([
  ["a.test", "a.test", true],
  ["x.a.test", "*.a.test", true],
  ["xy.a.test", "x*.a.test", true],
  ["xaz.a.test", "x*z.a.test", true],
  ["x.y.a.test", "*.a.test", false],
  ["a.test", "*.a.test", false],
  ["a.test", "*", false],
  ["x.y.test", "*.*.test", false],
  ["xyz.a.test", "*y*.a.test", false],
  ["xn--a.a.test", "xn--*.a.test", false],
  [".a.test", "*.a.test", false],
])("host %s and %s in a certificate: %p", (host, pattern, fits) => {
  expect(matchesHost(host, pattern)).toBe(fits);
});
