/**
 * Who is let in, and why not: certificates made here by @peculiar/x509, judged by every rule in turn. Signatures are
 * checked by node:crypto, as in a real sidecar.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import type { TlsValidation } from "../../../core/config/tls.ts";
import { ISSUER_BYTES, KnownIssuers } from "../../../core/tls/known-issuers.ts";
import { PEER_FAULTS, peerFaultCounter, peerFaultText } from "../../../core/tls/peer-fault.ts";
import { PeerJudge } from "../../../core/tls/peer-judge.ts";
import { hostCryptography } from "../../../runtime-adapters/host-cryptography.ts";
import {
  CA_USAGE,
  CLIENT,
  type Issued,
  LEAF_USAGE,
  leaf,
  NOW,
  newKeys,
  revocationList,
  rootCa,
  SERVER,
  subCa,
  type Wish,
  workload,
  x509,
} from "../../support/certificates.ts";
import { trusting, VALIDATION } from "../../support/tls-config.ts";

const DAY = 86_400_000;

let root: Issued;
let other: Issued;
let middle: Issued;
let sound: Issued;

beforeAll(async () => {
  root = await rootCa();
  other = await rootCa("CN=other");
  middle = await subCa(root);
  sound = await workload(root);
});

function judge(
  config: Partial<TlsValidation>,
  chain: readonly Issued[],
  now = NOW,
  peerIs: "client" | "server" = "client",
) {
  const faults: never[] = [];
  const validation = trusting(root, config);
  const verdict = new PeerJudge(validation, peerIs, hostCryptography, faults).judge(
    chain.map(({ der }) => der),
    now,
  );
  expect(faults).toEqual([]);
  return verdict;
}

/** "ok" or the fault. */
const outcome = (...args: Parameters<typeof judge>): string => judge(...args).fault ?? "ok";
/** The outcome for a workload that `wish` changes. */
const forWish = async (wish: Wish, uri?: string, config: Partial<TlsValidation> = {}) =>
  outcome(config, [await workload(root, uri, wish)]);

describe("a sound workload", () => {
  test("is let in, and everything about it is known", () => {
    const { fault, peer } = judge({}, [sound, root]);
    expect(fault).toBeNull();
    expect(peer?.verified).toBe(true);
    expect(peer?.workload).toEqual({ trustDomain: "mesh.test", path: "/ns/a/sa/b" });
    expect(peer?.principal).toBe("spiffe://mesh.test/ns/a/sa/b");
    expect([peer?.subject, peer?.issuer]).toEqual(["O=tulle", "CN=root"]);
    expect(peer?.pem.replace(/\s/g, "")).toBe(sound.pem.replace(/\s/g, ""));
    expect(peer?.chainPem.replace(/\s/g, "")).toBe((sound.pem + root.pem).replace(/\s/g, ""));
    expect(peer?.path.map(({ subject }) => subject)).toEqual(["O=tulle", "CN=root"]);
  });

  test("comes through intermediate CAs, in whatever order it shows them", async () => {
    const lower = await subCa(middle, "CN=lower");
    const low = await workload(lower);
    expect(outcome({}, [low, lower, middle])).toBe("ok");
    expect(outcome({}, [low, middle, lower, root])).toBe("ok");
    expect(outcome({}, [low, lower])).toBe("unknown_issuer");
    expect(outcome({}, [low, middle])).toBe("unknown_issuer");
    // An intermediate CA that is trusted itself ends the way.
    expect(outcome({ trustedCa: middle.pem }, [low, lower])).toBe("ok");
    expect(outcome({ trustedCa: other.pem + root.pem }, [low, lower, middle])).toBe("ok");
  });

  const ALGORITHMS = [
    {
      name: "RSASSA-PKCS1-v1_5",
      hash: "SHA-256",
      publicExponent: new Uint8Array([1, 0, 1]),
      modulusLength: 2048,
    },
    { name: "RSA-PSS", hash: "SHA-256", publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2048 },
    { name: "ECDSA", namedCurve: "P-384" },
    { name: "Ed25519" },
  ];
  test.each(ALGORITHMS.map((each) => [each.namedCurve ?? each.name, each]))(
    "of a CA with a key of %s",
    async (_, algorithm) => {
      const ca = await rootCa("CN=ca", { algorithm });
      const peer = await workload(ca);
      expect(outcome({ trustedCa: ca.pem }, [peer])).toBe("ok");
      const forged = new Uint8Array(peer.der);
      forged[forged.length - 20] ^= 1;
      expect(outcome({ trustedCa: ca.pem }, [{ ...peer, der: forged }])).toBe("bad_signature");
    },
  );
});

