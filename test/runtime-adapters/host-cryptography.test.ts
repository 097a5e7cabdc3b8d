/** Signatures, digests and keys by the runtimes' own libraries: Bun, Node and Deno say the same of the same peers. */
import { beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { join } from "node:path";
import { type Issued, NOW, rootCa, subCa, workload } from "../support/certificates.ts";
import { installedRuntimes } from "../support/runtimes.ts";

const RSA = { hash: "SHA-256", publicExponent: new Uint8Array([1, 0, 1]) };
const ALGORITHMS = [
  { name: "ECDSA", namedCurve: "P-256" },
  { name: "ECDSA", namedCurve: "P-384" },
  { name: "Ed25519" },
  { ...RSA, name: "RSASSA-PKCS1-v1_5", modulusLength: 2048 },
  { ...RSA, name: "RSA-PSS", modulusLength: 2048 },
  { ...RSA, name: "RSASSA-PKCS1-v1_5", modulusLength: 1024 },
];
const NOTHING = { names: [], certificateHashes: [], publicKeyHashes: [], crl: "", crlOfLeafOnly: false };

let questions: object[];
let expected: unknown[];

beforeAll(async () => {
  const ask = (
    root: Issued,
    chain: readonly Issued[],
    der = chain[0].der,
    key = chain[0].keyPem,
    password = "",
  ) => ({
    validation: {
      ...NOTHING,
      trustedCa: root.pem,
      trustDomains: null,
      allowExpired: false,
      acceptUntrusted: false,
      maxDepth: 9,
    },
    chain: [der, ...chain.slice(1).map((each) => each.der)].map((each) =>
      Buffer.from(each).toString("base64"),
    ),
    now: NOW,
    key,
    password,
  });
  questions = [];
  expected = [];
  for (const algorithm of ALGORITHMS) {
    const root = await rootCa("CN=root", { algorithm });
    const middle = await subCa(root, "CN=middle", { algorithm });
    const peer = await workload(middle, undefined, { algorithm });
    const forged = new Uint8Array(peer.der);
    forged[forged.length - 9] ^= 1;
    const encrypted = createPrivateKey(peer.keyPem).export({
      format: "pem",
      type: "pkcs8",
      cipher: "aes-256-cbc",
      passphrase: "pw",
    });
    questions.push(
      ask(root, [peer, middle]),
      ask(root, [peer, middle], forged),
      ask(root, [peer, middle], undefined, middle.keyPem),
      ask(root, [peer, middle], undefined, String(encrypted), "pw"),
      ask(root, [peer, middle], undefined, String(encrypted), "wrong"),
      ask(root, [peer, middle], undefined, String(encrypted)),
    );
    const verdict = "modulusLength" in algorithm && algorithm.modulusLength < 2048 ? "bad_signature" : "ok";
    const digest = expect.stringMatching(/^[0-9a-f]{64}$/);
    expected.push(
      [verdict, digest, ""],
      ["bad_signature", digest, ""],
      [verdict, digest, "is not the key of the certificate"],
      [verdict, digest, ""],
      [verdict, digest, "is no private key, or the password is wrong"],
      [verdict, digest, "is encrypted, and there is no password"],
    );
  }
});

test.each(installedRuntimes.map((runtime) => [runtime.name, runtime.command] as const))(
  "%s",
  (_, [program, ...flags]) => {
    const probe = join(import.meta.dir, "../support/judge-probe.ts");
    const { stdout, stderr } = spawnSync(program, [...flags, probe], {
      input: JSON.stringify(questions),
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual(expected as never);
  },
);
