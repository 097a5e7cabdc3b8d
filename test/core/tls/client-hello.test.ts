/**
 * What the first bytes of a connection are. The hellos were sent by OpenSSL 3.0 (`openssl s_client -msg`), curl and
 * node:tls; each goes in whole, byte by byte and cut at two random places, with one outcome.
 */
import { describe, expect, test } from "bun:test";
import {
  BadHello,
  ClientHello,
  ClientHelloWatch,
  type HelloVerdict,
  MAX_CLIENT_HELLO,
  NotTls,
  Undecided,
} from "../../../core/tls/client-hello.ts";
import { HELLOS } from "./hellos.ts";

const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const number = (value: number, size: number) => value.toString(16).padStart(2 * size, "0");
const sized = (hex: string, size: number) => number(hex.length / 2, size) + hex;
const extension = (type: number, content: string) => number(type, 2) + sized(content, 2);
const ascii = (text: string) => Buffer.from(text, "latin1").toString("hex");
const sni = (name: string) => extension(0, sized(`00${sized(ascii(name), 2)}`, 2));
const alpn = (...names: string[]) =>
  extension(16, sized(names.map((name) => sized(ascii(name), 1)).join(""), 2));
const versions = (...list: number[]) => extension(43, sized(list.map((v) => number(v, 2)).join(""), 1));

/** The body of a hello with those extensions (hex), or without any. */
const body = (extensions: string | null, session = "") =>
  `0303${"ab".repeat(32)}${sized(session, 1)}${sized("1301", 2)}0100${extensions === null ? "" : sized(extensions, 2)}`;
const handshake = (content: string) => `01${sized(content, 3)}`;
const record = (content: string) => `160301${sized(content, 2)}`;
const hello = (extensions: string | null) => record(handshake(body(extensions)));

interface Seen {
  verdict: HelloVerdict;
  serverName: string;
  alpn: readonly string[];
  versions: readonly number[];
  fault: string;
}

function feed(pieces: readonly Uint8Array[], limit?: number): Seen & { kept: Uint8Array } {
  const watch = new ClientHelloWatch(limit);
  let verdict: HelloVerdict = Undecided;
  for (const piece of pieces) {
    verdict = watch.feed(piece);
    if (verdict !== Undecided) break;
  }
  const { serverName, applicationProtocols, fault } = watch;
  return {
    verdict,
    serverName,
    alpn: applicationProtocols,
    versions: watch.versions,
    fault,
    kept: watch.bytes,
  };
}

/** The one outcome, however it is cut. */
function outcome(all: Uint8Array): Seen {
  const { kept, ...whole } = feed([all]);
  expect(Buffer.from(kept).equals(Buffer.from(all.subarray(0, kept.length)))).toBe(true);
  const same = (pieces: Uint8Array[]) => {
    const { kept, ...seen } = feed(pieces);
    expect(seen).toEqual(whole);
    // What was fed is there to be given on.
    expect(Buffer.from(kept).equals(Buffer.from(all.subarray(0, kept.length)))).toBe(true);
  };
  same(Array.from(all, (_, i) => all.slice(i, i + 1)));
  for (let at = 1; at < Math.min(all.length, 700); at++) same([all.slice(0, at), all.slice(at)]);
  return whole;
}

const sound = (serverName: string, protocols: string[], ...list: number[]): Seen => ({
  verdict: ClientHello,
  serverName,
  alpn: protocols,
  versions: list,
  fault: "",
});
const bad = (fault: string) => ({ verdict: BadHello, fault });

describe("hellos of real clients", () => {
  test.each(HELLOS)("$client", ({ hex, serverName, alpn, newest }) => {
    const seen = outcome(bytes(hex));
    expect(seen.verdict).toBe(ClientHello);
    expect([seen.serverName, seen.alpn]).toEqual([serverName, alpn]);
    expect(Math.max(...seen.versions.filter((version) => version <= 0x0304))).toBe(newest);
  });
});

describe("a hello", () => {
  test("says what it asks for", () => {
    const extensions = sni("WWW.Example.org") + alpn("h2", "http/1.1") + versions(0x0a0a, 0x0304, 0x0303);
    expect(outcome(bytes(hello(extensions)))).toEqual(
      sound("www.example.org", ["h2", "http/1.1"], 0x0a0a, 0x0304, 0x0303),
    );
  });

  test("may have no extension, or nothing that matters here", () => {
    expect(outcome(bytes(hello(null)))).toEqual(sound("", [], 0x0303));
    expect(outcome(bytes(hello("")))).toEqual(sound("", [], 0x0303));
    expect(outcome(bytes(hello(extension(0xff01, "00"))))).toEqual(sound("", [], 0x0303));
  });

  test("may be torn over records, and be followed by anything", () => {
    const whole = handshake(body(sni("a.test") + alpn("istio")));
    for (const size of [1, 3, 50]) {
      const torn = whole.match(new RegExp(`.{1,${2 * size}}`, "g")) ?? [];
      expect(outcome(bytes(torn.map(record).join("")))).toEqual(sound("a.test", ["istio"], 0x0303));
    }
    expect(outcome(bytes(`${record(whole)}1703030001ff`)).serverName).toBe("a.test");
    // The next message in the same record is the engine's business.
    expect(outcome(bytes(record(`${whole}0b000000`))).serverName).toBe("a.test");
  });
});