describe("the way to a trusted CA", () => {
  test("there is none", async () => {
    expect(outcome({}, [])).toBe("no_certificate");
    expect(outcome({}, Array(17).fill(sound))).toBe("too_many_certificates");
    expect(outcome({ trustedCa: other.pem }, [sound, root])).toBe("unknown_issuer");
    expect(outcome({}, [{ ...sound, der: sound.der.subarray(1) }])).toBe("unreadable");
    expect(outcome({}, [await leaf(null)])).toBe("unknown_issuer");
    // The name of the CA without its key.
    const impostor = await rootCa("CN=root");
    expect(outcome({}, [await workload(impostor), impostor])).toBe("bad_signature");
  });

  test("weak keys and signatures are not believed", async () => {
    const rsa = { name: "RSASSA-PKCS1-v1_5", publicExponent: new Uint8Array([1, 0, 1]) };
    const short = await rootCa("CN=short", {
      algorithm: { ...rsa, hash: "SHA-256", modulusLength: 1024 } as never,
    });
    expect(outcome({ trustedCa: short.pem }, [await workload(short)])).toBe("bad_signature");
  });

  test("time: both ends of every certificate count, to the second", async () => {
    const until = NOW + 10_000;
    const from = NOW - 10_000;
    const brief = await workload(root, undefined, { from, until });
    expect([from, until].map((now) => outcome({}, [brief], now))).toEqual(["ok", "ok"]);
    expect(outcome({}, [brief], from - 1000)).toBe("not_yet_valid");
    expect(outcome({}, [brief], until + 1000)).toBe("expired");
    expect(outcome({ allowExpired: true }, [brief], until + 1000)).toBe("ok");
    const oldCa = await subCa(root, "CN=old", { until: NOW - 1000 });
    expect(judge({}, [await workload(oldCa), oldCa])).toMatchObject({ fault: "expired", detail: "CN=old" });
    const oldRoot = await rootCa("CN=old", { until: NOW - 1000 });
    expect(outcome({ trustedCa: oldRoot.pem }, [await workload(oldRoot)])).toBe("expired");
  });

  test("issuers are CAs that may sign", async () => {
    const notCa = await subCa(root, "CN=x", { ca: false });
    expect(outcome({}, [await workload(notCa), notCa])).toBe("issuer_not_ca");
    // A workload cannot vouch for others.
    expect(outcome({}, [await workload(sound), sound])).toBe("issuer_not_ca");
    const mute = await subCa(root, "CN=x", { usage: x509.KeyUsageFlags.digitalSignature });
    expect(outcome({}, [await workload(mute), mute])).toBe("issuer_may_not_sign");
    const free = await subCa(root, "CN=x", { usage: null });
    expect(outcome({}, [await workload(free), free])).toBe("ok");
  });

  test("by a CA that has a new key is as near as before, whatever the path may be (RFC 5280 6.1.4 l)", async () => {
    const near = await rootCa("CN=near", { pathLength: 0 });
    const renewed = await subCa(near, "CN=near");
    const low = await workload(renewed);
    expect(outcome({ trustedCa: near.pem }, [low, renewed])).toBe("ok");
  });

  test("by a trusted CA that is meant for something else is what the operator wants; by another one it is not", async () => {
    const servers = await rootCa("CN=servers", { purposes: [SERVER] });
    expect(outcome({ trustedCa: servers.pem }, [await workload(servers)])).toBe("ok");
    const below = await subCa(root, "CN=below", { purposes: [SERVER] });
    expect(outcome({}, [await workload(below), below])).toBe("wrong_purpose");
  });

  test("its length is bounded by the CAs and by max_verify_depth", async () => {
    const tight = await rootCa("CN=tight", { pathLength: 0 });
    const below = await subCa(tight, "CN=below");
    expect(outcome({ trustedCa: tight.pem }, [await workload(tight)])).toBe("ok");
    expect(outcome({ trustedCa: tight.pem }, [await workload(below), below])).toBe("path_too_long");
    const low = await workload(middle);
    expect(outcome({ maxDepth: 2 }, [low, middle])).toBe("ok");
    expect(outcome({ maxDepth: 1 }, [low, middle])).toBe("too_deep");
    expect(outcome({ maxDepth: 1 }, [sound])).toBe("ok");
    expect(outcome({ maxDepth: 0 }, [sound])).toBe("too_deep");
  });

  test("a maze of CAs of one name costs a bounded number of signatures", async () => {
    const keys = await Promise.all(Array.from({ length: 15 }, () => rootCa("CN=maze")));
    let checked = 0;
    const cryptography = {
      ...hostCryptography,
      verify: () => {
        checked++;
        return true;
      },
    };
    const peer = await workload(keys[0]);
    const verdict = new PeerJudge(trusting(root), "client", cryptography).judge(
      [peer, ...keys].map(({ der }) => der),
      NOW,
    );
    expect(verdict.fault).not.toBeNull();
    expect(checked).toBeLessThanOrEqual(32);
  });

  test("purposes: the leaf and the CAs between have to be meant for this side", async () => {
    const client = await workload(root, undefined, { purposes: [CLIENT] });
    const server = await workload(root, undefined, { purposes: [SERVER] });
    expect([client, server].map((each) => outcome({}, [each]))).toEqual(["ok", "wrong_purpose"]);
    expect([client, server].map((each) => outcome({}, [each], NOW, "server"))).toEqual([
      "wrong_purpose",
      "ok",
    ]);
    expect(await forWish({ purposes: null })).toBe("ok");
    expect(await forWish({ purposes: ["2.5.29.37.0"] })).toBe("ok");
    const forServers = await subCa(root, "CN=servers", { purposes: [SERVER] });
    expect(outcome({}, [await workload(forServers), forServers])).toBe("wrong_purpose");
  });

  test("a critical extension that nobody knows refuses; another does not", async () => {
    const strange = (critical: boolean) => [new x509.Extension("1.2.3.4", critical, new Uint8Array([5, 0]))];
    expect(await forWish({ extensions: strange(false) })).toBe("ok");
    expect(await forWish({ extensions: strange(true) })).toBe("unknown_critical");
    const ca = await subCa(root, "CN=x", { extensions: strange(true) });
    expect(outcome({}, [await workload(ca), ca])).toBe("unknown_critical");
  });
});

