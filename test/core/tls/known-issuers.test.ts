/** What workers tell each other of intermediate CAs, through one memory. */
import { describe, expect, test } from "bun:test";
import { type Certificate, readCertificate } from "../../../core/tls/certificate.ts";
import { HEAD_BYTES, ISSUER_BYTES, KnownIssuers, SLOT_BYTES } from "../../../core/tls/known-issuers.ts";
import { hostCryptography } from "../../../runtime-adapters/host-cryptography.ts";
import { type Issued, NOW, rootCa, subCa, workload } from "../../support/certificates.ts";

const HOUR = 3_600_000;
const HERE = new Uint8Array(32).fill(1);
const ELSEWHERE = new Uint8Array(32).fill(2);

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

/** Memory for so many certificates. */
const room = (slots: number) => new SharedArrayBuffer(HEAD_BYTES + slots * SLOT_BYTES);
/** How many slots were ever reserved. */
const reserved = (memory: SharedArrayBuffer) => new Int32Array(memory)[0];

function above(issuers: KnownIssuers, child: Certificate, now = NOW, realm = HERE): readonly Certificate[] {
  return issuers.above(child, realm, now, hostCryptography);
}
const names = (...question: Parameters<typeof above>) => above(...question).map(({ subject }) => subject);

describe("intermediate CAs", () => {
  test("that one worker has learned are known to the others, and to those that come later", () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const [here, there] = [new KnownIssuers(memory), new KnownIssuers(memory)];
    expect(names(there, way[0])).toEqual([]);
    here.learn(way, HERE, NOW);
    for (const each of [here, there, new KnownIssuers(memory)])
      expect(names(each, way[0])).toEqual(["CN=lower", "CN=upper"]);
    expect(names(there, way[1])).toEqual(["CN=upper"]);
  });

  test("are written down once, and nothing but them: neither the leaf nor who is trusted", () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const [here, there] = [new KnownIssuers(memory), new KnownIssuers(memory)];
    for (const each of [here, here, there]) each.learn(way, HERE, NOW);
    here.learn([way[0], way[3]], HERE, NOW);
    expect(reserved(memory)).toBe(2);
  });

  test("are not for those who trust others", () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const issuers = new KnownIssuers(memory);
    issuers.learn(way, ELSEWHERE, NOW);
    expect(names(issuers, way[0])).toEqual([]);
    issuers.learn(way, HERE, NOW);
    expect(names(issuers, way[0])).toEqual(["CN=lower", "CN=upper"]);
    expect(names(issuers, way[0], NOW, ELSEWHERE)).toEqual(["CN=lower", "CN=upper"]);
  });

  test("count if they have signed, however many have the same name", async () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const issuers = new KnownIssuers(memory);
    const leaves: Certificate[] = [];
    const cas: Certificate[] = [];
    for (let i = 0; i < 20; i++) {
      const ca = await subCa(root, "CN=rotating");
      leaves.push(read(await workload(ca)));
      cas.push(read(ca));
      issuers.learn([leaves[i], cas[i], way[3]], HERE, NOW);
    }
    for (const [i, each] of leaves.entries()) expect(above(issuers, each)).toEqual([cas[i]]);
  });

  test("of one name and key come newest first, at most as many as a peer may show", async () => {
    const issuers = new KnownIssuers();
    const cas: Certificate[] = [];
    for (let i = 0; i < 20; i++) {
      const ca = read(await subCa(root, "CN=x"));
      cas.push(ca);
      issuers.learn([way[0], ca, way[3]], HERE, NOW);
    }
    const trusting = { ...hostCryptography, verify: () => true }; // as if all had the same key
    const child = { ...way[0], issuerName: cas[0].subjectName };
    const found = issuers.above(child, HERE, NOW, trusting);
    expect(found.map(({ serial }) => serial)).toEqual(
      cas
        .slice(-16)
        .reverse()
        .map(({ serial }) => serial),
    );
  });

  test("that have expired do not count any more", async () => {
    const issuers = new KnownIssuers();
    const brief = await subCa(root, "CN=brief", { until: NOW + HOUR });
    const low = read(await workload(brief));
    issuers.learn([low, read(brief), way[3]], HERE, NOW);
    expect(names(issuers, low, NOW + HOUR)).toEqual(["CN=brief"]);
    expect(names(issuers, low, NOW + HOUR + 1000)).toEqual([]);
    expect(names(issuers, low, Number.NEGATIVE_INFINITY)).toEqual(["CN=brief"]);
  });

  test("that are still being written are not read, and whoever dies over it takes nothing else along", () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const words = new Int32Array(memory);
    const state = HEAD_BYTES >> 2;
    const issuers = new KnownIssuers(memory);
    words[0] = 1; // somebody has begun with the first slot, and has not come further
    words[state] = 1;
    issuers.learn(way, HERE, NOW);
    for (const each of [issuers, new KnownIssuers(memory)])
      expect(names(each, way[0])).toEqual(["CN=lower", "CN=upper"]);
    expect(words[state]).toBe(1);
    // What has been written there already is read when it is finished.
    const [whole, unfinished] = [new SharedArrayBuffer(ISSUER_BYTES), new KnownIssuers(memory)];
    new KnownIssuers(whole).learn([way[1], way[2], way[3]], ELSEWHERE, NOW);
    new Uint8Array(memory).set(new Uint8Array(whole, HEAD_BYTES, SLOT_BYTES), HEAD_BYTES);
    words[state] = 1;
    expect(names(unfinished, way[1], NOW, ELSEWHERE)).toEqual([]);
    words[state] = 2;
    expect(names(unfinished, way[1], NOW, ELSEWHERE)).toEqual(["CN=upper"]);
  });

  test("that are too large for a slot are not remembered", async () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const issuers = new KnownIssuers(memory);
    const dns = Array.from({ length: 100 }, (_, i) => `${"very-".repeat(8)}long-${i}.test`);
    const large = await subCa(root, "CN=large", { dns });
    expect(large.der.length).toBeGreaterThan(SLOT_BYTES);
    issuers.learn([read(await workload(large)), read(large), way[3]], HERE, NOW);
    expect(reserved(memory)).toBe(0);
  });
});

