/** Which leaf certificates the Deno adapter takes for shown by their owner: none that its engine cannot read. */

import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { hasProperShape } from "../../runtime-adapters/deno/certificate-shape.ts";
import { CA, CLIENT, SERVER } from "../support/tls-fixture.ts";

const der = (pem: string) => new Uint8Array(new X509Certificate(pem).raw);
const leaf = der(SERVER.chain);

/** The certificate with its outer header written anew, around `body`. */
function wrapped(body: Uint8Array, header: number[]): Uint8Array {
  return Uint8Array.from([...header, ...body]);
}

const body = leaf.subarray(4); // 30 82 xx xx
const [high, low] = [body.length >> 8, body.length & 255];

test("certificates as they are issued", () => {
  for (const pem of [SERVER.chain, CLIENT.chain, CA]) expect(hasProperShape(der(pem))).toBe(true);
  expect(hasProperShape(wrapped(body, [0x30, 0x82, high, low]))).toBe(true);
});

test("the same, encoded in another way by somebody who did not issue it", () => {
  const longer = wrapped(body, [0x30, 0x83, 0, high, low]);
  const indefinite = wrapped(body, [0x30, 0x80]);
  const trailing = Uint8Array.from([...leaf, 0]);
  const inside = wrapped(Uint8Array.from([...body, 5, 0]), [
    0x30,
    0x82,
    (body.length + 2) >> 8,
    (body.length + 2) & 255,
  ]);
  for (const one of [longer, indefinite, trailing, inside, leaf.subarray(0, -1), new Uint8Array(0)]) {
    expect(hasProperShape(one)).toBe(false);
  }
});

test("another version than 3, and a signature that is not of the kind that is signed", () => {
  const version = leaf.indexOf(0xa0);
  expect([...leaf.subarray(version, version + 5)]).toEqual([0xa0, 3, 2, 1, 2]);
  const second = Uint8Array.from(leaf);
  second[version + 4] = 1;
  expect(hasProperShape(second)).toBe(false);
  // ecdsa-with-SHA256 (…4.3.2) for the second time is the outer one.
  const kind = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02].join();
  const at = leaf.findLastIndex((_, i) => leaf.subarray(i, i + 10).join() === kind);
  const other = Uint8Array.from(leaf);
  other[at + 9] = 3;
  expect(hasProperShape(other)).toBe(false);
  const unused = Uint8Array.from(leaf);
  unused[at + 12] = 1; // of the BIT STRING behind it
  expect(hasProperShape(unused)).toBe(false);
});

test("any byte of the outer part changed", () => {
  const end = (((leaf[6] << 8) | leaf[7]) + 8) as number; // 30 82 xx xx behind the outer header
  for (const i of [0, 1, 4, 5, end, end + 1]) {
    const changed = Uint8Array.from(leaf);
    changed[i] ^= 0x11;
    expect(hasProperShape(changed)).toBe(false);
  }
});