describe("name constraints", () => {
  const ascii = (tag: number, text: string) => [tag, text.length, ...Buffer.from(text, "latin1")];
  const node = (tag: number, ...content: number[][]) => {
    const flat = content.flat();
    return [tag, flat.length, ...flat];
  };
  /** NameConstraints of general names. */
  const constraints = (permitted: number[][], excluded: number[][] = []) =>
    new x509.Extension(
      "2.5.29.30",
      true,
      Uint8Array.from(
        node(
          0x30,
          ...(permitted.length === 0 ? [] : [node(0xa0, ...permitted.map((each) => node(0x30, each)))]),
          ...(excluded.length === 0 ? [] : [node(0xa1, ...excluded.map((each) => node(0x30, each)))]),
        ),
      ),
    );
  const DNS = (text: string) => ascii(0x82, text);
  const URI = (text: string) => ascii(0x86, text);
  const MAIL = (text: string) => ascii(0x81, text);
  const IP = (...bytes: number[]) => [0x87, bytes.length, ...bytes];
  const ORGANISATION = (text: string) =>
    node(0xa4, node(0x30, node(0x31, node(0x30, [6, 3, 0x55, 4, 10], ascii(0x0c, text)))));

  const rows: [string, x509.Extension, Wish, string][] = [
    ["URI host permitted", constraints([URI("mesh.test")]), { uris: ["spiffe://mesh.test/a"] }, "ok"],
    [
      "URI host another",
      constraints([URI("mesh.test")]),
      { uris: ["spiffe://mesh.example/a"] },
      "name_not_permitted",
    ],
    ["URI below a domain", constraints([URI(".test")]), { uris: ["spiffe://mesh.test/a"] }, "ok"],
    [
      "URI excluded",
      constraints([], [URI("mesh.test")]),
      { uris: ["spiffe://mesh.test/a"] },
      "name_not_permitted",
    ],
    ["URI without a host", constraints([URI("mesh.test")]), { uris: ["urn:a:b"] }, "name_not_permitted"],
    ["DNS below", constraints([DNS("a.test")]), { dns: ["x.a.test", "a.test"] }, "ok"],
    ["DNS beside", constraints([DNS("a.test")]), { dns: ["xa.test"] }, "name_not_permitted"],
    ["one of two DNS", constraints([DNS("a.test")]), { dns: ["a.test", "b.test"] }, "name_not_permitted"],
    [
      "DNS excluded",
      constraints([DNS("a.test")], [DNS("b.a.test")]),
      { dns: ["c.b.a.test"] },
      "name_not_permitted",
    ],
    ["another kind is free", constraints([DNS("a.test")]), { ips: ["10.0.0.1"] }, "ok"],
    ["IP inside", constraints([IP(10, 0, 0, 0, 255, 0, 0, 0)]), { ips: ["10.9.8.7"] }, "ok"],
    ["IP outside", constraints([IP(10, 0, 0, 0, 255, 0, 0, 0)]), { ips: ["11.0.0.1"] }, "name_not_permitted"],
    ["mail host", constraints([MAIL("a.test")]), { emails: ["x@a.test"] }, "ok"],
    ["mail domain", constraints([MAIL(".a.test")]), { emails: ["x@a.test"] }, "name_not_permitted"],
    ["mailbox", constraints([MAIL("x@a.test")]), { emails: ["X@a.test"] }, "name_not_permitted"],
    ["subject", constraints([ORGANISATION("tulle")]), { subject: "O=tulle, CN=a" }, "ok"],
    ["another subject", constraints([ORGANISATION("tulle")]), { subject: "O=other" }, "name_not_permitted"],
  ];
  test.each(rows)("%s", async (_, extension, wish, expected) => {
    const ca = await subCa(root, "CN=bound", { extensions: [extension] });
    expect(outcome({}, [await leaf(ca, wish), ca])).toBe(expected);
  });
});

