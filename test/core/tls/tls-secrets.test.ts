/** Secrets that come, rotate and go: what a listener shows and whom it trusts at each moment. */
import { beforeAll, describe, expect, test } from "bun:test";
import type { CommonTls, Secret, TlsValidation } from "../../../core/config/tls.ts";
import { ISSUER_BYTES, KnownIssuers } from "../../../core/tls/known-issuers.ts";
import { TlsSecrets } from "../../../core/tls/tls-secrets.ts";
import { hostCryptography } from "../../../runtime-adapters/host-cryptography.ts";
import { type Issued, NOW, rootCa, subCa, workload } from "../../support/certificates.ts";
import { PARAMETERS, shown, VALIDATION } from "../../support/tls-config.ts";

const TLS: CommonTls = {
  parameters: PARAMETERS,
  certificates: [],
  certificateSecrets: ["default"],
  alpn: [],
  validation: null,
  validationSecret: "ROOTCA",
};

let root: Issued;
let next: Issued;
let own: Issued;
let renewed: Issued;
let peer: Issued;

beforeAll(async () => {
  root = await rootCa();
  next = await rootCa("CN=next");
  own = await workload(root, undefined, { until: NOW + 3_600_000 });
  renewed = await workload(root);
  peer = await workload(root);
});

const certificate = (version: string, issued: Issued): Secret => ({
  name: "default",
  version,
  certificate: shown(issued),
  validation: null,
});
const trust = (version: string, fields: Partial<TlsValidation>): Secret => ({
  name: "ROOTCA",
  version,
  certificate: null,
  validation: { ...VALIDATION, ...fields },
});

function secretsOf(...secrets: Secret[]): TlsSecrets {
  const all = new TlsSecrets(hostCryptography);
  all.update(secrets);
  return all;
}

