/** The listener filters on one connection: what was found, and that nothing of what came is lost. */
import { describe, expect, test } from "bun:test";
import {
  FirstBytes,
  type FirstBytesVerdict,
  Inspected,
  Refused,
  Waiting,
} from "../../../core/proxy/first-bytes.ts";
import { HELLOS } from "../tls/hellos.ts";

const filters = (tlsInspector: boolean, httpInspector: boolean) => ({
  tlsInspector,
  httpInspector,
  timeout: 15_000,
  continueOnTimeout: false,
});
const TLS = filters(true, false);
const HTTP = filters(false, true);
const BOTH = filters(true, true);
const hello = Buffer.from(HELLOS[0].hex, "hex");

function feed(
  settings: ReturnType<typeof filters>,
  text: string | Buffer,
): [FirstBytesVerdict, string, string, readonly string[]] {
  const all = Buffer.from(text as string, "latin1");
  const outcomes = [[all], Array.from(all, (_, i) => all.subarray(i, i + 1))].map((pieces) => {
    const first = new FirstBytes(settings);
    let fed = 0;
    let verdict: FirstBytesVerdict = Waiting;
    for (const piece of pieces) {
      verdict = first.feed(piece);
      fed += piece.length;
      if (verdict !== Waiting) break;
    }
    expect(Buffer.from(first.bytes).equals(all.subarray(0, fed))).toBe(true);
    const { transportProtocol, serverName, applicationProtocols } = first.inspection;
    return [verdict, transportProtocol, serverName, applicationProtocols] as const;
  });
  expect(outcomes[1]).toEqual(outcomes[0]);
  return [...outcomes[0]];
}

describe("first bytes", () => {
  test("TLS, with what the hello asks for", () => {
    const found = [Inspected, "tls", HELLOS[0].serverName, HELLOS[0].alpn];
    expect(feed(TLS, hello)).toEqual(found as never);
    expect(feed(BOTH, hello)).toEqual(found as never);
    expect(feed(HTTP, hello)).toEqual([Inspected, "raw_buffer", "", []]);
  });

  test("HTTP", () => {
    expect(feed(BOTH, "GET / HTTP/1.1\r\n")).toEqual([Inspected, "raw_buffer", "", ["http/1.1"]]);
    expect(feed(HTTP, "PRI * HTTP/2.0\r\n\r\n")).toEqual([Inspected, "raw_buffer", "", ["h2c"]]);
    expect(feed(TLS, "GET / HTTP/1.1\r\n")).toEqual([Inspected, "raw_buffer", "", []]);
  });

  test("anything else", () => {
    expect(feed(BOTH, "*1\r\n$4\r\nPING\r\n")).toEqual([Inspected, "raw_buffer", "", []]);
    expect(feed(BOTH, "GET")).toEqual([Waiting, "raw_buffer", "", []]);
    expect(feed(TLS, hello.subarray(0, 100))).toEqual([Waiting, "raw_buffer", "", []]);
  });

  test("TLS that makes no sense", () => {
    const bad = Buffer.from(hello);
    bad[43] = 255; // a session id of 255 bytes
    expect(feed(BOTH, bad)[0]).toBe(Refused);
    const first = new FirstBytes(BOTH);
    first.feed(bad);
    expect(first.fault).toBe("a session id of more than 32 bytes");
  });
});

describe("no more is kept than the limit and the last chunk", () => {
  const chunks = (begin: string, fill: number) =>
    Array.from({ length: 100 }, (_, i) => {
      const chunk = Buffer.alloc(700, fill);
      if (i === 0) chunk.write(begin, "latin1");
      return chunk;
    });
  for (const [what, begin, fill, settings, most] of [
    ["a hello that does not end", "\x16\x03\x01\x40\x00\x01\x00\x3f\xf0", 0, BOTH, 16 * 1024],
    ["a request line that does not end", "GET /", 0x61, BOTH, 8 * 1024],
  ] as const) {
    test(what, () => {
      const first = new FirstBytes(settings);
      let verdict: FirstBytesVerdict = Waiting;
      for (const chunk of chunks(begin, fill)) {
        verdict = first.feed(chunk);
        expect(first.bytes.length).toBeLessThan(most + chunk.length);
        if (verdict !== Waiting) break;
      }
      expect(verdict).not.toBe(Waiting);
    });
  }
});