describe("what a workload's certificate has to be (X.509-SVID)", () => {
  test("one URI, and that a SPIFFE ID of a workload", async () => {
    const two = { uris: ["spiffe://mesh.test/a", "https://mesh.test/"] };
    expect(outcome({}, [await leaf(root, two)])).toBe("several_uris");
    expect(outcome({}, [await leaf(root, { uris: [...two.uris].reverse() })])).toBe("several_uris");
    for (const uri of ["spiffe://mesh.test", "SPIFFE://mesh.test"])
      expect(await forWish({}, uri)).toBe("no_workload_path");
    for (const uri of [
      "spiffe://mesh.test/",
      "spiffe://mesh.test/a/",
      "spiffe://mesh.test//a",
      "spiffe://mesh.test/a/../b",
      "spiffe://mesh.test/%61",
      "spiffe://mesh.test:80/a",
      "spiffe://u@mesh.test/a",
      "spiffe://mesh.test/a?b",
      "spiffe://mesh.test/a#b",
      "spiffe:///a",
      "spiffe:mesh.test/a",
      `spiffe://${"a".repeat(256)}/a`,
      `spiffe://mesh.test/${"a".repeat(2048)}`,
    ])
      expect([uri, await forWish({}, uri)]).toEqual([uri, "bad_spiffe_id"]);
    expect(await forWish({}, `spiffe://mesh.test/${"a".repeat(2029)}`)).toBe("ok");
  });

  test("no CA, no signing key, digital signature", async () => {
    const { cRLSign, digitalSignature, keyCertSign, keyEncipherment } = x509.KeyUsageFlags;
    expect(await forWish({ ca: true })).toBe("leaf_is_ca");
    expect(await forWish({ usage: LEAF_USAGE | keyCertSign })).toBe("leaf_may_sign");
    expect(await forWish({ usage: LEAF_USAGE | cRLSign })).toBe("leaf_may_sign");
    expect(await forWish({ usage: keyEncipherment })).toBe("leaf_key_usage");
    expect(await forWish({ usage: null })).toBe("leaf_key_usage");
    expect(await forWish({ usageCritical: false })).toBe("leaf_key_usage");
    expect(await forWish({ usage: digitalSignature })).toBe("ok");
  });

  test("a certificate that claims no SPIFFE ID is held to none of it", async () => {
    const plain = { dns: ["a.test"], uris: ["https://a.test/"], usage: null };
    const { fault, peer } = judge({}, [await leaf(root, plain)]);
    expect([fault, peer?.workload, peer?.principal]).toEqual([null, null, "https://a.test/"]);
    expect(
      outcome({ trustDomains: [{ name: "mesh.test", bundle: root.pem }] }, [
        await leaf(root, { dns: ["a"] }),
      ]),
    ).toBe("no_spiffe_id");
  });

  test("a CA with a SPIFFE ID has that of the trust domain", async () => {
    const named = (uri: string) => subCa(root, "CN=named", { uris: [uri] });
    for (const [uri, expected] of [
      ["spiffe://mesh.test", "ok"],
      ["spiffe://mesh.test/ca", "issuer_spiffe_id"],
      ["spiffe://other.test", "issuer_spiffe_id"],
      ["https://mesh.test/", "ok"],
    ]) {
      const ca = await named(uri);
      expect([uri, outcome({}, [await workload(ca), ca])]).toEqual([uri, expected]);
    }
  });
});