describe("secrets", () => {
  test("that are not all there, or are of another kind, make it unusable", () => {
    const ca = trust("1", { trustedCa: root.pem });
    expect(secretsOf().resolve("l", TLS, "client")).toBeNull();
    expect(secretsOf(certificate("1", own)).resolve("l", TLS, "client")).toBeNull();
    expect(secretsOf(ca).resolve("l", TLS, "client")).toBeNull();
    expect(secretsOf({ ...ca, name: "default" }, ca).resolve("l", TLS, "client")).toBeNull();
  });

  test("are the same object until one of them changes", () => {
    const secrets = secretsOf(certificate("1", own), trust("1", { trustedCa: root.pem }));
    const first = secrets.resolve("l", TLS, "client");
    expect(first?.certificates[0].chain).toBe(own.pem);
    expect(first?.identities[0].names.uri).toEqual(["spiffe://mesh.test/ns/a/sa/b"]);
    expect(first?.validation?.trustedCa).toBe(root.pem);
    expect(first?.judge?.judge([peer.der], NOW).fault).toBeNull();
    expect(secrets.expires).toBe(NOW + 3_600_000);

    secrets.update([certificate("1", own), trust("1", { trustedCa: root.pem })]);
    expect(secrets.resolve("l", TLS, "client")).toBe(first as never);

    secrets.update([certificate("2", renewed), trust("1", { trustedCa: root.pem })]);
    const second = secrets.resolve("l", TLS, "client");
    expect(second?.certificates[0].chain).toBe(renewed.pem);
    expect(secrets.expires).toBeGreaterThan(NOW + 3_600_000);

    // A bundle that is empty of the old CA lets nobody of it in any more.
    secrets.update([certificate("2", renewed), trust("2", { trustedCa: next.pem })]);
    expect(secrets.resolve("l", TLS, "client")?.judge?.judge([peer.der], NOW).fault).toBe("unknown_issuer");

    secrets.update([trust("2", { trustedCa: next.pem })]);
    expect(secrets.resolve("l", TLS, "client")).toBeNull();
    expect(secrets.expires).toBe(Number.POSITIVE_INFINITY);
  });

  test("complete what the context says itself", () => {
    const name = (text: string) => [
      { type: "URI" as const, oid: "", match: { kind: "exact" as const, text, ignoreCase: false } },
    ];
    const uri = "spiffe://mesh.test/ns/a/sa/b";
    const judged = (names: TlsValidation["names"], fields: Partial<TlsValidation>) => {
      const tls = { ...TLS, validation: { ...VALIDATION, names } };
      const secrets = secretsOf(certificate("1", own), trust("1", fields));
      return secrets.resolve("l", tls, "client")?.judge?.judge([peer.der], NOW).fault;
    };
    expect(judged(name(uri), { trustedCa: root.pem })).toBeNull();
    expect(judged(name("spiffe://mesh.test/x"), { trustedCa: root.pem })).toBe("name_mismatch");
    expect(judged(name("spiffe://mesh.test/x"), { trustedCa: root.pem, names: name(uri) })).toBeNull();
    // A secret that brings no CA does not make the name alone enough.
    expect(judged(name(uri), {})).toBe("unknown_issuer");
  });

  test("complete what the context says itself in files, and both have to be there", () => {
    const names = [
      { type: "URI", oid: "", match: { kind: "prefix", text: "spiffe://mesh.test/ns/", ignoreCase: false } },
    ] as const;
    const tls = { ...TLS, ownValidationSecret: "own" };
    const itself = (trusted: Issued, more: Partial<TlsValidation> = {}): Secret => ({
      ...trust("1", { trustedCa: trusted.pem, ...more }),
      name: "own",
    });
    const judged = (...secrets: Secret[]) => {
      const material = secretsOf(certificate("1", own), ...secrets).resolve("l", tls, "client");
      return material === null ? "not ready" : material.judge?.judge([peer.der], NOW).fault;
    };
    expect(judged(itself(root))).toBe("not ready");
    expect(judged(trust("1", { trustedCa: root.pem }))).toBe("not ready");
    expect(judged(itself(root), trust("1", {}))).toBeNull();
    // What is delivered wins; lists are put together.
    expect(judged(itself(next), trust("1", { trustedCa: root.pem }))).toBeNull();
    expect(judged(itself(root), trust("1", { trustedCa: next.pem }))).toBe("unknown_issuer");
    expect(judged(itself(root, { names }), trust("1", {}))).toBeNull();
    expect(judged(itself(root, { certificateHashes: ["00"] }), trust("1", { names }))).toBe("hash_mismatch");
  });

  test("in the configuration itself need nobody to deliver them", () => {
    const { certificate: inline } = certificate("1", own);
    const tls = { ...TLS, certificates: [inline as never], certificateSecrets: [], validationSecret: "" };
    const material = secretsOf().resolve("l", tls, "client");
    expect([material?.certificates.length, material?.judge, material?.validation]).toEqual([1, null, null]);

    // A server may ask for a certificate without asking anything of it.
    const asking = { ...tls, requireClientCertificate: true };
    const verdict = secretsOf().resolve("l", asking, "client")?.judge?.judge([peer.der], NOW);
    expect([verdict?.fault, verdict?.peer?.verified, verdict?.peer?.principal]).toEqual([null, false, ""]);
  });
});

test("what stood above a client is known to others afterwards, what stood above a server is nobody's business", async () => {
  const lower = await subCa(root, "CN=lower");
  const low = await workload(lower);
  const memory = new ArrayBuffer(ISSUER_BYTES);
  const secrets = new TlsSecrets(hostCryptography, new KnownIssuers(memory));
  secrets.update([certificate("1", own), trust("1", { trustedCa: root.pem })]);
  for (const [peerIs, learned] of [
    ["server", 0],
    ["client", 1],
  ] as const) {
    const judge = secrets.resolve(peerIs, TLS, peerIs)?.judge;
    expect(judge?.judge([low.der, lower.der], NOW).fault).toBeNull();
    expect(new Int32Array(memory)[0]).toBe(learned);
    expect(judge?.judge([low.der], NOW, true).fault ?? "").toBe(peerIs === "client" ? "" : "unknown_issuer");
  }
});
