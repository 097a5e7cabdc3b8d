/**
 * Certificates for the example: a CA for the trust domain "example.org", and one SPIFFE identity for each of the two
 * sidecars. They are made when they are not there or about to expire, and are good for a day; whoever has the folder is
 * trusted by whoever trusts the CA in it, and by nobody else.
 */
import "reflect-metadata";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const folder = join(dirname(fileURLToPath(import.meta.url)), "certificates");
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR = 3_600_000;

function isGood() {
  try {
    const { notAfter } = new X509Certificate(readFileSync(join(folder, "server.pem"), "utf8"));
    return notAfter.getTime() > Date.now() + HOUR;
  } catch {
    return false;
  }
}

async function issue(name, issuer, extensions) {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const subject = `O=example.org, CN=${name}`;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
      (byte & 0x7f).toString(16).padStart(2, "0"),
    ).join(""),
    subject,
    issuer: issuer?.subject ?? subject,
    notBefore: new Date(Date.now() - HOUR),
    notAfter: new Date(Date.now() + 24 * HOUR),
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: algorithm,
    extensions,
  });
  const key = PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  writeFileSync(join(folder, `${name}.pem`), `${certificate.toString("pem")}\n`);
  if (issuer !== null) writeFileSync(join(folder, `${name}.key`), `${key}\n`, { mode: 0o600 });
  return { subject, keys };
}

/** Makes what is missing, in `examples/mtls-pair/certificates`. */
export async function makeCertificates() {
  if (isGood()) return;
  mkdirSync(folder, { recursive: true });
  const { cRLSign, digitalSignature, keyCertSign } = KeyUsageFlags;
  const ca = await issue("ca", null, [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(keyCertSign | cRLSign, true),
  ]);
  for (const name of ["client", "server"]) {
    await issue(name, ca, [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(digitalSignature, true),
      new ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]),
      new SubjectAlternativeNameExtension([{ type: "url", value: `spiffe://example.org/ns/tea/sa/${name}` }]),
    ]);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await makeCertificates();