describe("the SPIFFE validator", () => {
  test("asks the bundle of the peer's own trust domain, and no other", async () => {
    const trustDomains = [
      { name: "mesh.test", bundle: root.pem },
      { name: "other.test", bundle: other.pem },
    ];
    const config = { trustedCa: "", trustDomains };
    const at = (issuer: Issued, uri: string) => workload(issuer, uri).then((each) => outcome(config, [each]));
    expect(await at(root, "spiffe://mesh.test/a")).toBe("ok");
    expect(await at(other, "spiffe://other.test/a")).toBe("ok");
    expect(await at(other, "spiffe://mesh.test/a")).toBe("unknown_issuer");
    expect(await at(root, "spiffe://other.test/a")).toBe("unknown_issuer");
    expect(await at(root, "spiffe://third.test/a")).toBe("no_bundle");
    // Whatever `trusted_ca` says beside it.
    expect(outcome({ ...config, trustedCa: other.pem }, [await workload(other)])).toBe("unknown_issuer");
  });
});

describe("what is expected of the peer beside", () => {
  test("its names", async () => {
    const exact = (type: "URI" | "DNS" | "IP_ADDRESS" | "EMAIL", text: string) => ({
      type,
      oid: "",
      match: { kind: "exact" as const, text, ignoreCase: false },
    });
    const text = (kind: "prefix" | "suffix" | "contains", of: string) => ({
      type: "URI" as const,
      oid: "",
      match: { kind, text: of, ignoreCase: false },
    });
    const regex = {
      type: "URI" as const,
      oid: "",
      match: { kind: "regex" as const, regex: "spiffe://[^/]+/ns/a/.*" },
    };
    const names = (...list: TlsValidation["names"]) => outcome({ names: list }, [sound]);
    expect(names(exact("URI", "spiffe://mesh.test/ns/a/sa/b"))).toBe("ok");
    expect(names(exact("URI", "spiffe://mesh.test/ns/a/sa/c"))).toBe("name_mismatch");
    expect(names(exact("DNS", "spiffe://mesh.test/ns/a/sa/b"))).toBe("name_mismatch");
    expect(names(text("prefix", "spiffe://mesh.test/"))).toBe("ok");
    expect(names(text("suffix", "/sa/b"))).toBe("ok");
    expect(names(text("contains", "/ns/a/"))).toBe("ok");
    expect(names(text("contains", "/ns/b/"))).toBe("name_mismatch");
    expect(names(regex)).toBe("ok");
    expect(names(exact("DNS", "x"), text("suffix", "/sa/b"))).toBe("ok");

    const server = await leaf(root, {
      dns: ["*.a.test", "b.test"],
      ips: ["10.0.0.1", "2001:db8::1"],
      emails: ["x@y.z"],
    });
    const serverIs = (...list: TlsValidation["names"]) => outcome({ names: list }, [server]);
    expect(serverIs(exact("DNS", "X.a.test"))).toBe("ok");
    expect(serverIs(exact("DNS", "a.test"))).toBe("name_mismatch");
    expect(serverIs(exact("DNS", "x.y.a.test"))).toBe("name_mismatch");
    expect(serverIs(exact("DNS", "b.test"))).toBe("ok");
    expect(serverIs(exact("IP_ADDRESS", "10.0.0.1"))).toBe("ok");
    expect(serverIs(exact("IP_ADDRESS", "2001:db8::1"))).toBe("ok");
    expect(serverIs(exact("EMAIL", "x@y.z"))).toBe("ok");
    expect(serverIs(exact("EMAIL", "x@y.zz"))).toBe("name_mismatch");
  });

  test("its certificate or key, by hash; without a CA that is all", async () => {
    const sha = (bytes: Uint8Array) => hostCryptography.sha256(bytes);
    const own = Buffer.from(sha(sound.der)).toString("hex");
    const key = Buffer.from(sha(new Uint8Array(sound.certificate.publicKey.rawData))).toString("base64");
    const wrong = "ab".repeat(32);
    expect(outcome({ certificateHashes: [wrong, own] }, [sound])).toBe("ok");
    expect(outcome({ certificateHashes: [wrong] }, [sound])).toBe("hash_mismatch");
    expect(outcome({ certificateHashes: [wrong], publicKeyHashes: [key] }, [sound])).toBe("ok");
    expect(outcome({ certificateHashes: [own], trustedCa: other.pem }, [sound])).toBe("unknown_issuer");
    const alone = judge({ certificateHashes: [own], trustedCa: "" }, [sound]);
    expect([alone.fault, alone.peer?.verified]).toEqual([null, true]);
  });

  test("nothing: it is let in and not believed", () => {
    const { fault, peer } = judge({ trustedCa: "" }, [sound]);
    expect([fault, peer?.verified, peer?.principal, peer?.workload]).toEqual([null, false, "", null]);
    const untrusted = judge({ trustedCa: other.pem, acceptUntrusted: true }, [sound]);
    expect([untrusted.fault, untrusted.peer?.verified, untrusted.peer?.principal]).toEqual([null, false, ""]);
  });
});

