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
  const message = [1, 0, 0x3f, 0, ...Array.from({ length: 16_000 }, () => 0)];
  const records = Buffer.from(message.flatMap((byte) => [22, 3, 1, 0, 1, byte]));
  const line = Buffer.from(`GET /${"a".repeat(70_000)}`);
  for (const [what, bytes, most] of [
    ["of a hello in records of one byte", records, 16 * 1024],
    ["of a request line that does not end", line, 8 * 1024],
  ] as const) {
    test(what, () => {
      const first = new FirstBytes(BOTH);
      let verdict: FirstBytesVerdict = Waiting;
      for (let at = 0; verdict === Waiting; at += 700) {
        verdict = first.feed(bytes.subarray(at, at + 700));
        expect(first.bytes.length).toBeLessThan(most + 700);
      }
      expect(verdict).toBe(bytes === line ? Inspected : Refused);
    });
  }
});