describe("where there is no room left", () => {
  /** A CA that has signed one leaf; it is learned. */
  async function learn(issuers: KnownIssuers, name: string, realm = HERE, until = NOW + HOUR, now = NOW) {
    const ca = await subCa(root, `CN=${name}`, { until });
    const low = read(await workload(ca));
    issuers.learn([low, read(ca), way[3]], realm, now);
    return low;
  }

  test("the oldest gives way, for every worker", async () => {
    const memory = room(2);
    const [here, there] = [new KnownIssuers(memory), new KnownIssuers(memory)];
    const [one, two] = [await learn(here, "one"), await learn(there, "two")];
    for (const each of [here, there])
      expect([names(each, one), names(each, two)]).toEqual([["CN=one"], ["CN=two"]]);
    const three = await learn(there, "three");
    for (const each of [here, there, new KnownIssuers(memory)])
      expect([one, two, three].map((low) => names(each, low))).toEqual([[], ["CN=two"], ["CN=three"]]);
  });

  test("what has expired gives way first", async () => {
    const issuers = new KnownIssuers(room(2));
    const one = await learn(issuers, "one");
    const two = await learn(issuers, "two", HERE, NOW + 1000);
    const three = await learn(issuers, "three", HERE, NOW + HOUR, NOW + 2000);
    expect([one, two, three].map((low) => names(issuers, low))).toEqual([["CN=one"], [], ["CN=three"]]);
  });

  test("the realm that holds the most has to make it, so that nobody crowds out another", async () => {
    const issuers = new KnownIssuers(room(4));
    const mine = await learn(issuers, "mine");
    for (let i = 0; i < 9; i++) await learn(issuers, `theirs-${i}`, ELSEWHERE);
    expect(names(issuers, mine)).toEqual(["CN=mine"]);
    const more = await learn(issuers, "more");
    expect([names(issuers, mine), names(issuers, more)]).toEqual([["CN=mine"], ["CN=more"]]);
  });

  test("nobody is waited for: a memory of which every slot is being written stays as it is", () => {
    const memory = room(1);
    new Int32Array(memory)[HEAD_BYTES >> 2] = 1;
    const issuers = new KnownIssuers(memory);
    issuers.learn(way, HERE, NOW);
    expect(names(issuers, way[0])).toEqual([]);
  });
});