describe("lists of revoked certificates", () => {
  test("name the peer, or do not", async () => {
    const peer = await workload(root, undefined, { serial: "00c0ffee" });
    const clear = await revocationList(root, ["0102"]);
    const guilty = await revocationList(root, ["0102", "c0ffee"]);
    expect(outcome({ crl: clear }, [peer])).toBe("ok");
    expect(outcome({ crl: guilty }, [peer])).toBe("revoked");
    // Whoever is on one of them is revoked.
    expect(outcome({ crl: clear + guilty }, [peer])).toBe("revoked");
  });

  test("are there for every CA of the way, or for the leaf's alone", async () => {
    const low = await workload(middle);
    const ofRoot = await revocationList(root, ["01"]);
    const ofMiddle = await revocationList(middle, ["01"]);
    const revokesMiddle = await revocationList(root, [middle.certificate.serialNumber]);
    expect(outcome({ crl: ofMiddle }, [low, middle])).toBe("no_revocation_list");
    expect(outcome({ crl: ofMiddle, crlOfLeafOnly: true }, [low, middle])).toBe("ok");
    expect(outcome({ crl: ofRoot + ofMiddle }, [low, middle])).toBe("ok");
    expect(outcome({ crl: revokesMiddle + ofMiddle }, [low, middle])).toBe("revoked");
  });

  test("are signed by the CA that they speak of, and in force", async () => {
    const { privateKey } = await newKeys();
    expect(outcome({ crl: await revocationList(root, [], { signingKey: privateKey }) }, [sound])).toBe(
      "bad_revocation_list",
    );
    expect(outcome({ crl: await revocationList(root, [], { until: NOW - 1000 }) }, [sound])).toBe(
      "stale_revocation_list",
    );
    expect(outcome({ crl: await revocationList(root, [], { from: NOW + 1000 }) }, [sound])).toBe(
      "stale_revocation_list",
    );
    expect(outcome({ crl: await revocationList(root, [], { until: null }) }, [sound])).toBe("ok");
    const mute = await rootCa("CN=mute", { usage: CA_USAGE & ~x509.KeyUsageFlags.cRLSign });
    const peer = await workload(mute);
    expect(outcome({ trustedCa: mute.pem, crl: await revocationList(mute, []) }, [peer])).toBe(
      "no_revocation_list",
    );
  });
});

