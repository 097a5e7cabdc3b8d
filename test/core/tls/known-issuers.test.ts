/** What workers tell each other of intermediate CAs, through one memory. */
import { describe, expect, test } from "bun:test";
import { type Certificate, readCertificate } from "../../../core/tls/certificate.ts";
import { ISSUER_BYTES, KnownIssuers } from "../../../core/tls/known-issuers.ts";
import { type Issued, rootCa, subCa, workload } from "../../support/certificates.ts";

const root = await rootCa();
const upper = await subCa(root, "CN=upper");
const lower = await subCa(upper, "CN=lower");
const leaf = await workload(lower);

const read = ({ der }: Issued): Certificate => {
  const certificate = readCertificate(der);
  if (typeof certificate === "string") throw new Error(certificate);
  return certificate;
};
const way = [leaf, lower, upper, root].map(read);
const names = (found: readonly Certificate[]) => found.map(({ subject }) => subject);

describe("intermediate CAs", () => {
  test("that one worker has learned are known to the others, and to those that come later", () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const [here, there] = [new KnownIssuers(memory), new KnownIssuers(memory)];
    expect(there.above(way[0])).toEqual([]);
    here.learn(way);
    for (const each of [here, there, new KnownIssuers(memory)])
      expect(names(each.above(way[0]))).toEqual(["CN=lower", "CN=upper"]);
    expect(names(there.above(way[1]))).toEqual(["CN=upper"]);
  });

  test("are written down once, and nothing but them: neither the leaf nor who is trusted", () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const used = () => new Int32Array(memory)[0];
    const [here, there] = [new KnownIssuers(memory), new KnownIssuers(memory)];
    here.learn(way);
    const once = used();
    expect(once).toBeGreaterThanOrEqual(lower.der.length + upper.der.length);
    expect(once).toBeLessThan(lower.der.length + upper.der.length + 16);
    here.learn(way);
    there.learn(way);
    here.learn([way[0], way[3]]);
    expect(used()).toBe(once);
  });

  test("that find no room are not known to others, and harm nobody", () => {
    const memory = new SharedArrayBuffer(((lower.der.length + 3) & ~3) + 8);
    const issuers = new KnownIssuers(memory);
    issuers.learn(way);
    issuers.learn(way);
    expect(names(new KnownIssuers(memory).above(way[0]))).toEqual(["CN=lower"]);
  });

  test("that are still being written are not read, and neither is what comes behind", () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const words = new Int32Array(memory);
    const size = 4 + ((lower.der.length + 3) & ~3);
    words[0] = size; // somebody has reserved the room, and has not come further
    const issuers = new KnownIssuers(memory);
    issuers.learn(way.slice(1)); // the upper one, between the lower and the root
    expect(issuers.above(way[0])).toEqual([]);
    new Uint8Array(memory).set(lower.der, 8);
    words[1] = lower.der.length;
    expect(names(issuers.above(way[0]))).toEqual(["CN=lower", "CN=upper"]);
  });
});