describe("something else than TLS", () => {
  test.each([
    ["HTTP/1", ascii("GET / HTTP/1.1\r\n")],
    ["HTTP/2", ascii("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
    ["SSH", ascii("SSH-2.0-OpenSSH_9.0\r\n")],
    ["an SSLv2 hello", "802e0100020015000000100100800700c0030080060040020080040080"],
    ["an alert", "15030100020228"],
    ["application data", "1703030005ffffffffff"],
    ["SSL 2.x in the version", "160200000501000001"],
    ["an empty record", "1603010000"],
    ["a record above 16384 bytes", "1603014001"],
    ["a ServerHello", "16030300050200000100"],
    ["zeros", "00000000"],
  ])("%s", (_, hex) => {
    expect(outcome(bytes(hex)).verdict).toBe(NotTls);
  });

  test("is told at the first byte that cannot be TLS", () => {
    expect(feed([bytes(ascii("G"))]).verdict).toBe(NotTls);
    expect(feed([bytes("16")]).verdict).toBe(Undecided);
    expect(feed([bytes("1603010005")]).verdict).toBe(Undecided);
  });
});

describe("a hello that makes no sense", () => {
  test.each([
    ["cut in the random", record(handshake("0303abab")), "cut short"],
    ["session id", record(handshake(body("", "ab".repeat(33)))), "a session id of more than 32 bytes"],
    [
      "no cipher suite",
      record(handshake(`0303${"00".repeat(32)}0000000100`)),
      "cipher suites of a forbidden length",
    ],
    [
      "half a cipher suite",
      record(handshake(`0303${"00".repeat(32)}000003130113`)),
      "cipher suites of a forbidden length",
    ],
    ["no compression", record(handshake(`0303${"00".repeat(32)}000002130100`)), "no compression method"],
    ["bytes behind", record(handshake(`${body("")}00`)), "bytes behind the extensions"],
    ["an extension too long", hello("0000000500"), "cut short"],
    ["an extension's head", hello("0000"), "cut short"],
    ["an extension twice", hello(sni("a") + sni("b")), "an extension that stands there twice"],
    ["an empty name", hello(sni("")), "a server name that is none"],
    ["a name with NUL", hello(sni("a\0b.test")), "a server name that is none"],
    ["a name with a line break", hello(sni("a\nb")), "a server name that is none"],
    ["a name with a space", hello(sni("a b")), "a server name that is none"],
    ["a name with DEL", hello(sni("a\x7f")), "a server name that is none"],
    ["a name beyond ASCII", hello(sni("\xe9.test")), "a server name that is none"],
    ["two names", hello(extension(0, sized(`000001610000${"0162"}`, 2))), "a server name that is none"],
    ["a name of 256 bytes", hello(sni("a".repeat(256))), "a server name that is none"],
    ["another kind of name", hello(extension(0, sized("01000161", 2))), "a server name that is none"],
    ["an empty protocol", hello(extension(16, sized("00", 2))), "application protocols that are none"],
    ["no protocol", hello(extension(16, "0000")), "application protocols that are none"],
    ["a protocol cut short", hello(extension(16, sized("0561", 2))), "application protocols that are none"],
    ["half a version", hello(extension(43, "0103")), "versions that are none"],
    ["another record in between", `${record("0100")}15030100020228`, "another record inside the hello"],
    ["an empty record in between", `${record("0100")}1603010000`, "a record of a forbidden length"],
    ["a length above the limit", record("01ffffff"), "too large"],
  ])("%s", (_, hex, fault) => {
    expect(outcome(bytes(hex))).toMatchObject(bad(fault));
  });
});

describe("limits", () => {
  const padded = (size: number) => hello(extension(21, "00".repeat(size)));

  test("a hello of the longest length is read, one byte more is not", () => {
    const frame = bytes(padded(0)).length;
    const most = bytes(padded(MAX_CLIENT_HELLO - frame));
    expect(feed([most]).verdict).toBe(ClientHello);
    expect(feed([bytes(padded(MAX_CLIENT_HELLO - frame + 1))])).toMatchObject(bad("too large"));
    expect(feed([bytes(padded(500))], 512)).toMatchObject(bad("too large"));
  });

  test("records of one byte end at the limit, too", () => {
    const whole = bytes(handshake(body(extension(21, "00".repeat(8000)))));
    const drops = Array.from(whole, (byte) => bytes(record(number(byte, 1))));
    const seen = feed(drops);
    expect(seen).toMatchObject(bad("too large"));
    expect(seen.kept.length).toBeLessThanOrEqual(MAX_CLIENT_HELLO + 6);
  });

  test("nobody can have more than 256 extensions", () => {
    const many = (count: number) =>
      hello(Array.from({ length: count }, (_, i) => extension(1000 + i, "")).join(""));
    expect(feed([bytes(many(256))]).verdict).toBe(ClientHello);
    expect(feed([bytes(many(257))])).toMatchObject(bad("too many extensions"));
  });
});

test("damaged hellos never throw, and are the same whole and in pieces", () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  const verdicts = new Set<HelloVerdict>();
  for (let round = 0; round < 3000; round++) {
    const all = bytes(HELLOS[random(HELLOS.length)].hex);
    for (let hits = 1 + random(3); hits > 0; hits--) all[random(all.length)] = random(256);
    const cut = all.subarray(0, 1 + random(all.length));
    const { kept: _, ...whole } = feed([cut]);
    const at = random(cut.length);
    const { kept: __, ...pieces } = feed(
      [cut.slice(0, at), cut.slice(at)].filter(({ length }) => length > 0),
    );
    expect(pieces).toEqual(whole);
    verdicts.add(whole.verdict);
  }
  expect(verdicts.size).toBe(4);
});