describe("memory", () => {
  test("a peer that comes again costs no signature, until something expires", async () => {
    let checked = 0;
    const cryptography = {
      ...hostCryptography,
      verify: (...args: Parameters<typeof hostCryptography.verify>) => {
        checked++;
        return hostCryptography.verify(...args);
      },
    };
    const judgeAll = new PeerJudge(trusting(root), "client", cryptography);
    const first = judgeAll.judge([sound.der], NOW);
    expect(judgeAll.judge([sound.der.slice()], NOW)).toBe(first);
    expect(checked).toBe(1);
    expect(judgeAll.judge([sound.der], NOW + 2 * DAY).fault).toBe("expired");
    expect(judgeAll.judge([(await workload(other)).der], NOW).fault).toBe("unknown_issuer");
    expect(judgeAll.judge([(await workload(other)).der], NOW).fault).toBe("unknown_issuer");
  });
});

describe("a session that is resumed brings the leaf alone", () => {
  test("it is let in if its way was found before, and still holds", async () => {
    const until = NOW + 10_000;
    const brief = await subCa(root, "CN=brief", { until });
    const low = await workload(brief);
    const judged = new PeerJudge(trusting(root), "client", hostCryptography, [], new KnownIssuers());
    expect(judged.judge([low.der], NOW, true).fault).toBe("unknown_issuer");
    const { peer } = judged.judge([low.der, brief.der], NOW);
    expect(judged.judge([low.der], until, true).peer).toBe(peer);
    expect(judged.judge([low.der], until + 1000, true).fault).toBe("unknown_issuer");
    // Who shakes hands has to show the whole of it.
    expect(judged.judge([low.der], NOW).fault).toBe("unknown_issuer");
  });

  test("to a worker that has not seen the rest: others know it", async () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const here = new PeerJudge(trusting(root), "client", hostCryptography, [], new KnownIssuers(memory));
    const there = new PeerJudge(trusting(root), "client", hostCryptography, [], new KnownIssuers(memory));
    const upper = await subCa(root, "CN=upper");
    const lower = await subCa(upper, "CN=lower");
    const low = await workload(lower);
    expect(there.judge([low.der], NOW, true).fault).toBe("unknown_issuer");
    expect(here.judge([low.der, lower.der, upper.der], NOW).fault).toBeNull();
    const { fault, peer } = there.judge([low.der], NOW, true);
    expect([fault, peer?.verified, peer?.principal]).toEqual([null, true, "spiffe://mesh.test/ns/a/sa/b"]);
    // What is told of it is what it showed when the session began.
    const bare = (text: string) => text.replace(/\s/g, "");
    expect(bare(peer?.chainPem ?? "")).toBe(bare(low.pem + lower.pem + upper.pem));
    expect(there.judge([low.der], NOW).fault).toBe("unknown_issuer");
  });

  test("and is judged all the same: what others know is trusted by nobody", async () => {
    const memory = new SharedArrayBuffer(ISSUER_BYTES);
    const elsewhere = new KnownIssuers(memory);
    const lower = await subCa(other, "CN=lower");
    const low = await workload(lower);
    const trusted = new PeerJudge(trusting(other), "client", hostCryptography, [], elsewhere);
    expect(trusted.judge([low.der, lower.der], NOW).fault).toBeNull();
    const strict = new PeerJudge(trusting(root), "client", hostCryptography, [], new KnownIssuers(memory));
    expect(strict.judge([low.der], NOW, true).fault).toBe("unknown_issuer");
    const crl =
      (await revocationList(other, [])) + (await revocationList(lower, [low.certificate.serialNumber]));
    const revoking = { ...trusting(other), crl };
    const late = new PeerJudge(revoking, "client", hostCryptography, [], new KnownIssuers(memory));
    expect(late.judge([low.der], NOW, true).fault).toBe("revoked");
  });
});

describe("what others know of a leaf that comes alone is of no use", () => {
  const memory = new SharedArrayBuffer(ISSUER_BYTES);
  const shown = async (name: string) => {
    const lower = await subCa(root, name);
    const low = await workload(lower);
    const taught = new PeerJudge(trusting(root), "client", hostCryptography, [], new KnownIssuers(memory));
    expect(taught.judge([low.der, lower.der], NOW).fault).toBeNull();
    expect(taught.judge([low.der], NOW, true).fault).toBeNull();
    return { low, lower };
  };

  test("where sessions remember the whole: it was all that was shown", async () => {
    const { low, lower } = await shown("CN=whole");
    const judged = new PeerJudge(trusting(root), "client", hostCryptography);
    expect(judged.judge([low.der], NOW, true).fault).toBe("unknown_issuer");
    expect(judged.judge([low.der, lower.der], NOW).fault).toBeNull();
    expect(judged.judge([low.der], NOW, true).fault).toBe("unknown_issuer");
    expect(judged.judge([low.der, lower.der], NOW, true).fault).toBeNull();
  });

  test("where whoever is not trusted is let in, too: nobody is believed more than in his handshake", async () => {
    const { low, lower } = await shown("CN=lax");
    const lax = { ...trusting(root), acceptUntrusted: true };
    const judged = new PeerJudge(lax, "client", hostCryptography, [], new KnownIssuers(memory));
    const believed = (chain: readonly Uint8Array[], resumed: boolean) =>
      judged.judge(chain, NOW, resumed).peer?.verified;
    expect([believed([low.der], false), believed([low.der], true)]).toEqual([false, false]);
    expect(believed([low.der, lower.der], false)).toBe(true);
    expect(believed([low.der], true)).toBe(false);
  });

  test("to who trusts somebody else, or once it has expired", async () => {
    const issuers = new KnownIssuers(memory);
    const { low } = await shown("CN=other realm");
    const both = { ...trusting(root), trustedCa: root.pem + other.pem };
    const judged = new PeerJudge(both, "client", hostCryptography, [], issuers);
    expect(judged.judge([low.der], NOW, true).fault).toBe("unknown_issuer");
    const brief = await subCa(root, "CN=brief", { until: NOW + 1000 });
    const under = await workload(brief);
    const strict = new PeerJudge(trusting(root), "client", hostCryptography, [], issuers);
    const lenient = { ...trusting(root), allowExpired: true };
    const patient = new PeerJudge(lenient, "client", hostCryptography, [], issuers);
    expect(patient.judge([under.der, brief.der], NOW).fault).toBeNull();
    expect(strict.judge([under.der], NOW + 2000, true).fault).toBe("unknown_issuer");
    expect(patient.judge([under.der], NOW + 2000, true).fault).toBeNull();
  });
});

test("the configuration's own faults have a path, and nobody is let in by what is left", () => {
  const faults: { path: string; message: string }[] = [];
  const config = {
    ...VALIDATION,
    trustedCa: "no PEM",
    crl: "-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----",
  };
  const judged = new PeerJudge(config, "client", hostCryptography, faults).judge([sound.der], NOW);
  expect(judged.fault).toBe("unknown_issuer");
  expect(faults).toEqual([
    { path: "trusted_ca", message: 'has no PEM "CERTIFICATE"' },
    { path: "crl", message: 'has a PEM "X509 CRL" that is not Base64' },
  ]);
});

test("every fault has a text and a counter", () => {
  for (const fault of PEER_FAULTS) {
    expect(peerFaultText(fault, "")).toMatch(/^[a-z].*[A-Za-z_]$/);
    expect(["no_cert", "error", "san", "cert_hash"]).toContain(peerFaultCounter(fault));
  }
});
